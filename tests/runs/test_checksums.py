"""A sealed line or document has a CRC-32 of 0 until anything changes."""

import json
import random
import zlib

import msgspec
import pytest

from triptych.runs.checksums import is_intact, sealed_document, sealed_line


def _line(rng: random.Random) -> bytes:
    text = "".join(rng.choice('ab "\\\n船🙂') for _ in range(rng.randrange(300)))
    return sealed_line(json.dumps({"id": rng.randrange(10**9), "text": text}, ensure_ascii=False).encode())


def test_sealed_lines_are_intact_one_by_one_and_together() -> None:
    """Each is a line of JSON with its original fields and a checksum."""
    rng = random.Random(1)
    lines = [_line(rng) for _ in range(200)]

    assert all(zlib.crc32(line) == 0 and line.count(b"\n") == 1 for line in lines)
    assert is_intact(b"".join(lines)) and is_intact(b"")
    assert ["id", "text", "crc32"] == list(json.loads(lines[0]))


@pytest.mark.parametrize("seed", range(3))
def test_a_change_of_any_byte_is_detected(seed: int) -> None:
    """A flipped bit, swapped bytes, or a byte lost or added: in content, checksum or newline."""
    rng = random.Random(seed)
    line = _line(rng)
    for at in range(len(line)):
        flipped = bytearray(line)
        flipped[at] ^= 1 << rng.randrange(8)
        swapped = bytearray(line)
        swapped[at - 1], swapped[at] = line[at], line[at - 1]

        assert not is_intact(bytes(flipped))
        assert not is_intact(line[:at] + line[at + 1 :])
        assert not is_intact(line[:at] + line[at : at + 1] + line[at:])
        assert is_intact(bytes(swapped)) == (swapped == line)


def test_a_sealed_document_is_indented_json_with_a_checksum() -> None:
    """Everything before the checksum is as msgspec formats it."""
    content = msgspec.json.format(msgspec.json.encode({"stages": {"sets": [1]}, "version": 2}), indent=2)
    sealed = sealed_document(content)

    assert is_intact(sealed) and not is_intact(sealed.replace(b"2", b"3"))
    assert content.removesuffix(b"\n}") == sealed.rpartition(b",\n")[0]
    assert {"stages", "version", "crc32"} == json.loads(sealed).keys()
