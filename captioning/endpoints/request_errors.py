"""What can go wrong between a request and its caption, sorted by what to do about it.

    Fault               the base; its text names the endpoint and what it said
    ├── Refused         the request will never be served: a bad image
    │   └── TooLong     not with that many tiles
    └── Transient       it may be served later or elsewhere; counts as one of the request's attempts
        ├── TimedOut    no byte in time: also a sign that the endpoint has too much to do
        └── NotNow      it isn't the request (429): doesn't count as an attempt
            └── Unavailable         the endpoint serves nobody (503, 404)
                └── Unreachable     nobody listens there

Not its job: reading answers (see chat_answers), trying again (see server_engine).
"""

from __future__ import annotations


class Fault(Exception):
    """One request to one endpoint brought no caption."""


class Refused(Fault):
    """The request will never be served."""


class TooLong(Refused):
    """Prompt and images exceed the model's context."""


class Transient(Fault):
    """The same request may well be served later or elsewhere."""


class TimedOut(Transient):
    """Nothing came for too long."""


class NotNow(Transient):
    """The endpoint can't take it now. ``retry_after_s``: what it asked for; 0: nothing."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(NotNow):
    """The endpoint serves nobody at the moment: others are to be asked."""


class Unreachable(Unavailable):
    """Nobody listens there."""
