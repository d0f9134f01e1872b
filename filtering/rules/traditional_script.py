"""Rule: traditional characters where Simplified Chinese was asked for; the one file that imports opencc.

Comes in: a Chinese caption. Goes out: the share of its Han characters that only Traditional Chinese writes.
Not its job: other languages (see language).
"""

from __future__ import annotations

import functools
import re

from triptych.filtering.caption import HAN, CaptionText
from triptych.filtering.rule import Rule

FEWEST = 3
"""Different characters. One or two are a name, or a character that both write (乾隆, 著名)."""

_INSCRIBED = re.compile(
    rf"(?:[写寫題题刻印标標书書][着著有了]|字样|匾额|招牌|店名|牌匾)(?:是|为|上?[的]?)?[：:]?[{HAN}·]{{1,12}}"
)
"""What a sign says without quotation marks, as far as a sign goes."""

_HAN_CHARACTER = re.compile(rf"[{HAN}]")


def traditional_share(caption: CaptionText) -> float:
    """The share, in [0, 1], of the Han characters outside quotation marks."""
    pattern = _traditional_only()
    if len(set(pattern.findall(caption.text))) < FEWEST:
        return 0.0
    text = _INSCRIBED.sub(" ", caption.unquoted)
    found = pattern.findall(text)
    return len(found) / len(_HAN_CHARACTER.findall(text)) if len(set(found)) >= FEWEST else 0.0


@functools.cache
def _traditional_only() -> re.Pattern[str]:
    """Every character of the common blocks that opencc turns into another one for Simplified Chinese."""
    import opencc

    to_simplified = opencc.OpenCC("t2s")
    common = (
        chr(code) for first, last in ((0x3400, 0x4DBF), (0x4E00, 0x9FFF)) for code in range(first, last)
    )
    return re.compile(f"[{''.join(each for each in common if to_simplified.convert(each) != each)}]")


TRADITIONAL = Rule(
    name="traditional",
    measure=traditional_share,
    threshold=0.02,
    # Of Han characters outside quotation marks. A text in Traditional Chinese has 0.3, one sentence of five in
    # it 0.06, an unquoted shop sign in a caption of the seed's length 0.02.
    languages=frozenset({"zh"}),
    is_share=True,
    likely_cause="a model or prompt set to Traditional Chinese",
)
