"""Builds the request for a target: reads its images, checks and decodes them, and resizes them.

Comes in: a target of the plan. Goes out: a request with JPEGs, or the reason why there can't be one; the
JobRequests of a job. Thread-safe. Not its job: asking (see scheduler).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

import msgspec

from triptych.captioning.answer_check import AnswerCheck
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import CaptionRequest
from triptych.captioning.scheduler import JobRequests
from triptych.captioning.structured import prompt_with_form
from triptych.captioning.tiling import (
    bounded_size,
    draft_side_px,
    grid_size,
    resized_jpeg,
    side_per_image,
    tile_grid,
    tiles_per_image,
)
from triptych.errors import UnreadableImageError
from triptych.executors.processes import core_count
from triptych.jobs import Job
from triptych.languages import Language
from triptych.prompts import Prompt
from triptych.prompts.fields import fill_fields
from triptych.records import ImageRecord
from triptych.runs.image_reader import Read, read_unchanged
from triptych.runs.plan import Target
from triptych.sources.image_decoding import decode_rgb

CaptionOf = Callable[[Job, ImageRecord], str]
"""The caption of an image, for the prompt of a job on sets. Empty: none was kept."""

TextOf = Callable[[Job, str, ImageRecord], str]
"""The text that the source has of an image of a shard. Empty: there is none."""


class RequestBuilder:
    """Builds requests from images that ``read`` returns."""

    def __init__(
        self,
        read: Read,
        config: CaptioningConfig,
        caption_of: CaptionOf | None = None,
        text_of: TextOf | None = None,
    ) -> None:
        """``caption_of`` and ``text_of`` fill the fields of prompts that have them."""
        self._read = read
        self._config = config
        self._caption_of, self._text_of = caption_of, text_of
        self._decoding = threading.BoundedSemaphore(core_count())  # more would cost memory and gain nothing

    def requests_of(
        self,
        job: Job,
        prompt: Prompt,
        language: Language,
        sized: Callable[[Target], Target] = lambda target: target,
    ) -> JobRequests:
        """How the requests of ``job`` are made, and which answers are asked for again. ``sized`` adds the
        sizes of its images to a target, if it lacks them."""
        smaller = self.with_half_the_tiles()
        return JobRequests(
            request=lambda group, target: self.request(job, group.shard, sized(target), prompt),
            smaller=lambda group, target: smaller.request(job, group.shard, sized(target), prompt),
            check=AnswerCheck(language=language, naming=prompt.naming, structured=job.structured),
            ask_again=self._config.ask_again,
            samples=self._config.samples,
            max_request_mib=self._config.max_request_mib,
        )

    def with_half_the_tiles(self) -> RequestBuilder:
        """A builder that sends the same images with half as many tiles or pixels."""
        other = copy.copy(self)
        other._config = msgspec.structs.replace(
            self._config,
            max_tiles=max(1, self._config.max_tiles // 2),
            max_side_px=side_per_image(self._config.max_side_px, 2),
        )
        return other

    def request(self, job: Job, shard: str, target: Target, prompt: Prompt) -> CaptionRequest:
        """The request for a target of ``shard``.

        Raises UnreadableImageError, with a failure's class and reason, if an image can't be read or isn't the
        one that was grouped.
        """
        count = len(target.images)
        return CaptionRequest(
            id=target.id,
            prompt=self._prompt_text(job, shard, target, prompt),
            images=tuple(self._jpeg(job, shard, image, self._size(image, count)) for image in target.images),
            max_tokens=self._config.max_tokens(job),
            sampling=self._config.sampling_of(job).of_request(target.id),
            structured=job.structured,
        )

    def _prompt_text(self, job: Job, shard: str, target: Target, prompt: Prompt) -> str:
        """The prompt with its fields filled in."""
        count = len(target.images)
        template = prompt_with_form(prompt, count) if job.structured else prompt.text
        if not prompt.fields:
            return template
        captions = texts = [""] * count
        if "captions" in prompt.fields and self._caption_of is not None:
            captions = [self._caption_of(job, image) for image in target.images]
        if "text" in prompt.fields and self._text_of is not None:
            texts = [self._text_of(job, shard, image) for image in target.images]
        return fill_fields(template, count=count, texts=texts, captions=captions)

    def _size(self, image: ImageRecord, image_count: int) -> tuple[int, int]:
        """The width and height at which one of ``image_count`` images is sent."""
        config = self._config
        if not config.tile_fit:
            side_px = side_per_image(config.max_side_px, image_count)
            return bounded_size(image.width_px, image.height_px, side_px)
        budget = tiles_per_image(config.max_tiles, image_count)
        return grid_size(tile_grid(image.width_px, image.height_px, config.tile_px, budget), config.tile_px)

    def _jpeg(self, job: Job, shard: str, image: ImageRecord, size: tuple[int, int]) -> bytes:
        with self._decoding:
            content = read_unchanged(self._read, job, shard, image)
            try:
                picture, _, _ = decode_rgb(content, draft_side_px(size))
            except UnreadableImageError as error:
                raise UnreadableImageError(f"unreadable image: {image.key}: {error}") from None
            return resized_jpeg(picture, size)
