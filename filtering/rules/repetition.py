"""Rule: how much of a caption is said again.

Comes in: a caption. Goes out: a share of the text, in [0, 1]. Everything weighs by occurrence: a sentence that
comes twenty times weighs nineteen times itself. Not its job: captions that repeat each other (see
near_duplicates).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.filtering.caption import LAST_OF_TEXT, LONGEST_READ, CaptionText, unit_sequence_of
from triptych.filtering.rule import Rule
from triptych.filtering.rules.stutter import DOUBLED_MARKS, bytes_of, has_stutter
from triptych.languages import LANGUAGES, Language

MOST_SAID_AGAIN = 0.10
"""The threshold. A text of which less has come before, word for word, has no other score than loops and stutter:
sentences that merely begin alike are a way of writing. Faults begin at 0.14, good captions end there."""
LONGEST_PERIOD = 12
"""In units. Longer things that come again and again are found as stretches and as sentences."""
LOOP_COPIES = 4
"""Three in a row is still emphasis: "very, very, very large", "哈哈哈" on a sign."""
LOOP_SCORE = 0.5
"""The least score of a caption with a loop, also where a long good text goes before it."""
STRETCH_TIMES, TEMPLATE_TIMES = 2, 5
"""How often such stretches may be said, at most and for each image (see Lengths)."""
ALIKE_WEIGHT = 0.5
"""Of what is said again inside other sentences, against whole sentences and loops: alike things are described in
alike words. Good captions reach a share of 0.17 in such stretches, faults of no other kind begin at 0.24."""
BEGINNINGS = 3
"""So many may begin alike in any caption, and one more than there are images in one of a set."""
SHORTEST_COPY, COPIED_SHARE, COPY_SAID_AGAIN = 12, 0.55, 0.2
"""Units of a text that is said again as a whole, how much of it comes in the same three units in a row, and how much
of both is at least said again word for word (labelled: 0.28)."""
_PLACES = frozenset(
    "one two three four five six first second third fourth fifth sixth last final other another left right upper lower top bottom"
    " front back middle center former latter next".split()
) | frozenset("一二三四五六七八九十左右上下前后另首末①②③④⑤⑥")

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Any odd number spreads what is added up."""
MOST_UNITS = 2500
"""More than twice the longest caption that any job allows; what comes later is too long in any case."""
MOST_SENTENCES = 500
"""The longest caption that any job allows has a tenth of that."""

_SENTENCE_END = re.compile(r"[.．!?！？。…;；।؟۔։።។။\r\n](?:(?<!\d[.．])|(?!\d))")
"""A line break or semicolon ends a sentence, a point between digits doesn't."""
_NAME = re.compile(r"(?:image|图[像片]?)\s?[-#]?\s?\d{1,2}\s?[:：]")
"""Of an image, before what is said of it: the same of two is said again."""
_LOOP = re.compile(rf"(.{{1,{LONGEST_PERIOD}}}?)\1{{{LOOP_COPIES - 1},}}", re.DOTALL)


class Lengths(msgspec.Struct, frozen=True):
    """From how many units on something said again counts."""

    loop: int
    """A loop of this length is one wherever it stands, so it counts at least LOOP_SCORE."""
    stretch: int
    """Long enough for a listing such as "a red boat and a blue boat" to stay clear. So much the same may be said of
    two images of a set, not of three."""
    template: int
    """So many units said more than TEMPLATE_TIMES for each image: a sentence that is filled in anew each turn. Of
    2,700 good captions none has more than 0.03 of its text in such stretches; faults begin at 0.2."""
    beginning: int
    """Of 3,100 good captions none has more than two sentences that begin with the same so many units, or more of
    them than it has images."""
    sentence: int
    """Shorter sentences may come again: "The sky is blue."."""


