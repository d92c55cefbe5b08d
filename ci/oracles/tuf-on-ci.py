#!/usr/bin/env python3
"""Writes a TUF repository as tuf-on-ci keeps it in git, in every state that it had.

    tuf-on-ci.py DIRECTORY

Each state is a folder of DIRECTORY: metadata/ROLE.json, metadata/root_history/N.root.json, targets/PATH. Prints a line
`TIME FOLDER` for each, oldest first. Keys are new in every run. Needs the package tuf.
"""

import hashlib
import pathlib
import sys
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.signer import CryptoSigner, Signature, SSlibKey
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

BEGIN = datetime(2024, 1, 15, 12, 0, 0, tzinfo=UTC)
ONLINE_ROLES = ("timestamp", "snapshot")
SERIALIZER = JSONSerializer(compact=False)


def new_key(keyid: str | None, member: str, value: str) -> CryptoSigner:
    """A P-256 key with the member that tuf-on-ci knows it by."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = SSlibKey.from_crypto(private.public_key(), keyid)
    public.unrecognized_fields[member] = value
    return CryptoSigner(private, public)


def person(name: str) -> CryptoSigner:
    """A hardware key that its owner signs with by hand."""
    return new_key(None, "x-tuf-on-ci-keyowner", f"@{name}")


def key_service(number: int) -> CryptoSigner:
    """The online key; its id is an opaque name, not a digest."""
    uri = f"gcpkms:projects/example/locations/global/keyRings/online/cryptoKeys/key/cryptoKeyVersions/{number}"
    return new_key(f"online-key-{number}", "x-tuf-on-ci-online-uri", uri)


class Repository:
    """The repository as it is now; `state` writes it down."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.now = BEGIN
        self.states = 0
        self.files: dict[str, bytes] = {}
        self.roots: list[bytes] = []
        self.documents: dict[str, Metadata] = {}
        self.signers: dict[str, list[CryptoSigner]] = {}
        self.root = Root(consistent_snapshot=True)
        self.online_documents = {"snapshot": Snapshot(), "timestamp": Timestamp()}
        self.snapshot_signer: list[CryptoSigner] = []
        for signed in (self.root, *self.online_documents.values()):
            # Not published yet.
            signed.version = 0
        self.root.unrecognized_fields.update({"x-tuf-on-ci-expiry-period": 365, "x-tuf-on-ci-signing-period": 60})

    def sign(self, name: str, signed, signers: list[CryptoSigner], days: int) -> Metadata:
        """A document's next version."""
        signed.expires = self.now + timedelta(days=days)
        document = Metadata(signed)
        for signer in signers:
            document.sign(signer, append=True)
        self.documents[name] = document
        return document

    def new_root(self, keys: list[CryptoSigner], threshold: int, roles: dict[str, list[CryptoSigner]]) -> None:
        """The next root, signed by the first THRESHOLD of KEYS; ROLES are keys of other top roles."""
        self.root.version += 1
        for role, signers in {"root": keys, **roles}.items():
            for keyid in list(self.root.roles[role].keyids):
                self.root.revoke_key(keyid, role)
            for signer in signers:
                self.root.add_key(signer.public_key, role)
            if role in ONLINE_ROLES:
                days = {"timestamp": 4, "snapshot": 365}[role]
                self.root.roles[role].unrecognized_fields["x-tuf-on-ci-expiry-period"] = days
                self.root.roles[role].unrecognized_fields["x-tuf-on-ci-signing-period"] = days // 2
        self.root.roles["root"].threshold = threshold
        self.root.roles["targets"].threshold = min(2, len(self.root.roles["targets"].keyids))
        self.signers.update(roles)
        document = self.sign("root", self.root, keys[:threshold], 365)
        for signer in keys[threshold:]:
            # A signature that was asked for and never given.
            keyid = signer.public_key.keyid
            document.signatures[keyid] = Signature(keyid, "")
        self.roots.append(document.to_bytes(SERIALIZER))

    def targets(self, name: str, signers: list[CryptoSigner], change, days: int = 365) -> None:
        """A targets document's next version, after CHANGE was done to it."""
        if name in self.documents:
            signed = self.documents[name].signed
            signed.version += 1
        else:
            signed = Targets()
            signed.unrecognized_fields.update({"x-tuf-on-ci-expiry-period": days, "x-tuf-on-ci-signing-period": 60})
        change(signed)
        self.signers[name] = signers
        self.sign(name, signed, signers, days)

    def add_file(self, path: str, content: bytes):
        """A change for `targets`: lists a file."""
        self.files[path] = content
        return lambda signed: signed.targets.update({path: TargetFile.from_data(path, content, ["sha256"])})

    def online(self) -> None:
        """What the online key does by itself: a snapshot if anything changed, a timestamp in any case."""
        meta = {}
        for name, document in self.documents.items():
            if name not in ("root", *ONLINE_ROLES):
                content = document.to_bytes(SERIALIZER)
                meta[f"{name}.json"] = MetaFile(
                    document.signed.version, len(content), {"sha256": hashlib.sha256(content).hexdigest()}
                )
        snapshot, timestamp = (self.online_documents[role] for role in ("snapshot", "timestamp"))
        if snapshot.meta != meta or self.snapshot_signer is not self.signers["snapshot"]:
            snapshot.meta = meta
            snapshot.version += 1
            self.snapshot_signer = self.signers["snapshot"]
            self.sign("snapshot", snapshot, self.signers["snapshot"], 365)
        content = self.documents["snapshot"].to_bytes(SERIALIZER)
        timestamp.version += 1
        timestamp.snapshot_meta = MetaFile(
            snapshot.version, len(content), {"sha256": hashlib.sha256(content).hexdigest()}
        )
        self.sign("timestamp", timestamp, self.signers["timestamp"], 4)

    def state(self, days: int) -> None:
        """Publishes, writes everything down, and lets some days pass."""
        self.online()
        self.states += 1
        folder = self.directory / str(self.states)
        (folder / "metadata" / "root_history").mkdir(parents=True)
        for name, document in self.documents.items():
            (folder / "metadata" / f"{name}.json").write_bytes(document.to_bytes(SERIALIZER))
        for number, content in enumerate(self.roots, 1):
            (folder / "metadata" / "root_history" / f"{number}.root.json").write_bytes(content)
        for path, content in self.files.items():
            file = folder / "targets" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        print(self.now.strftime("%Y-%m-%dT%H:%M:%SZ"), folder)
        self.now += timedelta(days=days)


