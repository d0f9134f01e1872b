"""Sends requests to endpoints in the fields that each accepts, and finds out what a refusal is about.

Comes in: an endpoint, a request. Goes out: its answer. A field that an endpoint refuses is left out from then
on, with one message to the user. Any other refusal is checked with a trial: a short request with generated
images. Where that is refused too, the set-up is to blame and not the image. Not its job: which endpoint to
ask, retries (see engines.openai_server).
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
"""Small enough for any limit, large enough for any model's patches."""


def trial_request(
    image_count: int = 1, side_px: int = TRIAL_PX, like: CaptionRequest | None = None
) -> CaptionRequest:
    """A short request with generated square images, sampled as ``like`` is."""
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
    """Whether the user named it; otherwise it is the one that endpoints list."""

    def __init__(self, http: HttpClient, limits: TimeLimits, say: Callable[[str], None]) -> None:
        """``say`` takes messages to the user."""
        self._http = http
        self._limits = limits
        self._say = say
        self._said: set[str] = set()

    async def ask(self, endpoint: Endpoint, request: CaptionRequest) -> ChatAnswer:
        """The answer to ``request``. Raises a RequestError, or SetupError where the endpoint refuses every
        request."""
        while True:
            try:
                return await self.send(endpoint, request)
            except TooLong as error:
                bound = ", or raise its bound (nginx: client_max_body_size)" if error.code == 413 else ""
                advice = f"set captioning.max_tiles lower{bound}"
                words = f"{error}; what is too long is sent once more with half its tiles: {advice}"
                self.say_once(endpoint, "too long", words)
                raise
            except Refused:
                left_out = endpoint.dialect.left_out
                await self.checked_trial(endpoint, trial_request(len(request.images), like=request))
                if endpoint.dialect.left_out == left_out:
                    raise

    async def checked_trial(self, endpoint: Endpoint, request: CaptionRequest) -> ChatAnswer:
        """The answer to a trial request. Raises Transient, and SetupError where the endpoint refuses images,
        or as many of them, or answers without text."""
        try:
            answer = await self.send(endpoint, request, is_trial=True)
        except Refused as refusal:
            raise SetupError(await self._why_refused(endpoint, request, refusal)) from None
        if not answer.text.strip() and answer.finish_reason != "length":
            raise SetupError(f"{self._http.name(endpoint.url)} answered a test image {no_text(answer)}")
        return answer

    async def send(
        self, endpoint: Endpoint, request: CaptionRequest, *, is_trial: bool = False
    ) -> ChatAnswer:
        """Send a request, again with fewer fields where some are refused. They stay left out only if the
        request is served without them and still refused with them: a refusal may name fields just because it
        quotes the request, or may be a passing one. In a trial, fields that a refusal doesn't name are left
        out as well. Raises a RequestError, or SetupError where the endpoint refuses the key."""
        known = endpoint.dialect.left_out
        tried = endpoint.dialect.copy()
        unproven: Dialect | None = None
        while True:
            try:
                answer = await self._chat(endpoint, tried, request)
            except (Refused, Transient) as error:
                if endpoint.dialect.left_out != known:  # another request has changed it meanwhile
                    known = endpoint.dialect.left_out
                    tried, unproven = endpoint.dialect.copy(), None
                    continue
                if not is_about_fields(error.server_message):
                    unproven = unproven or tried.copy()
                if not _leave_out(tried, error, is_trial=is_trial):
                    raise
            else:
                return await self._confirmed(endpoint, request, answer, tried, unproven)

    async def _chat(self, endpoint: Endpoint, dialect: Dialect, request: CaptionRequest) -> ChatAnswer:
        return await self._http.chat(endpoint, dialect.body(self.model, request), self._limits)

    async def _confirmed(
        self,
        endpoint: Endpoint,
        request: CaptionRequest,
        answer: ChatAnswer,
        tried: Dialect,
        unproven: Dialect | None,
    ) -> ChatAnswer:
        """``answer``, which came in the dialect ``tried``. Where ``unproven``, which has more fields and was
        refused before, is served now, so that the fields weren't the cause: its answer."""
        if unproven is not None:
            try:
                fuller = await self._chat(endpoint, unproven, request)
            except Refused:
                pass
            except Transient:
                return answer  # the next request finds out
            else:
                self._keep(endpoint, unproven)
                return fuller
        self._keep(endpoint, tried)
        return answer

    def _keep(self, endpoint: Endpoint, tried: Dialect) -> None:
        endpoint.dialect.keep(tried)
        if fields := endpoint.dialect.describe():
            self.say_once(endpoint, fields, f"doesn't take {fields}: left out")

    def say_once(self, endpoint: Endpoint, topic: str, words: str) -> None:
        """Tell the user ``words`` about an endpoint, unless something was said about ``topic`` before."""
        if topic not in self._said:
            self._said.add(topic)
            name = self._http.name(endpoint.url)
            self._say(f"captions: {words if words.startswith(name) else f'{name} {words}'}")

    async def _why_refused(self, endpoint: Endpoint, request: CaptionRequest, refusal: Refused) -> str:
        """The message for a refused trial, with what to do: it depends on whether a single image is taken."""
        image_count = len(request.images)
        if image_count > 1:
            try:
                await self.send(endpoint, trial_request(like=request), is_trial=True)
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
            f"{refusal}; a generated test image is refused as well, so your images are not the cause: fix"
            " that and run the same command again"
            f" (captioning.server.{of_key if refusal.code == 403 else of_body})"
        )


def _leave_out(dialect: Dialect, error: Refused | Transient, *, is_trial: bool) -> bool:
    """Leave out the field that ``error`` names, in a trial also further ones. Returns whether there was
    something left to leave out."""
    may_pass = isinstance(error, Transient) and not is_about_fields(error.server_message)
    if not (may_pass or isinstance(error, TooLong)) and dialect.leave_out_named(error.server_message):
        return True
    return is_trial and isinstance(error, Refused) and dialect.leave_out_next_step()


def no_text(answer: ChatAnswer) -> str:
    """Why an answer has no text, and what to do, as the end of a sentence."""
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
