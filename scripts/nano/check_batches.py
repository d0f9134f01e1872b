"""Training sequences for the checker: images with true and untrue statements, and yes/no questions.

Comes in: a pool, the tokenizer, the prompts for checks. Goes out: ``StatementBatch``es, which label the
tokens of statements, and ``CaptionBatch``es whose answers are "yes" or "no". A statement is a sentence of a
caption, cut as in a check: from the caption of a single image, or from that of a set, about one of its images
or about all of them. An untrue one has a wrong colour, thing, place, count or theme, a colour or kind copied
from the neighbouring thing, or describes another image.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import msgspec
import torch
from caption_batches import CaptionBatch, Row, collate, encode_request
from scene_pool import FAMILY_SIZE, ScenePool
from tokenizers import Encoding, Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from scripts.nano.untruths import change_one_fact, keep_some_things, missing_things
from scripts.nano.wording import (
    image_sentence,
    most_things_sentence,
    sentences,
    shared_sentence,
    things_sentence,
)
from triptych.demo.scene import PLACES, Scene
from triptych.prompts.check_prompt import ASKED_IN, check_prompt

IMAGES_PER_STATEMENT_BATCH = 24
MAX_ROW_TOKENS = 288
"""A row is filled up to here with statements."""
IMAGES_PER_CHECK_BATCH = 16
CHECKS_PER_IMAGE = 4
UNTRUTH_WEIGHTS = {
    "colour": 2, "copied": 8, "thing": 3, "place": 2, "other image": 2, "count": 1, "theme": 1,
}  # fmt: skip
"""How often each kind of untruth is drawn. Those learnt last, and a captioner's mistakes, come more often."""
UNKNOWN = -1
_BYTES = ByteLevel(add_prefix_space=False, use_regex=False)


class Check(NamedTuple):
    """A statement about an image that it calls ``name``, "" if it doesn't name it."""

    statement: str
    name: str
    kind: str = ""
    """A key of ``UNTRUTH_WEIGHTS``; "" if the statement is true."""
    correction: str = ""
    """The true statement, with the same words up to the untruth; "" if unknown."""

    @property
    def is_true(self) -> bool:
        return not self.kind


@dataclass(frozen=True)
class StatementBatch:
    """A row has an image and several statements, each of which attends only to the image and itself.

    The shared prefix is computed once, and nothing follows a statement: it costs a fifth of a question.
    Tensors are int64[n, longest].
    """

    input_ids: torch.Tensor
    positions: torch.Tensor
    """Of each token, as if its statement were the only one in the row."""
    statement_numbers: torch.Tensor
    """Of each token, from 1; 0 for the shared prefix; ``UNKNOWN`` for padding."""
    next_ids: torch.Tensor
    """The next token, in a true statement, else ``UNKNOWN``."""
    truth: torch.Tensor
    """1 if the statement is true up to and including this token, 0 if not, else ``UNKNOWN``."""
    images: list[int]
    """Pool indices, one per row."""

    @property
    def mask(self) -> torch.Tensor:
        """float32[n, 1, longest, longest], added to attention: 0 where a token may attend, else -inf."""
        length = self.input_ids.shape[1]
        keys, queries = self.statement_numbers[:, None, :], self.statement_numbers[:, :, None]
        is_seen = (keys == queries) | (keys == 0)
        is_seen &= torch.ones(length, length, dtype=torch.bool).tril()
        return torch.zeros(is_seen.shape).masked_fill(~is_seen, float("-inf"))[:, None]


class Token(NamedTuple):
    """One token of a ``StatementBatch``, with its fields in the same order."""

    input_id: int
    position: int
    statement_number: int
    next_id: int = UNKNOWN
    truth: int = UNKNOWN


class CheckBatches:
    """Draws batches from a pool; the same seed gives the same batches."""

    def __init__(self, pool: ScenePool, tokenizer: Tokenizer) -> None:
        self._pool, self._tokenizer = pool, tokenizer

    def statements(self, rng: Random, true_share: float = 0.5) -> StatementBatch:
        """Statements on random images, about ``true_share`` of them true. A row has one language."""
        images = self._pool.draw(rng, IMAGES_PER_STATEMENT_BATCH)
        rows = []
        for index in images:
            language, row = rng.choice(ASKED_IN), list[Token]()
            for number in itertools.count(1):
                more = _label_tokens(*self._draw(index, language, rng, true_share), number)
                if len(row) + len(more) > MAX_ROW_TOKENS:
                    break
                row += more
            rows.append(row)
        longest = max(map(len, rows))
        padding = Token(0, 0, UNKNOWN)
        tokens = torch.tensor([[*row, *[padding] * (longest - len(row))] for row in rows])
        return StatementBatch(*tokens.unbind(dim=2), images=images)

    def checks(self, rng: Random) -> CaptionBatch:
        """One image and one question per sequence, in a random language."""
        rows: list[Row] = []
        for index in self._pool.draw(rng, IMAGES_PER_CHECK_BATCH):
            for _ in range(CHECKS_PER_IMAGE):
                language = rng.choice(ASKED_IN)
                check, encoding = self._draw(index, language, rng)
                answer = check_prompt(language).answers["yes" if check.is_true else "no"][0]
                rows.append(Row(encoding.ids, answer, [index]))
        return collate(rows, self._tokenizer)

    def _draw(
        self, index: int, language: str, rng: Random, true_share: float = 0.5
    ) -> tuple[Check, Encoding]:
        """A check of an image, and its encoded question."""
        start = index - index % FAMILY_SIZE
        family = [self._pool.scenes[start + offset] for offset in range(FAMILY_SIZE)]
        check = draw_check(self._pool.scenes[index], family, language, rng, true_share)
        question = check_prompt(language).question(check.statement, check.name)
        return check, encode_request(self._tokenizer, question, 1)


