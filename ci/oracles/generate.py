#!/usr/bin/env python3
"""Generates input for the oracles, the same for the same seed.

    generate.py versions COUNT SEED      lines `A<TAB>B`
    generate.py documents COUNT SEED     one JSON document a line
"""

import json
import random
import sys

# Every class of character that the order treats on its own, and the pieces that releases are made of. Only what
# is allowed in a version, plus `~` and `^`: the order knows them although we never write them.
WORDS = ["rc", "rc1", "beta", "alpha", "a", "b", "z", "A", "Z", "git", "k3s", "k3s1", "dev", "pre", "post", "v", "p"]
SEPARATORS = [".", ".", ".", "-", "+", "_", "~", "^", ""]
NUMBERS = ["0", "00", "1", "01", "001", "2", "9", "10", "010", "11", "99", "100", "04", "24", "2026", "20260101"]
# More digits than any machine integer has.
NUMBERS.append("184467440737095516160000000001")
ODD = "0123456789abzABZ.-+_~^"


def version(rng: random.Random) -> str:
    """A version as somebody could have written it, or any string of the alphabet."""
    if rng.random() < 0.15:
        return "".join(rng.choice(ODD) for _ in range(rng.randint(1, 8)))
    text = rng.choice(["", "", "", "v"]) + rng.choice(NUMBERS)
    for _ in range(rng.randint(0, 5)):
        text += rng.choice(SEPARATORS) + rng.choice(NUMBERS if rng.random() < 0.65 else WORDS)
    return text


def mutated(rng: random.Random, text: str) -> str:
    """A near neighbour: most mistakes in such an order show between strings that are almost equal."""
    place = rng.randrange(len(text) + 1)
    kind = rng.randrange(6)
    if kind == 0:
        return text[:place] + rng.choice(ODD) + text[place:]
    if kind == 1 and len(text) > 1:
        return text[: place - 1] + text[place:] if place else text[1:]
    if kind == 2:
        return text + rng.choice(SEPARATORS) + rng.choice(NUMBERS + WORDS)
    if kind == 3:
        return text.replace(rng.choice(SEPARATORS) or ".", rng.choice(SEPARATORS))
    if kind == 4:
        digits = [i for i, c in enumerate(text) if c.isdigit() and (i == 0 or not text[i - 1].isdigit())]
        if digits:
            at = rng.choice(digits)
            return text[:at] + "0" * rng.randint(1, 2) + text[at:]
    return text


def versions(count: int, rng: random.Random) -> None:
    """Pairs, half of them close; an option of systemd-analyze (leading `-`) is not a version."""
    written = 0
    while written < count:
        left = version(rng)
        right = mutated(rng, left) if rng.random() < 0.6 else version(rng)
        if not left or not right or left.startswith("-") or right.startswith("-"):
            continue
        print(f"{left}\t{right}")
        written += 1


TEXTS = [
    "", "a", "signed", "_type", "\\", '"', '\\"', "\n", "\t", "\r", "\b\f", "\x00", "\x01\x1f", "\x7f", "/", "</script>",
    "é", "e\u0301", "ß", "日本語", "\u2028\u2029", "\ufeff", "😀", "𝄞 clef", "\uffff", "ÿ", "a b", "null", "0",
]  # fmt: skip
INTEGERS = [0, 1, -1, 7, 10, 255, 2**31, -(2**31), 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1]


def text(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return rng.choice(TEXTS)
    alphabet = 'ab"\\/\n\x1f é日😀\U0010ffff'
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(0, 12)))


def value(rng: random.Random, depth: int) -> object:
    kind = rng.randrange(8 if depth > 0 else 5)
    if kind == 0:
        return rng.choice([True, False, None])
    if kind in (1, 2):
        return rng.choice(INTEGERS) if rng.random() < 0.6 else rng.randint(-(10**6), 10**6)
    if kind in (3, 4):
        return text(rng)
    if kind == 5:
        return [value(rng, depth - 1) for _ in range(rng.randint(0, 5))]
    return {text(rng): value(rng, depth - 1) for _ in range(rng.randint(0, 7))}


def documents(count: int, rng: random.Random) -> None:
    """Documents of every shape; half are written with \\u escapes, some with space between the tokens."""
    # Key order by bytes is not key order by UTF-16 units, nor by length.
    fixed = [{}, [], "", 0, None, {"": 0}, {"\uffff": 1, "\U00010000": 2}, {"a": 1, "A": 2, "aa": 3, '"': 4, "a\x00": 5}]
    fixed += [{t: t for t in TEXTS}, INTEGERS]
    nested: object = {}
    for level in range(40):
        nested = {"n": nested} if level % 2 else [nested, {}, []]
    fixed.append(nested)
    for number in range(count):
        document = fixed[number] if number < len(fixed) else value(rng, rng.randint(1, 6))
        spaced = rng.random() < 0.3
        print(
            json.dumps(
                document,
                ensure_ascii=rng.random() < 0.5,
                separators=(" , ", " : ") if spaced else (",", ":"),
            )
        )


def main() -> None:
    what, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    {"versions": versions, "documents": documents}[what](count, random.Random(seed))


if __name__ == "__main__":
    main()
