"""What can go wrong between a request and its caption, sorted by what to do about it.

    RequestError        the base; its text names the endpoint and what it answered
    ├── Refused         the request will never be served: a bad image
    │   └── TooLong     not with that many tiles
    └── Transient       it may be served later or elsewhere
        ├── TimedOut    no byte in time: also a sign that the endpoint has too much to do
        └── NotNow      it isn't the request (429)
            └── Unavailable         the endpoint serves nobody (503, 404)
                └── Unreachable     nobody listens there

Whose fault each is, and why: docs/decisions/0022. Not its job: reading answers (see chat_api), trying again
(see engines.openai_server).
"""

from __future__ import annotations

from typing import ClassVar


class RequestError(Exception):
    """One request to one endpoint brought no caption."""

    said: str = ""
    """What the endpoint said, at length; empty where it said nothing."""
    code: int = 0
    """The HTTP status that it said it with; 0 where none came."""


class Refused(RequestError):
    """The request will never be served."""


class TooLong(Refused):
    """Prompt and images exceed the model's context."""


class Transient(RequestError):
    """The same request may well be served later or elsewhere."""

    counts_as_attempt: ClassVar[bool] = True
    """Of the attempts that a request has."""
    is_overload: ClassVar[bool] = False
    """Whether the endpoint had too much to do."""
    is_of_endpoint: ClassVar[bool] = True
    """Whether it says that the endpoint isn't well."""
    retry_after_s: float = 0.0
    """For how long the endpoint asked to be left alone; 0: not at all."""


class TimedOut(Transient):
    """Nothing came for too long."""

    is_overload = True


class NotNow(Transient):
    """The endpoint can't take it now."""

    counts_as_attempt = False
    is_overload = True
    is_of_endpoint = False

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(NotNow):
    """The endpoint serves nobody at the moment: others are to be asked."""

    is_of_endpoint = True


class Unreachable(Unavailable):
    """Nobody listens there."""

    is_overload = False
