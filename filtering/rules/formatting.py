"""Rules: one paragraph of plain prose, without line breaks, lists, headings and markup.

Comes in: a caption. Goes out: counts. Not its job: special tokens (see garbled).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from triptych.filtering.caption import CaptionText, is_inscribed
from triptych.filtering.rule import Rule

_ESCAPED_BREAK = re.compile(r"\\r?\\n|\\n|<br\s*/?>|</p>\s*<p>", re.IGNORECASE)

_BULLETS = "-*+•·▪●■◆○➤→✓"


def paragraphs(caption: CaptionText) -> float:
    """The number of lines with text; a line break that is spelled out counts."""
    text = caption.text
    if text.isprintable() and "\\" not in text and "<" not in text:
        return float(bool(text.strip()))
    return float(sum(1 for line in _ESCAPED_BREAK.sub("\n", text).splitlines() if line.strip()))


class _Mark(NamedTuple):
    """A kind of markup, read in texts that have one of its needles."""

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    in_quotes: bool = False
    """Whether it is markup between quotation marks, too: no sign says it."""


_TAGS = "p|b|i|u|br|em|strong|ul|ol|li|div|span|h[1-6]|html|body|caption|description|answer|table|tr|td"
_BULLET = "[-*+•·▪●■◆○➤→✓]"
_MARKUP = (
    _Mark(("**",), re.compile(r"\*\*[^*\n]+(?:\*\*|$)")),
    _Mark(("__",), re.compile(r"(?<!\w)__[^_\n]+__(?!\w)")),
    _Mark(("`",), re.compile(r"```|`[^`\n]{1,80}`"), in_quotes=True),
    _Mark(("|",), re.compile(r"\|\s*:?-{2,}|(?:\A|\n)\s{0,3}\|[^|\n]+\|"), in_quotes=True),
    _Mark(("](",), re.compile(r"\[[^\]\n]{1,80}\]\([^)\n]{1,200}\)")),
    _Mark(("<",), re.compile(rf"</?(?:{_TAGS})\s*/?>", re.IGNORECASE), in_quotes=True),
    _Mark(("{", "["), re.compile(r"\A\s*[{\[]\s*[\"'{]"), in_quotes=True),
    _Mark(
        ('":', '" :', '"：'),
        re.compile(r"\"\s*:\s*\"|\A\s*\"[\w ]{1,30}\"\s*[:：]"),
        in_quotes=True,
    ),
    _Mark(("\n",), re.compile(r"\n\s{0,3}(?:#{1,6}\s|>\s|[-*+•]\s?\S)")),
    _Mark(("---", "===", "***"), re.compile(r"(?:^|\n)\s*(?:-{3,}|={3,}|\*{3,})\s*(?:\n|$)")),
    _Mark(
        (" - ", " * ", "· ", *"•▪●■◆○➤✓"),
        re.compile(
            rf"[:：;；。.]\s*({_BULLET})\s+\S[^\n]{{0,400}}?[;；。.,，\s]\1\s+\S|([•▪●■◆➤✓])[^\n]{{1,400}}?\2"
        ),
    ),
)

_BEFORE_A_NUMBER = r"(?<![Ii]mage)(?<![Pp]icture)(?<![Pp]hoto)(?:^|[\s:：;；。.,，!！?？])"
_NO_SUBJECT = "(?![是为则中里和与])"
"""Behind a number that isn't the subject of a sentence, as an image's would be: ①是, (1)中."""
_END = r"[;；。.!！?？\n,，]\s{0,3}"
_LISTS = (
    (("1.", "1．"), r"1[.．](?!\d)\s{0,3}\S", r"[;；。.!！?？\n]\s{0,3}2[.．](?!\d)\s{0,3}\S"),
    (
        ("1)", "1、", "1）"),
        rf"[(（]?1[)、）](?!\d){_NO_SUBJECT}\s{{0,3}}\S",
        rf"{_END}[(（]?2[)、）](?!\d)\s{{0,3}}\S",
    ),
    (("一、", "一）", "一)"), r"[(（]?一[)）、]", rf"{_END}[(（]?二[)）、]"),
    (("①",), f"①{_NO_SUBJECT}", "②"),
    (("a、", "a．"), r"[AＡ][、．]", rf"{_END}[BＢ][、．]"),
    (("a)",), r"[(]?[aA][)]\s", rf"{_END}[(]?[bB][)]\s"),
)
"""Needles, the number of the first point, that of the second behind the end of a point: "two columns, (1)
departures and (2) arrivals" is a sentence."""
_LIST_PATTERNS = [
    (needles, re.compile(_BEFORE_A_NUMBER + first), re.compile(second)) for needles, first, second in _LISTS
]
_NEEDLES = frozenset(needle for kind in (*_MARKUP, *_LISTS) for needle in kind[0])

