"""What a fleet of hosts that poll once a day costs whoever serves a catalog: a model, of measured sizes.

- A day of one host is a sum of expected requests, each of a kind whose bytes were measured.
- Bytes are heads and bodies of requests and responses. TLS is not in them: its handshakes go with connections: one a poll with us, two for each extension
  with systemd-sysupdate.
- `ci/bench/fleet` prints its tables, `ci/bench/fleet-check` holds it against real programs and a server's log.
"""

import dataclasses
import gzip
import pathlib
import re
import statistics

# Heads as ci/bench/lib/counting-server counts them: what our client sends, what a static host answers, and a plain 404.
REQUEST, RESPONSE, GZIP_HEAD, MISSING = 131, 265, 50, 276
# systemd-sysupdate 257 asks for SHA256SUMS and SHA256SUMS.gpg on two connections: both heads of both, and the signature.
SYSUPDATE_HEADS, SIGNATURE = 114 + 272 + 118 + 271, 119
# Days between two releases of one extension; `ci/bench/fleet-check` asks for it, and test-repos/src/big_catalog.rs has the
# same.
BETWEEN = 14


@dataclasses.dataclass
class Sizes:
    """Bytes of a catalog's documents, as they are and gzipped."""

    extensions: int
    timestamp: tuple
    snapshot: tuple
    targets: tuple
    group: tuple
    groups: int
    index: tuple
    sums: int


def size(bodies):
    """The mean length of documents, and of the same gzipped."""
    return statistics.mean(map(len, bodies)), statistics.mean(len(gzip.compress(body, 6)) for body in bodies)


def measure(folder, sampled=50):
    """The sizes of the catalog in a folder, of its newest documents; those of indexes from a sample."""
    newest = {}
    for path in pathlib.Path(folder, "public/metadata").iterdir():
        found = re.fullmatch(r"(\d+)\.(.+)\.json", path.name)
        if found and (found[2] not in newest or newest[found[2]][0] < int(found[1])):
            newest[found[2]] = int(found[1]), path
    bodies = {role: path for role, (_, path) in newest.items()}
    tops = {role: [bodies.pop(role).read_bytes()] for role in ("snapshot", "targets")}
    bodies.pop("root")
    groups = [bodies.pop(role).read_bytes() for role in sorted(bodies) if role.startswith("_")]
    roles = sorted(bodies)
    sample = [bodies[role].read_bytes() for role in roles[:: max(1, len(roles) // sampled)]]
    # A line of SHA256SUMS: 64 digits, two spaces, the name of an image.
    names = [re.findall(rb'"([^"/]+\.raw)":\{"custom"', body) for body in sample]
    sums = statistics.mean(sum(len(name) + 67 for name in found) for found in names)
    return Sizes(
        extensions=len(roles),
        timestamp=size([pathlib.Path(folder, "public/metadata/timestamp.json").read_bytes()]),
        snapshot=size(tops["snapshot"]),
        targets=size(tops["targets"]),
        group=size(groups) if groups else (0, 0),
        groups=len(groups),
        index=size(sample),
        sums=round(sums),
    )


def answer(body):
    """A request for a document and its answer: plain, gzipped."""
    plain, packed = body
    return REQUEST + RESPONSE + plain, REQUEST + RESPONSE + GZIP_HEAD + packed


def documents_of_a_day(sizes, wanted, released):
    """What one host of `wanted` extensions asks for on a day, as {kind: (requests, plain bytes, gzipped bytes)}.

    `released` is the share of extensions that have something new since the last poll. The timestamp is always another one,
    which a daily job sees to.
    """
    changed = 1 - (1 - released) ** sizes.extensions
    return {
        "next root": (1, REQUEST + MISSING, REQUEST + MISSING),
        "timestamp": (1, *answer(sizes.timestamp)),
        "snapshot": (changed, *(changed * it for it in answer(sizes.snapshot))),
        "indexes": (wanted * released, *(wanted * released * it for it in answer(sizes.index))),
    }


def total(kinds):
    """The sum over kinds."""
    return tuple(sum(column) for column in zip(*kinds.values()))


def sysupdate_day(sizes, wanted):
    """What a host asks for on a day whose extensions have a SHA256SUMS each: requests, bytes."""
    return 2 * wanted, wanted * (SYSUPDATE_HEADS + sizes.sums + SIGNATURE)
