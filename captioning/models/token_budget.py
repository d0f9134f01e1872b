"""Computes the tokens of the longest request of each job.

Comes in: settings, prompts, facts about a model. Goes out: for each job its longest request, in tokens of
images, words and caption. Not its job: what to do about one that is too long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from triptych.captioning.models.facts import ModelFacts
from triptych.captioning.tiling import tiles_per_image
from triptych.jobs import Job
from triptych.prompts import Prompt, message_parts
from triptych.prompts.fields import fill_longest

CHAT_TOKENS = 64
"""A bound for chat template and system prompt. InternVL's have about 40."""

IMAGE_TOKENS = 4
"""Around each image: begin, end, a line break, and one to spare."""


class LongestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The longest request of a job, in tokens."""

    job: str
    images: int
    tiles: int
    """With thumbnails."""
    image_tokens: int
    word_tokens: int
    max_tokens: int

    @property
    def total(self) -> int:
        """What has to fit into the context."""
        return self.image_tokens + self.word_tokens + self.max_tokens


def longest_requests(
    jobs: Sequence[Job],
    prompts: Mapping[str, Prompt],
    facts: ModelFacts,
    set_sizes: range,
    *,
    max_tiles: int,
    max_tokens: Callable[[Job], int],
) -> Iterator[LongestRequest]:
    """One for each of ``jobs``. ``facts`` must have ``tokens_per_tile``; ``set_sizes`` are images per set."""
    assert facts.tokens_per_tile is not None
    for job in jobs:
        counts = set_sizes if job.is_multi else range(1, 2)
        images = max(counts, key=lambda count: _tiles(max_tiles, count))
        tiles = _tiles(max_tiles, images)
        words = "".join(
            part or "" for part in message_parts(fill_longest(prompts[job.name].text, images), images)
        )
        yield LongestRequest(
            job=job.name,
            images=images,
            tiles=tiles,
            image_tokens=tiles * facts.tokens_per_tile + images * IMAGE_TOKENS,
            word_tokens=count_tokens(facts.folder, words) + CHAT_TOKENS,
            max_tokens=max_tokens(job),
        )


def _tiles(max_tiles: int, image_count: int) -> int:
    """The tiles of all images. An image with more than one has a thumbnail too."""
    each = tiles_per_image(max_tiles, image_count)
    return image_count * (each + (each > 1))


def count_tokens(folder: Path, words: str) -> int:
    """Tokens of ``words`` by the model's tokenizer.json; without one, an upper bound."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        return len(words.encode())  # no tokenizer makes more tokens than bytes
    from tokenizers import Tokenizer

    return len(Tokenizer.from_file(str(file)).encode(words, add_special_tokens=False).ids)
