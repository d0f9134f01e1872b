"""Rules: one paragraph of plain prose. Line breaks, lists, headings, markup.

Comes in: a candidate. Goes out: counts. Not its job: special tokens (see garbled).
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.block import Block, look_where
from triptych.filtering.candidate import Candidate
from triptych.filtering.characters import IS_DIGIT, IS_HAN, IS_LATIN, IS_UNPRINTABLE, character_class
from triptych.filtering.cues import cue_words
from triptych.filtering.vocabulary import WordValues

_ESCAPED_BREAK = re.compile(r"\\r?\\n|\\n|<br\s*/?>|</p>\s*<p>", re.IGNORECASE)

_BULLETS = "-*+•·▪●■◆○➤→✓"

_MARKUP: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("**",), re.compile(r"\*\*[^*\n]+(?:\*\*|$)")),
    (("__",), re.compile(r"(?<!\w)__[^_\n]+__(?!\w)")),
    (("`",), re.compile(r"```|`[^`\n]{1,80}`")),
    (("|",), re.compile(r"\|\s*:?-{2,}|(?:\A|\n)\s{0,3}\|[^|\n]+\|")),
    (("](",), re.compile(r"\[[^\]\n]{1,80}\]\([^)\n]{1,200}\)")),
    (
        ("<",),
        re.compile(
            r"</?(?:p|b|i|u|br|em|strong|ul|ol|li|div|span|h[1-6]|html|body|caption|description|answer|table|tr|td)"
            r"\s*/?>",
            re.IGNORECASE,
        ),
    ),
    (("{", "["), re.compile(r"\A\s*[{\[]\s*[\"'{]|\"\s*:\s*\"")),
    (('"',), re.compile(r"\A\s*\"[\w ]{1,30}\"\s*[:：]")),
    (("\n#", "\n-", "\n*", "\n>", "\n•"), re.compile(r"\n\s{0,3}(?:#{1,6}\s|>\s|[-*+•]\s?\S)")),
    (("---", "===", "***"), re.compile(r"(?:^|\n)\s*(?:-{3,}|={3,}|\*{3,})\s*(?:\n|$)")),
    (
        (" - ", " * ", "•", "▪", "●", "■", "◆", "○", "➤", "✓", "· "),
        re.compile(
            rf"[:：;；。.]\s*([{_BULLETS}])\s+\S[^\n]{{0,400}}?[;；。.,，\s]\1\s+\S|([•▪●■◆➤✓])[^\n]{{1,400}}?\2"
        ),
    ),
)
"""What a pattern can't do without, tested first, and the pattern."""

_BEFORE_A_NUMBER = r"(?<![Ii]mage)(?<![Pp]icture)(?<![Pp]hoto)(?:^|[\s:：;；。.,，!！?？])"
_NO_SUBJECT = "(?![是为则中里和与])"
"""Behind a number that isn't the subject of a sentence, as an image's would be: ①是, (1)中."""
_POINT_ENDS = r"[;；。.!！?？\n]\s{0,3}"
_ITEM_ENDS = r"[;；。.!！?？\n,，]\s{0,3}"

