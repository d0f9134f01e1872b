"""Training sequences for the captioner: exactly the tokens that a request makes, then the true caption.

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
SINGLES_A_BATCH = 32
IMAGES_A_SET_BATCH = 32
"""A batch of sets has as many sets as fit into this many images."""

_TEMPLATE = Template(CHAT_TEMPLATE)


@dataclass(frozen=True)
class CaptionBatch:
    """``input_ids``, int64[n, longest], right-padded; ``weights``, float32, of each token in the
    loss (0: what is asked); ``images``, pool indices."""

    input_ids: torch.Tensor
    weights: torch.Tensor
    images: list[int]

    @property
    def distinct(self) -> list[int]:
        """``images`` without those that come again."""
        return list(dict.fromkeys(self.images))

    @property
    def row_of(self) -> list[int]:
        """Of each of ``images`` its place in ``distinct``."""
        places = {index: at for at, index in enumerate(self.distinct)}
        return [places[index] for index in self.images]


class Row(NamedTuple):
    """A training sequence before it is padded."""

    opening: list[int]
    """Token ids of what is asked."""
    answer: str
    images: list[int]
    """Pool indices."""


def read_prompt(kind: Literal["single", "multi"], language: str) -> str:
    """The text that the model is trained with and asked with: one that ships."""
    subject: Subject = "image" if kind == "single" else "set"
    return load_prompt(Job(name=f"{kind}_{language}", subject=subject, language=language)).text


def opening(tokenizer: Tokenizer, words: str, count: int) -> Encoding:
    """The user's turn on so many images and the start of the answer, as the processor expands them."""
    image = IMAGE_START + IMAGE_CONTEXT * IMAGE_TOKENS + IMAGE_END + "\n"
    pictures = [image] if count == 1 else [f"Image-{number}: {image}" for number in range(1, count + 1)]
    turns = [{"role": "user", "content": "".join(pictures) + words}]
    text = _TEMPLATE.render(messages=turns, add_generation_prompt=True)
    return tokenizer.encode(text, add_special_tokens=False)


def stack(rows: Sequence[Row], tokenizer: Tokenizer) -> CaptionBatch:
    """All rows as one batch."""
    end_id = token_id(tokenizer, TURN_END)
    answers = [[*tokenizer.encode(row.answer).ids, end_id] for row in rows]
    longest = max(len(row.opening) + len(answer) for row, answer in zip(rows, answers, strict=True))
    input_ids = torch.full((len(rows), longest), token_id(tokenizer, PAD))
    weights = torch.zeros(len(rows), longest)
    for at, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        end = len(row.opening) + len(answer)
        input_ids[at, :end] = torch.tensor(row.opening + answer)
        weights[at, len(row.opening) : end] = 1.0
    return CaptionBatch(input_ids, weights, [index for row in rows for index in row.images])


class CaptionBatches:
    """Draws batches from a pool; the same seed gives the same batches."""

    def __init__(self, pool: ScenePool, tokenizer: Tokenizer) -> None:
        self._pool = pool
        self._tokenizer = tokenizer
        self._openings = {
            (language, count): opening(
                tokenizer, read_prompt("single" if count == 1 else "multi", language), count
            ).ids
            for language in LANGUAGES
            for count in range(1, 6)
        }

    def singles(self, rng: Random) -> CaptionBatch:
        """One image a sequence, in either language."""
        rows = []
        for index in self._pool.draw(rng, SINGLES_A_BATCH):
            language = rng.choice(LANGUAGES)
            rows.append(
                Row(self._openings[language, 1], describe(self._pool.scenes[index], language), [index])
            )
        return stack(rows, self._tokenizer)

    def sets(self, rng: Random) -> CaptionBatch:
        """Sets of one size; most from one family, some of one theme, a few of anything."""
        size = rng.choice(SET_SIZES)
        rows = []
        for _ in range(IMAGES_A_SET_BATCH // size):
            language = rng.choice(LANGUAGES)
            members = self._draw_set(size, rng)
            caption = describe_set([self._pool.scenes[index] for index in members], language)
            rows.append(Row(self._openings[language, size], caption, members))
        return stack(rows, self._tokenizer)

    def _draw_set(self, size: int, rng: Random) -> list[int]:
        (first,) = self._pool.draw(rng, 1)
        kin = first - first % FAMILY_SIZE
        members = [kin + offset for offset in range(FAMILY_SIZE)]
        rng.shuffle(members)
        theme = self._pool.scenes[kin].theme
        kept, any_theme = size, rng.random() < 0.05
        if rng.random() < 0.3:
            kept = rng.randrange(1, size + 1)
        members = members[:kept]
        while len(members) < size:
            (index,) = self._pool.draw(rng, 1)
            if any_theme or self._pool.scenes[index].theme == theme:
                members.append(index)
        rng.shuffle(members)
        return members
