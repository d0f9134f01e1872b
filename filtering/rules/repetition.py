"""Rule: repetition within a caption.

Comes in: a caption. Goes out: the share of the text that is repeated, in [0, 1]. Every repetition counts: a
sentence that occurs twenty times counts nineteen times. Not its job: captions that repeat each other (see
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
from triptych.filtering.rules.stutter import LONGEST_DOUBLED_PHRASE, NEEDLES, bytes_of, has_stutter
from triptych.languages import LANGUAGES, Language

MAX_REPEATED_SHARE = 0.10
"""The threshold. If less of a text is repeated word for word, only loops and stutter are scored: sentences
that merely begin alike are a style. Faults begin at 0.14, where good captions end."""
LONGEST_PERIOD = 12
"""In units. Longer loops are found as stretches and as sentences."""
LOOP_COPIES = 4
"""Three in a row is still emphasis: "very, very, very large", "哈哈哈" on a sign."""
LOOP_SCORE = 0.5
"""The minimum score of a caption with a loop, even after a long good text."""
STRETCH_TIMES, TEMPLATE_TIMES = 2, 5
"""How often a stretch may occur: at most so often, and so often for each image (see Lengths)."""
STRETCH_WEIGHT = 0.5
"""Of repetition inside different sentences, against whole sentences and loops, since similar things are
described in similar words. Good captions reach a share of 0.17 in such stretches, captions with no other
fault begin at 0.24."""
SAME_BEGINNINGS = 3
"""So many sentences of any caption may begin alike, and in one of a set one more than it has images."""
MIN_COPY_UNITS, MIN_COPIED_SHARE, MIN_COPY_REPEATED_SHARE = 12, 0.55, 0.2
"""For a text that is repeated as a whole with changes: its length, the share of it in the same three
consecutive units, and the share of the caption that is repeated word for word (labelled: 0.28)."""
_POSITIONS = frozenset(
    "one two three four five six first second third fourth fifth sixth last final other another left right upper lower top bottom"
    " front back middle center former latter next".split()
) | frozenset("一二三四五六七八九十左右上下前后另首末①②③④⑤⑥")

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Of the hash of a stretch. Any odd number will do."""
_EIGHT_BYTES = np.dtype("<u8")
MAX_UNITS = 2500
"""More than twice the longest caption that any job allows. Longer captions are rejected anyway."""
MAX_SENTENCES = 500
"""Ten times as many as in the longest caption that any job allows."""

_SENTENCE_END = re.compile(r"[.．!?！？。…;；।؟۔։።។။\r\n](?:(?<!\d[.．])|(?!\d))")
"""Line breaks and semicolons end a sentence, a full stop between digits doesn't."""
_IMAGE_NAME = re.compile(r"(?:image|图[像片]?)\s?[-#]?\s?\d{1,2}\s?[:：]")
"""Removed before sentences are compared, so that equal descriptions of two images count as repeated."""
_LOOP = re.compile(rf"(.{{1,{LONGEST_PERIOD}}}?)\1{{{LOOP_COPIES - 1},}}", re.DOTALL)


class Lengths(msgspec.Struct, frozen=True):
    """How many units a repetition must have to count."""

    loop: int
    """Any loop of this length scores at least LOOP_SCORE."""
    stretch: int
    """Longer than the repetition in lists such as "a red boat and a blue boat". It may occur in the
    descriptions of two images of a set, but not of three."""
    template: int
    """A stretch that occurs more than TEMPLATE_TIMES for each image is a template that is filled in again and
    again. None of 2,700 good captions has more than 0.03 of its text in such stretches; faults begin at
    0.2."""
    beginning: int
    """None of 3,100 good captions has more than two sentences with the same beginning of this length, or more
    of them than images."""
    sentence: int
    """Shorter sentences may be repeated: "The sky is blue."."""


