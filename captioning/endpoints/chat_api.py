"""Parses answers of OpenAI's chat completions API, in the variants of many servers.

Comes in: status and body of an answer, streamed (server-sent events) or whole (JSON). Goes out: text and
token counts, or an error to raise. Gateways differ in where they put the text and in how an answer ends;
every unambiguous variant is accepted. Not its job: sending, retries, judging the text.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from triptych.captioning.endpoints.embedded_errors import (
    MAX_ERROR_CHARS,
    as_text,
    error_in_fields,
    objects,
    raise_for_error,
    unknown_event_after_text,
)
from triptych.captioning.endpoints.event_stream import decoded, decoded_events, without_repeated_text
from triptych.captioning.endpoints.request_errors import (
    EXCERPT_CHARS,
    Refused,
    Transient,
    error_for,
    excerpt,
)

_ESCAPED_BYTES = re.compile("(?<![\ud800-\udbff])[\udc80-\udcff]+")
"""Bytes that ``surrogateescape`` has decoded."""

_TEXT_FIELDS = ("delta", "message", "content", "text", "value", "parts")
"""Fields that may hold the text, from a choice down to a part of its content; the first with text counts."""

_REASONING = re.compile(r"reason(?!$)|think|thought|analysis")
"""Names of fields, and types of parts, for a model's reasoning. A ``finish_reason`` doesn't match."""

_REASONING_FLAGS = ("thought", "is_thought", "thinking", "reasoning")
"""Fields that are true in a part with reasoning: Gemini has the first."""

_FINISH_FIELDS = ("finish_reason", "finishReason", "stop_reason")
_WITHHELD = re.compile(r"filter|safe|block|moderat|prohibit|recit|sensitive|refus|spii|toxic")
_BROKEN_OFF = re.compile(
    r"abort|error|cancel|fail|time_?(?:out|limit)|insufficient|overload|rate_limit|preempt|evict|interrupt"
    r"|disconnect|dead|died|kill|crash|malformed|^other$|^language$"
)
_NOT_ENDED = re.compile(r"|null|none|.*(?:unknown|unspecified)|in_progress|not_finished|pending|running")
_HIT_LIMIT = re.compile(r"length|max|limit|exceed|trunc|incomplete|cut_?off")
"""Finish reasons in lower case, searched for in this order. OpenAI has stop, length and content_filter;
lmdeploy sends abort and error, with status 200, where it broke off an answer; Gemini, Anthropic and others
have their own, "other" among them. Any other word means that the answer is complete."""


class ChatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint's answer to one request."""

    text: str
    finish_reason: str
    """``stop``, ``length``, or empty where the endpoint sent none."""
    prompt_tokens: int
    completion_tokens: int
    has_reasoning: bool = False
    """Whether the endpoint sent reasoning in a field of its own."""
    first_tokens: dict[str, float] = {}
    """Probabilities of the likeliest first tokens, if the endpoint sent them."""


def read_answer(
    status: int, content: bytes, where: str, *, retry_after_s: float = 0.0, cut: Transient | None = None
) -> ChatAnswer:
    """Parse an answer of the endpoint ``where``.

    ``cut`` is the error that ended the transfer, if any; a text that was complete by then still counts. An
    error sent with status 200 is raised like any other: lmdeploy's proxy reports upstream errors and dead
    nodes that way. Raises a RequestError, or SetupError where the endpoint refuses the key.
    """
    if not 200 <= status < 300:
        document = decoded(content) if b"\\u" in content else None  # resolves \u escapes
        words = content.decode("utf-8", "replace")
        words = words if document is None else json.dumps(document, ensure_ascii=False)
        raise error_for(status, words.removeprefix("\ufeff")[:MAX_ERROR_CHARS], where, retry_after_s)
    events = decoded_events(content, where)
    documents = [_unwrapped(each) for event in events for each in objects(event)]
    is_done = _is_done(events, documents)
    choices = _first_choices(documents)
    for fields in (*documents, *choices):
        raise_for_error(fields, where)
    if refusal := "".join(_text(part.get("refusal")) for choice in choices for part in _with_parts(choice)):
        raise Refused(f"{where} withheld its answer (refusal: {excerpt(refusal)})")
    finish_reason = _finish_reason(choices, where)
    if cut is not None and not is_done and (not finish_reason or _goes_on(choices)):
        if content and not choices:  # perhaps an error in plain text
            cut.args = (f"{cut}, and sent only: {excerpt(content)}",)
        raise cut
    if not choices:
        alone = documents[0] if len(documents) == 1 else {}
        words = content.decode("utf-8", "replace")[:MAX_ERROR_CHARS]
        raise error_in_fields({**alone, "message": words}, f"{where} (a 200 without choices)")
    if not finish_reason and (unknown := unknown_event_after_text(events)) is not None:
        raise error_in_fields(unknown, f"{where} broke off its answer (in a 200)")
    if not (finish_reason or is_done or any("message" in choice for choice in choices)):
        raise Transient(
            f"{where} ended its answer without a finish_reason: {excerpt(content[-EXCERPT_CHARS:])}"
        )
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
    """Whether an answer is marked as complete, by ``[DONE]`` or by token counts at its end."""
    if any(as_text(event).strip().upper() == "[DONE]" for event in events):
        return True
    relevant = [each for each in documents if each.get("usage") or each.get("choices")]
    return bool(relevant) and not relevant[-1].get("choices")


