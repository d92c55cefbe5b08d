"""A decoder of `relink-lzma` patches, written from the text of FORMAT.md, section 8: short instead of fast or frugal."""

import bisect
import hashlib
import lzma
import struct
from typing import NamedTuple

import lzma_raw

MODULUS = 1 << 64
PARAMETERS = ((3, 0, 0), (3, 0, 0), (0, 2, 2), (3, 0, 2))


class BadPatchError(Exception):
    """It is no patch, or none between these images."""


class Piece(NamedTuple):
    offset: int
    length: int
    address: int
    memory: int
    program: int


class Move(NamedTuple):
    old: int
    new: int
    length: int


class Stream:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise BadPatchError("a stream ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self) -> int:
        value = 0
        for shift in range(0, 63, 7):
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise BadPatchError("a number of more than 63 bits")

    def signed(self) -> int:
        number = self.number()
        return -(number + 1 >> 1) if number & 1 else number >> 1

    def is_at_end(self) -> bool:
        return self.at == len(self.data)


class Tree(NamedTuple):
    data_block: int
    hash_block: int
    blocks: int
    salt: bytes
    data: int
    at: int

    @classmethod
    def read(cls, stream: Stream) -> "Tree | None":
        count = stream.number()
        if count == 0:
            return None
        data_log, hash_log, blocks = stream.number(), stream.number(), stream.number()
        salt_length = stream.number()
        if count > 1 or not (9 <= data_log <= 16 and 9 <= hash_log <= 16) or blocks == 0 or salt_length > 256:
            raise BadPatchError("the hash tree")
        salt, data = stream.take(salt_length), stream.number()
        behind = data + (blocks << data_log)
        return cls(1 << data_log, 1 << hash_log, blocks, salt, data, behind + stream.number())

    def length(self) -> int:
        total, level = 0, self.blocks
        while level > 1:
            level = -(-level // (self.hash_block // 32))
            total += level
        return total * self.hash_block

    def of(self, image: bytes) -> bytes:
        """The tree of what stands at its data: each level of digests made into blocks, the top one first."""
        level = [image[self.data + index * self.data_block :][: self.data_block] for index in range(self.blocks)]
        tree = b""
        while len(level) > 1:
            digests = b"".join(hashlib.sha256(self.salt + block).digest() for block in level)
            digests += bytes(-len(digests) % self.hash_block)
            level = [digests[at : at + self.hash_block] for at in range(0, len(digests), self.hash_block)]
            tree = digests + tree
        return tree


class Programs:
    def __init__(self, stream: Stream, length: int) -> None:
        self.pieces: list[Piece] = []
        end = 0
        count = stream.number()
        if count > 1 << 12:
            raise BadPatchError("too many programs")
        for program in range(count):
            for _ in range(stream.number()):
                offset = end + stream.number()
                size, address, more = stream.number(), stream.number(), stream.number()
                end = offset + size
                self.pieces.append(Piece(offset, size, address, size + more, program))
                if size == 0 or end > length or len(self.pieces) > 1 << 12 or address + size + more >= MODULUS:
                    raise BadPatchError("a piece")
        self.starts = [piece.offset for piece in self.pieces]

    def at(self, offset: int) -> Piece | None:
        index = bisect.bisect_right(self.starts, offset) - 1
        if index < 0:
            return None
        piece = self.pieces[index]
        return piece if offset < piece.offset + piece.length else None

    def address(self, offset: int) -> int | None:
        piece = self.at(offset)
        return piece and (piece.address + offset - piece.offset) % MODULUS


class Shifts:
    def __init__(self, moves: list[Move]) -> None:
        telling = [move for move in moves if move.length >= 16]
        borders = sorted({move.old for move in telling} | {move.old + move.length for move in telling})
        self.places: list[int] = []
        self.values: list[int] = []
        for place in borders:
            holding = [move for move in telling if move.old <= place < move.old + move.length]
            if holding:
                # The first of those with the greatest length.
                move = max(holding, key=lambda move: move.length)
                self.places.append(place)
                self.values.append(move.new - move.old)

    def at(self, place: int) -> int:
        index = bisect.bisect_right(self.places, place) - 1
        return self.values[index] if index >= 0 else 0


class Patch:
    def __init__(self, data: bytes, old: bytes, new_length: int) -> None:
        if len(data) < 88 or data[:8] != b"SXRELINK":
            raise BadPatchError("its head")
        numbers = struct.unpack("<10Q", data[8:88])
        if numbers[:2] != (len(old), new_length):
            raise BadPatchError("its lengths")
        if 88 + sum(numbers[2::2]) != len(data):
            raise BadPatchError("its own length")
        streams, at = [], 88
        for (packed, size), parameters in zip(zip(numbers[2::2], numbers[3::2], strict=True), PARAMETERS, strict=True):
            if size >= 1 << 31 or (size == 0 and packed > 0):
                raise BadPatchError("the length of a stream")
            try:
                unpacked = lzma_raw.unpack(data[at : at + packed], size, *parameters)
            except lzma.LZMAError as error:
                raise BadPatchError(str(error)) from error
            streams.append(Stream(unpacked))
            at += packed
        plan, self.gaps, self.words, self.fresh = streams
        self.tree = Tree.read(plan)
        if self.tree:
            length = self.tree.length()
            if not 0 < length <= 18 << 20 or self.tree.at + length > new_length:
                raise BadPatchError("the hash tree")
            new_length -= length
        self.data, self.new_length = old, new_length
        self.old, self.new = Programs(plan, len(old)), Programs(plan, new_length)
        self.contexts, self.absolute = plan.take(32768), plan.take(1)[0]
        self.moves = self.read_moves(plan)
        self.shifts = Shifts(self.moves)
        if not plan.is_at_end():
            raise BadPatchError("something behind the plan")

    def read_moves(self, plan: Stream) -> list[Move]:
        count = plan.number()
        if count > 1 << 19:
            raise BadPatchError("too many moves")
        fresh = [plan.number() for _ in range(count)]
        lengths = [plan.number() for _ in range(count)]
        old = new = 0
        moves = []
        for before, length in zip(fresh, lengths, strict=True):
            old += plan.signed()
            new += before
            moves.append(Move(old, new, length))
            if length == 0 or old < 0 or old + length > len(self.data) or new + length > self.new_length:
                raise BadPatchError("a move")
            old += length
            new += length
        return moves

    def becomes(self, program: int, address: int) -> int | None:
        for piece in self.old.pieces:
            if piece.program == program and piece.address <= address < piece.address + piece.memory:
                inside = address - piece.address
                beyond = max(0, inside - (piece.length - 1))
                offset = piece.offset + inside - beyond
                there = self.new.address(offset + self.shifts.at(offset))
                return None if there is None else (there + beyond) % MODULUS
        return None

    def field(self, source: bytes, at: int, move: Move) -> bytes:
        """What replaces the bytes from a place in a move on; nothing where they stay."""
        piece = self.old.at(move.old + at)
        if piece is None:
            return b""
        address = (piece.address + move.old + at - piece.offset) % MODULUS
        if self.absolute >> (address & 7) & 1 and at + 8 <= move.length:
            value = self.becomes(piece.program, int.from_bytes(source[at : at + 8], "little"))
            if value is not None:
                return value.to_bytes(8, "little")
        before = (bytes(2) + source[:at])[-2:]
        context = (address & 3) << 16 | before[0] << 8 | before[1]
        if self.contexts[context >> 3] >> (context & 7) & 1 and at + 4 <= move.length:
            distance = int.from_bytes(source[at : at + 4], "little", signed=True)
            target = self.becomes(piece.program, (address + 4 + distance) % MODULUS)
            here = self.new.address(move.new + at)
            if target is not None and here is not None:
                return ((target - here - 4) % (1 << 32)).to_bytes(4, "little")
        return b""

    def walk(self, move: Move) -> tuple[bytearray, int]:
        source = self.data[move.old : move.old + move.length]
        out, at, fields = bytearray(source), 0, 0
        while at < move.length:
            field = self.field(source, at, move)
            out[at : at + len(field)] = field
            fields += field != b""
            at += len(field) or 1
        return out, fields

    def next_gap(self) -> int | None:
        return None if self.gaps.is_at_end() else self.gaps.number()

    def apply(self) -> tuple[bytes, int]:
        """The new image, and how many fields were replaced in it."""
        out, fields = bytearray(), 0
        right = self.next_gap()
        for move in self.moves:
            taken, count = self.walk(move)
            fields += count
            at = 0
            while right is not None and at + right < move.length:
                at += right
                end = min(at + 4, move.length)
                total = int.from_bytes(taken[at:end], "little") + int.from_bytes(self.words.take(4), "little")
                taken[at:end] = total.to_bytes(5, "little")[: end - at]
                at = end
                right = self.next_gap()
            if right is not None:
                right -= move.length - at
            out += self.fresh.take(move.new - len(out)) + taken
        out += self.fresh.take(self.new_length - len(out))
        if right is not None or not (self.gaps.is_at_end() and self.words.is_at_end() and self.fresh.is_at_end()):
            raise BadPatchError("something is left over")
        if self.tree:
            out[self.tree.at : self.tree.at] = self.tree.of(out)
        return bytes(out), fields