_WORDS = Lengths(loop=8, stretch=12, template=3, beginning=4, sentence=6)
_CHINESE = Lengths(loop=12, stretch=18, template=3, beginning=6, sentence=8)
_CHARACTERS = msgspec.structs.replace(_CHINESE, template=6)
"""Of other languages, in which every sentence may end in the same three characters ("ている")."""


@lru_cache
def lengths_of(language: Language) -> Lengths:
    """For languages without spaces, scaled by how many more characters than Chinese they need."""
    if language.unit == "word":
        return _WORDS
    if language.code == "zh":
        return _CHINESE
    factor = max(1.0, language.units_per_english_word / LANGUAGES["zh"].units_per_english_word)
    return Lengths(*(round(length * factor) for length in msgspec.structs.astuple(_CHARACTERS)))


def repetition(caption: CaptionText) -> float:
    """The largest score of stutter, loops, and repeated sentences, stretches, beginnings or copies of the
    text.

    A stretch may occur once for each image of a set, but for at most two images.
    """
    lengths, units = lengths_of(caption.language), caption.unit_sequence[:MAX_UNITS]
    unit_bytes = bytes_of(units)
    repeats = _repeats(units, unit_bytes, lengths.sentence)
    longest = LONGEST_DOUBLED_PHRASE if repeats else lengths.sentence - 1
    stutter = LOOP_SCORE if has_stutter(caption, units, unit_bytes, longest) else 0.0
    return max(stutter, _repetition_score(caption, units, unit_bytes, repeats)) if repeats else stutter


def _repetition_score(
    caption: CaptionText, units: Sequence[str], unit_bytes: bytes, repeats: Sequence[tuple[int, int]]
) -> float:
    """The score of a caption in which stretches as long as a sentence are repeated (see ``_repeats``)."""
    lengths, image_count = lengths_of(caption.language), caption.image_count
    is_near = any(later - earlier <= LONGEST_PERIOD for earlier, later in repeats)
    loop = _loop_score(_as_code_points(units), lengths.loop) if is_near else 0.0
    repeated_share = _covered_share(repeats, lengths.sentence, len(units))
    if repeated_share <= MAX_REPEATED_SHARE:
        return loop
    sentences = sentences_of(caption.lowered, caption.language)
    is_named = caption.is_multi and _IMAGE_NAME.search(caption.lowered)
    unnamed = sentences_of(_IMAGE_NAME.sub(" ", caption.lowered), caption.language) if is_named else sentences
    template = _repeats(units, unit_bytes, lengths.template, TEMPLATE_TIMES * image_count)
    stretches = _repeats(units, unit_bytes, lengths.stretch, min(image_count, STRETCH_TIMES))
    return max(
        loop,
        _sentence_share(unnamed, lengths.sentence),
        _beginning_share(sentences, lengths.beginning, max(image_count + 1, SAME_BEGINNINGS)),
        _copy_share(units, unit_bytes, image_count) if repeated_share > MIN_COPY_REPEATED_SHARE else 0.0,
        _covered_share(template, lengths.template, len(units)),
        STRETCH_WEIGHT * _covered_share(stretches, lengths.stretch, len(units)),
    )


def sentences_of(lowered: str, language: Language) -> list[Sequence[str]]:
    """The units of each sentence of a lower-case text."""
    parts = _SENTENCE_END.split(lowered[:LONGEST_READ], MAX_SENTENCES)
    return [units for part in parts if (units := unit_sequence_of(part, language))]


def _repeats(units: Sequence[str], unit_bytes: bytes, length: int, times: int = 1) -> list[tuple[int, int]]:
    """Where a stretch of ``length`` begins that has occurred at least ``times`` before, with the start of the
    occurrence ``times`` before it: pairs of an earlier and a later start."""
    in_order = _hashes(unit_bytes, length)
    in_order.sort()  # for so few numbers, methods are faster than numpy's functions
    (same,) = (in_order[times:] == in_order[:-times]).nonzero()
    if not len(same):
        return []
    order = _hashes(unit_bytes, length).argsort(kind="stable")
    pairs = zip(order[same].tolist(), order[same + times].tolist(), strict=True)
    return [(a, b) for a, b in pairs if units[a : a + length] == units[b : b + length]]


