#!/usr/bin/env python3
"""Random patches through two decoders: `PROGRAM apply` and relink.py.

    patches.py PROGRAM SCRATCH CASES SEED

Both must give the same image, or both none.
"""

import collections
import pathlib
import random
import struct
import subprocess
import sys

import lzma_raw
from relink import PARAMETERS, BadPatchError, Move, Patch, Piece, Tree

KINDS = ("whole", "cut", "broken", "whole")


def number(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def signed(value: int) -> bytes:
    return number(2 * value if value >= 0 else -2 * value - 1)


class Case:
    """Two images and the streams of a patch between them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        r = self.random
        # Across the pages of the shifts, and the pieces in which images are read, now and then.
        length = r.choice([r.randrange(1, 300), r.randrange(300, 3000), 4096, 8192, 70_000])
        bases = r.sample([0, 0x40_0000, 1 << 62, (1 << 63) - 100_000, r.getrandbits(40)], r.randrange(1, 4))
        self.old_pieces = self.programs(length, bases)
        self.old = self.image(length)
        self.moves = self.some_moves()
        end = self.moves[-1].new + self.moves[-1].length if self.moves else 0
        self.new_length = end + r.choice([0, 1, 50])
        self.new_pieces = self.programs(self.new_length, bases)
        if self.new_length and r.random() < 0.85:
            self.new_pieces = [Piece(0, self.new_length, r.choice(bases), self.new_length + r.choice([0, 99]), 0)]
        contexts = bytearray(r.choice([b"\0", b"\xff", b"\xff", b"\xff", b"\x5a"]) * 32768)
        for _ in range(r.randrange(50)):
            contexts[r.randrange(32768)] = r.randrange(256)
        plan = self.hash_tree() + self.pieces(self.old_pieces) + self.pieces(self.new_pieces) + contexts
        plan += bytes([r.choice([0, 0xFF, 0xFF, r.randrange(256)])]) + self.move_bytes()
        gaps, words = self.corrections()
        fresh = r.randbytes(self.new_length - sum(move.length for move in self.moves))
        self.new_length += self.tree_length
        self.streams = [bytes(plan), gaps, words, fresh]

    def hash_tree(self) -> bytes:
        """A tree of some of the new image, where it has room for two blocks."""
        r, self.tree_length = self.random, 0
        data_log, hash_log = r.choice([9, 9, 10, 12, 16]), r.choice([9, 9, 9, 12])
        most = self.new_length >> data_log
        if most < 2 or r.random() < 0.4:
            return number(0)
        blocks, salt = r.choice([1, 2, most, r.randrange(2, most + 1)]), r.randbytes(r.choice([0, 1, 32, 256]))
        rest = self.new_length - (blocks << data_log)
        data = r.choice([0, rest, r.randrange(rest + 1)])
        between = r.choice([0, rest - data, r.randrange(rest - data + 1)])
        tree = Tree(1 << data_log, 1 << hash_log, blocks, salt, data, data + (blocks << data_log) + between)
        self.tree_length = tree.length()
        out = number(1) + number(data_log) + number(hash_log) + number(blocks)
        return out + number(len(salt)) + salt + number(data) + number(between)

    def programs(self, length: int, bases: list[int]) -> list[Piece]:
        r, pieces, at = self.random, [], 0
        for program in range(r.choice([0, 1, 1, 2, 2, 3])):
            for _ in range(r.choice([1, 1, 2, 3, 5])):
                at += r.choice([0, 0, 1, 3, r.randrange(200)])
                size = min(r.choice([1, 2, 5, r.randrange(1, 400), r.randrange(1, 3000)]), length - at)
                if size <= 0:
                    return pieces
                address = r.choice(bases) + r.choice([0, at, at, at, r.randrange(2000)])
                more = r.choice([0, 0, 1, 7, r.randrange(500)])
                pieces.append(Piece(at, size, address, size + more, program))
                at += size
        return pieces

    def image(self, length: int) -> bytes:
        """Few different bytes, and addresses everywhere: inside of programs, at their borders, outside."""
        r = self.random
        letters = r.randbytes(r.choice([1, 2, 200]))
        image = bytearray(r.choices(letters, k=length))
        for _ in range(r.choice([0, length // 20, length // 8, length // 8]) if self.old_pieces else 0):
            piece, at = r.choice(self.old_pieces), r.randrange(length)
            near = r.choice(self.old_pieces)
            if r.random() < 0.2:
                at = min(length - 1, near.offset + near.length - r.randrange(9)) % length
            inside = r.choice([0, -1, piece.length - 1, piece.length, piece.memory - 1, piece.memory, r.randrange(piece.memory)])
            value = piece.address + inside
            field = (value % (1 << 64)).to_bytes(8, "little")
            if r.random() < 0.5:
                here = next((it.address - it.offset for it in self.old_pieces if 0 <= at - it.offset < it.length), 0) + at
                field = ((value - here - 4) % (1 << 32)).to_bytes(4, "little")
            image[at : at + len(field)] = field[: length - at]
        return bytes(image)

    def some_moves(self) -> list[Move]:
        r, moves, new = self.random, [], 0
        for _ in range(r.choice([0, 1, 3, 10, 20, 60])):
            old = r.randrange(len(self.old))
            length = r.choice([1, 3, 4, 7, 8, 15, 16, 17, r.randrange(1, 50), *[r.randrange(1, 2000)] * 4, len(self.old)])
            if moves and r.random() < 0.5:
                near = r.choice(moves)
                old = min(max(0, near.old + r.choice([0, 0, near.length, -1, 1])), len(self.old) - 1)
                length = r.choice([length, near.length])
            length = min(length, len(self.old) - old)
            new += r.choice([0, 0, 1, 5, r.randrange(100)])
            moves.append(Move(old, new, length))
            new += length
        return moves

    @staticmethod
    def pieces(pieces: list[Piece]) -> bytes:
        out, end = number(len({piece.program for piece in pieces})), 0
        for program in sorted({piece.program for piece in pieces}):
            its = [piece for piece in pieces if piece.program == program]
            out += number(len(its))
            for piece in its:
                out += number(piece.offset - end) + number(piece.length)
                out += number(piece.address) + number(piece.memory - piece.length)
                end = piece.offset + piece.length
        return out

    def move_bytes(self) -> bytes:
        out, end = number(len(self.moves)), 0
        for move in self.moves:
            out += number(move.new - end)
            end = move.new + move.length
        for move in self.moves:
            out += number(move.length)
        end = 0
        for move in self.moves:
            out += signed(move.old - end)
            end = move.old + move.length
        return out

    def corrections(self) -> tuple[bytes, bytes]:
        r, gaps, words, right = self.random, b"", b"", 0
        most = r.choice([0, 1, 20, 2000])
        for move in self.moves if r.random() < 0.8 else []:
            at = 0
            while at < move.length:
                gap = r.choice([0, 0, 1, 2, 3, r.randrange(most + 1)])
                if at + gap >= move.length or len(gaps) > 2000:
                    right += move.length - at
                    break
                gaps += number(right + gap)
                words += r.choice([r.randbytes(4), b"\xff" * 4, b"\1\0\0\0"])
                right, at = 0, at + gap + 4
        return gaps, words

    def patch(self, kind: str) -> bytes:
        r, streams = self.random, list(self.streams)
        if kind == "cut":
            index = r.randrange(4)
            streams[index] = streams[index][:-1] if r.random() < 0.5 else streams[index] + b"\1"
        if kind == "broken":
            # Behind the contexts, or there would be nothing to see.
            plan = bytearray(streams[0])
            plan[r.choice([r.randrange(20), -1 - r.randrange(20)]) % len(plan)] ^= 1 << r.randrange(8)
            streams[0] = bytes(plan)
        packed = [lzma_raw.pack(stream, *of) for stream, of in zip(streams, PARAMETERS, strict=True)]
        head = struct.pack("<8sQQ", b"SXRELINK", len(self.old), self.new_length)
        for small, large in zip(packed, streams, strict=True):
            head += struct.pack("<QQ", len(small), len(large))
        return head + b"".join(packed)


def ours(program: str, scratch: pathlib.Path, case: Case, patch: bytes) -> bytes | None:
    (scratch / "old").write_bytes(case.old)
    (scratch / "patch").write_bytes(patch)
    command = [program, "apply", scratch / "old", scratch / "patch", str(case.new_length), scratch / "new"]
    run = subprocess.run(command, check=False, capture_output=True, timeout=60)
    if run.returncode not in (0, 1):
        sys.exit(f"error: the decoder ended with {run.returncode}: {run.stderr.decode()}")
    return (scratch / "new").read_bytes() if run.returncode == 0 else None


def main() -> None:
    program, scratch, cases, first = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    seen: collections.Counter[str] = collections.Counter()
    for seed in range(first, first + cases):
        case = Case(seed)
        kind = KINDS[seed % 4]
        patch = case.patch(kind)
        try:
            theirs, fields = Patch(patch, case.old, case.new_length).apply()
        except BadPatchError:
            theirs, fields = None, 0
        if ours(program, scratch, case, patch) != theirs:
            sys.exit(f"error: case {seed} ({kind}): FORMAT.md says {'no image' if theirs is None else 'another image'}")
        seen["patches"] += theirs is not None
        seen["none"] += theirs is None
        seen["fields"] += fields
        seen["with fields"] += fields > 0
        seen["with trees"] += theirs is not None and case.tree_length > 0
    print(", ".join(f"{name} {count}" for name, count in seen.items()))
    if seen["patches"] < cases // 2 or min(seen["with fields"], seen["with trees"]) < cases // 20 or not seen["none"]:
        sys.exit("error: these cases show little")


if __name__ == "__main__":
    main()
