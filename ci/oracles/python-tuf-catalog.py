#!/usr/bin/env python3
"""Makes a catalog with python-tuf, as formats/FORMAT.md says and with nothing of ours, honest and not.

    python-tuf-catalog.py STYLE DIRECTORY URL ARCHITECTURE IMAGE IMAGE IMAGE

STYLE is one of STYLES: kinds of keys, and how the extension is delegated. DIRECTORY/STATE is what a web server has in
each state; the catalog holds the extension `hello`, and each IMAGE is one version of it, NAME_VERSION_ARCHITECTURE.raw.

    first      root 1, the first image
    second     the second one, too; root 2 with another root key and another online key, an index of two keys
    third      all images; roots 3 and 4, and none of the keys of before
    …          successors of `second` that a host has to refuse; LIES says why

Every document holds members that nobody knows. Prints the fingerprint of the first root. Needs the package tuf.
"""

import copy
import hashlib
import json
import pathlib
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, Key, SSlibKey
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)

ED25519, ECDSA, RSA = CryptoSigner.generate_ed25519, CryptoSigner.generate_ecdsa, CryptoSigner.generate_rsa


@dataclass(frozen=True)
class Style:
    """What FORMAT.md, or TUF, leaves to whoever publishes."""

    # Of root; of targets and indexes; of snapshot and timestamp.
    keys: tuple
    # How targets delegates to the group between itself and the index; None for no group.
    group: dict | None = None
    # Whether images are served as HASH.NAME alone.
    hashed_names: bool = False
    # Whether snapshot and timestamp state lengths and hashes.
    hashes: bool = True
    # FORMAT.md has it true; readers know the older names without versions, too.
    consistent: bool = True


STYLES = {
    "ed25519": Style((ED25519, ED25519, ED25519), hashes=False),
    "ecdsa": Style((ECDSA, ECDSA, ECDSA), group={"paths": ["h*"]}, hashed_names=True),
    "rsa": Style((RSA, RSA, RSA), group={"path_hash_prefixes": list("0123456789abcdef")}),
    "mixed": Style((ECDSA, RSA, ED25519), hashed_names=True),
    "unversioned": Style((ED25519, ECDSA, ED25519), consistent=False),
}

LIES = {
    "online-key-signs-index": "a thief of the online key signs an index",
    "old-key-signs-index": "a key of the index signs it after it was replaced",
    "index-below-threshold": "one of the two keys of the index signs it",
    "one-key-two-ids": "one key signs the index under two ids",
    "index-changed": "the index is changed after it was signed",
    "unknown-member-changed": "a member of the index that nobody knows is changed after it was signed",
    "snapshot-replayed": "the snapshot is the one before",
    "timestamp-expired": "the timestamp is overdue",
    "root-by-itself": "the next root is signed by its own keys, and by none of the one before",
    "root-below-threshold": "the next root is signed by those of the one before, and one of its own two",
    "root-skipped": "the next root is the one after it",
    "succinct": "delegations of TAP 15, which TUF 1.0.34 does not know",
    "image-changed": "the image has other bytes of the same length",
}

# In each place where TUF lets a document have more members than it knows.
UNKNOWN = {"x-python": {"kept": ["by whoever writes", "ignored by whoever reads", 1, None, True]}}

# Listed for the root, and never signing: what a later TUF may bring.
FUTURE_KEY = SSlibKey("from-the-future", "lattice", "lattice-1", {"public": "00"})

EXTENSION = "hello"
NOW = datetime.now(UTC).replace(microsecond=0)