_LEADS_A_LINE = re.compile(
    r"\s{0,3}(?:#{1,6}\s|>\s|[-*+•·▪●■◆○➤→✓]\s?\S|(?:step\s+)?1[.)、]\s*\S)", re.IGNORECASE
)

_LABELS = (
    "(?:detailed |accurate |image |picture |photo |final |short |generated )*"
    r"(?:description|caption|answer|output|response|summary|paragraph|title|step \d)(?: of (?:the|this) (?:image|picture|photo))?"
    "|(?:图像|图片|画面|详细|准确)*(?:描述|说明|标题|回答|答案|输出|答|第一步)"
)
_LABEL = re.compile(rf"\s*(?:\*\*|#+\s*)?(?:{_LABELS})\s*(?:\*\*)?\s*[:：]", re.IGNORECASE)
"""A heading before the text, on its own line or not: "Description: ...", "图像描述：..."."""

_NUMBER_OF_ONE = re.compile(
    r"\s*(?:image|picture|photo|图像?|图片|照片)\s?[-#]?\s?\d{1,2}\s?[:：]", re.IGNORECASE
)
"""A number before the caption of a single image: "Image-1: ..."."""

_KEYWORDS = re.compile(
    r"(?:^|[.!?。！？\n]\s{0,3})(?:key ?words?|(?:hash)?tags?|关键词|关键字|标签)\s?[:：]", re.IGNORECASE
)

_FIELD = re.compile(
    r"(?:\A|[.;。；\n])\s{0,3}(objects?|subjects?|setting|mood|colou?rs?|lighting|light|background|foreground|midground|composition"
    "|style|atmosphere|details|people|location|weather|text|actions?|environment|perspective|theme|主体|前景|中景|背景|远景|近景"
    "|氛围|色调|颜色|构图|光线|人物|环境|场景|物体|主题|风格|细节|地点|动作|天气|视角|整体) ?[:：]",
    re.IGNORECASE,
)
FEWEST_FIELDS = 3
"""Different ones that make a form of a text: "Objects: ... Setting: ... Mood: ...". Two are a style."""


def markup(caption: CaptionText) -> float:
    """1 where there is markdown, HTML, a heading, a form or a list outside quotation marks, else 0."""
    text, found = caption.text, caption.among(_NEEDLES)
    has_mark = found and (
        any(
            mark.pattern.search(text if mark.in_quotes else caption.unquoted)
            for mark in _MARKUP
            if not found.isdisjoint(mark.needles)
        )
        or any(
            _is_list(caption.unquoted, first, second)
            for needles, first, second in _LIST_PATTERNS
            if not found.isdisjoint(needles)
        )
    )
    is_numbered = not caption.is_multi and _NUMBER_OF_ONE.match(text)
    return float(bool(has_mark or is_numbered or _LEADS_A_LINE.match(text) or _has_labels(text)))


def _is_list(text: str, first: re.Pattern[str], second: re.Pattern[str]) -> bool:
    """Whether a second point follows the first, which no sign or menu in the picture shows."""
    found = first.search(text)
    if found is None or not second.search(text, found.end() - 1):
        return False
    start = found.start()
    before = text[max(0, start - 3) : start + 1].rstrip()
    return not (before.endswith((":", "：")) and is_inscribed(text, start))


def _has_labels(text: str) -> bool:
    """Whether it begins with a heading, or has keywords or the fields of a form."""
    if ":" not in text and "：" not in text:
        return False
    fields = {field.lower() for field in _FIELD.findall(text)}
    return bool(_LABEL.match(text) or _KEYWORDS.search(text)) or len(fields) >= FEWEST_FIELDS


MULTI_PARAGRAPH = Rule(
    name="multi_paragraph",
    measure=paragraphs,
    threshold=1.0,  # the seed's prompt: "Do not use multiple paragraphs or line breaks."
    likely_cause="a prompt that doesn't ask for one paragraph",
)
MARKUP = Rule(
    name="markup",
    measure=markup,
    threshold=0.0,
    needles=_NEEDLES | frozenset(":：#>-*+•·▪●■◆○➤→✓1"),  # of a heading, and of what leads a line
    likely_cause="a prompt that doesn't ask for plain prose",
)