def story(repository: Repository) -> None:
    """A year and some months in which everything is changed once."""
    alice, bob, carol, dave, erin = map(person, ("alice", "bob", "carol", "dave", "erin"))
    frank, grace, bins = map(person, ("frank", "grace", "henry"))
    first_online, second_online = key_service(1), key_service(2)
    online = {role: [first_online] for role in ONLINE_ROLES}

    repository.new_root([alice], 1, {"targets": [alice], **online})
    repository.targets("targets", [alice], lambda signed: None)
    repository.state(3)
    repository.targets("targets", [alice], repository.add_file("README", b"Read me.\n"))
    repository.state(60)

    # Two more people; from now on two of three must sign.
    repository.new_root([alice, bob, carol], 2, {"targets": [alice, bob]})
    repository.targets("targets", [alice, bob], repository.add_file("NEWS", b"There are three of us.\n"))
    repository.state(100)

    # A role of two keys, which hands a part on; and files that go by the digest of their names.
    alpha = DelegatedRole("alpha", [], 2, terminating=False, paths=["alpha/*"])
    alpha_nightly = DelegatedRole("alpha-nightly", [], 1, terminating=True, paths=["alpha/nightly-*"])
    by_digest = [
        DelegatedRole(f"bin-{digit}", [], 1, terminating=False, path_hash_prefixes=[digit])
        for digit in "0123456789abcdef"
    ]

    def delegate(signed: Targets) -> None:
        signed.delegations = Delegations(keys={}, roles={role.name: role for role in [alpha, *by_digest]})
        for signer in (frank, bob):
            signed.add_key(signer.public_key, "alpha")
        for role in by_digest:
            signed.add_key(bins.public_key, role.name)

    def hand_on(signed: Targets) -> None:
        signed.delegations = Delegations(keys={}, roles={"alpha-nightly": alpha_nightly})
        signed.add_key(grace.public_key, "alpha-nightly")
        repository.add_file("alpha/stable", b"stable\n")(signed)

    def fill(role: DelegatedRole):
        def change(signed: Targets) -> None:
            for path in (f"file-{number}" for number in range(16)):
                if role.is_delegated_path(path):
                    repository.add_file(path, f"{path}\n".encode())(signed)

        return change

    repository.targets("targets", [alice, bob], delegate)
    repository.targets("alpha", [frank, bob], hand_on)
    repository.targets("alpha-nightly", [grace], repository.add_file("alpha/nightly-1", b"1\n"))
    for role in by_digest:
        repository.targets(role.name, [bins], fill(role), 720)
    repository.state(90)

    # Alice's key is lost: the two others put Dave's in its place.
    repository.new_root([bob, carol, dave], 2, {"targets": [bob, dave]})
    repository.targets("targets", [bob, dave], lambda signed: None)
    repository.state(90)

    # The online key is replaced, which ends all that the first one signed.
    repository.new_root([bob, carol, dave], 2, {role: [second_online] for role in ONLINE_ROLES})
    repository.state(90)

    # A fourth person, and three must sign; nothing else but the timestamp is new.
    repository.new_root([bob, carol, dave, erin], 3, {})
    repository.state(3)
    repository.targets("alpha", [frank, bob], repository.add_file("alpha/stable", b"stable again\n"))
    repository.state(0)


if __name__ == "__main__":
    story(Repository(pathlib.Path(sys.argv[1])))
