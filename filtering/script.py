"""Which script a text is written in.

Comes in: a text and the language that was asked for. Goes out: the share of it in that language's
script. Not its job: telling languages of one script apart.
"""

from __future__ import annotations

import re

from corpus.records import Language
from filtering.candidate import HAN, LATIN

_LATIN_WORD = re.compile(rf"[{LATIN}]+(?:['’\-][{LATIN}]+)*")
_HAN_CHARACTER = re.compile(rf"[{HAN}]")
_OTHER_WORD = re.compile(rf"[^\W\d_{LATIN}{HAN}]+")

LONGEST_QUOTE = 60
"""In characters. What a sign says is shorter; a longer stretch between quotation marks is the caption."""

_QUOTED = re.compile(
    "|".join(
        rf"{opening}[^{opening}{closing}\n]{{1,{LONGEST_QUOTE}}}{closing}"
        for opening, closing in ('""', "“”", "「」", "『』", "《》", (r"\(", r"\)"), "（）")
    )
)


def script_share(text: str, language: Language) -> float | None:
    """The share, in [0, 1], of a text's units in the script of ``language``; None for a blank text.

    Units are Latin words, Han characters, and words of other scripts. Short quotations (and what
    stands in brackets) are left out: a sign may say what it says. A text without letters has 0.
    """
    if not text.strip():
        return None
    latin, han, other = _counts(_QUOTED.sub(" ", text))
    if latin + han + other == 0:
        latin, han, other = _counts(text)
    return (han if language == "zh" else latin) / max(latin + han + other, 1)


def _counts(text: str) -> tuple[int, int, int]:
    return (
        len(_LATIN_WORD.findall(text)),
        len(_HAN_CHARACTER.findall(text)),
        len(_OTHER_WORD.findall(text)),
    )
