"""OpenAI's chat completions, as many servers speak them: what an answer means.

Comes in: status and body of an answer, streamed (server-sent events) or whole (JSON). Goes out: text and
counts, or the error that it is. Gateways differ in where the text stands and in how an answer ends; every
way that leaves no doubt is taken. Not its job: sending, trying again, what a text is worth.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from triptych.captioning.endpoints.error_words import SHOWN, fault, is_too_long, shown
from triptych.captioning.endpoints.request_errors import Refused, TooLong, Transient

MIN_REPEATED = 16
"""A piece of text as long that says again all that came before it is a repetition, not a coincidence."""

READ_OF_AN_ERROR = 20_000
"""Bytes: servers that quote a request quote its images too."""

_BOM = b"\xef\xbb\xbf"
_REASONING = ("reasoning_content", "reasoning", "thinking", "thought")
"""Fields in which servers with a reasoning parser put what a model thinks."""

_CUT_BY_BOUND = re.compile(r"length|max|limit")
_WITHHELD = re.compile(r"filter|safe|block|moderat|prohibit|recit|sensitive|refus|spii")
_BROKEN_OFF = re.compile(r"abort|error|cancel|fail|time_?out|insufficient|overload")
"""Finish reasons, in small letters: OpenAI has stop, length and content_filter; lmdeploy gives abort and
error, in a 200, to an answer that was broken off; Gemini, Anthropic and others have their own words."""


class ChatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A caption as an endpoint gave it."""

    text: str
    finish_reason: str
    """``stop``, ``length``, or empty where it doesn't say."""
    prompt_tokens: int
    completion_tokens: int
    has_reasoning: bool = False
    """Whether text came in a field of its own, for what the model thinks."""


def read_answer(
    status: int, content: bytes, where: str, *, retry_after_s: float = 0.0, cut: str | None = None
) -> ChatAnswer:
    """The caption in an answer of ``where``.

    ``cut`` says how the connection ended, where it did not end well: an answer that was whole by then
    counts. An error in a 200 counts as the error that it is: lmdeploy's proxy hands on an upstream error, and
    reports a dead node, like that. Raises a RequestError, or SetupError where the endpoint refuses the key.
    """
    if status != 200:
        words = content.removeprefix(_BOM)[:READ_OF_AN_ERROR].decode("utf-8", "replace")
        raise fault(status, words, where, retry_after_s)
    documents, is_done = _documents(content)
    for document in documents:
        _raise_for_error_in_a_200(document, where)
    choices = [choice for document in documents if (choice := _choice(document)) is not None]
    finish_reason = _finish_reason(choices, where)
    if cut is not None and not finish_reason:
        raise Transient(f"{where}, {cut}")
    if not choices:
        raise Transient(f"{where} sent a completion without choices: {shown(content)}")
    if not (finish_reason or is_done or any("message" in choice for choice in choices)):
        raise Transient(f"{where} ended its answer without a finish_reason: {shown(content[-SHOWN:])}")
    usage = next((u for document in reversed(documents) if isinstance(u := document.get("usage"), dict)), {})
    return ChatAnswer(
        text=_text_of(choices),
        finish_reason=finish_reason,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        has_reasoning=any(_part(c).get(name) for c in choices for name in _REASONING),
    )


def _documents(content: bytes) -> tuple[list[dict[str, Any]], bool]:
    """The JSON objects in ``content``, one or those of its events, and whether it says that it is done.

    What is no JSON is passed over: a ping, or an event that the connection's end has cut.
    """
    content = content.removeprefix(_BOM)
    if content.lstrip()[:1] in (b"{", b"["):
        whole = _decoded(content)
        if whole is not None:
            return _objects(whole), False
    events = _events(content)
    is_done = any(event.strip() == b"[DONE]" for event in events)
    decoded = [document for event in events if (document := _decoded(event)) is not None]
    return [each for document in decoded for each in _objects(document)], is_done


def _events(content: bytes) -> list[bytes]:
    """What the events carry; of something else, the lines that are no comments, as one."""
    lines = content.splitlines()
    events, data, other = [], [], []
    for line in [*lines, b""]:
        if line.startswith(b"data:"):
            data.append(line[len(b"data:") :].removeprefix(b" "))
        elif line.startswith(b"{") and data:  # a gateway that broke an event's JSON into lines
            data.append(line)
        elif not line:
            events += _one_or_each(data)
            data = []
        elif not line.startswith((b":", b"event:", b"id:", b"retry:")):
            other.append(line)
    return events or [b"\n".join(other)]


