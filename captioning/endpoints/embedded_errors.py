"""Recognises errors that an endpoint sends with status 200: as a document, in a choice, or after the text.

Comes in: decoded events and documents of an answer. Goes out: an error by its code or its words, or None. Not
its job: errors with an HTTP status of their own (see request_errors), what isn't an error (see chat_api).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

from triptych.captioning.endpoints.request_errors import (
    RequestError,
    TooLong,
    Transient,
    error_for,
    excerpt,
    is_too_long,
)
from triptych.errors import SetupError

MAX_ERROR_CHARS = 20_000
"""Of an error's text: servers that quote a request quote its images too."""

_KEEP_ALIVE = re.compile(
    r"\W*(?:ping|pong|null|done|(?:session )?keep[-_ ]?alive|heart[-_ ]?beat)?\W*", re.IGNORECASE
)
"""Events that keep a connection open, or end an answer."""

_HTTP_ERROR = re.compile("[45][0-9]{2}")
_STATUS_BY_WORDS = {
    re.compile(words, re.IGNORECASE): status
    for words, status in (
        (r"rate.?limit|too.?many.?requests|request.limit|throttl|exhausted|quota|并发|频率", 429),
        (r"overloaded|unavailable", 503),
        (
            r"inspection|sensitive|content.?(?:policy|filter\b)|moderation|prohibited|\bblock|敏感|不安全|违规",
            400,
        ),
    )
}
"""The HTTP status that the words of an error stand for, where it was sent with status 200."""
_STATUS_BY_CODE = _STATUS_BY_WORDS | {
    re.compile(words, re.IGNORECASE): status
    for words, status in (
        ("too.?many", 429),
        ("overload", 503),
        ("authenticat|api.?key", 401),
        ("invalid", 400),
    )
}
"""The same for its code or type, which decides first."""


def unknown_event_after_text(events: Sequence[Any]) -> dict[str, Any] | None:
    """The first event after the text began that is no text, token count, ping or end: an error in a
    server's own format."""
    has_begun = False
    for event in events:
        for each in event if isinstance(event, list) else [event]:
            if isinstance(each, dict) and ("choices" in each or "usage" in each):
                has_begun = has_begun or bool(objects(each.get("choices")))
            elif has_begun and not _is_keep_alive(each):
                has_message = isinstance(each, dict) and _message_of(each)
                return each if has_message else {"message": as_text(each)}
    return None


def _is_keep_alive(event: object) -> bool:
    if isinstance(event, dict):
        return not any(event.values()) or "ping" in (event.get("type"), event.get("event"))
    return _KEEP_ALIVE.fullmatch(as_text(event)) is not None


def as_text(event: object) -> str:
    """An event for a person."""
    return event.decode("utf-8", "replace") if isinstance(event, bytes) else str(event)


def objects(decoded: object) -> list[dict[str, Any]]:
    """The objects in a list, or the one that isn't in a list."""
    items = decoded if isinstance(decoded, list) else [decoded]
    return [item for item in items if isinstance(item, dict)]


def raise_for_error(document: dict[str, Any], where: str) -> None:
    """Raise the error of a document or choice, if it has one."""
    fields = _error_fields(document)
    if fields is not None:
        raise error_in_fields(fields, f"{where} (in a 200)")


def error_in_fields(fields: dict[str, Any], where: str) -> RequestError | SetupError:
    """The error that ``fields`` describe, by its code or else by its message."""
    code = next((str(code) for name in _CODES if (code := fields.get(name))), "")
    kind = f"{code} {fields.get('type') or fields.get('error_type')}"
    message = str(_message_of(fields) or "no reason given")[:MAX_ERROR_CHARS]
    if _HTTP_ERROR.fullmatch(code):
        return error_for(int(code), message, where)
    message = f"{message} (code {code})" if code and code not in message else message
    if is_too_long(f"{kind} {message}"):
        return TooLong(f"{where}, HTTP 400: {excerpt(message)}")
    error = Transient(f"{where}: {excerpt(message)}")
    error.server_message = message
    by_code = (status for pattern, status in _STATUS_BY_CODE.items() if pattern.search(kind))
    by_words = (status for pattern, status in _STATUS_BY_WORDS.items() if pattern.search(message))
    status = next(itertools.chain(by_code, by_words), None)
    return error if status is None else error_for(status, message, where)


_CODES = ("code", "error_code", "status")
_MESSAGES = ("message", "detail", "msg", "error_msg", "errors", "text")


def _message_of(fields: dict[str, Any]) -> object:
    return next((text for name in _MESSAGES if (text := fields.get(name))), None)


def _error_fields(document: dict[str, Any]) -> dict[str, Any] | None:
    """The fields of an error and of what wraps it; None without an error, or for a gateway's empty one."""
    is_error = "error" in (document.get("object"), document.get("type")) or document.get("error_code")
    error: object = document if is_error else document.get("error")
    if not error or (isinstance(error, dict) and not any(error.values())):
        return None
    fields = dict(document)
    while isinstance(error, dict):
        fields |= {name: value for name, value in error.items() if value}
        error = error.get("error")
    if error:
        fields["message"] = error if isinstance(error, str) else fields.get("message") or error
    return fields
