"""Asks endpoints for captions, each in the dialect that it takes.

Comes in: an endpoint, a request. Goes out: its answer. A field that an endpoint doesn't take is left out from
then on, which is said once. A refusal is checked with a trial picture: where that is refused too, no image is
to blame, and the set-up is. Not its job: which endpoint, trying again (see engines.openai_server).
"""

from __future__ import annotations

from collections.abc import Callable

from triptych.captioning.endpoints.chat_api import ChatAnswer
from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.endpoints.http_client import HttpClient, TimeLimits
from triptych.captioning.endpoints.probe import TRIAL_PX, no_text, probe
from triptych.captioning.endpoints.request_errors import Refused, RequestError, TooLong, Transient
from triptych.captioning.engine import CaptionRequest
from triptych.errors import SetupError


class ModelClient:
    """One model at any number of endpoints. For the event loop's thread."""

    def __init__(self, http: HttpClient, model: str, limits: TimeLimits, say: Callable[[str], None]) -> None:
        """``model`` is its served name, ``say`` takes lines for a person."""
        self.model = model
        self._http = http
        self._limits = limits
        self._say = say
        self._said: set[str] = set()

    async def ask(self, endpoint: Endpoint, request: CaptionRequest) -> ChatAnswer:
        """Raises a RequestError, or SetupError where the endpoint takes no request."""
        dialect = endpoint.dialect
        while True:
            left_out = dialect.left_out
            try:
                answer = await self._http.chat(endpoint, dialect.body(self.model, request), self._limits)
            except (Refused, Transient) as error:
                if dialect.left_out != left_out or dialect.learn(error.said):
                    continue
                if isinstance(error, TooLong) or not isinstance(error, Refused):
                    raise
                await self.try_out(endpoint, len(request.images))
                if dialect.left_out == left_out:
                    raise
            else:
                self._say_what_is_left_out(endpoint)
                return answer

    async def try_out(self, endpoint: Endpoint, image_count: int = 1, side_px: int = TRIAL_PX) -> ChatAnswer:
        """What it answers to trial pictures. Raises Transient, and SetupError where it takes no picture, not
        so many, or has no text for them."""
        try:
            answer = await probe(self._http, endpoint, self.model, self._limits, image_count, side_px)
        except Refused as refusal:
            raise SetupError(await self._why_refused(endpoint, image_count, refusal)) from None
        self._say_what_is_left_out(endpoint)
        if not answer.text.strip() and answer.finish_reason != "length":
            raise SetupError(f"{self._http.name(endpoint.url)} answered a trial picture {no_text(answer)}")
        return answer

    async def _why_refused(self, endpoint: Endpoint, image_count: int, refusal: Refused) -> str:
        """With what to do, by whether it takes a single picture."""
        if image_count > 1:
            try:
                await probe(self._http, endpoint, self.model, self._limits)
            except RequestError:
                pass
            else:
                return (
                    f"{refusal}; it takes one image a request but not {image_count}: start it so that it"
                    f" takes more (vLLM: --limit-mm-per-prompt '{{\"image\": {image_count}}}'), make smaller"
                    " sets (sets.max_images), or choose jobs on single images with --job"
                )
        return (
            f"{refusal}; a trial picture is refused as well, so it is no image's fault: mend that and run the"
            " same command (captioning.server.extra_body can change what is sent)"
        )

    def _say_what_is_left_out(self, endpoint: Endpoint) -> None:
        words = endpoint.dialect.words()
        if words and words not in self._said:
            self._said.add(words)
            self._say(f"captions: {self._http.name(endpoint.url)} doesn't take {words}: left out")
