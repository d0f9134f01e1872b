"""What the checker learns from: an image with statements on it that are true or not, and questions about one.

Comes in: a pool, the tokenizer, the prompts for checks. Goes out: ``StatementBatch``es, of whose statements
each word is labelled, and ``CaptionBatch``es whose answers are "yes" or "no". A statement is a sentence of a
caption, as captions are cut into statements when they are checked: of a single image's caption, or of a
set's, about this image or about what all share. An untrue one has another colour, thing, place, count or
theme, a colour or a kind that the thing beside it has, or was said of another image.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import msgspec
import torch
from caption_batches import CaptionBatch, Row, opening, stack
from scene_pool import FAMILY_SIZE, ScenePool
from tokenizers import Encoding, Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from scripts.nano.untruths import differing, some_of, turned
from scripts.nano.wording import most_things, sentence_of, sentences, shared, things_sentence
from triptych.demo.scene import PLACES, Scene
from triptych.prompts.questions import ASKED_IN, check_prompt

IMAGES_A_STATEMENT_BATCH = 24
ROW_TOKENS = 288
"""Of an image, what is before its statements, and as many of them as there is room for."""
IMAGES_A_CHECK_BATCH = 16
CHECKS_AN_IMAGE = 4
UNTRUTHS = {
    "colour": 2, "copied": 8, "thing": 3, "place": 2, "other image": 2, "count": 1, "theme": 1,
}  # fmt: skip
"""Kinds, and how often each is drawn: those that are learnt last, or that a captioner makes, more often."""
UNKNOWN = -1
_BYTES = ByteLevel(add_prefix_space=False, use_regex=False)


class Check(NamedTuple):
    """A statement about an image, which it calls ``name``, or by no name: ""."""

    statement: str
    name: str
    kind: str = ""
    """What is untrue, or ""."""
    instead: str = ""
    """What is true, in the same words up to the untruth; "" where that isn't known."""

    @property
    def is_true(self) -> bool:
        return not self.kind


@dataclass(frozen=True)
class StatementBatch:
    """Images in rows, and behind each its statements; a statement sees the image and itself alone.

    So what is before a statement is read once for all of them, and nothing behind it: a statement costs a
    fifth of a question. Tensors are int64[n, longest].
    """

    input_ids: torch.Tensor
    positions: torch.Tensor
    """As if a statement were the only one."""
    numbers: torch.Tensor
    """Of a token's statement, from 1; 0 of what is before them; ``UNKNOWN`` of what fills a row up."""
    next_ids: torch.Tensor
    """The token behind one of a true statement, else ``UNKNOWN``."""
    truth: torch.Tensor
    """1 where all is true up to a token, 0 where it isn't, else ``UNKNOWN``."""
    images: list[int]
    """Pool indices, one a row."""

    @property
    def mask(self) -> torch.Tensor:
        """float32[n, 1, longest, longest], added to attention: 0 where a token may look, or -inf."""
        length = self.input_ids.shape[1]
        seen = (self.numbers[:, None, :] == self.numbers[:, :, None]) | (self.numbers[:, None, :] == 0)
        seen &= torch.ones(length, length, dtype=torch.bool).tril()
        return torch.zeros(seen.shape).masked_fill(~seen, float("-inf"))[:, None]


class Token(NamedTuple):
    """What a StatementBatch says of one."""

    input_id: int
    position: int
    number: int
    next_id: int = UNKNOWN
    truth: int = UNKNOWN


class CheckBatches:
    """Draws batches from a pool; the same seed gives the same batches."""

    def __init__(self, pool: ScenePool, tokenizer: Tokenizer) -> None:
        self._pool, self._tokenizer = pool, tokenizer

    def statements(self, rng: Random, true_share: float = 0.5) -> StatementBatch:
        """All of an image in one language; about ``true_share`` of them true."""
        images = self._pool.draw(rng, IMAGES_A_STATEMENT_BATCH)
        rows = []
        for index in images:
            language, row = rng.choice(ASKED_IN), list[Token]()
            for number in itertools.count(1):
                more = _tokens(*self._draw(index, language, rng, true_share), number)
                if len(row) + len(more) > ROW_TOKENS:
                    break
                row += more
            rows.append(row)
        longest = max(map(len, rows))
        filling = Token(0, 0, UNKNOWN)
        tokens = torch.tensor([[*row, *[filling] * (longest - len(row))] for row in rows])
        return StatementBatch(*tokens.unbind(dim=2), images=images)

    def checks(self, rng: Random) -> CaptionBatch:
        """One image and one question a sequence, in either language."""
        rows: list[Row] = []
        for index in self._pool.draw(rng, IMAGES_A_CHECK_BATCH):
            for _ in range(CHECKS_AN_IMAGE):
                language = rng.choice(ASKED_IN)
                check, encoded = self._draw(index, language, rng)
                answer = check_prompt(language).answers["yes" if check.is_true else "no"][0]
                rows.append(Row(encoded.ids, answer, [index]))
        return stack(rows, self._tokenizer)

    def _draw(
        self, index: int, language: str, rng: Random, true_share: float = 0.5
    ) -> tuple[Check, Encoding]:
        """A check, and its question."""
        kin = index - index % FAMILY_SIZE
        family = [self._pool.scenes[kin + offset] for offset in range(FAMILY_SIZE)]
        check = draw_check(self._pool.scenes[index], family, language, rng, true_share)
        asked = check_prompt(language).asked(check.statement, check.name)
        return check, opening(self._tokenizer, asked, 1)


