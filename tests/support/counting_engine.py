"""A captioning engine that counts its requests, and is down or refuses on demand.

Comes in: requests. Goes out: a different text for each, or a failure. ``SERVER`` is its only state, as if it
were a remote server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from triptych.captioning.engine import CaptionRequest, Completion
from triptych.captioning.engines import EngineSpec
from triptych.errors import SetupError

NAME = f"{__name__}:SPEC"


class Server(msgspec.Struct):
    """How the server behaves, and the requests that it got."""

    asked: list[str] = []
    texts: list[str] = []
    """All its answers."""
    served_model: str = "m"
    goes_on_with: str = ""
    is_down: bool = False
    refuses: bool = False
    """All requests for captions."""
    refuses_sets: bool = False
    fails: set[str] = set()
    """The ids of requests that it refuses."""
    says: Callable[[CaptionRequest], str] | None = None
    """Makes the text, instead of a different one for each request."""
    dies_after: int | None = None
    """It dies after this many more requests."""

    def answer(self, request: CaptionRequest) -> Completion:
        """A text, or a failure."""
        if self.dies_after == 0:
            raise SetupError("the server has died")
        if self.dies_after is not None:
            self.dies_after -= 1
        self.asked.append(request.id)
        if self.refuses or request.id in self.fails or (self.refuses_sets and len(request.images) > 1):
            return Completion(id=request.id, failure="refused: everything")
        own = f"{self.served_model} says {len(self.asked)}{self.goes_on_with}"
        text = self.says(request) if self.says is not None else own
        self.texts.append(text)
        return Completion(
            id=request.id, text=text, finish_reason="stop", prompt_tokens=1, completion_tokens=9
        )


SERVER = Server()


class CountingEngine:
    """Asks SERVER, one request at a time."""

    group_size = concurrency = slots = 1

    def __init__(self) -> None:
        _check("", None)

    @property
    def identity(self) -> Mapping[str, str]:
        return {"served_model": SERVER.served_model}

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        return [SERVER.answer(request) for request in requests]

    def slot_s(self) -> float:
        return 0.0

    def describe(self) -> str:
        return "counting"

    def close(self) -> None:
        pass


class _NoSettings(msgspec.Struct, forbid_unknown_fields=True):
    """The engine has no settings."""


def _check(_model: str, _config: object) -> None:
    if SERVER.is_down:
        raise SetupError("the server is down")


SPEC = EngineSpec(
    name="counting",
    config=_NoSettings,
    open=lambda model, config, limits, logs, say: CountingEngine(),
    check=_check,
    probe=lambda model, config, images, say: CountingEngine().identity,
    needs_model=False,
)