_WORDS = Lengths(loop=8, stretch=12, template=3, beginning=4, sentence=6)
_CHINESE = Lengths(loop=12, stretch=18, template=3, beginning=6, sentence=8)
_CHARACTERS = msgspec.structs.replace(_CHINESE, template=6)
"""Of other languages, where three characters are an ending that every sentence has ("ている")."""


@lru_cache
def lengths_of(language: Language) -> Lengths:
    """Those of languages without spaces are as much longer than Chinese ones as what they say takes longer."""
    if language.unit == "word":
        return _WORDS
    if language.code == "zh":
        return _CHINESE
    longer = max(1.0, language.units_per_english_word / LANGUAGES["zh"].units_per_english_word)
    return Lengths(*(round(length * longer) for length in msgspec.structs.astuple(_CHARACTERS)))


def repetition(caption: CaptionText) -> float:
    """The largest of six shares: stutter, loops, sentences that come again, stretches that do, sentences that
    begin alike, and a text that is said again as a whole.

    A stretch may come once for each image of a set, and for two of them.
    """
    lengths, units = lengths_of(caption.language), caption.unit_sequence[:MOST_UNITS]
    of_units = bytes_of(units)
    stutter = LOOP_SCORE if has_stutter(caption, units, of_units) else 0.0
    again = _again(units, of_units, lengths.sentence)
    return max(stutter, _said_again(caption, units, of_units, again)) if again else stutter


def _said_again(
    caption: CaptionText, units: Sequence[str], of_units: bytes, again: Sequence[tuple[int, int]]
) -> float:
    """The largest share of what comes again in longer stretches; ``again`` has where."""
    lengths, times = lengths_of(caption.language), caption.image_count
    is_near = any(later - earlier <= LONGEST_PERIOD for earlier, later in again)
    loop = _loop_score(_as_code_points(units), lengths.loop) if is_near else 0.0
    said_again = _share(again, lengths.sentence, len(units))
    if said_again <= MOST_SAID_AGAIN:
        return loop
    sentences = sentences_of(caption.lowered, caption.language)
    is_named = caption.is_multi and _NAME.search(caption.lowered)
    unnamed = sentences_of(_NAME.sub(" ", caption.lowered), caption.language) if is_named else sentences
    template = _again(units, of_units, lengths.template, TEMPLATE_TIMES * times)
    stretches = _again(units, of_units, lengths.stretch, min(times, STRETCH_TIMES))
    return max(
        loop,
        _sentence_share(unnamed, lengths.sentence),
        _beginning_share(sentences, lengths.beginning, max(times + 1, BEGINNINGS)),
        _whole_share(units, times) if said_again > COPY_SAID_AGAIN else 0.0,
        _share(template, lengths.template, len(units)),
        ALIKE_WEIGHT * _share(stretches, lengths.stretch, len(units)),
    )


def sentences_of(lowered: str, language: Language) -> list[Sequence[str]]:
    """The units of each sentence of a text in lower case."""
    parts = _SENTENCE_END.split(lowered[:LONGEST_READ], MOST_SENTENCES)
    return [units for part in parts if (units := unit_sequence_of(part, language))]


def _again(units: Sequence[str], of_units: bytes, length: int, times: int = 1) -> list[tuple[int, int]]:
    """Where stretches of ``length`` begin that come again after ``times`` others: the first of these, and this one."""
    numbers = _numbers(of_units, length)
    in_order = numbers.copy()
    in_order.sort()
    if not np.count_nonzero(in_order[times:] == in_order[:-times]):
        return []
    order = numbers.argsort(kind="stable")
    same = np.flatnonzero(in_order[times:] == in_order[:-times])
    pairs = zip(order[same].tolist(), order[same + times].tolist(), strict=True)
    return [(a, b) for a, b in pairs if units[a : a + length] == units[b : b + length]]