def _label_tokens(check: Check, encoding: Encoding, number: int) -> list[Token]:
    """The tokens of a statement, preceded by the shared prefix if ``number`` is 1."""
    ids, spans = encoding.ids, _token_spans(check.statement, encoding)
    row = [Token(ids[at], at, 0) for at in range(min(spans))] if number == 1 else []
    true_until = _common_prefix_length(_byte_letters(check.statement), _byte_letters(check.correction))
    for at, (_, end) in spans.items():
        if check.is_true:
            row.append(Token(ids[at], at, number, ids[at + 1], 1))
        elif check.correction or at == max(spans):
            row.append(Token(ids[at], at, number, truth=int(end <= true_until)))
        else:
            row.append(Token(ids[at], at, number))
    return row


def draw_check(
    scene: Scene, family: Sequence[Scene], language: str, rng: Random, true_share: float = 0.5
) -> Check:
    """A statement on ``scene``, true with probability ``true_share``. ``family``: its whole family."""
    for _ in range(50):
        if rng.random() < true_share:
            return _true_check(scene, family, language, rng)
        (kind,) = rng.choices(list(UNTRUTH_WEIGHTS), list(UNTRUTH_WEIGHTS.values()))
        check = untrue_check(scene, family, language, rng, kind)
        if check is not None:
            return check
    return _true_check(scene, family, language, rng)


def _true_check(scene: Scene, family: Sequence[Scene], language: str, rng: Random) -> Check:
    where = rng.random()
    if where < 0.4:
        at = rng.choice((0, 1, 2, 2, 2, 3))
        if at == 2 and rng.random() < 0.6:
            return Check(_place_things(keep_some_things(scene, rng, ()), language, rng.random() < 0.5), "")
        return Check(sentences(scene, language)[at], "")
    number = rng.randrange(1, 6)
    if where < 0.75:
        return Check(image_sentence(scene, number, language), _name(number, language))
    if where < 0.83:
        return _draw_most_things(scene, len(scene.things), language, rng)
    scenes = [scene, *rng.sample(list(family), rng.randrange(1, len(family)))]
    rng.shuffle(scenes)
    return Check(shared_sentence(scenes, language), "")


def untrue_check(
    scene: Scene, family: Sequence[Scene], language: str, rng: Random, kind: str
) -> Check | None:
    """A statement about ``scene`` with an untruth of this ``kind``; None if none could be drawn."""
    if kind == "count":
        return _miscount(scene, language, rng)
    other = change_one_fact(scene, family, rng, kind)
    if other is None:
        return None
    number, where = rng.randrange(1, 6), rng.random()
    if kind == "theme":  # alone: beside its things, a wrong theme would stand out without the image
        if where < 0.5:
            count = rng.randrange(2, 6)
            statement, correction = (shared_sentence([each] * count, language) for each in (other, scene))
            return Check(statement, "", kind, correction)
        at = rng.choice((0, 3))
        return Check(sentences(other, language)[at], "", kind, sentences(scene, language)[at])
    if where < 0.2:
        return Check(sentences(other, language)[2], "", kind, sentences(scene, language)[2])
    if where < 0.5:
        place_first = rng.random() < 0.5
        some = keep_some_things(other, rng, missing_things(scene, other))
        correction = ""
        if kind != "other image":  # its things may be in different places
            places = [thing.place for thing in some.things]
            true = tuple(thing for thing in scene.things if thing.place in places)
            correction = _place_things(msgspec.structs.replace(scene, things=true), language, place_first)
        return Check(_place_things(some, language, place_first), "", kind, correction)
    correction = image_sentence(scene, number, language)
    return Check(image_sentence(other, number, language), _name(number, language), kind, correction)


def _miscount(scene: Scene, language: str, rng: Random) -> Check:
    """A statement with a wrong number of things."""
    count = rng.choice([n for n in PLACES if n != len(scene.things)])
    if rng.random() < 0.6:
        return Check(sentences(scene, language, count)[1], "", "count", sentences(scene, language)[1])
    return _draw_most_things(scene, count, language, rng)


def _draw_most_things(scene: Scene, count: int, language: str, rng: Random) -> Check:
    """A statement that images of a set have the most things, ``count``."""
    numbers = sorted(rng.sample(range(1, 6), rng.choice((0, 1, 1, 1, 2))))
    name = _name(rng.choice(numbers), language) if numbers else ""
    statement, true = (most_things_sentence(numbers, each, language) for each in (count, len(scene.things)))
    return Check(statement, name, "" if statement == true else "count", true)


def _place_things(scene: Scene, language: str, place_first: bool) -> str:
    return things_sentence(scene.things, language, place_first=place_first)


def _token_spans(statement: str, encoding: Encoding) -> dict[int, tuple[int, int]]:
    """Start and end in ``statement``, in bytes, of its tokens by their index in a question.

    A space before the statement belongs to it.
    """
    text, letters = "".join(encoding.tokens), _byte_letters(statement)
    start = text.rindex(letters)
    first = start - 1 if text[start - 1] == _byte_letters(" ") else start
    spans, at = {}, 0
    for index, token in enumerate(encoding.tokens):
        end = at + len(token)
        if first < end and at < start + len(letters):
            spans[index] = (at - start, end - start)
        at = end
    return spans


def _byte_letters(text: str) -> str:
    """``text`` as byte-level tokens spell it: one letter per byte."""
    return "".join(piece for piece, _ in _BYTES.pre_tokenize_str(text))


def _common_prefix_length(one: str, two: str) -> int:
    return next(
        (at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
    )


def _name(number: int, language: str) -> str:
    return f"Image-{number}" if language == "en" else f"图{number}"