def _unwrapped(document: dict[str, Any]) -> dict[str, Any]:
    """The completion in a gateway's own wrapper."""
    inner = (document.get(name) for name in ("data", "output", "result", "response"))
    return next((each for each in inner if isinstance(each, dict) and each.get("choices")), document)


def _first_choices(documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The choice with the lowest index of each document. One is asked for, and some servers count pieces in
    ``index``, so those of different documents aren't compared."""
    of_documents = [objects(document.get("choices")) for document in documents]
    return [min(each, key=lambda choice: str(choice.get("index") or 0)) for each in of_documents if each]


def _text(value: object, depth: int = 8) -> str:
    """The text of a choice, message or list of parts, without reasoning."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth:
        return "".join(_text(item, depth - 1) for item in value)
    if isinstance(value, dict) and depth and not _is_reasoning(value):
        texts = (_text(value.get(name), depth - 1) for name in _TEXT_FIELDS)
        return next((text for text in texts if text), "")
    return ""


def _is_reasoning(part: dict[str, Any]) -> bool:
    return _REASONING.search(str(part.get("type"))) is not None or any(
        part.get(name) is True for name in _REASONING_FLAGS
    )


def _has_reasoning(value: object, depth: int = 8) -> bool:
    if isinstance(value, list) and depth:
        return any(_has_reasoning(item, depth - 1) for item in value)
    if isinstance(value, dict) and depth:
        parts = (value.get(name) for name in (*_TEXT_FIELDS, "provider_specific_fields"))
        has_field = any(content and _REASONING.search(name) for name, content in value.items())
        return has_field or _is_reasoning(value) or any(_has_reasoning(part, depth - 1) for part in parts)
    return False


def _first_tokens(choices: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The first token's probabilities, from the first choice that has any in OpenAI's form."""
    for choice in choices:
        logprobs = choice.get("logprobs")
        content = objects(logprobs.get("content")) if isinstance(logprobs, dict) else []
        found = {
            str(each.get("token")): math.exp(logprob)
            for first in content[:1]
            for each in objects(first.get("top_logprobs"))
            if isinstance(logprob := each.get("logprob"), (int, float)) and logprob <= 0
        }
        if found:
            return found
    return {}


def _text_of(choices: Sequence[dict[str, Any]]) -> str:
    """The whole text. A ``message`` that comes after deltas holds all of it."""
    whole = ["message" in choice and not _text(choice.get("delta")) for choice in choices]
    texts = [
        (is_whole, text) for is_whole, choice in zip(whole, choices, strict=True) if (text := _text(choice))
    ]
    messages = [text for is_whole, text in texts if is_whole]
    pieces = [text for is_whole, text in texts if not is_whole]
    if messages and pieces:
        return messages[-1]
    return without_repeated_text(messages or pieces)


def _with_whole_characters(text: str) -> str:
    """``text`` with characters put together that a server has split: bytes of UTF-8, and surrogates."""
    if text.isascii():
        return text
    text = _ESCAPED_BYTES.sub(
        lambda found: found[0].encode("utf-8", "surrogateescape").decode("utf-8", "replace"), text
    )
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _with_parts(choice: dict[str, Any]) -> list[dict[str, Any]]:
    """A choice, its delta and its message."""
    return objects([choice, choice.get("delta"), choice.get("message")])


def _finish_word(choice: dict[str, Any]) -> str:
    """Its finish reason in lower case; empty for one that means that more will follow."""
    found = ""
    for fields in _with_parts(choice):
        for reason in [fields.get(name) for name in _FINISH_FIELDS]:
            reason = reason.get("type") if isinstance(reason, dict) else reason
            word = str(reason or "").strip().lower()
            found = found if _NOT_ENDED.fullmatch(word) else word
    return found


def _goes_on(choices: Sequence[dict[str, Any]]) -> bool:
    """Whether text follows a finish reason: some gateways send one with each piece."""
    after = itertools.dropwhile(lambda choice: not _finish_word(choice), choices)
    return any(map(_text, itertools.islice(after, 1, None)))


def _finish_reason(choices: Sequence[dict[str, Any]], where: str) -> str:
    """``stop`` or ``length``; empty without one. Raises where the answer was withheld or broken off."""
    found = next(filter(None, map(_finish_word, reversed(choices))), "")
    if not found:
        return ""
    if _WITHHELD.search(found):
        raise Refused(f"{where} withheld its answer (finish_reason {excerpt(found)})")
    if _BROKEN_OFF.search(found):
        words = excerpt(_text_of(choices)[-EXCERPT_CHARS:])  # may be what went wrong
        raise Transient(f"{where} broke off its answer (finish_reason {excerpt(found)} in a 200): {words}")
    return "length" if _HIT_LIMIT.search(found) else "stop"


def _count(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 2**53 else 0