_NUMBERED: tuple[tuple[tuple[str, ...], re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (needed, re.compile(_BEFORE_A_NUMBER + one), re.compile(end + two))
    for needed, one, end, two in (
        (("1.", "1．"), r"1[.．](?!\d)\s{0,3}\S", _POINT_ENDS, r"2[.．](?!\d)\s{0,3}\S"),
        (
            ("1)", "1、", "1）"),
            rf"[(（]?1[)、）](?!\d){_NO_SUBJECT}\s{{0,3}}\S",
            _ITEM_ENDS,
            r"[(（]?2[)、）](?!\d)\s{0,3}\S",
        ),
        (("一、", "一）", "一)"), r"[(（]?一[)）、]", _ITEM_ENDS, r"[(（]?二[)）、]"),
        (("①",), f"①{_NO_SUBJECT}", "", "②"),
        (("A、", "A．"), r"[AＡ][、．]", _ITEM_ENDS, r"[BＢ][、．]"),
        (("a)", "A)"), r"[(]?[aA][)]\s", _ITEM_ENDS, r"[(]?[bB][)]\s"),
    )
)
"""Numbers that lead the points of a list, on one line or several: it takes a 1 and, behind the end of
a point, a 2: "two columns, (1) departures and (2) arrivals" is a sentence."""

_INSCRIBED = re.compile(
    r"(?:\b(?:reads?|reading|says?|saying|written|writing|printed|menu|sign|board|receipt|programme|schedule|label)\b"
    r"|菜单|价目|告示|黑板|小票|清单上|写着|写有|列着|列有|标着|印着|印有)"
    r"(?:(?!following|如下)[^.。;；]){0,40}[:：]\s{0,2}\Z"
)
_INSCRIBED_WITHIN = 60
"""Characters before a list: what stands on a sign or in a menu, told as it stands there."""

_IN_QUOTES_TOO = frozenset(("`", "{", "[", '"', "|", "<"))
"""Needles of what no sign says."""

_Test = tuple[str, re.Pattern[str], re.Pattern[str] | None]


def _by_mark() -> dict[str, list[_Test]]:
    """Each test under one character of its needle that is among a candidate's marks, or under "-"."""
    tests: dict[str, list[_Test]] = {"-": []}
    for needles, pattern in _MARKUP:
        for needle in needles:
            tests.setdefault(_mark_in(needle), []).append((needle, pattern, None))
    for needles, one, two in _NUMBERED:
        for needle in needles:
            tests.setdefault(_mark_in(needle), []).append((needle, one, two))
    return tests


def _mark_in(needle: str) -> str:
    return next((character for character in needle if character not in _NO_MARKS), "-")


_NO_MARKS = "aA-. 一"
"""Of the needles' characters, those that are no marks in every script."""

_BY_MARK = _by_mark()
_FIRST_MARKS = frozenset(_BY_MARK) - {"-"}

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

_LABEL_WORDS = cue_words(
    "description caption answer output response summary paragraph title step 描述 说明 标题 回答 答案 输出 答 一步".split()
)
_KEYWORD_WORDS = cue_words("keyword keywords key words tag tags hashtag hashtags 关键 标签".split())
_FIELD_WORDS = cue_words(
    "object objects subject subjects setting mood color colors colour colours lighting light background foreground midground"
    " composition style atmosphere details people location weather text action actions environment perspective theme"
    " 主体 前景 中景 背景 远景 近景 氛围 色调 颜色 构图 光线 人物 环境 场景 物体 主题 风格 细节 地点 动作 天气 视角 整体".split()
)
"""Of a label, of a list of keywords, of a form: without any of them a colon is just a colon."""

_FIELD = re.compile(
    r"(?:^|[.;。；\n]\s{0,3})(objects?|subjects?|setting|mood|colou?rs?|lighting|light|background|foreground|midground"
    r"|composition|style|atmosphere|details|people|location|weather|text|actions?|environment|perspective|theme"
    r"|主体|前景|中景|背景|远景|近景|氛围|色调|颜色|构图|光线|人物|环境|场景|物体|主题|风格|细节|地点|动作|天气|视角|整体)\s?[:：]",
    re.IGNORECASE,
)
FEWEST_FIELDS = 3
"""Different ones that make a form of a text: "Objects: ... Setting: ... Mood: ...". Two are a style."""


def paragraphs(candidate: Candidate) -> float:
    """The number of lines with text; a line break that is spelled out counts."""
    text, marks = candidate.text, candidate.marks
    if marks.isprintable() and "\\" not in marks and "<" not in marks:
        return float(bool(text.strip()))
    return float(sum(1 for line in _ESCAPED_BREAK.sub("\n", text).splitlines() if line.strip()))


_MAY_BREAK = IS_UNPRINTABLE | character_class(r"[\\<]")


def screen_paragraphs(block: Block) -> NDArray[np.float64]:
    """1 where there are units, and nothing that breaks a line."""
    return look_where(block.has(_MAY_BREAK) | (block.unit_counts == 0), otherwise=1.0)


def markup(candidate: Candidate) -> float:
    """1 where there is markdown, HTML, a heading, a form or a list outside quotation marks, else 0."""
    text, marks = candidate.text, candidate.marks
    tests = [test for mark in _FIRST_MARKS.intersection(marks) for test in _BY_MARK[mark]]
    for needle, leads, follows in (*tests, *_BY_MARK["-"]):
        if needle not in text:
            continue
        read = text if needle in _IN_QUOTES_TOO else candidate.unquoted
        first = leads.search(read)
        if first and (
            follows is None or (follows.search(read, first.end() - 1) and not _is_inscribed(first))
        ):
            return 1.0
    if (not text[:1].isalpha() or "1" in marks) and _LEADS_A_LINE.match(text):
        return 1.0
    return float((":" in marks or "：" in marks) and _is_labelled(candidate))


def _is_inscribed(first: re.Match[str]) -> bool:
    """Whether the first point of a list stands behind words for writing: a menu may have numbers."""
    start = first.start()
    return _INSCRIBED.search(first.string, max(0, start - _INSCRIBED_WITHIN), start + 1) is not None


_COMMON_MARKS = frozenset('"1)）、')
"""In many captions: a number of a point is looked for by its places, and behind a quote stands a colon or a
bracket."""
_MAY_MARK_UP = IS_UNPRINTABLE | character_class(
    "[" + "".join(map(re.escape, sorted(_FIRST_MARKS - _COMMON_MARKS))) + "]"
)
_BEHIND_A_NUMBER = character_class("[)）、]")
_DASH, _COLON = character_class("-"), character_class("[:：]")
_FIELD_ENDS = WordValues(dict.fromkeys((word if word.isascii() else word[-1] for word in _FIELD_WORDS), 1))


def screen_markup(block: Block) -> NDArray[np.float64]:
    """0 for what begins with a letter and has no rare mark, no label, no dash and no number of a point."""
    codes = block.arrays.codes
    first = block.arrays.character_classes[block.arrays.begins[:-1]]
    look = block.has(_MAY_MARK_UP) | (first & (IS_HAN | IS_LATIN) == 0)
    for kind, offset, others in ((_BEHIND_A_NUMBER, -1, "1一Aa"), (IS_DIGIT, 1, "."), (_DASH, 1, " -")):
        places, captions = block.places_of(kind)
        beside = codes[places + offset]  # a space stands behind each text
        for other in others:
            look[captions[beside == ord(other)]] = True
    return look_where(look | block.has(_COLON) & _may_be_labelled(block))


def _may_be_labelled(block: Block) -> NDArray[np.bool_]:
    """``bool[n]``: whether a colon may stand behind a label, a list of keywords or the fields of a form."""
    if not block.is_multi:
        return np.ones(len(block), np.bool_)  # behind the number of an image, too
    colons, captions = block.places_of(_COLON)
    before = np.maximum(np.searchsorted(block.arrays.starts, colons) - 1, 0)
    is_field = _FIELD_ENDS.values(block.arrays.hashes[before]) > 0
    is_form = np.bincount(captions[is_field], minlength=len(block)) >= FEWEST_FIELDS
    found: NDArray[np.bool_] = is_form | (block.count(_LABEL_WORDS) > 0) | (block.count(_KEYWORD_WORDS) > 0)
    return found


def _is_labelled(candidate: Candidate) -> bool:
    text = candidate.text
    if _LABEL.match(text) or (not candidate.is_multi and _NUMBER_OF_ONE.match(text)):
        return True
    words = candidate.cue_words
    if not _KEYWORD_WORDS.isdisjoint(words) and _KEYWORDS.search(text):
        return True
    if text.count(":") + text.count("：") < FEWEST_FIELDS:
        return False
    if text.isascii() and len(_FIELD_WORDS & words) < FEWEST_FIELDS:
        return False
    return len({field.lower() for field in _FIELD.findall(text)}) >= FEWEST_FIELDS
