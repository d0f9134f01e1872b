"""Asks endpoints for captions, each in the fields that it takes, and tells whose fault a refusal is.

Comes in: an endpoint, a request. Goes out: its answer. A field that an endpoint doesn't take is left out from
then on, which is said once. A refusal is checked with a trial: a short request with pictures of our own.
Where that is refused too, no image is to blame, and the set-up is. Not its job: which endpoint, trying again
(see engines.openai_server).
"""

from __future__ import annotations

from collections.abc import Callable

from triptych.captioning.endpoints.chat_api import ChatAnswer
from triptych.captioning.endpoints.dialect import Dialect, is_about_fields
from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.endpoints.http_client import HttpClient, TimeLimits
from triptych.captioning.endpoints.request_errors import Refused, RequestError, TooLong, Transient
from triptych.captioning.engine import GREEDY, CaptionRequest
from triptych.captioning.thinking import THINKING_OFF
from triptych.captioning.tiling import trial_jpeg
from triptych.errors import SetupError

TRIAL_TOKENS = 32
TRIAL_PROMPT = "Describe the image in a few words."
TRIAL_PX = 112
"""Small enough for any bound, large enough for any model's patches."""


def trial_request(
    image_count: int = 1, side_px: int = TRIAL_PX, like: CaptionRequest | None = None
) -> CaptionRequest:
    """So many square pictures of our own, in the fields of a request that it is to be ``like``."""
    return CaptionRequest(
        id="trial",
        prompt=TRIAL_PROMPT,
        images=(trial_jpeg(side_px),) * image_count,
        max_tokens=TRIAL_TOKENS,
        sampling=GREEDY if like is None else like.sampling,
        top_logprobs=0 if like is None else like.top_logprobs,
    )


