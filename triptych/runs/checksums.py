"""A checksum inside a JSON line or document that makes the CRC-32 of all its bytes 0.

    {"id":"single_en:a.jpg","job":"single_en","text":"A boat.","crc32":"oLEGdfnN"}

Comes in: JSON. Goes out: the same JSON with a last field ``crc32``, whose eight letters are chosen so that
the CRC-32 of the whole line, including its newline, is 0. So lines are checked without parsing them, a
megabyte in one call. Not its job: what to do about damage.
"""

from __future__ import annotations

import zlib
from functools import cache

_LETTERS = b"DEFGLMNOdefglmno"
"""Each is 0x44 with some of the bits 0x01, 0x02, 0x08 and 0x20. Eight of them can give a CRC-32 any value:
for the ends below, their 32 bits change it independently (otherwise _flips fails)."""

_TO_LETTERS = bytes.maketrans(b"0123456789abcdef", _LETTERS)
_NO_LETTERS = _LETTERS[:1] * 8


def sealed_line(line: bytes) -> bytes:
    """The non-empty JSON object ``line``, with a checksum and a newline."""
    return _sealed(line[:-1] + b',"crc32":"', b'"}\n')


def sealed_document(document: bytes) -> bytes:
    """The non-empty, indented JSON object ``document``, with a checksum and a newline."""
    return _sealed(document.removesuffix(b"\n}") + b',\n  "crc32": "', b'"\n}\n')


def is_intact(content: bytes) -> bool:
    """Whether ``content``, any number of whole sealed lines or one sealed document, is unchanged."""
    return zlib.crc32(content) == 0


def _sealed(begun: bytes, end: bytes) -> bytes:
    rest = zlib.crc32(_NO_LETTERS + end, zlib.crc32(begun))
    first, second, third, fourth = _flips(end)
    number = first[rest & 255] ^ second[rest >> 8 & 255] ^ third[rest >> 16 & 255] ^ fourth[rest >> 24]
    return begun + _letters(number) + end


def _letters(number: int) -> bytes:
    return (b"%08x" % number).translate(_TO_LETTERS)


@cache
def _flips(end: bytes) -> list[list[int]]:
    """For each byte of a CRC-32 and each value: the number whose letters, before ``end``, flip those bits.

    A CRC is linear: a bit of the letters has the same effect on it in every line. Gaussian elimination turns
    these 32 effects into the letters that flip each single bit of the CRC.
    """
    without = zlib.crc32(_NO_LETTERS + end)
    solved = [(zlib.crc32(_letters(1 << bit) + end) ^ without, 1 << bit) for bit in range(32)]
    for bit in range(32):
        at = next(row for row in range(bit, 32) if solved[row][0] >> bit & 1)
        solved[bit], solved[at] = solved[at], solved[bit]
        effect, number = solved[bit]
        solved = [
            (other ^ effect, its ^ number) if row != bit and other >> bit & 1 else (other, its)
            for row, (other, its) in enumerate(solved)
        ]
    tables = []
    for byte in range(4):
        table = [0]
        for bit in range(8):
            table += [value ^ solved[8 * byte + bit][1] for value in table]
        tables.append(table)
    return tables
