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
    follows: re.Pattern[str] | None = None
    """What has to come behind it, such as the second point of a list."""


_MARKUP = (
    _Mark(("**",), re.compile(r"\*\*[^*\n]+(?:\*\*|$)")),
    _Mark(("__",), re.compile(r"(?<!\w)__[^_\n]+__(?!\w)")),
    _Mark(("`",), re.compile(r"```|`[^`\n]{1,80}`"), True),
    _Mark(("|",), re.compile(r"\|\s*:?-{2,}|(?:\A|\n)\s{0,3}\|[^|\n]+\|"), True),
    _Mark(("](",), re.compile(r"\[[^\]\n]{1,80}\]\([^)\n]{1,200}\)")),
    _Mark(
        ("<",),
        re.compile(
            r"</?(?:p|b|i|u|br|em|strong|ul|ol|li|div|span|h[1-6]|html|body|caption|description|answer|table|tr|td)\s*/?>",
            re.IGNORECASE,
        ),
        True,
    ),
    _Mark(
        ("{", "[", '":', '" :', '"：'),
        re.compile(r"\A\s*[{\[]\s*[\"'{]|\"\s*:\s*\"|\A\s*\"[\w ]{1,30}\"\s*[:：]"),
        True,
    ),
    _Mark(("\n",), re.compile(r"\n\s{0,3}(?:#{1,6}\s|>\s|[-*+•]\s?\S)")),
    _Mark(("---", "===", "***"), re.compile(r"(?:^|\n)\s*(?:-{3,}|={3,}|\*{3,})\s*(?:\n|$)")),
    _Mark(
        (" - ", " * ", "•", "▪", "●", "■", "◆", "○", "➤", "✓", "· "),
        re.compile(
            rf"[:：;；。.]\s*([{_BULLETS}])\s+\S[^\n]{{0,400}}?[;；。.,，\s]\1\s+\S|([•▪●■◆➤✓])[^\n]{{1,400}}?\2"
        ),
    ),
)

_BEFORE_A_NUMBER = r"(?<![Ii]mage)(?<![Pp]icture)(?<![Pp]hoto)(?:^|[\s:：;；。.,，!！?？])"
_NO_SUBJECT = "(?![是为则中里和与])"
"""Behind a number that isn't the subject of a sentence, as an image's would be: ①是, (1)中."""
_POINT_ENDS = r"[;；。.!！?？\n]\s{0,3}"
_ITEM_ENDS = r"[;；。.!！?？\n,，]\s{0,3}"

_LISTS = tuple(
    _Mark(needles, re.compile(_BEFORE_A_NUMBER + one), follows=re.compile(end + two))
    for needles, one, end, two in (
        (("1.", "1．"), r"1[.．](?!\d)\s{0,3}\S", _POINT_ENDS, r"2[.．](?!\d)\s{0,3}\S"),
        (
            ("1)", "1、", "1）"),
            rf"[(（]?1[)、）](?!\d){_NO_SUBJECT}\s{{0,3}}\S",
            _ITEM_ENDS,
            r"[(（]?2[)、）](?!\d)\s{0,3}\S",
        ),
        (("一、", "一）", "一)"), r"[(（]?一[)）、]", _ITEM_ENDS, r"[(（]?二[)）、]"),
        (("①",), f"①{_NO_SUBJECT}", "", "②"),
        (("a、", "a．"), r"[AＡ][、．]", _ITEM_ENDS, r"[BＢ][、．]"),
        (("a)",), r"[(]?[aA][)]\s", _ITEM_ENDS, r"[(]?[bB][)]\s"),
    )
)
"""Numbers that lead the points of a list, on one line or several: it takes a 1 and, behind the end of
a point, a 2: "two columns, (1) departures and (2) arrivals" is a sentence."""

_BY_NEEDLE = {needle: mark for mark in (*_MARKUP, *_LISTS) for needle in mark.needles}

_LEADS_A_LINE = re.compile(
    r"\s{0,3}(?:#{1,6}\s|>\s|[-*+•·▪●■◆○➤→✓]\s?\S|(?:step\s+)?1[.)、]\s*\S)", re.IGNORECASE
)

