#!/usr/bin/env python3
"""Checks bans and licenses of deny.toml on what Cargo.lock really resolves to.

Runs `cargo deny` too where that is installed; this works everywhere. Of deny.toml it knows graph.targets,
licenses.allow, bans.deny and bans.skip; it names each crate that is not allowed, and each entry of skip that nothing
needs any more.
"""

import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

REPO = pathlib.Path(__file__).resolve().parents[2]


def resolved(targets: list[str]) -> list[dict]:
    """The packages of all crates of the workspace, dev-dependencies included, for any of the targets."""
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--all-features"]
    command += [word for target in targets for word in ("--filter-platform", target)]
    run = subprocess.run(command, cwd=REPO, check=False, stdout=subprocess.PIPE)
    if run.returncode != 0:
        sys.exit("error: cargo metadata failed, see above")
    answer = json.loads(run.stdout)
    used = {node["id"] for node in answer["resolve"]["nodes"]}
    return [package for package in answer["packages"] if package["id"] in used]


def allowed(expression: str, allow: set[str]) -> bool:
    """Whether an SPDX expression can be met by licences of `allow`; the old `A/B` means `A OR B`."""
    tokens = re.findall(r"\(|\)|[^\s()/]+|/", expression)

    def either() -> bool:
        result = both()
        while tokens and tokens[0] in ("OR", "/"):
            tokens.pop(0)
            # No short cut: the words have to be consumed.
            result = both() | result
        return result

    def both() -> bool:
        result = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            result = one() & result
        return result

    def one() -> bool:
        word = tokens.pop(0)
        if word == "(":
            result = either()
            tokens.pop(0)
            return result
        if tokens and tokens[0] == "WITH":
            word = f"{word} {tokens.pop(0)} {tokens.pop(0)}"
        return word in allow

    try:
        return either() and not tokens
    except IndexError:
        return False


def matches(spec: str, name: str, version: str) -> bool:
    """`name@1.2` stands for every 1.2.x, `name` for all versions."""
    wanted, _, prefix = spec.partition("@")
    return wanted == name and (not prefix or version == prefix or version.startswith(prefix + "."))


def main() -> None:
    with open(REPO / "deny.toml", "rb") as file:
        rules = tomllib.load(file)
    packages = resolved(rules["graph"]["targets"])
    problems = []

    versions = collections.defaultdict(set)
    for package in packages:
        name, version, licence = package["name"], package["version"], package["license"] or ""
        versions[name].add(version)
        if not allowed(licence, set(rules["licenses"]["allow"])):
            problems.append(f"{name} {version}: licence {licence or 'not named'} is not in licenses.allow")
        for ban in rules["bans"]["deny"]:
            if matches(ban["crate"], name, version):
                problems.append(f"{name} {version}: banned by bans.deny")

    skips = {entry["crate"]: False for entry in rules["bans"]["skip"]}
    for name, found in sorted(versions.items()):
        if len(found) == 1:
            continue
        unexplained = set(found)
        for spec in skips:
            hit = {version for version in found if matches(spec, name, version)}
            skips[spec] |= bool(hit)
            unexplained -= hit
        if len(unexplained) > 1:
            problems.append(f"{name}: versions {', '.join(sorted(found))}; unify them, or explain one in bans.skip")
    problems += [f"bans.skip {spec}: nothing needs it any more" for spec, needed in skips.items() if not needed]

    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    print(f"{len(packages)} packages, {len(versions)} names: {len(problems)} problems")
    if not problems and shutil.which("cargo-deny"):
        # Advisories need a network that a check must not depend on.
        command = ["cargo", "deny", "--offline", "--locked", "check", "bans", "licenses", "sources"]
        sys.exit(subprocess.run(command, cwd=REPO, check=False).returncode)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
