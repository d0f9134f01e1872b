"""Rule: how much of a caption is said again.

Comes in: a caption. Goes out: a share of the text, in [0, 1]. Everything weighs by occurrence: a sentence that
comes twenty times weighs nineteen times itself. Not its job: captions that repeat each other (see
near_duplicates).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np

from triptych.filtering.caption import LONGEST_READ, CaptionText, units_of
from triptych.filtering.rule import Rule
from triptych.filtering.rules.stutter import DOUBLED_MARKS, FEWEST_STUTTERS, stutters
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
LONG_STRETCH_TIMES, TEMPLATE_TIMES = 2, 5
"""How often such stretches may be said, at most and for each image (see Lengths)."""
ALIKE_WEIGHT = 0.5
"""Of what is said again inside other sentences, against whole sentences and loops: alike things are described in
alike words. Good captions reach a share of 0.17 in such stretches, faults of no other kind begin at 0.24."""
BEGINNINGS = 3
"""So many may begin alike in any caption, and one more than there are images in one of a set."""
STUTTER_SHARE = 0.02
"""Of the units: fewer places than that in a long caption are nothing."""
SHORTEST_COPY, COPIED_SHARE = 12, 0.55
"""Units of a text that is said again as a whole, and how much of it comes in the same three units in a row."""
_PLACES = frozenset(
    "one two three four five six first second third fourth fifth sixth last final other another left right upper lower top bottom"
    " front back middle center former latter next".split()
) | frozenset("一二三四五六七八九十左右上下前后另首末①②③④⑤⑥")

MOST_UNITS = 2500
"""More than twice the longest caption that any job allows; what comes later is too long in any case."""
MOST_SENTENCES = 500
"""The longest caption that any job allows has a tenth of that."""

_SENTENCE_END = re.compile(r"[.．!?！？。…;；।؟۔։።។။\r\n](?:(?<!\d[.．])|(?!\d))")
"""A line break or semicolon ends a sentence, a point between digits doesn't."""
_LOOP = re.compile(rf"(.{{1,{LONGEST_PERIOD}}}?)\1{{{LOOP_COPIES - 1},}}", re.DOTALL)


class Lengths(msgspec.Struct, frozen=True):
    """From how many units on something said again counts."""

    loop: int
    """A loop of this length is one wherever it stands, so it counts at least LOOP_SCORE."""
    stretch: int
    """Long enough for a listing such as "a red boat and a blue boat" to stay clear; a Chinese one has 14
    ("饺子，一排白色饺子，一排绿色饺子")."""
    long_stretch: int
    """So much the same may be said of two images of a set, not of three."""
    template: int
    """So many units said more than TEMPLATE_TIMES for each image: a sentence that is filled in anew each turn. Of
    2,700 good captions none has more than 0.03 of its text in such stretches; faults begin at 0.2."""
    beginning: int
    """Of 3,100 good captions none has more than two sentences that begin with the same so many units, or more of
    them than it has images."""
    sentence: int
    """Shorter sentences may come again: "The sky is blue."."""


_WORDS = Lengths(loop=8, stretch=8, long_stretch=12, template=3, beginning=4, sentence=6)
_CHINESE = Lengths(loop=12, stretch=15, long_stretch=18, template=3, beginning=6, sentence=8)
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

    A stretch may come once for each image of a set, a long one for two of them.
    """
    lengths, units = lengths_of(caption.language), caption.units[:MOST_UNITS]
    fewest = max(FEWEST_STUTTERS, STUTTER_SHARE * len(units))
    scores = [LOOP_SCORE if stutters(caption, fewest) >= fewest else 0.0]
    if not _may_say_again(caption.unit_bytes[:MOST_UNITS], lengths.sentence):
        return scores[0]
    text = _as_code_points(units)
    again = _said_again(text, lengths.sentence)
    if any(later - earlier <= LONGEST_PERIOD for earlier, later in again):
        scores.append(_loop_score(text, lengths.loop))
    if _covered(again, lengths.sentence) > MOST_SAID_AGAIN * len(units):
        sentences = sentences_of(caption.text)
        scores += [
            _sentence_share(sentences, lengths.sentence),
            _beginning_share(sentences, lengths.beginning, max(caption.image_count + 1, BEGINNINGS)),
            _stretch_share(text, lengths.template, TEMPLATE_TIMES * caption.image_count),
            _whole_share(units, caption.image_count),
            ALIKE_WEIGHT * _stretch_share(text, lengths.stretch, caption.image_count),
            ALIKE_WEIGHT
            * _stretch_share(text, lengths.long_stretch, min(caption.image_count, LONG_STRETCH_TIMES)),
        ]
    return max(scores)


def sentences_of(text: str) -> list[Sequence[str]]:
    """The units of each sentence."""
    parts = _SENTENCE_END.split(text[:LONGEST_READ], MOST_SENTENCES)
    return [units for part in parts if (units := units_of(part))]


def _may_say_again(unit_bytes: bytes, length: int) -> bool:
    """Whether a stretch of ``length`` may come again. Up to eight units are compared at once: as bytes of a number."""
    count, compared = len(unit_bytes) - length + 1, min(length, 8)
    if count < 2:
        return False
    stretches = np.ndarray(count, "<u8", unit_bytes + b"\0" * 8, strides=(1,)) << np.uint64(64 - 8 * compared)
    stretches.sort()
    return bool(np.count_nonzero(stretches[1:] == stretches[:-1]))


def _said_again(text: str, length: int) -> list[tuple[int, int]]:
    """Where stretches of ``length`` begin that have come before: the last place before, and this one."""
    before: dict[str, int] = {}
    again = []
    for at in range(len(text) - length + 1):
        stretch = text[at : at + length]
        if stretch in before:
            again.append((before[stretch], at))
        before[stretch] = at
    return again


def _covered(again: Sequence[tuple[int, int]], length: int) -> int:
    """How many units lie in stretches that have come before."""
    return len({unit for _, at in again for unit in range(at, at + length)})


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


def _stretch_share(text: str, length: int, allowed: int) -> float:
    """The share of units in stretches of ``length`` that came ``allowed`` times before."""
    stretches = [text[at : at + length] for at in range(len(text) - length + 1)]
    times = Counter(stretches)
    if max(times.values(), default=0) <= allowed:
        return 0.0
    before: Counter[str] = Counter()
    is_covered = bytearray(len(text))
    for at, stretch in enumerate(stretches):
        if times[stretch] > allowed:
            if before[stretch] >= allowed:
                is_covered[at : at + length] = b"\1" * length
            before[stretch] += 1
    return is_covered.count(1) / len(text)


def _whole_share(units: Sequence[str], image_count: int) -> float:
    """The share of the units in copies of the text as a whole, with a few words changed. What numbers things or
    places them stays as it is: "Image 1 ... Image 2 ..." in alike words is no copy."""
    for copies in range(2, max(3, image_count) + 1):
        period = len(units) // copies
        first, second = units[:period], units[period : 2 * period]
        pieces = set(zip(first, first[1:], first[2:], strict=False))
        again = sum(piece in pieces for piece in zip(second, second[1:], second[2:], strict=False))
        is_copy = period >= SHORTEST_COPY and again >= COPIED_SHARE * period
        if is_copy and _places(first) == _places(second):
            return 1.0 - 1.0 / copies
    return 0.0


def _places(units: Sequence[str]) -> list[str]:
    return sorted(unit for unit in units if unit in _PLACES or unit.isdigit())


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
    version=3,
    likely_cause="sampling without a repetition penalty, damaged weights, or too much quantisation",
)