class ModelClient:
    """One model at any number of endpoints. For the event loop's thread."""

    model = ""
    """Its served name."""
    is_named = False
    """Whether a person named it; else it is the one that endpoints list."""

    def __init__(self, http: HttpClient, limits: TimeLimits, say: Callable[[str], None]) -> None:
        """``say`` takes lines for a person."""
        self._http = http
        self._limits = limits
        self._say = say
        self._said: set[str] = set()

    async def ask(self, endpoint: Endpoint, request: CaptionRequest) -> ChatAnswer:
        """Raises a RequestError, or SetupError where the endpoint takes no request."""
        while True:
            try:
                return await self._send(endpoint, request)
            except TooLong as error:
                bound = ", or raise its bound (nginx: client_max_body_size)" if error.code == 413 else ""
                advice = f"set captioning.max_tiles lower{bound}"
                words = f"{error}; what is too long is sent once more with half its tiles: {advice}"
                self.say_once(endpoint, "too long", words)
                raise
            except Refused:
                left_out = endpoint.dialect.left_out
                await self.try_out(endpoint, trial_request(len(request.images), like=request))
                if endpoint.dialect.left_out == left_out:
                    raise

    async def try_out(self, endpoint: Endpoint, request: CaptionRequest) -> ChatAnswer:
        """What it answers to a trial. Raises Transient, and SetupError where it takes no picture, not so
        many, or has no text for them."""
        try:
            answer = await self.trial(endpoint, request)
        except Refused as refusal:
            raise SetupError(await self._why_refused(endpoint, request, refusal)) from None
        if not answer.text.strip() and answer.finish_reason != "length":
            raise SetupError(f"{self._http.name(endpoint.url)} answered a trial picture {no_text(answer)}")
        return answer

    async def trial(self, endpoint: Endpoint, request: CaptionRequest) -> ChatAnswer:
        """What it answers to a trial request. What it doesn't take is left out, what it names before what it
        doesn't name. Raises a RequestError, or SetupError where it refuses the key."""
        return await self._send(endpoint, request, is_trial=True)

    async def _send(
        self, endpoint: Endpoint, request: CaptionRequest, *, is_trial: bool = False
    ) -> ChatAnswer:
        """A field that is left out on the way stays out only if the request is served then and refused with
        it: a refusal may quote the request, and so name fields that it takes, or pass by itself."""
        known = endpoint.dialect.left_out
        tried = endpoint.dialect.copy()
        doubted: Dialect | None = None
        while True:
            try:
                answer = await self._chat(endpoint, tried, request)
            except (Refused, Transient) as error:
                if endpoint.dialect.left_out != known:  # another request has learned it meanwhile
                    known = endpoint.dialect.left_out
                    tried, doubted = endpoint.dialect.copy(), None
                    continue
                if not is_about_fields(error.said):
                    doubted = doubted or tried.copy()
                if not _leave_out(tried, error, is_trial=is_trial):
                    raise
            else:
                return await self._confirmed(endpoint, request, answer, tried, doubted)

    async def _chat(self, endpoint: Endpoint, dialect: Dialect, request: CaptionRequest) -> ChatAnswer:
        return await self._http.chat(endpoint, dialect.body(self.model, request), self._limits)

    async def _confirmed(
        self,
        endpoint: Endpoint,
        request: CaptionRequest,
        answer: ChatAnswer,
        tried: Dialect,
        doubted: Dialect | None,
    ) -> ChatAnswer:
        """``answer``, which came in the dialect ``tried``; or where ``doubted``, which has more fields, was
        refused before and is served now, so that it wasn't the fields, the answer to that."""
        if doubted is not None:
            try:
                fuller = await self._chat(endpoint, doubted, request)
            except Refused:
                pass
            except Transient:
                return answer  # the next request finds out
            else:
                self._keep(endpoint, doubted)
                return fuller
        self._keep(endpoint, tried)
        return answer

    def _keep(self, endpoint: Endpoint, tried: Dialect) -> None:
        endpoint.dialect.keep(tried)
        if words := endpoint.dialect.words():
            self.say_once(endpoint, words, f"doesn't take {words}: left out")

    def say_once(self, endpoint: Endpoint, what: str, words: str) -> None:
        """``words`` about an endpoint, the first time that there are some about ``what``."""
        if what not in self._said:
            self._said.add(what)
            name = self._http.name(endpoint.url)
            self._say(f"captions: {words if words.startswith(name) else f'{name} {words}'}")

    async def _why_refused(self, endpoint: Endpoint, request: CaptionRequest, refusal: Refused) -> str:
        """With what to do, by whether it takes a single picture."""
        image_count = len(request.images)
        if image_count > 1:
            try:
                await self.trial(endpoint, trial_request(like=request))
            except RequestError:
                pass
            else:
                return (
                    f"{refusal}; it takes one image a request but not {image_count}: start it so that it"
                    f" takes more (vLLM: --limit-mm-per-prompt '{{\"image\": {image_count}}}'), make smaller"
                    " sets (sets.max_images), or choose jobs on single images with --job"
                )
        of_key, of_body = "api_key_env names the key's variable", "extra_body can change what is sent"
        return (
            f"{refusal}; a trial picture is refused as well, so it is no image's fault: mend that and run the"
            f" same command (captioning.server.{of_key if refusal.code == 403 else of_body})"
        )


def _leave_out(dialect: Dialect, error: Refused | Transient, *, is_trial: bool) -> bool:
    """Leave out more after ``error``: what it names, or of a trial also what it doesn't. Whether it is worth
    trying again."""
    may_pass = isinstance(error, Transient) and not is_about_fields(error.said)
    if not (may_pass or isinstance(error, TooLong)) and dialect.learn(error.said):
        return True
    return is_trial and isinstance(error, Refused) and dialect.leave_out_more()


def no_text(answer: ChatAnswer) -> str:
    """That an answer has no text, why, and what to do about it."""
    if not answer.has_reasoning:
        return "with no text"
    if answer.finish_reason == "length":
        return (
            "with its thinking only, which used up all tokens: serve the model with thinking off"
            f" ({THINKING_OFF}), or raise captioning.max_tokens_single and max_tokens_multi"
        )
    return (
        "with all its text as reasoning: start the server without a reasoning parser, or with thinking off"
        f" ({THINKING_OFF})"
    )
