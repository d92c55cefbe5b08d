"""Raw LZMA as patches have it: without a header and an end marker, which Python's own encoder always writes.

It packs badly: literals, and repetitions of the byte before.
"""

import lzma


def unpack(packed: bytes, size: int, lc: int, lp: int, pb: int) -> bytes:
    """By liblzma; raises LZMAError when it does not give so many bytes."""
    chain = [{"id": lzma.FILTER_LZMA1, "dict_size": 8 << 20, "lc": lc, "lp": lp, "pb": pb}]
    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=chain)
    out = b""
    while len(out) < size:
        piece = decoder.decompress(packed, max_length=size - len(out))
        packed = b""
        if not piece:
            raise lzma.LZMAError("it ends early")
        out += piece
    return out


class RangeCoder:
    """Bits, each with its probability in a list."""

    def __init__(self) -> None:
        self.low, self.range, self.first, self.waiting, self.out = 0, 0xFFFFFFFF, 0, 1, bytearray()

    def bit(self, odds: list[int], index: int, bit: int) -> None:
        bound = (self.range >> 11) * odds[index]
        if bit:
            self.low += bound
            self.range -= bound
            odds[index] -= odds[index] >> 5
        else:
            self.range = bound
            odds[index] += (2048 - odds[index]) >> 5
        while self.range < 1 << 24:
            self.range = self.range << 8 & 0xFFFFFFFF
            self.shift()

    def tree(self, odds: list[int], base: int, bits: int, value: int) -> None:
        node = 1
        for index in reversed(range(bits)):
            bit = value >> index & 1
            self.bit(odds, base + node, bit)
            node = node << 1 | bit

    def shift(self) -> None:
        if self.low < 0xFF000000 or self.low > 0xFFFFFFFF:
            carry = self.low >> 32
            for _ in range(self.waiting):
                self.out.append(self.first + carry & 0xFF)
                self.first = 0xFF
            self.waiting = 0
            self.first = self.low >> 24 & 0xFF
        self.waiting += 1
        self.low = self.low << 8 & 0xFFFFFFFF

    def finish(self) -> bytes:
        for _ in range(5):
            self.shift()
        return bytes(self.out)


def pack(data: bytes, lc: int, lp: int, pb: int) -> bytes:
    """As one stream; nothing becomes nothing."""
    if not data:
        return b""
    coder = RangeCoder()
    literals = [1024] * (0x300 << lc + lp)
    is_match, is_rep, slots = [1024] * (12 << 4), [1024] * 12, [1024] * (4 << 6)
    choice, low, middle, high = [1024] * 2, [1024] * (16 << 3), [1024] * (16 << 3), [1024] * 256
    state, at = 0, 0
    while at < len(data):
        place = at & (1 << pb) - 1
        run = 0
        while at and run < 273 and at + run < len(data) and data[at + run] == data[at - 1]:
            run += 1
        if run < 2:
            coder.bit(is_match, (state << 4) + place, 0)
            before = data[at - 1] if at else 0
            base = 0x300 * (((at & (1 << lp) - 1) << lc) + (before >> 8 - lc))
            if state < 7:
                coder.tree(literals, base, 8, data[at])
            else:
                matched_literal(coder, literals, base, before, data[at])
            state = 0 if state < 4 else state - 3 if state < 10 else state - 6
            at += 1
            continue
        coder.bit(is_match, (state << 4) + place, 1)
        coder.bit(is_rep, state, 0)
        length = run - 2
        coder.bit(choice, 0, length >= 8)
        if length < 8:
            coder.tree(low, place << 3, 3, length)
        else:
            coder.bit(choice, 1, length >= 16)
            if length < 16:
                coder.tree(middle, place << 3, 3, length - 8)
            else:
                coder.tree(high, 0, 8, length - 16)
        coder.tree(slots, min(length, 3) << 6, 6, 0)
        state = 7 if state < 7 else 10
        at += run
    return coder.finish()


def matched_literal(coder: RangeCoder, odds: list[int], base: int, match: int, value: int) -> None:
    """Behind a repetition, the byte that would have gone on with it says what is likely."""
    node, offset = 1, 0x100
    for index in reversed(range(8)):
        match <<= 1
        bit, match_bit = value >> index & 1, match & offset
        coder.bit(odds, base + offset + match_bit + node, bit)
        node = node << 1 | bit
        offset &= match_bit if bit else ~match_bit