class Catalog:
    """A repository with its keys; each state is made of the one before."""

    def __init__(self, style: Style, architecture: str) -> None:
        self.style, self.architecture = style, architecture
        self.root_keys = [self.key(0), self.key(0)]
        self.release_keys = [self.key(1)]
        self.online_keys = [self.key(2)]
        self.index_keys = self.release_keys.copy()
        self.versions: Counter[str] = Counter()
        self.documents: dict[str, bytes] = {}
        self.images: dict[str, pathlib.Path] = {}
        self.hashes = style.hashes
        self.root = Root(consistent_snapshot=style.consistent, unrecognized_fields=copy.copy(UNKNOWN))
        self.targets, self.index = self.new_targets("targets"), self.new_targets(EXTENSION)
        self.snapshot = Snapshot(meta={}, unrecognized_fields=copy.copy(UNKNOWN))
        self.timestamp = Timestamp(unrecognized_fields=copy.copy(UNKNOWN))
        self.sign_root(self.root_keys)
        self.delegator = self.targets
        if style.group:
            self.members = self.new_targets("_group")
            self.delegate("_group", **style.group)
            self.delegator = self.members
        self.delegate(EXTENSION, paths=[f"{EXTENSION}_*"])

    def key(self, which: int) -> CryptoSigner:
        """A new key of the kind that this style has for it."""
        signer = self.style.keys[which]()
        signer.public_key.unrecognized_fields.update(UNKNOWN)
        return signer

    def new_targets(self, role: str) -> Targets:
        """An empty targets document with what FORMAT.md section 6 has in it."""
        about: dict = {"schema": 1, "role": role} | UNKNOWN
        about |= {"summary": "Greets"} if role == EXTENSION else {"extensions": {EXTENSION: {"summary": "Greets"}}}
        return Targets(expires=NOW + timedelta(days=90), unrecognized_fields={"x-sysext": about} | UNKNOWN)

    def delegate(self, name: str, **how: list[str]) -> None:
        """Hands a part on to the release key."""
        role = DelegatedRole(name, [], 1, terminating=True, unrecognized_fields=copy.copy(UNKNOWN), **how)
        self.delegator.delegations = Delegations({}, {name: role}, unrecognized_fields=copy.copy(UNKNOWN))
        self.delegator.add_key(self.release_keys[0].public_key, name)

    def add_image(self, image: pathlib.Path) -> None:
        """Lists an image: FORMAT.md section 7."""
        target = TargetFile.from_file(image.name, str(image), ["sha256"])
        target.unrecognized_fields.update(UNKNOWN)
        target.unrecognized_fields["custom"] = {
            "sysext": {
                "schema": 1,
                "class": "sysext",
                "version": image.name.split("_")[1],
                "architecture": self.architecture,
                "extension_release": {"ID": "_any", "ARCHITECTURE": self.architecture},
                "channels": ["stable"],
                "released": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "image": {"container": "none", "filesystem": "squashfs", "compressed": True} | UNKNOWN,
            }
            | UNKNOWN,
            "somebody-else": {"is": ["ignored", 1, None]},
        }
        self.index.targets[image.name] = target
        self.images[image.name] = image

    def sign(self, role: str, signed, signers: list[CryptoSigner]) -> bytes:
        """The next version of a document, under its name."""
        self.versions[role] += 1
        signed.version = self.versions[role]
        document = Metadata(signed, unrecognized_fields=copy.copy(UNKNOWN))
        for signer in signers:
            document.sign(signer, append=True)
        self.documents[self.name(role, signed.version)] = document.to_bytes()
        return document.to_bytes()

    def name(self, role: str, version: int) -> str:
        """The file of a document."""
        versioned = role == "root" or (self.style.consistent and role != "timestamp")
        return f"{version}.{role}.json" if versioned else f"{role}.json"

    def sign_root(self, signers: list[CryptoSigner]) -> None:
        """The next root, for the keys of now."""
        self.root.expires = NOW + timedelta(days=365)
        keys = {
            "root": self.root_keys,
            "targets": self.release_keys,
            "snapshot": self.online_keys,
            "timestamp": self.online_keys,
        }
        for role, holders in keys.items():
            for keyid in list(self.root.roles[role].keyids):
                self.root.revoke_key(keyid, role)
            for holder in holders:
                self.root.add_key(holder.public_key, role)
        self.root.add_key(FUTURE_KEY, "root")
        self.root.roles["root"].threshold = 2
        self.sign("root", self.root, signers)

    def publish(self, index_signers: list[CryptoSigner] | None = None) -> None:
        """Signs everything below the root, one version further each time."""
        index = self.sign(EXTENSION, self.index, index_signers or self.index_keys)
        self.snapshot.meta[f"{EXTENSION}.json"] = self.promise(self.index, index)
        documents = {"targets": self.targets} | ({"_group": self.members} if self.style.group else {})
        for role, signed in documents.items():
            content = self.sign(role, signed, self.release_keys)
            self.snapshot.meta[f"{role}.json"] = self.promise(signed, content)
        self.snapshot.expires = NOW + timedelta(days=30)
        content = self.sign("snapshot", self.snapshot, self.online_keys)
        self.sign_timestamp(NOW + timedelta(days=14), self.promise(self.snapshot, content))

    def sign_timestamp(self, expires: datetime, snapshot: MetaFile | None = None) -> None:
        """The last step of publishing."""
        self.timestamp.expires = expires
        self.timestamp.snapshot_meta = snapshot or self.timestamp.snapshot_meta
        self.sign("timestamp", self.timestamp, self.online_keys)

    def promise(self, signed, content: bytes) -> MetaFile:
        """What a parent says of a document."""
        if not self.hashes:
            return MetaFile(signed.version, unrecognized_fields=copy.copy(UNKNOWN))
        digests = {"sha256": hashlib.sha256(content).hexdigest()}
        return MetaFile(signed.version, len(content), digests, unrecognized_fields=copy.copy(UNKNOWN))

    def write(self, directory: pathlib.Path, url: str) -> None:
        """Everything, as a web server has it."""
        (directory / "metadata").mkdir(parents=True)
        (directory / "images").mkdir()
        for name, content in self.documents.items():
            (directory / "metadata" / name).write_bytes(content)
        for name, image in self.images.items():
            content = image.read_bytes()
            if self.style.hashed_names:
                name = f"{hashlib.sha256(content).hexdigest()}.{name}"
            (directory / "images" / name).write_bytes(content)
        descriptor = f'schema = 1\nid = "python"\nurl = ["{url}"]\nextensions = ["{EXTENSION}"]\n'
        (directory / "catalog.toml").write_text(descriptor, encoding="ascii")

    def change_root_key(self, which: int) -> None:
        """The next root, with another root key and another online key."""
        gone, self.root_keys[which] = self.root_keys[which], self.key(0)
        self.online_keys = [self.key(2)]
        self.sign_root([*self.root_keys, gone])

    def add_index_key(self) -> None:
        """The index needs two keys from now on."""
        self.index_keys.append(self.key(1))
        self.delegator.add_key(self.index_keys[-1].public_key, EXTENSION)
        self.delegator.delegations.roles[EXTENSION].threshold = 2

    def replace_release_key(self) -> None:
        """Another key signs targets, the group, and the index as its first."""
        gone, self.release_keys = self.release_keys[0], [self.key(1)]
        self.index_keys[0] = self.release_keys[0]
        delegations = [(self.delegator, EXTENSION)] + ([(self.targets, "_group")] if self.style.group else [])
        for delegator, role in delegations:
            delegator.revoke_key(gone.public_key.keyid, role)
            delegator.add_key(self.release_keys[0].public_key, role)

    def replace_index_key(self) -> None:
        """The later of the two keys goes, another one comes."""
        self.delegator.revoke_key(self.index_keys.pop().public_key.keyid, EXTENSION)
        self.add_index_key()


