"""Compares what the server of `ci/bench/fleet-check` counted with the model of `fleet.py`; fails where they differ.

    fleet_check.py VENDOR LOG FIRST HOSTS DAYS WANTED        FIRST lines of LOG are of the time before
"""

import collections
import pathlib
import re
import statistics
import sys

import fleet


def kind_of(path: str) -> str:
    """What the model calls a request."""
    if "/images/" in path:
        return "images"
    ends = {".root.json": "next root", "/timestamp.json": "timestamp", ".snapshot.json": "snapshot"}
    return next((kind for end, kind in ends.items() if path.endswith(end)), "indexes")


def counts(log: str, first: int) -> dict[str, list[int]]:
    """Requests and bytes of each kind."""
    counted = collections.defaultdict(lambda: [0, 0])
    with open(log, encoding="ascii") as file:
        for line in file.readlines()[first:]:
            _, _, path, _, asked, sent = line.split()
            of_kind = counted[kind_of(path)]
            of_kind[0] += 1
            of_kind[1] += int(asked) + int(sent)
    return counted


def said(vendor: pathlib.Path, wanted: int) -> dict[str, tuple]:
    """What the model says of a host and day of this catalog."""

    def published(pattern, versions):
        found = ((re.fullmatch(r"(\d+)\." + pattern, path.name), path) for path in vendor.glob("public/metadata/*"))
        return fleet.size([path.read_bytes() for match, path in found if match and int(match[1]) > versions])

    sizes = fleet.measure(vendor)
    # Documents grow from day to day: the means over all that were published after the first day.
    sizes.snapshot, sizes.index = published(r"snapshot\.json", 2), published(r"tool-.*\.json", 2)
    model = fleet.documents_of_a_day(sizes, wanted, 1 / fleet.BETWEEN)
    # Every day has two releases.
    model["snapshot"] = (1, *fleet.answer(sizes.snapshot))
    whole = [path.stat().st_size for path in (vendor / "public/images").glob("tool-*.zst")]
    released = wanted / fleet.BETWEEN
    model["images"] = (released, 0, released * fleet.answer((statistics.mean(whole), 0))[0])
    return model


def main() -> None:
    vendor, log = pathlib.Path(sys.argv[1]), sys.argv[2]
    first, hosts, days, wanted = map(int, sys.argv[3:])
    counted = counts(log, first)
    print(f"{'a host and day':<14}{'requests':>10}{'model':>10}{'bytes':>10}{'model':>10}")
    wrong, sums = [], [0, 0, 0, 0]
    for kind, (requests, _, packed) in said(vendor, wanted).items():
        real, moved = (count / hosts / days for count in counted.pop(kind, [0, 0]))
        row = (real, requests, moved, packed)
        sums = [one + other for one, other in zip(sums, row)]
        print(f"{kind:<14}{real:>10.3f}{requests:>10.3f}{moved:>10.0f}{packed:>10.0f}")
        for what, seen, modelled in (("requests", real, requests), ("bytes", moved, packed)):
            if abs(seen - modelled) > modelled / 100:
                wrong.append(f"{kind}: {seen:.3f} {what} were counted, the model says {modelled:.3f}")
    print(f"{'all':<14}{sums[0]:>10.3f}{sums[1]:>10.3f}{sums[2]:>10.0f}{sums[3]:>10.0f}")
    if counted:
        wrong.append(f"requests that the model does not know: {dict(counted)}")
    sys.exit("\n".join(wrong) or 0)


main()