def _one_or_each(lines: Sequence[bytes]) -> list[bytes]:
    """The lines of an event are one document, but gateways that forget blank lines send one a line."""
    return list(lines) if len(lines) < 2 or _decoded(lines[0]) is not None else [b"\n".join(lines)]


def _decoded(content: bytes) -> object | None:
    try:
        decoded: object = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return decoded


def _objects(decoded: object) -> list[dict[str, Any]]:
    items = decoded if isinstance(decoded, list) else [decoded]
    return [item for item in items if isinstance(item, dict)]


def _choice(document: dict[str, Any]) -> dict[str, Any] | None:
    choices = document.get("choices")
    return next(iter(_objects(choices)), None) if isinstance(choices, list) else None


def _part(choice: dict[str, Any]) -> dict[str, Any]:
    """The message of a choice, or its piece of one; of the old completions the choice itself."""
    return next((part for name in ("message", "delta") if isinstance(part := choice.get(name), dict)), choice)


def _text(part: dict[str, Any]) -> str:
    """``content`` as a text or as a list of parts; a refusal, or the text of the old completions."""
    content = part.get("content")
    if isinstance(content, list):
        return "".join(item if isinstance(item, str) else _text_of_item(item) for item in content)
    if isinstance(content, dict):
        return _text_of_item(content)
    texts = (content, part.get("refusal"), part.get("text"))
    return next((text for text in texts if isinstance(text, str) and text), "")


def _text_of_item(item: object) -> str:
    text = item.get("text") if isinstance(item, dict) and item.get("type") not in _REASONING else None
    return text if isinstance(text, str) else ""


def _text_of(choices: Sequence[dict[str, Any]]) -> str:
    """The whole text. A message is all of it; so is a piece that says again what came before it, and each
    piece of a stream that says all so far."""
    messages = [text for choice in choices if "message" in choice and (text := _text(_part(choice)))]
    pieces = [text for choice in choices if "message" not in choice and (text := _text(_part(choice)))]
    if messages and pieces:
        return messages[-1]
    pieces = messages or pieces
    before, last = "".join(pieces[:-1]), "".join(pieces[-1:])
    says_all = before.strip() == last.strip() or _grows(pieces)
    return last if says_all and len(last.strip()) >= MIN_REPEATED else before + last


def _grows(pieces: Sequence[str]) -> bool:
    pairs = list(itertools.pairwise(pieces))
    longer = sum(len(piece) > len(before) for before, piece in pairs)
    return longer > 1 and all(piece.startswith(before) for before, piece in pairs)


def _finish_reason(choices: Iterable[dict[str, Any]], where: str) -> str:
    """``stop`` or ``length``; empty where none is said. Raises where an answer was broken off or withheld."""
    said = ""
    for choice in choices:
        reason: object = choice.get("finish_reason")
        reason = reason.get("type") if isinstance(reason, dict) else reason
        said = str(reason).strip().lower() if reason else said
    if said in ("", "null", "none"):
        return ""
    if _CUT_BY_BOUND.search(said):
        return "length"
    if _BROKEN_OFF.search(said):
        raise Transient(f"{where} broke off its answer (finish_reason {shown(said)} in a 200)")
    if _WITHHELD.search(said):
        raise Refused(f"{where} withheld its answer (finish_reason {shown(said)})")
    return "stop"


def _count(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 2**53 else 0


def _raise_for_error_in_a_200(document: dict[str, Any], where: str) -> None:
    if document.get("error_code") is not None:
        code, text = shown(str(document["error_code"])), shown(str(document.get("text") or ""))
        raise Transient(f"{where}, error {code} in a 200: {text}")
    error: object = document.get("error")
    if not error and document.get("object") == "error":
        error = document
    if not error:
        return
    fields = error if isinstance(error, dict) else {"message": error}
    code, where = str(fields.get("code")), f"{where} (in a 200)"
    words = str(fields.get("message") or "no reason given")[:READ_OF_AN_ERROR]
    if is_too_long(f"{code} {words}"):
        raise TooLong(f"{where}, HTTP {shown(code)}: {shown(words)}")
    unknown = 400 if "invalid" in str(fields.get("type")) else 500
    raise fault(int(code) if code.isdecimal() else unknown, words, where)
