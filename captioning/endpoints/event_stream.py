"""Server-sent events, lines of JSON, or one JSON document: what an answer carries, decoded.

Comes in: the bytes of an answer. Goes out: its documents, in order. Gateways that forget blank lines, break
lines, or cut characters into halves are understood. Not its job: what a document means (see chat_api).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from triptych.captioning.endpoints.request_errors import Transient, shown

_BOM = b"\xef\xbb\xbf"
_DATA = re.compile(rb"(?:\xef\xbb\xbf)?(?:data:[ ]?)+")
_OTHER_FIELD = re.compile(rb":|(?:event|id|retry):")
_ERROR_EVENT = re.compile(rb"event:\s*error\s*$", re.IGNORECASE)


def decoded_events(content: bytes, where: str) -> list[Any]:
    """The JSON in ``content``, one or that of its events. What is no JSON stays bytes: a ping, the word of an
    error, or an event that the connection's end has cut. Raises Transient for a piece of JSON in the middle
    that can't be read: it may have held words.
    """
    content = content.removeprefix(_BOM).strip()
    whole = decoded(content) if content[:1] in (b"{", b"[") else None
    events = _events(content) if whole is None else [whole]
    if b"{" in {event.lstrip()[:1] for event in events[:-1] if isinstance(event, bytes)}:
        raise Transient(f"{where} sent an event that is no JSON: {shown(content)}")
    return events


def _events(content: bytes) -> list[Any]:
    """What the events carry, decoded where it is JSON; of something else, what its lines that are no comments
    do."""
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
            found = _one_or_each(data)
            events += map(_as_error, found or [b"no reason given"]) if is_error else found
            data, is_error = [], False
        elif _OTHER_FIELD.match(line) is None:
            other.append(line)
        else:
            is_error = is_error or _ERROR_EVENT.match(line) is not None
    return events or _one_or_each(other)


def _as_error(found: object) -> dict[str, object]:
    return {"error": shown(found) if isinstance(found, bytes) else found}


def _one_or_each(lines: Sequence[bytes]) -> list[Any]:
    """The lines of an event are one document, but gateways that forget blank lines send one a line."""
    if len(lines) > 1 and decoded(lines[0]) is None:
        lines = [b"\n".join(lines)]
    documents = [(line, decoded(line)) for line in lines]
    return [line if document is None else document for line, document in documents]


def decoded(content: bytes) -> object | None:
    """The JSON that ``content`` is; None where it is none."""
    try:
        document: object = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _leniently_decoded(content) if content.lstrip()[:1] in (b"{", b"[") else None
    return document


def _leniently_decoded(content: bytes) -> object | None:
    """With halves of characters, which servers that cut their answers into pieces send, and with NaN."""
    try:
        document: object = json.loads(content.decode("utf-8", "surrogateescape"), strict=False)
    except (ValueError, RecursionError):
        return None
    return document
