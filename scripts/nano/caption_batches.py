"""Training sequences for the captioner: the tokens of a caption request, then the true caption.

Comes in: a pool, the tokenizer, the four prompts. Goes out: ``CaptionBatch``es of single images or of sets of
two to five.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

import torch
from byte_bpe import IMAGE_CONTEXT, IMAGE_END, IMAGE_START, PAD, TURN_END, token_id
from captioner_model import IMAGE_TOKENS
from jinja2 import Template
from model_folders import CHAT_TEMPLATE
from scene_pool import FAMILY_SIZE, ScenePool
from tokenizers import Encoding, Tokenizer

from scripts.nano.wording import describe, describe_set
from triptych.jobs import Job, Subject
from triptych.prompts import load_prompt

LANGUAGES: tuple[str, ...] = ("en", "zh")
SET_SIZES = (2, 2, 2, 3, 3, 3, 4, 4, 5, 5)
SINGLES_PER_BATCH = 32
IMAGES_PER_SET_BATCH = 32
"""A batch has as many sets as fit into this number of images."""

_TEMPLATE = Template(CHAT_TEMPLATE)


@dataclass(frozen=True)
class CaptionBatch:
    """``input_ids``, int64[n, longest], right-padded; ``weights``, float32, of each token in the loss, 0 for
    the prompt; ``images``, pool indices."""

    input_ids: torch.Tensor
    weights: torch.Tensor
    images: list[int]

    @property
    def unique_images(self) -> list[int]:
        """``images`` without repeats."""
        return list(dict.fromkeys(self.images))

    @property
    def unique_inverse(self) -> list[int]:
        """The index of each of ``images`` in ``unique_images``."""
        positions = {index: position for position, index in enumerate(self.unique_images)}
        return [positions[index] for index in self.images]


class Row(NamedTuple):
    """A training sequence before padding."""

    prompt_ids: list[int]
    answer: str
    images: list[int]
    """Pool indices."""


def read_prompt(kind: Literal["single", "multi"], language: str) -> str:
    """The shipped prompt, which is also the one to train with."""
    subject: Subject = "image" if kind == "single" else "set"
    return load_prompt(Job(name=f"{kind}_{language}", subject=subject, language=language)).text


def encode_request(tokenizer: Tokenizer, prompt: str, image_count: int) -> Encoding:
    """The user's turn and the start of the answer, expanded as the processor does at inference."""
    image = IMAGE_START + IMAGE_CONTEXT * IMAGE_TOKENS + IMAGE_END + "\n"
    numbers = range(1, image_count + 1)
    images = [image] if image_count == 1 else [f"Image-{number}: {image}" for number in numbers]
    messages = [{"role": "user", "content": "".join(images) + prompt}]
    text = _TEMPLATE.render(messages=messages, add_generation_prompt=True)
    return tokenizer.encode(text, add_special_tokens=False)


def collate(rows: Sequence[Row], tokenizer: Tokenizer) -> CaptionBatch:
    """Pad ``rows`` and make one batch of them."""
    end_id = token_id(tokenizer, TURN_END)
    answers = [[*tokenizer.encode(row.answer).ids, end_id] for row in rows]
    longest = max(len(row.prompt_ids) + len(answer) for row, answer in zip(rows, answers, strict=True))
    input_ids = torch.full((len(rows), longest), token_id(tokenizer, PAD))
    weights = torch.zeros(len(rows), longest)
    for at, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        end = len(row.prompt_ids) + len(answer)
        input_ids[at, :end] = torch.tensor(row.prompt_ids + answer)
        weights[at, len(row.prompt_ids) : end] = 1.0
    return CaptionBatch(input_ids, weights, [index for row in rows for index in row.images])


class CaptionBatches:
    """Draws batches from a pool; the same seed gives the same batches."""

    def __init__(self, pool: ScenePool, tokenizer: Tokenizer) -> None:
        self._pool = pool
        self._tokenizer = tokenizer
        self._prompt_ids = {
            (language, count): encode_request(
                tokenizer, read_prompt("single" if count == 1 else "multi", language), count
            ).ids
            for language in LANGUAGES
            for count in range(1, 6)
        }

    def singles(self, rng: Random) -> CaptionBatch:
        """One image per sequence, in a random language."""
        rows = []
        for index in self._pool.draw(rng, SINGLES_PER_BATCH):
            language = rng.choice(LANGUAGES)
            caption = describe(self._pool.scenes[index], language)
            rows.append(Row(self._prompt_ids[language, 1], caption, [index]))
        return collate(rows, self._tokenizer)

    def sets(self, rng: Random) -> CaptionBatch:
        """Sets of one size: most from one family, some of one theme, a few of any scenes."""
        size = rng.choice(SET_SIZES)
        rows = []
        for _ in range(IMAGES_PER_SET_BATCH // size):
            language = rng.choice(LANGUAGES)
            members = self._draw_set(size, rng)
            caption = describe_set([self._pool.scenes[index] for index in members], language)
            rows.append(Row(self._prompt_ids[language, size], caption, members))
        return collate(rows, self._tokenizer)

    def _draw_set(self, size: int, rng: Random) -> list[int]:
        (first,) = self._pool.draw(rng, 1)
        family_start = first - first % FAMILY_SIZE
        members = [family_start + offset for offset in range(FAMILY_SIZE)]
        rng.shuffle(members)
        theme = self._pool.scenes[family_start].theme
        from_family, is_any_theme = size, rng.random() < 0.05
        if rng.random() < 0.3:
            from_family = rng.randrange(1, size + 1)
        members = members[:from_family]
        while len(members) < size:
            (index,) = self._pool.draw(rng, 1)
            if is_any_theme or self._pool.scenes[index].theme == theme:
                members.append(index)
        rng.shuffle(members)
        return members
