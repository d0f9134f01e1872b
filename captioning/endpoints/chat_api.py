"""OpenAI's chat completions, as many servers speak them: what an answer means.

Comes in: status and body of an answer, streamed (server-sent events) or whole (JSON). Goes out: text and
counts, or the error that it is. Gateways differ in where the text stands and in how an answer ends; every
way that leaves no doubt is taken. Not its job: sending, trying again, what a text is worth.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from triptych.captioning.endpoints.event_stream import decoded, decoded_events
from triptych.captioning.endpoints.request_errors import (
    SHOWN,
    Refused,
    RequestError,
    TooLong,
    Transient,
    fault,
    is_too_long,
    shown,
)
from triptych.captioning.endpoints.said_once import said_once
from triptych.errors import SetupError

READ_OF_AN_ERROR = 20_000
"""Letters: servers that quote a request quote its images too."""

_TELLS_NOTHING = re.compile(
    r"\W*(?:ping|pong|null|done|(?:session )?keep[-_ ]?alive|heart[-_ ]?beat)?\W*", re.IGNORECASE
)
"""What keeps a connection open, or ends an answer."""

_BYTES = re.compile("(?<![\ud800-\udbff])[\udc80-\udcff]+")
_TEXT_IN = ("message", "delta", "content", "text", "value", "parts", "refusal")
"""Where a text stands, from a choice down to the part of a content; the first that there is counts."""

_REASONING = re.compile(r"reason(?!$)|think|thought|analysis")
"""Fields, and types of parts, in which servers with a reasoning parser put what a model thinks; not the
reason of an end."""

_MARKS = ("thought", "is_thought", "thinking", "reasoning")
"""Fields that are true of a part that was thought: Gemini has the first."""

_ENDS = ("finish_reason", "finishReason", "stop_reason")
_WITHHELD = re.compile(r"filter|safe|block|moderat|prohibit|recit|sensitive|refus|spii|toxic")
_BROKEN_OFF = re.compile(r"abort|error|cancel|fail|time_?out|insufficient|overload|rate_limit")
_CUT_BY_BOUND = re.compile(r"length|max|limit|exceed|trunc|incomplete|cut_?off")
"""Finish reasons, in small letters and in the order in which they are looked for: OpenAI has stop, length and
content_filter; lmdeploy gives abort and error, in a 200, to an answer that was broken off; Gemini, Anthropic
and others have their own words."""

_STATUS_OF = {
    re.compile(words, re.IGNORECASE): status
    for words, status in (
        ("rate.?limit|too.?many|throttl|exhausted|quota", 429),
        ("overload|unavailable", 503),
        ("invalid", 400),
    )
}
"""Of an error in a 200 whose code, or type, is a word."""


class ChatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A caption as an endpoint gave it."""

    text: str
    finish_reason: str
    """``stop``, ``length``, or empty where it doesn't say."""
    prompt_tokens: int
    completion_tokens: int
    has_reasoning: bool = False
    """Whether text came in a field of its own, for what the model thinks."""
    first_tokens: dict[str, float] = {}
    """Probabilities of the likeliest first tokens, where the endpoint gave them."""