def _numbers(of_units: bytes, length: int) -> NDArray[np.uint64]:
    """One for each stretch of ``length``, from a byte of each unit: up to eight as they are, more of them mixed."""
    count = max(0, len(of_units) - length + 1)
    eights = np.ndarray(len(of_units) + 1, "<u8", of_units + bytes(8), strides=(1,))
    numbers = eights[:count]
    if length < 8:
        return numbers << np.uint64(64 - 8 * length)
    for at in range(length - 8, 0, -8):
        numbers = numbers * MULTIPLIER + eights[at : at + count]
    return numbers


def _share(again: Sequence[tuple[int, int]], length: int, count: int) -> float:
    """The share of ``count`` units in stretches that come again."""
    is_covered = bytearray(count)
    for _, at in again:
        is_covered[at : at + length] = b"\1" * length
    return is_covered.count(1) / max(count, 1)


def _as_code_points(units: Sequence[str]) -> str:
    """A character for each unit: so what comes again is a piece of a string that comes again."""
    if isinstance(units, str):
        return units
    code_points = {unit: chr(number) for number, unit in enumerate(dict.fromkeys(units))}
    return "".join(map(code_points.__getitem__, units))


def _sentence_share(sentences: Sequence[Sequence[str]], shortest: int) -> float:
    """The share of all units that lie in sentences of ``shortest`` or more equal to an earlier one, in any
    order: a loop may turn its words around ("quiet and still", "still and quiet")."""
    seen: set[tuple[str, ...]] = set()
    repeated = 0
    for units in sentences:
        if len(units) >= shortest:
            in_order = tuple(sorted(units))
            repeated += len(units) if in_order in seen else 0
            seen.add(in_order)
    return repeated / max(sum(map(len, sentences)), 1)


def _loop_score(text: str, shortest: int) -> float:
    loops = [len(match[0]) for match in _LOOP.finditer(text)]
    if max(loops, default=0) < shortest:
        return 0.0
    return max(sum(loops) / len(text), LOOP_SCORE)


def _whole_share(units: Sequence[str], image_count: int) -> float:
    """The share of the units in copies of the text as a whole, with a few words changed. What numbers things or
    places them stays as it is: "Image 1 ... Image 2 ..." in alike words is no copy."""
    for copies in range(2, max(3, image_count) + 1):
        period = len(units) // copies
        first, second = units[:period], units[period : 2 * period]
        pieces = set(zip(first, first[1:], first[2:], strict=False))
        again = sum(map(pieces.__contains__, zip(second, second[1:], second[2:], strict=False)))
        is_copy = period >= SHORTEST_COPY and again >= COPIED_SHARE * period
        if is_copy and _places(first) == _places(second):
            return 1.0 - 1.0 / copies
    return 0.0


def _places(units: Sequence[str]) -> list[str]:
    return sorted(unit for unit in units if unit in _PLACES or unit.isdigit() or unit > LAST_OF_TEXT)


def _beginning_share(sentences: Sequence[Sequence[str]], length: int, allowed: int) -> float:
    """The share of all units that lie in sentences whose first ``length`` begin more than ``allowed``, the
    first aside: a loop that ends its sentence in another way each turn."""
    lengths: dict[tuple[str, ...], list[int]] = {}
    for units in sentences:
        if len(units) >= length:
            lengths.setdefault(tuple(units[:length]), []).append(len(units))
    repeated = sum(sum(each[1:]) for each in lengths.values() if len(each) > allowed)
    return repeated / max(sum(map(len, sentences)), 1)


REPEATED = Rule(
    name="repeated",
    measure=repetition,
    threshold=MOST_SAID_AGAIN,
    # Gopher drops documents with 0.15 of their characters in repeated 5-grams and 0.10 in repeated 10-grams
    # (Rae et al. 2021, table A1); ours are stretches of 8 words. A sentence said twice has 0.5.
    needles=DOUBLED_MARKS,
    needs_needle=False,
    is_share=True,
    version=8,
    likely_cause="sampling without a repetition penalty, damaged weights, or too much quantisation",
)
