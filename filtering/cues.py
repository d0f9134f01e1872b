"""Patterns that are only looked for where a cue to them is there.

Comes in: groups, each of needles and a pattern that needs one of them. Goes out: how often a text has
any of the patterns. Not its job: which patterns (see voice, garbled).

A caption has none of most patterns. Which of all needles it may have is one intersection of sets: an
English needle is a word, and of a Chinese one, which has no borders, the rarest character is looked
for first.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

COMMONEST_HAN = (
    "的一是在有上着中个色图人和面了子张为片像前白可以下不看起来到方后这出大地木边红黑成天展位第与示部蓝正行身小放光其"
    "站间多两里手画车显现明内排对能穿分过旁们另三该布装建有好处向家道长应用作些请理要根据所没当也么什如需果助型智能无法"
)
"""Of captions, about by rank: a needle is looked for by its character that comes last here or not at all."""


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
                cue = max(filter(str.isalnum, needle), key=_rarity) if han else needle
                self._groups.setdefault(cue, []).append((needle, compiled))
        self._cues = frozenset(self._groups)
        self._is_han = han

    def found(self, words: AbstractSet[str], text: str) -> list[re.Pattern[str]]:
        """The patterns worth looking for in ``text``, whose different units are ``words``."""
        cues = self._cues & words
        if not cues:
            return []
        patterns: dict[re.Pattern[str], None] = {}
        for cue in cues:
            for needle, pattern in self._groups[cue]:
                if not self._is_han or needle in text:
                    patterns[pattern] = None
        return list(patterns)


def _rarity(character: str) -> int:
    at = COMMONEST_HAN.find(character)
    return at if at >= 0 else len(COMMONEST_HAN)