def _tokens(check: Check, encoded: Encoding, number: int) -> list[Token]:
    """Of a statement; of the first also what is before it."""
    ids, spans = encoded.ids, _spans_of(check.statement, encoded)
    row = [Token(ids[at], at, 0) for at in range(min(spans))] if number == 1 else []
    true_until = _common_prefix(_letters(check.statement), _letters(check.instead))
    for at, (_, end) in spans.items():
        if check.is_true:
            row.append(Token(ids[at], at, number, ids[at + 1], 1))
        elif check.instead or at == max(spans):
            row.append(Token(ids[at], at, number, truth=int(end <= true_until)))
        else:
            row.append(Token(ids[at], at, number))
    return row


def draw_check(
    scene: Scene, family: Sequence[Scene], language: str, rng: Random, true_share: float = 0.5
) -> Check:
    """A statement on ``scene``, true about that often. ``family``: scenes like it, and itself."""
    for _ in range(50):
        if rng.random() < true_share:
            return _true_check(scene, family, language, rng)
        (kind,) = rng.choices(list(UNTRUTHS), list(UNTRUTHS.values()))
        check = untrue_check(scene, family, language, rng, kind)
        if check is not None:
            return check
    return _true_check(scene, family, language, rng)


def _true_check(scene: Scene, family: Sequence[Scene], language: str, rng: Random) -> Check:
    where = rng.random()
    if where < 0.4:
        at = rng.choice((0, 1, 2, 2, 2, 3))
        if at == 2 and rng.random() < 0.6:
            return Check(_things(some_of(scene, rng, ()), language, rng.random() < 0.5), "")
        return Check(sentences(scene, language)[at], "")
    number = rng.randrange(1, 6)
    if where < 0.75:
        return Check(sentence_of(scene, number, language), _name(number, language))
    if where < 0.83:
        return _most(scene, len(scene.things), language, rng)
    scenes = [scene, *rng.sample(list(family), rng.randrange(1, len(family)))]
    rng.shuffle(scenes)
    return Check(shared(scenes, language), "")


def untrue_check(
    scene: Scene, family: Sequence[Scene], language: str, rng: Random, kind: str
) -> Check | None:
    """A statement with an untruth of this ``kind`` about ``scene``; None where none could be drawn."""
    if kind == "count":
        return _miscounted(scene, language, rng)
    other = turned(scene, family, rng, kind)
    if other is None:
        return None
    number, where = rng.randrange(1, 6), rng.random()
    if kind == "theme":  # beside things, another theme would be odd without the image
        if where < 0.5:
            count = rng.randrange(2, 6)
            return Check(shared([other] * count, language), "", kind, shared([scene] * count, language))
        at = rng.choice((0, 3))
        return Check(sentences(other, language)[at], "", kind, sentences(scene, language)[at])
    if where < 0.2:
        return Check(sentences(other, language)[2], "", kind, sentences(scene, language)[2])
    if where < 0.5:
        place_first = rng.random() < 0.5
        some = some_of(other, rng, differing(scene, other))
        instead = ""
        if kind != "other image":  # its things may stand in other places
            places = [thing.place for thing in some.things]
            true = tuple(thing for thing in scene.things if thing.place in places)
            instead = _things(msgspec.structs.replace(scene, things=true), language, place_first)
        return Check(_things(some, language, place_first), "", kind, instead)
    instead = sentence_of(scene, number, language)
    return Check(sentence_of(other, number, language), _name(number, language), kind, instead)


def _miscounted(scene: Scene, language: str, rng: Random) -> Check:
    """With another number of things."""
    count = rng.choice([n for n in PLACES if n != len(scene.things)])
    if rng.random() < 0.6:
        return Check(sentences(scene, language, count)[1], "", "count", sentences(scene, language)[1])
    return _most(scene, count, language, rng)


def _most(scene: Scene, count: int, language: str, rng: Random) -> Check:
    """That the image has the most things of its set, ``count``."""
    numbers = sorted(rng.sample(range(1, 6), rng.choice((0, 1, 1, 1, 2))))
    name = _name(rng.choice(numbers), language) if numbers else ""
    statement, true = (most_things(numbers, each, language) for each in (count, len(scene.things)))
    return Check(statement, name, "" if statement == true else "count", true)


def _things(scene: Scene, language: str, place_first: bool) -> str:
    return things_sentence(scene.things, language, place_first=place_first)


def _spans_of(statement: str, encoded: Encoding) -> dict[int, tuple[int, int]]:
    """The tokens of ``statement`` in a question, with the space before it: where each begins and ends in the
    statement, in bytes."""
    text = "".join(encoded.tokens)
    start = text.rindex(_letters(statement))
    begins = start - 1 if text[start - 1] == _letters(" ") else start
    spans, at = {}, 0
    for place, token in enumerate(encoded.tokens):
        end = at + len(token)
        if begins < end and at < start + len(_letters(statement)):
            spans[place] = (at - start, end - start)
        at = end
    return spans


def _letters(text: str) -> str:
    """As tokens are written: a letter a byte."""
    return "".join(piece for piece, _ in _BYTES.pre_tokenize_str(text))


def _common_prefix(one: str, two: str) -> int:
    """How many letters both begin with."""
    return next(
        (at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
    )


def _name(number: int, language: str) -> str:
    return f"Image-{number}" if language == "en" else f"图{number}"
