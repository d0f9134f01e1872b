"""Decodes an answer's body: server-sent events, lines of JSON, or one JSON document.

Comes in: the bytes of an answer. Goes out: its documents, in order; their text, once. Tolerates gateways that
forget blank lines, break lines or split characters, send the whole message after its pieces, send all pieces
twice, or repeat in each piece all text so far. Not its job: what a document means (see chat_api), what a
model itself repeats (see filtering).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from triptych.captioning.endpoints.request_errors import Transient, excerpt
from triptych.captioning.thinking import without_thinking

MIN_REPEATED_CHARS = 16
"""A text of this length that comes again as a whole is a repetition, not a coincidence."""

BOM = b"\xef\xbb\xbf"
_DATA = re.compile(rb"(?:\xef\xbb\xbf)?[ \t]*(?:data:[ ]?)+|(?=\"?\[DONE\])", re.IGNORECASE)
_OTHER_FIELD = re.compile(rb":|(?:event|id|retry):")
_ERROR_EVENT = re.compile(rb"event:\s*error\s*$", re.IGNORECASE)


def decoded_events(content: bytes, where: str) -> list[Any]:
    """The JSON document in ``content``, or those of its events. What isn't JSON stays bytes: a ping, an error
    in plain text, or an event that the end of the connection has cut. Raises Transient for invalid JSON
    before the end, which may have held part of the text.
    """
    content = content.removeprefix(BOM).strip()
    whole = decoded(content) if content[:1] in (b"{", b"[") else None
    events = _events(content) if whole is None else [whole]
    if b"{" in {event.lstrip()[:1] for event in events[:-1] if isinstance(event, bytes)}:
        raise Transient(f"{where} sent an event that is no JSON: {excerpt(content)}")
    return events


def _events(content: bytes) -> list[Any]:
    """The data of server-sent events, decoded where it is JSON; without any, that of the plain lines."""
    events: list[Any] = []
    data: list[bytes] = []
    other: list[bytes] = []
    is_error = False
    for line in [*content.splitlines(), b""]:
        if (prefix := _DATA.match(line)) is not None:
            data.append(line[prefix.end() :])
        elif line.startswith(b"{") and data:  # a gateway that broke an event's JSON into lines
            data.append(line)
        elif not line:
            found = _documents(data)
            events += map(_as_error, found or [b"no reason given"]) if is_error else found
            data, is_error = [], False
        elif _OTHER_FIELD.match(line) is None:
            other.append(line)
        else:
            is_error = is_error or _ERROR_EVENT.match(line) is not None
    return events or _documents(other)


def _as_error(found: object) -> dict[str, object]:
    return {"error": excerpt(found) if isinstance(found, bytes) else found}


def _documents(lines: Sequence[bytes]) -> list[Any]:
    """The one document of an event's lines, or one a line from gateways that forget blank lines."""
    if len(lines) > 1 and (whole := decoded(b"\n".join(lines))) is not None:
        return [whole]
    documents = [(line, decoded(line)) for line in lines]
    return [line if document is None else document for line, document in documents]


def decoded(content: bytes) -> object | None:
    """``content`` decoded as JSON; None where it isn't JSON. Tolerates NaN, and characters that a server has
    split."""
    document: object
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = msgspec.json.decode(content)
        return document
    if content.lstrip()[:1] in (b"{", b"["):
        with contextlib.suppress(ValueError, RecursionError):
            document = json.loads(content.decode("utf-8", "surrogateescape"), strict=False)
            return document
    return None


def without_repeated_text(pieces: Sequence[str]) -> str:
    """Join ``pieces``, without those that repeat all the text before them.

    >>> pieces = ["A red kite ", "over a field."]
    >>> without_repeated_text([*pieces, "A red kite over a field.", "A red kite over a field."])
    'A red kite over a field.'
    >>> without_repeated_text([*pieces, *pieces])
    'A red kite over a field.'
    """
    trimmed = _without_blank_ends(pieces)
    middle = len(trimmed) // 2
    half = "".join(trimmed[:middle])
    last = "".join(trimmed[-1:])
    if _is_long(last):
        before = "".join(_before_last(trimmed))
        is_whole = last.strip() in (before.strip(), without_thinking(before).strip())
        if not before or is_whole or _grows(trimmed):
            return last
    is_sent_twice = trimmed[:middle] == trimmed[middle:]
    return half if is_sent_twice and _is_long(half) else "".join(pieces)


def _without_blank_ends(pieces: Sequence[str]) -> list[str]:
    with_text = [number for number, piece in enumerate(pieces) if piece.strip()]
    return list(pieces[with_text[0] : with_text[-1] + 1]) if with_text else []


def _before_last(pieces: Sequence[str]) -> list[str]:
    """The pieces before the last one and its copies."""
    rest = list(pieces)
    while rest and rest[-1].strip() == pieces[-1].strip():
        rest.pop()
    return rest


def _grows(pieces: Sequence[str]) -> bool:
    """Whether each piece repeats all text so far."""
    pairs = list(itertools.pairwise(pieces))
    longer = sum(len(piece) > len(before) for before, piece in pairs)
    return longer > 1 and all(piece.startswith(before) for before, piece in pairs)


def _is_long(text: str) -> bool:
    return len(text.strip()) >= MIN_REPEATED_CHARS
