"""Words that rules look for, and patterns that are only looked for where such a word is.

Comes in: groups, each of needles and a pattern that needs one of them. Goes out: which patterns a text
may have. Not its job: which patterns (see voice, garbled), finding the words in many texts (see block).

A caption has none of most patterns. Which of all needles it may have is one intersection of sets: an
English needle is a word, and of a Chinese one, which has no borders, the rarest two characters in a row
are looked for first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise

COMMONEST_HAN = (
    "的一是在有上着中个色图人和面了子张为片像前白可以下不看起来到方后这出大地木边红黑成天展位第与示部蓝正行身小放光其"
    "站间多两里手画车显现明内排对能穿分过旁们另三该布装建有好处向家道长应用作些请理要根据所没当也么什如需果助型智能无法"
)
"""Of captions, about by rank: a needle is looked for by its character that comes last here or not at all."""

_cue_words: dict[str, None] = {}
_counted_words: dict[str, None] = {}


def cue_words(words: Iterable[str]) -> frozenset[str]:
    """``words``, which from now on can be looked for among a candidate's ``cue_words``.

    Each is a unit, or two Han characters in a row. Called where a module is imported, so that all are
    known before the first caption is judged.
    """
    chosen = frozenset(words)
    _cue_words.update(dict.fromkeys(chosen))
    return chosen


def counted_words(words: Iterable[str]) -> frozenset[str]:
    """The same of words that are only counted in a block: too common to be named to each candidate."""
    chosen = frozenset(words)
    _counted_words.update(dict.fromkeys(chosen))
    return chosen


def all_cue_words() -> AbstractSet[str]:
    """Of all rules."""
    return _cue_words.keys()


def all_counted_words() -> AbstractSet[str]:
    """Of all rules; some of them are cue words, too."""
    return _counted_words.keys()


def words_and_pairs(units: Sequence[str]) -> AbstractSet[str]:
    """All that may be a cue word in a text, given as its units."""
    pairs = {first + second for first, second in pairwise(units) if len(first) == 1}
    return pairs | {*units}


class Cues:
    """Groups of patterns, found by their needles."""

    def __init__(self, *groups: tuple[str, str], han: bool = False) -> None:
        """Each group: needles, separated by spaces, and a pattern for text in lower case.

        ``han``: needles are stretches of Chinese text; else they are words.
        """
        self._groups: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        for needles, pattern in groups:
            compiled = re.compile(pattern)
            for needle in needles.split():
                cue = _rarest_pair(needle) if han else needle
                self._groups.setdefault(cue, []).append((needle, compiled))
        self.words = cue_words(self._groups)
        """A text without any of them has none of the patterns."""
        self._is_han = han

    def found(self, words: AbstractSet[str], text: str) -> list[re.Pattern[str]]:
        """The patterns worth looking for in ``text``, whose cue words are ``words``."""
        cues = self.words & words
        if not cues:
            return []
        patterns: dict[re.Pattern[str], None] = {}
        for cue in cues:
            for needle, pattern in self._groups[cue]:
                if not self._is_han or needle in text:
                    patterns[pattern] = None
        return list(patterns)


def matches_at(
    pattern: re.Pattern[str], text: str, cues: AbstractSet[str], *leads: str
) -> Iterator[re.Match[str]]:
    """What ``pattern`` matches where one of ``cues`` stands, or a lead before it; never overlapping.

    Looking for words first is ten times as quick as trying a pattern everywhere.
    """
    places = []
    for cue in cues:
        at = text.find(cue)
        while at >= 0:
            places.append(at)
            at = text.find(cue, at + 1)
    end = 0
    for at in sorted(places):
        for lead in leads or ("",):
            start = at - len(lead)
            if start >= end and text.startswith(lead, start) and (match := pattern.match(text, start)):
                yield match
                end = match.end()
                break


def _rarest_pair(needle: str) -> str:
    """Two characters of a needle, or its only one."""
    letters = "".join(filter(str.isalnum, needle))
    at = max(range(len(letters)), key=lambda at: _rarity(letters[at]))
    at = min(at, max(len(letters) - 2, 0))
    return letters[at : at + 2]


def _rarity(character: str) -> int:
    at = COMMONEST_HAN.find(character)
    return at if at >= 0 else len(COMMONEST_HAN)