def _hashes(unit_bytes: bytes, length: int) -> NDArray[np.uint64]:
    """A hash of each stretch of ``length``: up to eight bytes are used directly, more are mixed."""
    count = max(0, len(unit_bytes) - length + 1)
    eights = np.ndarray(len(unit_bytes) + 1, _EIGHT_BYTES, unit_bytes + bytes(8), 0, (1,))
    hashes = eights[:count].copy()
    if length < 8:
        return hashes << np.uint64(64 - 8 * length)
    for at in range(length - 8, 0, -8):
        hashes = hashes * MULTIPLIER + eights[at : at + count]
    return hashes


def _covered_share(repeats: Sequence[tuple[int, int]], length: int, count: int) -> float:
    """The share of ``count`` units in the later ones of repeated stretches."""
    is_covered = bytearray(count)
    for _, at in repeats:
        is_covered[at : at + length] = b"\1" * length
    return is_covered.count(1) / max(count, 1)


def _as_code_points(units: Sequence[str]) -> str:
    """A character for each unit, so that regular expressions find repeated units."""
    if isinstance(units, str):
        return units
    code_points = {unit: chr(number) for number, unit in enumerate(dict.fromkeys(units))}
    return "".join(map(code_points.__getitem__, units))


def _sentence_share(sentences: Sequence[Sequence[str]], shortest: int) -> float:
    """The share of units in sentences that have the same words as an earlier one, in any order: a loop may
    reorder them ("quiet and still", "still and quiet"). Sentences of fewer than ``shortest`` units don't
    count."""
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


def _copy_share(units: Sequence[str], unit_bytes: bytes, image_count: int) -> float:
    """The share of units in copies of the whole text with a few words changed. Numbers and positions must be
    the same: "Image 1 ... Image 2 ..." in similar words is no copy."""
    triples = _hashes(unit_bytes, 3).tolist()
    for copies in range(2, max(3, image_count) + 1):
        period = len(units) // copies
        if period < MIN_COPY_UNITS:
            break
        copied = sum(map(set(triples[: period - 2]).__contains__, triples[period : 2 * period - 2]))
        first, second = units[:period], units[period : 2 * period]
        if copied >= MIN_COPIED_SHARE * period and _positions(first) == _positions(second):
            return 1.0 - 1.0 / copies
    return 0.0


def _positions(units: Sequence[str]) -> list[str]:
    return sorted(unit for unit in units if unit in _POSITIONS or unit.isdigit() or unit > LAST_OF_TEXT)


def _beginning_share(sentences: Sequence[Sequence[str]], length: int, allowed: int) -> float:
    """The share of units in sentences after the first that begin with the same ``length`` units, if more than
    ``allowed`` do: a loop may end its sentence differently each time."""
    lengths: dict[tuple[str, ...], list[int]] = {}
    for units in sentences:
        if len(units) >= length:
            lengths.setdefault(tuple(units[:length]), []).append(len(units))
    repeated = sum(sum(each[1:]) for each in lengths.values() if len(each) > allowed)
    return repeated / max(sum(map(len, sentences)), 1)


REPEATED = Rule(
    name="repeated",
    measure=repetition,
    threshold=MAX_REPEATED_SHARE,
    # Gopher drops documents with 0.15 of their characters in repeated 5-grams and 0.10 in repeated 10-grams
    # (Rae et al. 2021, table A1). A caption that consists of one sentence twice has 0.5.
    needles=NEEDLES,
    needs_needle=False,
    is_share=True,
    version=10,
    likely_cause="sampling without a repetition penalty, damaged weights, or too much quantisation",
)
