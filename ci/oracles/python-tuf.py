#!/usr/bin/env python3
"""Reads a catalog with python-tuf, and compares every image with the one that was published.

    python-tuf.py hashed|plain ROOT-JSON BASE-URL ORIGINALS [STATE]

BASE-URL is where catalog.toml lies, ROOT-JSON the root to start from, ORIGINALS a folder with the images under their
names in the catalog. `hashed` asks for HASH.NAME as stock clients do, `plain` for NAME. What was seen is kept in the
folder STATE, or nowhere. Ends with the error that python-tuf refuses something with. Needs the package tuf.
"""

import pathlib
import sys
import tempfile

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater, UpdaterConfig


def read(updater: Updater, original: pathlib.Path) -> int:
    """Looks one image up, downloads and compares it; its length."""
    info = updater.get_targetinfo(original.name)
    if info is None:
        sys.exit(f"error: python-tuf finds no target {original.name}")
    if "sysext" not in info.custom:
        sys.exit(f"error: {original.name} has no custom.sysext")
    got = pathlib.Path(updater.download_target(info)).read_bytes()
    if got != original.read_bytes():
        sys.exit(f"error: {original.name} has other bytes than the original")
    return len(got)


def main() -> None:
    names, root, base, originals, *state = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        metadata, targets = pathlib.Path(state[0] if state else f"{scratch}/metadata"), pathlib.Path(scratch, "targets")
        metadata.mkdir(exist_ok=True)
        targets.mkdir()
        updater = Updater(
            metadata_dir=str(metadata),
            metadata_base_url=f"{base}/metadata/",
            target_dir=str(targets),
            target_base_url=f"{base}/images/",
            config=UpdaterConfig(prefix_targets_with_hash={"hashed": True, "plain": False}[names]),
            bootstrap=pathlib.Path(root).read_bytes(),
        )
        try:
            updater.refresh()
            images = sorted(pathlib.Path(originals).iterdir())
            length = sum(read(updater, image) for image in images)
            print(f"python-tuf, {names} names: {len(images)} images, {length} bytes, as published")
        except (DownloadError, RepositoryError) as error:
            sys.exit(f"error: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