def read_answer(
    status: int, content: bytes, where: str, *, retry_after_s: float = 0.0, cut: Transient | None = None
) -> ChatAnswer:
    """The caption in an answer of ``where``.

    ``cut`` says how it ended, where it did not end well: an answer that was whole by then counts. An error in
    a 200 counts as the error that it is: lmdeploy's proxy hands on an upstream error, and reports a dead
    node, like that. Raises a RequestError, or SetupError where the endpoint refuses the key.
    """
    if not 200 <= status < 300:
        document = decoded(content) if b"\\u" in content else None  # letters that are written as escapes
        words = content.decode("utf-8", "replace")
        words = words if document is None else json.dumps(document, ensure_ascii=False)
        raise fault(status, words.removeprefix("\ufeff")[:READ_OF_AN_ERROR], where, retry_after_s)
    events = decoded_events(content, where)
    documents = [each for event in events if not isinstance(event, bytes) for each in _objects(event)]
    is_done = _is_done(events, documents)
    for document in documents:
        _raise_for_error_in_a_200(document, where)
    choices = [choice for document in documents if (choice := _choice(document)) is not None]
    finish_reason = _finish_reason(choices, where)
    if cut is not None and not (finish_reason or is_done):
        raise cut
    if not choices:
        raise Transient(f"{where} sent a completion without choices: {shown(content)}")
    if not finish_reason and (stranger := _stranger_behind_text(events)) is not None:
        raise _error_of(stranger, f"{where} broke off its answer (in a 200)")
    if not (finish_reason or is_done or any("message" in choice for choice in choices)):
        raise Transient(f"{where} ended its answer without a finish_reason: {shown(content[-SHOWN:])}")
    usage = next((u for document in reversed(documents) if isinstance(u := document.get("usage"), dict)), {})
    return ChatAnswer(
        text=_with_whole_characters(_text_of(choices)),
        finish_reason=finish_reason,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        has_reasoning=any(map(_has_reasoning, choices)),
        first_tokens=_first_tokens(choices),
    )


def _is_done(events: Sequence[Any], documents: Sequence[dict[str, Any]]) -> bool:
    """Whether an answer says that it is: in so many words, or with a count of tokens at its end."""
    if any(isinstance(event, bytes) and event.strip().upper() == b"[DONE]" for event in events):
        return True
    told = [each for each in documents if each.get("usage") or each.get("choices")]
    return bool(told) and not told[-1].get("choices")


def _stranger_behind_text(events: Sequence[Any]) -> dict[str, Any] | None:
    """The first event behind a piece of the answer that is neither another piece, nor a count, a ping or
    an end: an error in a form of its own."""
    has_begun = False
    for event in events:
        for each in event if isinstance(event, list) else [event]:
            if isinstance(each, dict) and ("choices" in each or "usage" in each):
                has_begun = has_begun or _choice(each) is not None
            elif has_begun and not _tells_nothing(each):
                has_words = isinstance(each, dict) and _words_of(each)
                return each if has_words else {"message": _as_text(each)}
    return None


def _tells_nothing(event: object) -> bool:
    if isinstance(event, dict):
        return not any(event.values()) or "ping" in (event.get("type"), event.get("event"))
    return _TELLS_NOTHING.fullmatch(_as_text(event)) is not None


def _as_text(event: object) -> str:
    return event.decode("utf-8", "replace") if isinstance(event, bytes) else str(event)


def _objects(decoded: object) -> list[dict[str, Any]]:
    items = decoded if isinstance(decoded, list) else [decoded]
    return [item for item in items if isinstance(item, dict)]


def _choice(document: dict[str, Any]) -> dict[str, Any] | None:
    return next((each for each in _objects(document.get("choices")) if not each.get("index")), None)


