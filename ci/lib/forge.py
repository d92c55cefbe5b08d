"""A thief with the online key: signs a timestamp and a snapshot of any version.

usage: forge.py PUBLIC KEY VERSION     (PUBLIC: the served folder; KEY: the online key in PEM)
"""

import json
import pathlib
import subprocess
import sys
import tempfile


def main(public, key, version):
    metadata = pathlib.Path(public) / "metadata"
    timestamp = json.loads((metadata / "timestamp.json").read_bytes())
    now = timestamp["signed"]["meta"]["snapshot.json"]["version"]
    snapshot = json.loads((metadata / f"{now}.snapshot.json").read_bytes())
    snapshot["signed"]["version"] = version
    raw = signed(snapshot, key)
    (metadata / f"{version}.snapshot.json").write_bytes(raw)
    timestamp["signed"]["version"] = version
    timestamp["signed"]["meta"]["snapshot.json"] = {"version": version}
    (metadata / "timestamp.json").write_bytes(signed(timestamp, key))


def signed(document, key):
    # Canonical, as long as every text is plain ASCII and every number a whole one: they are.
    message = json.dumps(document["signed"], sort_keys=True, separators=(",", ":")).encode()
    with tempfile.NamedTemporaryFile() as file:
        file.write(message)
        file.flush()
        command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", file.name]
        signature = subprocess.run(command, check=True, capture_output=True).stdout
    document["signatures"][0]["sig"] = signature.hex()
    return json.dumps(document).encode()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
