"""Rule: how much of a caption is said again.

Comes in: a candidate. Goes out: a share of the text, in [0, 1]. Everything weighs by occurrence: a
sentence that comes twenty times weighs nineteen times itself. Not its job: the bound (see config),
finding the few captions that have anything twice (see repetition_screen).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.candidate import LONGEST_READ, MOST_SENTENCES, Candidate
from triptych.filtering.stretches import captions_with_more, stretch_keys, stretch_shares
from triptych.records import Language

LONGEST_PERIOD = 12
"""In units. Longer things that come again and again are found as stretches and as sentences."""

LOOP_COPIES = 4
"""Three in a row is still emphasis: "very, very, very large", "哈哈哈" on a sign."""

SHORTEST_LOOP = {"en": 8, "zh": 12}
"""In units. A loop of this length is one wherever it stands, so it counts at least LOOP_SCORE."""

LOOP_SCORE = 0.5
"""The least score of a caption with a loop, also where a long good text goes before it."""

STRETCH = {"en": 8, "zh": 15}
"""In units. A stretch of so many said again is a repetition. Long enough for a listing such as "a red boat
and a blue boat" to stay clear; Chinese listings need more ("饺子，一排白色饺子，一排绿色饺子" has 14)."""

LONG_STRETCH = {"en": 12, "zh": 18}
"""In units. So much the same may be said of two images of a set, not of three."""

LONG_STRETCH_TIMES = 2

TEMPLATE, TEMPLATE_TIMES = 3, 5
"""So many units said more than so many times for each image: a sentence that is filled in anew each turn,
"the first car is white, the second car is white". Of 2,700 good captions, labelled, of the demo and of the
seed's length, none has more than 0.03 of its text in such stretches; faults begin at 0.2."""

ALIKE_WEIGHT = 0.5
"""Of what is said again inside other sentences, against whole sentences and loops. Alike things are told
in alike words ("on the left side of the image there is a ...", a list that three images share): good
captions of the labelled sets and the demo reach a share of 0.17 in such stretches, and faults without a
loop or a sentence twice begin at 0.24."""

BEGINNING = {"en": 4, "zh": 6}
"""In units. Of 3,100 good captions, labelled and of the seed's length, none has more than two sentences that
begin with the same so many words, or more of them than it has images."""

BEGINNINGS = 3
"""So many may begin alike in any caption, and one more than there are images in one of a set."""

SHORTEST_SENTENCE = {"en": 6, "zh": 8}
"""In units. Shorter sentences may come again: "The sky is blue."."""

MOST_UNITS = 2500
"""More than twice the longest caption that any job allows; what comes later is too long in any case."""

_ANY_SENTENCE_END = re.compile("[.．!?！？。…;；\r\n]+")
_NOT_LETTERS = re.compile(r"[\W_]+")
_TO_LETTERS = bytes(
    ord("\n") if chr(code) in ".!?;\r" else ord(chr(code).lower()) if code < 128 else code
    for code in range(256)
)
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalnum() and chr(code) not in ".!?;\r\n")

_LOOP = re.compile(rf"(.{{1,{LONGEST_PERIOD}}}?)\1{{{LOOP_COPIES - 1},}}", re.DOTALL)


def repetition(candidate: Candidate) -> float:
    """The largest of four shares: loops, sentences that come again, stretches that do, and sentences that
    begin alike.

    A stretch may come once for each image of a set, a long one for two of them.
    """
    language, units = candidate.language, candidate.units[:MOST_UNITS]
    hashes = np.fromiter(map(hash, units), np.int64, len(units)).astype(np.uint64)
    captions = np.zeros(len(units), np.int64)
    alike = sentences = 0.0
    if say_something_twice(hashes, captions, language, 1).any():
        counts = np.array([candidate.image_count])
        alike = float(alike_scores(hashes, captions, language, counts)[0])
        allowed = int(allowed_beginnings(counts)[0])
        alike = max(alike, beginning_share(candidate.sentences, BEGINNING[language], allowed))
    if may_repeat_sentences(candidate.text):
        sentences = sentence_share(candidate.sentences, SHORTEST_SENTENCE[language])
    return max(_loop_score(_as_code_points(units), language), sentences, alike)


def say_something_twice(
    hashes: NDArray[np.uint64], captions: NDArray[np.int64], language: Language, count: int
) -> NDArray[np.bool_]:
    """``bool[count]``: which captions have a stretch of SHORTEST_SENTENCE twice, given hashes of all units
    and their captions. In others nothing is counted: a loop, sentence or long stretch would have one, and
    sentences that merely begin alike are a way of writing."""
    keys = stretch_keys(hashes, captions, SHORTEST_SENTENCE[language])
    return captions_with_more(keys, np.ones(count, np.int64))


def may_repeat_sentences(text: str) -> bool:
    """False where no two sentences have the same letters: then all that lies between marks is different."""
    text = text[:LONGEST_READ]
    if text.isascii():
        parts = text.encode().translate(_TO_LETTERS, _NO_LETTERS).decode().split("\n")
    else:
        parts = _ANY_SENTENCE_END.split(text.lower(), MOST_SENTENCES)
        parts = [_NOT_LETTERS.sub("", part) for part in parts]
    said = ["".join(sorted(part)) for part in parts if part]
    return len(set(said)) < len(said)


def alike_scores(
    hashes: NDArray[np.uint64],
    captions: NDArray[np.int64],
    language: Language,
    image_counts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """What stretches add to the score of each caption, given the hashes of all units and their captions. All
    of them say something twice."""
    long_allowed = np.minimum(image_counts, LONG_STRETCH_TIMES)
    alike = ALIKE_WEIGHT * np.maximum(
        stretch_shares(hashes, captions, STRETCH[language], image_counts),
        stretch_shares(hashes, captions, LONG_STRETCH[language], long_allowed),
    )
    return np.maximum(alike, stretch_shares(hashes, captions, TEMPLATE, TEMPLATE_TIMES * image_counts))


def _loop_score(text: str, language: Language) -> float:
    loops = [len(match[0]) for match in _LOOP.finditer(text)]
    if not any(each >= SHORTEST_LOOP[language] for each in loops):
        return 0.0
    return max(sum(loops) / len(text), LOOP_SCORE)


def sentence_share(sentences: Sequence[Sequence[str]], shortest: int) -> float:
    """The share of all units that lie in sentences of ``shortest`` or more equal to an earlier one, in any
    order: a loop may turn its words around ("quiet and still", "still and quiet")."""
    seen: set[tuple[str, ...]] = set()
    repeated = total = 0
    for units in map(tuple, map(sorted, sentences)):
        total += len(units)
        if len(units) >= shortest and units in seen:
            repeated += len(units)
        seen.add(units)
    return repeated / max(total, 1)


def allowed_beginnings(image_counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many sentences of each caption may begin alike."""
    return np.maximum(image_counts + 1, BEGINNINGS)


def beginning_share(sentences: Sequence[Sequence[str]], length: int, allowed: int) -> float:
    """The share of all units that lie in sentences whose first ``length`` begin more than ``allowed``, the
    first aside: a loop that ends its sentence in another way each turn."""
    lengths: dict[tuple[str, ...], list[int]] = {}
    for units in sentences:
        if len(units) >= length:
            lengths.setdefault(tuple(units[:length]), []).append(len(units))
    repeated = sum(sum(each[1:]) for each in lengths.values() if len(each) > allowed)
    return repeated / max(sum(map(len, sentences)), 1)


def _as_code_points(units: Sequence[str]) -> str:
    code: dict[str, str] = {}
    return "".join([code.setdefault(unit, chr(len(code))) for unit in units])