def _text(value: object, depth: int = 8) -> str:
    """A text, also as a list of parts, or of the old completions; without what was thought."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth:
        return "".join(_text(item, depth - 1) for item in value)
    if isinstance(value, dict) and depth and not _is_thought(value):
        texts = (_text(value.get(name), depth - 1) for name in _TEXT_IN)
        return next((text for text in texts if text), "")
    return ""


def _is_thought(part: dict[str, Any]) -> bool:
    if _REASONING.search(str(part.get("type"))):
        return True
    return any(part.get(name) is True for name in _MARKS)


def _has_reasoning(choice: dict[str, Any]) -> bool:
    parts = [choice, choice.get("message"), choice.get("delta")]
    parts += [part.get("provider_specific_fields") for part in parts if isinstance(part, dict)]
    return any(
        isinstance(part, dict) and any(value and _REASONING.search(name) for name, value in part.items())
        for part in parts
    ) or _has_thought(choice)


def _has_thought(value: object, depth: int = 8) -> bool:
    """Whether one of the parts that a text may be in is a thought."""
    if isinstance(value, list) and depth:
        return any(_has_thought(item, depth - 1) for item in value)
    if isinstance(value, dict) and depth:
        return _is_thought(value) or any(_has_thought(value.get(name), depth - 1) for name in _TEXT_IN)
    return False


def _first_tokens(choices: Sequence[dict[str, Any]]) -> dict[str, float]:
    """From the first choice that has any; nothing where they are in no form that is known."""
    for choice in choices:
        logprobs = choice.get("logprobs")
        content = _objects(logprobs.get("content")) if isinstance(logprobs, dict) else []
        found = (
            {
                str(each.get("token")): math.exp(logprob)
                for each in _objects(content[0].get("top_logprobs"))
                if isinstance(logprob := each.get("logprob"), (int, float)) and logprob <= 0
            }
            if content
            else {}
        )
        if found:
            return found
    return {}


def _text_of(choices: Sequence[dict[str, Any]]) -> str:
    """The whole text. A message beside pieces is all of it."""
    messages = [text for choice in choices if "message" in choice and (text := _text(choice))]
    pieces = [text for choice in choices if "message" not in choice and (text := _text(choice))]
    if messages and pieces:
        return messages[-1]
    return said_once(messages or pieces)


def _with_whole_characters(text: str) -> str:
    """Halves of characters put together: bytes of UTF-8, and surrogates."""
    if text.isascii():
        return text
    text = _BYTES.sub(
        lambda found: found[0].encode("utf-8", "surrogateescape").decode("utf-8", "replace"), text
    )
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _finish_reason(choices: Iterable[dict[str, Any]], where: str) -> str:
    """``stop`` or ``length``; empty where none is said. Raises where an answer was broken off or withheld."""
    said = ""
    for choice in choices:
        reason: object = next((r for name in _ENDS if (r := choice.get(name))), None)
        reason = reason.get("type") if isinstance(reason, dict) else reason
        said = str(reason).strip().lower() if reason else said
    if said in ("", "null", "none"):
        return ""
    if _WITHHELD.search(said):
        raise Refused(f"{where} withheld its answer (finish_reason {shown(said)})")
    if _BROKEN_OFF.search(said):
        raise Transient(f"{where} broke off its answer (finish_reason {shown(said)} in a 200)")
    return "length" if _CUT_BY_BOUND.search(said) else "stop"


def _count(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 2**53 else 0


def _raise_for_error_in_a_200(document: dict[str, Any], where: str) -> None:
    if document.get("error_code"):
        code, text = shown(str(document["error_code"])), shown(str(document.get("text") or ""))
        raise Transient(f"{where}, error {code} in a 200: {text}")
    fields = _error_in(document)
    if fields is not None:
        raise _error_of(fields, f"{where} (in a 200)")


def _error_of(fields: dict[str, Any], where: str) -> RequestError | SetupError:
    """The error that ``fields`` tell of, by its code or else by its words."""
    code = str(fields.get("code") or fields.get("status"))
    kind = f"{code} {fields.get('type') or fields.get('error_type')}"
    words = str(_words_of(fields) or "no reason given")[:READ_OF_AN_ERROR]
    if code.isdecimal() and code != "200":
        return fault(int(code), words, where)
    if is_too_long(f"{kind} {words}"):
        return TooLong(f"{where}, HTTP {shown(code)}: {shown(words)}")
    return fault(next((each for said, each in _STATUS_OF.items() if said.search(kind)), 500), words, where)


def _words_of(fields: dict[str, Any]) -> object:
    return next((said for name in ("message", "detail", "msg", "errors") if (said := fields.get(name))), None)


def _error_in(document: dict[str, Any]) -> dict[str, Any] | None:
    """What an error says, and what it is wrapped in; None where there is none, or a gateway's empty form."""
    is_one = "error" in (document.get("object"), document.get("type"))
    error: object = document if is_one else document.get("error")
    if not error or (isinstance(error, dict) and not any(error.values())):
        return None
    fields = dict(document)
    while isinstance(error, dict):
        fields |= {name: value for name, value in error.items() if value}
        error = error.get("error")
    if error:
        fields["message"] = error if isinstance(error, str) else fields.get("message") or error
    return fields
