"""Rule: the English and the Chinese caption of the same image or set give different numbers.

Comes in: a candidate with its counterpart in the other language. Goes out: how many numbers contradict
each other. Not its job: whose number is right. The two captions needn't speak of the same things, so a
number that only one of them gives says nothing; where each gives numbers that the other doesn't have,
they count something differently.
"""

from __future__ import annotations

import re

from triptych.filtering.candidate import Candidate
from triptych.filtering.image_numbers import number_of
from triptych.records import Language

LARGEST = 12
"""Beyond a dozen, captions round."""

_EN = re.compile(
    r"(?<![#\-:.,\d])\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[2-9]|1[0-2])\s+(?!(?:of|o'clock|percent|am|pm|or|to|and)\b)[a-z]",
    re.IGNORECASE,
)
_EN_NOT_A_COUNT = re.compile(
    r"\b(?:image|picture|photo|number|no|figure)s?[\s#.\-]*\d+|\b(?:first|last|other|next|final|remaining)\s+\w+\s+\w+"
    r"|\b(?:images?|photos?|pictures?)\s+(?:two|three|four|five)\b|\bone or two\b|\btwo[- ](?:tone|story|storey|way|piece)\b",
    re.IGNORECASE,
)
_ZH = re.compile(
    r"(?<![第几十点年月:：\d\-])([两二三四五六七八九十]|[2-9]|1[0-2])(?:个|位|名|只|辆|艘|座|张|把|棵|朵|条|匹|头|面|顶|架|枚|盏|人|架|扇|块|幅|层|排|根|台|间|栋|件|双|支|束|片|颗|本|杯|盘|碗|瓶|对|组|群|顶|艘|株|串|束)(?!半)"
)
_ZH_NOT_A_COUNT = re.compile(
    r"第\s*\S{1,2}\s*(?:张|幅|个)|(?:前|后|另外|其他|其余|剩下的?)[两二三四五\d](?:张|幅|个|名|位|只)|两(?:侧|旁|边|端|层楼)|图(?:像|片)?\s*\d+"
)


def disagreement(candidate: Candidate) -> float:
    """How many numbers of either caption contradict the other; 0 without a counterpart."""
    if candidate.counterpart is None:
        return 0.0
    mine = counts(candidate.unquoted, candidate.language)
    other: Language = "en" if candidate.language == "zh" else "zh"
    theirs = counts(candidate.counterpart, other)
    return float(min(len(mine - theirs), len(theirs - mine)))


def counts(text: str, language: Language) -> frozenset[int]:
    """The numbers of things that ``text`` gives, from 2 to LARGEST; image numbers are not among them."""
    pattern, other_use = (_ZH, _ZH_NOT_A_COUNT) if language == "zh" else (_EN, _EN_NOT_A_COUNT)
    found = (number_of(each) for each in pattern.findall(other_use.sub(" ", text)))
    return frozenset(number for number in found if number is not None and 2 <= number <= LARGEST)
