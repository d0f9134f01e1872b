"""Training sequences for the captioner: exactly the tokens that a request makes, then the true caption.

Comes in: a pool, the tokenizer, the four prompts. Goes out: ``CaptionBatch``es of single images or of sets of
two to five.
"""

from dataclasses import dataclass
from random import Random
from typing import Literal

import torch
from byte_bpe import IMAGE_CONTEXT, IMAGE_END, IMAGE_START, PAD, TURN_END, token_id, wrap_for_captioner
from captioner_model import IMAGE_TOKENS
from model_folders import CHAT_TEMPLATE
from scene_pool import FAMILY_SIZE, ScenePool
from tokenizers import Tokenizer

from scripts.nano.wording import describe, describe_set
from triptych.jobs import Job, Subject
from triptych.prompts import BUILTIN, load_prompt

LANGUAGES: tuple[str, ...] = ("en", "zh")
SET_SIZES = (2, 2, 2, 3, 3, 3, 4, 4, 5, 5)
SINGLES_A_BATCH = 32
IMAGES_A_SET_BATCH = 32
"""A batch of sets has as many sets as fit into this many images."""


@dataclass(frozen=True)
class CaptionBatch:
    """``input_ids``, int64[n, longest], right-padded; ``is_caption``, bool; ``images``, pool indices."""

    input_ids: torch.Tensor
    is_caption: torch.Tensor
    images: list[int]


def read_prompt(kind: Literal["single", "multi"], language: str) -> str:
    """The text that the model is trained with and asked with."""
    is_single = kind == "single"
    name = f"single_{language}" if is_single else f"nano_multi_{language}"
    subject: Subject = "image" if is_single else "set"
    job = Job(name=f"{kind}_{language}", subject=subject, language=language, prompt=f"{BUILTIN}{name}")
    return load_prompt(job).text


class CaptionBatches:
    """Draws batches from a pool; the same seed gives the same batches."""

    def __init__(self, pool: ScenePool, tokenizer: Tokenizer) -> None:
        self._pool = pool
        self._tokenizer = tokenizer
        self._pad_id = token_id(tokenizer, PAD)
        self._end_id = token_id(tokenizer, TURN_END)
        self._openings = {
            (language, count): self._opening(language, count)
            for language in LANGUAGES
            for count in range(1, 6)
        }

    def singles(self, rng: Random) -> CaptionBatch:
        """One image a sequence, in either language."""
        rows = []
        for index in rng.sample(range(len(self._pool.scenes)), SINGLES_A_BATCH):
            language = rng.choice(LANGUAGES)
            rows.append((self._openings[language, 1], describe(self._pool.scenes[index], language), [index]))
        return self._stack(rows)

    def sets(self, rng: Random) -> CaptionBatch:
        """Sets of one size; most from one family, some of one theme, a few of anything."""
        size = rng.choice(SET_SIZES)
        rows = []
        for _ in range(IMAGES_A_SET_BATCH // size):
            language = rng.choice(LANGUAGES)
            members = self._draw_set(size, rng)
            caption = describe_set([self._pool.scenes[index] for index in members], language)
            rows.append((self._openings[language, size], caption, members))
        return self._stack(rows)

    def _draw_set(self, size: int, rng: Random) -> list[int]:
        kin = rng.randrange(self._pool.families) * FAMILY_SIZE
        members = [kin + offset for offset in range(FAMILY_SIZE)]
        rng.shuffle(members)
        theme = self._pool.scenes[kin].theme
        kept, any_theme = size, rng.random() < 0.05
        if rng.random() < 0.3:
            kept = rng.randrange(1, size + 1)
        members = members[:kept]
        while len(members) < size:
            index = rng.randrange(len(self._pool.scenes))
            if any_theme or self._pool.scenes[index].theme == theme:
                members.append(index)
        rng.shuffle(members)
        return members

    def _opening(self, language: str, count: int) -> list[int]:
        """The user's turn and the start of the answer, images expanded as the processor expands them."""
        image = IMAGE_START + IMAGE_CONTEXT * IMAGE_TOKENS + IMAGE_END + "\n"
        if count == 1:
            content = image + read_prompt("single", language)
        else:
            numbered = [f"Image-{number}: {image}" for number in range(1, count + 1)]
            content = "".join(numbered) + read_prompt("multi", language)
        wrapped = wrap_for_captioner(self._tokenizer, CHAT_TEMPLATE)
        turns = [{"role": "user", "content": content}]
        text = wrapped.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return list(self._tokenizer.encode(str(text), add_special_tokens=False).ids)

    def _stack(self, rows: list[tuple[list[int], str, list[int]]]) -> CaptionBatch:
        captions = [[*self._tokenizer.encode(caption).ids, self._end_id] for _, caption, _ in rows]
        longest = max(
            len(opening) + len(caption) for (opening, _, _), caption in zip(rows, captions, strict=True)
        )
        input_ids = torch.full((len(rows), longest), self._pad_id)
        is_caption = torch.zeros(len(rows), longest, dtype=torch.bool)
        for row, ((opening, _, _), caption) in enumerate(zip(rows, captions, strict=True)):
            end = len(opening) + len(caption)
            input_ids[row, :end] = torch.tensor(opening + caption)
            is_caption[row, len(opening) : end] = True
        return CaptionBatch(input_ids, is_caption, [index for _, _, members in rows for index in members])
