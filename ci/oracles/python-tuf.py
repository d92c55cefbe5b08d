#!/usr/bin/env python3
"""Reads a catalog with python-tuf, and compares the image it downloads with the one that was published.

    python-tuf.py BASE-URL ROOT-JSON TARGET FILE

BASE-URL is where catalog.toml lies, ROOT-JSON the root to start from, TARGET the image's name in the catalog, FILE
the image's bytes. Twice, each from nothing: asking for HASH.NAME as stock clients do, and for plain names. Needs the
package tuf.
"""

import pathlib
import sys
import tempfile

from tuf.ngclient import Updater, UpdaterConfig


def read(base: str, root: bytes, target: str, wanted: bytes, hashed: bool) -> None:
    """One client with empty caches: refresh, look the target up, download, compare."""
    with tempfile.TemporaryDirectory() as scratch:
        metadata, targets = pathlib.Path(scratch, "metadata"), pathlib.Path(scratch, "targets")
        metadata.mkdir()
        targets.mkdir()
        updater = Updater(
            metadata_dir=str(metadata),
            metadata_base_url=f"{base}/metadata/",
            target_dir=str(targets),
            target_base_url=f"{base}/images/",
            config=UpdaterConfig(prefix_targets_with_hash=hashed),
            bootstrap=root,
        )
        updater.refresh()
        info = updater.get_targetinfo(target)
        if info is None:
            sys.exit(f"error: python-tuf finds no target {target}")
        if "sysext" not in info.custom:
            sys.exit(f"error: {target} has no custom.sysext")
        got = pathlib.Path(updater.download_target(info)).read_bytes()
        if got != wanted:
            sys.exit(f"error: {target}: {len(got)} bytes that are not the {len(wanted)} published ones")
        names = "hashed" if hashed else "plain"
        print(f"python-tuf, {names} names: {target}, {len(got)} bytes, as published")


def main() -> None:
    base, root, target, file = sys.argv[1:]
    wanted, pinned = pathlib.Path(file).read_bytes(), pathlib.Path(root).read_bytes()
    for hashed in (True, False):
        read(base.rstrip("/"), pinned, target, wanted, hashed)


if __name__ == "__main__":
    main()