def lie(catalog: Catalog, which: str) -> None:
    """Turns an honest successor's beginning into the lie."""
    match which:
        case "online-key-signs-index":
            catalog.publish(catalog.online_keys)
        case "old-key-signs-index":
            before = catalog.index_keys.copy()
            catalog.replace_index_key()
            catalog.publish(before)
        case "index-below-threshold":
            catalog.publish(catalog.index_keys[:1])
        case "one-key-two-ids":
            catalog.publish([catalog.index_keys[0], under_another_id(catalog)])
        case "index-changed" | "unknown-member-changed":
            # What only the index's own signature can show.
            catalog.hashes = False
            catalog.publish()
            name = catalog.name(EXTENSION, catalog.index.version)
            document = json.loads(catalog.documents[name])
            if which == "index-changed":
                document["signed"]["targets"].popitem()
            else:
                document["signed"]["x-python"]["kept"].pop()
            catalog.documents[name] = json.dumps(document).encode()
        case "snapshot-replayed":
            catalog.sign_timestamp(NOW + timedelta(days=14), MetaFile(1))
        case "timestamp-expired":
            catalog.publish()
            catalog.sign_timestamp(NOW - timedelta(seconds=1))
        case "root-by-itself" | "root-below-threshold":
            before, catalog.root_keys = catalog.root_keys, [catalog.key(0), catalog.key(0)]
            enough = catalog.root_keys if which == "root-by-itself" else [*before, catalog.root_keys[0]]
            catalog.sign_root(enough)
            catalog.publish()
        case "root-skipped":
            catalog.sign_root(catalog.root_keys)
            catalog.sign_root(catalog.root_keys)
            after = catalog.documents[catalog.name("root", catalog.root.version)]
            catalog.documents[catalog.name("root", catalog.root.version - 1)] = after
            catalog.publish()
        case "succinct":
            keys = {key.public_key.keyid: key.public_key for key in catalog.release_keys}
            catalog.targets.delegations = Delegations(keys, succinct_roles=SuccinctRoles(list(keys), 1, 4, EXTENSION))
            catalog.publish()


def under_another_id(catalog: Catalog) -> CryptoSigner:
    """A key that the index has already, listed and signing under a second id."""
    signer = catalog.index_keys[0]
    key = Key.from_dict("second-id", signer.public_key.to_dict())
    catalog.delegator.add_key(key, EXTENSION)
    return CryptoSigner(load_pem_private_key(signer.private_bytes, None), key)


def main() -> None:
    style, directory, url, architecture, *images = sys.argv[1:]
    base, (first, second, third) = pathlib.Path(directory), map(pathlib.Path, images)
    catalog = Catalog(STYLES[style], architecture)
    catalog.add_image(first)
    catalog.publish()
    catalog.write(base / "first", url)

    catalog.change_root_key(0)
    catalog.add_index_key()
    catalog.add_image(second)
    catalog.publish()
    catalog.write(base / "second", url)

    catalog.add_image(third)
    for which in LIES:
        liar = copy.deepcopy(catalog)
        if which == "image-changed":
            liar.publish()
        else:
            lie(liar, which)
        liar.write(base / which, url)
    for image in (base / "image-changed" / "images").iterdir():
        image.write_bytes(bytes(image.stat().st_size))

    catalog.change_root_key(1)
    catalog.replace_release_key()
    catalog.change_root_key(0)
    catalog.replace_index_key()
    # Twice: no document may have the version of another one that a host has seen among the lies.
    catalog.publish()
    catalog.publish()
    catalog.write(base / "third", url)
    print(hashlib.sha256(catalog.documents["1.root.json"]).hexdigest())


if __name__ == "__main__":
    main()
