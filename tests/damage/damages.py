"""Kinds of damage to a file, each at a random place that a seed decides.

Comes in: the content of a file in a run folder. Goes out: damaged content. Not its job: how commands react to
it (see trials).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[bytes, random.Random], bytes]

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null')
_OTHER_WORDS = {b"true": b"null", b"false": b"12345", b"null": b"true"}
_BLOCK_BYTES = 512


def _flip(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def _other_byte(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _take_out(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.randint(1, 40) :]


def _put_in(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.randbytes(rng.randint(1, 40)) + content[at:]


def _zeros(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content)) // _BLOCK_BYTES * _BLOCK_BYTES
    block = content[start : start + _BLOCK_BYTES]
    return content[:start] + bytes(len(block)) + content[start + _BLOCK_BYTES :]


def _noise(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    block = content[start : start + _BLOCK_BYTES]
    return content[:start] + rng.randbytes(len(block)) + content[start + len(block) :]


def _empty(content: bytes, rng: random.Random) -> bytes:
    return b""


ANY_FILE: dict[str, Damage] = {
    "a bit flipped": _flip,
    "another byte": _other_byte,
    "cut short": _cut,
    "bytes taken out": _take_out,
    "bytes put in": _put_in,
    "a block of zeros": _zeros,
    "a block of noise": _noise,
    "emptied": _empty,
}


def _lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def _swap_lines(content: bytes, rng: random.Random) -> bytes:
    lines = _lines(content)
    one, other = rng.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _lose_line(content: bytes, rng: random.Random) -> bytes:
    lines = _lines(content)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def _repeat_line(content: bytes, rng: random.Random) -> bytes:
    lines = _lines(content)
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"".join(lines)


def _copy_over_line(content: bytes, rng: random.Random) -> bytes:
    lines = _lines(content)
    one, other = rng.sample(range(len(lines)), 2)
    lines[one] = lines[other]
    return b"".join(lines)


FILES_OF_LINES: dict[str, Damage] = {
    "two lines swapped": _swap_lines,
    "a line lost": _lose_line,
    "a line twice": _repeat_line,
    "a line over another": _copy_over_line,
}


def _not_utf8(content: bytes, rng: random.Random) -> bytes:
    start, end = rng.choice([span for spans in fields(content).values() for span in spans])
    at = rng.randrange(start, end)
    return content[:at] + bytes([rng.randrange(128, 256)]) + content[at + 1 :]


def _at_an_object(content: bytes, rng: random.Random, put: bytes) -> bytes:
    at = rng.choice([found.end() for found in re.finditer(rb"\{", content)])
    return content[:at] + put + content[at:]


def _unknown_key(content: bytes, rng: random.Random) -> bytes:
    return _at_an_object(content, rng, b'"unheard_of":1,')


def _nested(content: bytes, rng: random.Random) -> bytes:
    return _at_an_object(content, rng, b'"deep":' + b"[" * 5000 + b"]" * 5000 + b",")


def _wrong_type(content: bytes, rng: random.Random) -> bytes:
    start, end = rng.choice([span for spans in fields(content).values() for span in spans])
    return content[:start] + rng.choice([b"[]", b"{}", b"null", b'"?"', b"-1e99"]) + content[end:]


JSON_FILES: dict[str, Damage] = {
    "a byte that is no UTF-8": _not_utf8,
    "an unknown key": _unknown_key,
    "a value nested deep": _nested,
    "a value of another type": _wrong_type,
}


def fields(content: bytes) -> dict[bytes, list[tuple[int, int]]]:
    """The positions of the values of each JSON key, including those in lists, by the quoted key."""
    found: dict[bytes, list[tuple[int, int]]] = {}
    key = b""
    for token in _TOKEN.finditer(content):
        if content[token.end() :].lstrip()[:1] == b":":
            key = token.group()
        else:
            found.setdefault(key, []).append(token.span())
    return found


def edit_field(content: bytes, key: bytes, rng: random.Random) -> bytes:
    """Replace a value of ``key`` by another of the same size (and type, but for true, false and null)."""
    start, end = rng.choice(fields(content)[key])
    old = content[start:end]
    places = [at for at, byte in enumerate(old) if chr(byte).isalnum() and byte < 128]
    if old in _OTHER_WORDS or not places:
        return content[:start] + _OTHER_WORDS.get(old, old) + content[end:]
    at = rng.choice(places)
    pool = b"123456789" if chr(old[at]).isdigit() else b"abcdefghijklmnopqrstuvwxyz"
    other = rng.choice([byte for byte in pool if byte != old[at]])
    new = bytearray(old)
    new[at] = other
    return content[:start] + bytes(new) + content[end:]


def kinds_for(path: Path) -> dict[str, Damage]:
    """The kinds of damage that suit the content of a file, by name. The file must not be empty."""
    content = path.read_bytes()
    kinds = dict(ANY_FILE)
    if path.suffix == ".jsonl" and content.count(b"\n") > 1:
        kinds |= FILES_OF_LINES
    if path.suffix in (".jsonl", ".json", ".copy") and b"{" in content:
        kinds |= JSON_FILES
        for key in fields(content):
            kinds[f"another value of {key.decode()}"] = _editing(key)
    return kinds


def _editing(key: bytes) -> Damage:
    return lambda content, rng: edit_field(content, key, rng)
