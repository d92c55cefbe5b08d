"""Holds ci/attacks.tsv against the tests: usage: attacks.py LIST-OF-TESTS LIST-OF-IGNORED-TESTS, in the repository.

- Each row has a test. Each test is in its file, is a #[test] there, has a body, is among those that the harness lists, and
  is not ignored. Each scenario has its folder; each script is a part of ci/test.
- Every row of sections A and C is there: a row that was deleted is missed by its number.
"""

import re
import sys
from pathlib import Path

# Rows that there are, and how many attacks they hold together at least: fewer means that some were lost.
ROWS = [f"A{number}" for number in range(1, 18)] + [f"C{number}" for number in range(1, 9)]
ATTACKS_AT_LEAST = 80
PLAYS_FIXTURES = "test-repos/tests/fixtures.rs::every_scenario_ends_as_it_must"


def listed(file):
    """The last components of the names that a harness printed."""
    names = re.findall(r"^(\S+): test$", Path(file).read_text(), re.M)
    return {name.rsplit("::", 1)[-1] for name in names}


def body_of(source, name):
    """The attributes and the body of a function as rustfmt lays it out, or None."""
    head = r"((?:^[ ]*(?:#\[.*\]|//.*)\n)*)^([ ]*)fn " + re.escape(name) + r"\(\)[^{;\n]*\{"
    # A body in one line ends where it began.
    match = re.search(head + r"(.*)\}$", source, re.M)
    match = match or re.search(head + r"([\s\S]*?)^\2\}", source, re.M)
    return match and (match.group(1), match.group(3))


def wrong_with_test(file, name, tests, ignored):
    """What is wrong with a Rust test, or None."""
    path = Path(file)
    if not path.is_file():
        return f"there is no file {file}"
    found = body_of(path.read_text(), name)
    if found is None:
        return f"{file} has no function {name}"
    attributes, body = found
    if "#[test]" not in attributes:
        return f"{name} is no #[test]"
    if "#[ignore" in attributes or name in ignored:
        return f"{name} is ignored"
    if not re.sub(r"//.*", "", body).strip():
        return f"{name} is empty"
    if name not in tests:
        return f"{name} is not among the tests that are built: is its file part of its crate?"
    return None


def wrong_with(test, tests, ignored):
    """What is wrong with what a row names, or None."""
    if test.startswith("fixtures/"):
        folder = Path("test-repos") / test
        if not folder.is_dir() or not any(folder.rglob("*.json")):
            return f"there is no scenario {test}"
        return wrong_with(PLAYS_FIXTURES, tests, ignored)
    if test.endswith(".sh"):
        if not Path(test).is_file():
            return f"there is no script {test}"
        # ci/test makes a part of each numbered script.
        return None if re.fullmatch(r"ci/e2e/\d+-[a-z-]+\.sh", test) else f"{test} is no part of ci/test"
    if test.startswith("ci/checks/"):
        is_part = Path(test).is_file() and re.search(rf"^\s*part .* {test}\b", Path("ci/test").read_text(), re.MULTILINE)
        return None if is_part else f"{test} is no part of ci/test"
    file, separator, name = test.partition("::")
    return wrong_with_test(file, name, tests, ignored) if separator else f"{test} names no test"


def main(all_tests, ignored_tests):
    tests, ignored = listed(all_tests), listed(ignored_tests)
    problems, rows, attacks, named = [], [], 0, set()
    for number, line in enumerate(Path("ci/attacks.tsv").read_text().splitlines(), 1):
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 3:
            problems.append(f"line {number}: {len(fields)} fields; row, attack and tests are three")
            continue
        row, attack, names = fields
        rows.append(row)
        attacks += 1
        print(f"{row:<4} {attack}")
        if not names.split():
            problems.append(f"{row} {attack}: no test")
        for name in names.split():
            print(f"       {name}")
            named.add(name)
            if wrong := wrong_with(name, tests, ignored):
                problems.append(f"{row} {attack}: {wrong}")
    problems += [f"row {row} is gone" for row in ROWS if row not in rows]
    problems += [f"there is no row {row}" for row in sorted(set(rows) - set(ROWS))]
    if attacks < ATTACKS_AT_LEAST:
        problems.append(f"{attacks} attacks; there were {ATTACKS_AT_LEAST}")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    print(f"\n{attacks} attacks in {len(set(rows))} rows, {len(named)} tests and scenarios")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