_LABEL = re.compile(
    r"\s*(?:\*\*|#+\s*)?(?:(?:detailed |accurate |image |picture |photo |final |short |generated )*(?:description|caption|answer|output"
    r"|response|summary|paragraph|title|step \d)(?: of (?:the|this) (?:image|picture|photo))?|(?:图像|图片|画面|详细|准确)*(?:描述|说明|标题|回答|答案|输出|答|第一步))\s*(?:\*\*)?\s*[:：]",
    re.IGNORECASE,
)
"""A heading before the text, on its own line or not: "Description: ...", "图像描述：..."."""

_NUMBER_OF_ONE = re.compile(
    r"\s*(?:image|picture|photo|图像?|图片|照片)\s?[-#]?\s?\d{1,2}\s?[:：]", re.IGNORECASE
)
"""A number before the caption of a single image: "Image-1: ..."."""

_KEYWORDS = re.compile(
    r"(?:^|[.!?。！？\n]\s{0,3})(?:key ?words?|(?:hash)?tags?|关键词|关键字|标签)\s?[:：]", re.IGNORECASE
)

_LABEL_NEEDLES = frozenset(
    "description caption answer output response summary paragraph title 描述 说明 标题 回答 答案 输出 答 第一步"
    " keyword tags tag: 关键词 关键字 标签 # > * + 1. 1) 1、".split()
) | {"- ", "key word", "step 1", *(f"{digit}{colon}" for digit in range(10) for colon in (":", " :", "："))}
"""One of them is in each text that these match."""

_COLONS = (":", " :", "：")
_FIELDS = {
    f"{word}{colon}": word
    for word in (
        "object objects subject subjects setting mood color colors colour colours lighting light background"
        " foreground midground composition style atmosphere details people location weather text action actions"
        " environment perspective theme 主体 前景 中景 背景 远景 近景 氛围 色调 颜色 构图 光线 人物 环境 场景 物体"
        " 主题 风格 细节 地点 动作 天气 视角 整体"
    ).split()
    for colon in _COLONS
}
_BEFORE_A_FIELD = re.compile(r"(?:\A|[.;。；\n])\s{0,3}\Z")
FEWEST_FIELDS = 3
"""Different ones that make a form of a text: "Objects: ... Setting: ... Mood: ...". Two are a style."""


def markup(caption: CaptionText) -> float:
    """1 where there is markdown, HTML, a heading, a form or a list outside quotation marks, else 0."""
    text = caption.text
    for mark in {_BY_NEEDLE[needle] for needle in caption.among(_BY_NEEDLE.keys())}:
        first = mark.pattern.search(text if mark.in_quotes else caption.unquoted)
        if first and (mark.follows is None or _is_list(first, mark.follows)):
            return 1.0
    if (not text[:1].isalpha() or "1" in text) and _LEADS_A_LINE.match(text):
        return 1.0
    is_numbered = not caption.is_multi and _NUMBER_OF_ONE.match(text)
    return float(bool(is_numbered or _LABEL.match(text) or _KEYWORDS.search(text)) or _is_form(caption))


def _is_list(first: re.Match[str], follows: re.Pattern[str]) -> bool:
    """Whether a second point follows the first, which no sign or menu in the picture shows."""
    text, start = first.string, first.start()
    if not follows.search(text, first.end() - 1):
        return False
    before = text[max(0, start - 3) : start + 1].rstrip()
    return not (before.endswith((":", "：")) and is_inscribed(text, start))


def _is_form(caption: CaptionText) -> bool:
    found = caption.among(_FIELDS.keys())
    if len(found) < FEWEST_FIELDS:
        return False
    text = caption.lowered
    begins = {_FIELDS[field] for field in found if _BEFORE_A_FIELD.search(text[: text.index(field)])}
    return len(begins) >= FEWEST_FIELDS


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
    needles=frozenset(_BY_NEEDLE) | frozenset(_FIELDS) | _LABEL_NEEDLES,
    likely_cause="a prompt that doesn't ask for plain prose",
)
