"""Rules: one paragraph of plain prose, without line breaks, lists, headings and markup, blanks of a template and
boxes of a detector.

Comes in: a caption. Goes out: counts. Not its job: special tokens (see garbled).
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import NamedTuple

from triptych.filtering.caption import CaptionText, is_inscribed
from triptych.filtering.rule import Rule

_ESCAPED_BREAK = re.compile(r"\\r?\\n|\\n|<br\s*/?>|</p>\s*<p>", re.IGNORECASE)

_BULLETS = "-*+•·▪●■◆○➤→✓"


def paragraphs(caption: CaptionText) -> float:
    """The number of lines with text; a line break that is spelled out counts."""
    text = caption.text
    if caption.is_printable and "\\" not in text and "<" not in text:
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
_NO_SUBJECT = "(?![是为则中里和与号])"
"""Behind a number that isn't the subject of a sentence, as an image's would be: ①是, (1)中, ①号."""
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

_CIRCLED = re.compile(r"[①-⑳]")
_CIRCLED_LABEL = re.compile(r"①[^\s，。；：、,.;:①②]{1,6}\s?[:：]")

_LEADS_A_LINE = re.compile(
    r"\s{0,3}(?:#{1,6}\s|>\s|[-*+•·▪●■◆○➤→✓]\s?\S|(?:step\s+)?1[.)、]\s*\S)", re.IGNORECASE
)

_LABELS = (
    r"(?:(?:the|a|my|detailed|accurate|image|picture|photo|final|short|long|generated|output|single|full|brief|english|chinese|revised)\s)*"
    r"(?:description|caption|answer|output|response|result|summary|paragraph|title|reasoning|thoughts?|thinking|analysis|observations?"
    r"|conclusion|final|assistant|model|gpt(?:-?\d\w*)?|ai|bot|task|image|picture|photo|file ?(?:name)?|path|alt text|prompt|step \d)"
    "(?: of (?:the|this) (?:image|picture|photo)| caption)?"
    "|(?:图像|图片|画面|照片|详细|准确|最终|参考|生成|输出|中文|英文|整体|的)*"
    "(?:描述|说明|标题|回答|回复|答案|结果|答|总结|摘要|概述|分析|思考|推理|结论|模型|助手|路径|文件名?|任务|输出|第[一1]步|步骤[一1])(?:内容)?"
)
_LABEL = re.compile(
    rf"\s*(?:\*\*|#+\s*|[\"“(（]\s*)?(?:{_LABELS})\s*(?:\*\*|[)）])?\s*[:：]|\s*【(?!(?:图[像片]?|照片|image)\s?-?[\d一二三四五六]|第)[^【】\n]{{1,12}}】",
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

_FIELD = re.compile(
    r"(?:\A|[.;。；\n])\s{0,3}(objects?|subjects?|setting|mood|colou?rs?|lighting|light|background|foreground|midground|composition"
    "|style|atmosphere|details|people|location|weather|text|actions?|environment|perspective|theme|主体|前景|中景|背景|远景|近景"
    "|氛围|色调|颜色|构图|光线|人物|环境|场景|物体|主题|风格|细节|地点|动作|天气|视角|整体) ?[:：]",
    re.IGNORECASE,
)
FEWEST_FIELDS = 3
"""Different ones that make a form of a text: "Objects: ... Setting: ... Mood: ...". Two are a style."""


class _Leftover(NamedTuple):
    """What a template, a detector or a program leaves in a text, outside of quotation marks and signs."""

    needles: list[str]
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None
    fewest: int


_NUMBER = r"-?\d+(?:\.\d+)?\s?%?"
_COMMA = r"\s*[,，;；]\s*"
_FILL_IN = (
    "insert|add|describe|fill in|specify|mention|replace|enter|provide|your|name of|type of|todo|tbd|tba|placeholder"
    "|此处|这里|插入|填写|补充|待补|待填|待定|描述"
)
_THING = (
    "name|location|place|number|count|colou?r|object|subject|person|animal|date|time|adjective|noun|verb|direction|action|city|brand"
    "|颜色|人物|地点|数量|物体|主体|名称|方向|姓名|日期|时间|动作|物品|对象|数字|场景|某物|某人"
)
_KEYS = r"\b(?:keys?|buttons?|keyboard|keycap)\b|按?键|按钮"
_MATHS = (
    r"\b(?:graphs?|plot|charts?|ax[ei]s|parabola|triangle|vector|matrix|equation|formula|math\w*|exercise|textbook|worksheet|maps?|gps"
    r"|navigat\w+|compass|latitude|sizes?)\b|坐标系|坐标轴|函数|数学|三角|曲线|矩阵|地图|导航|经纬|北纬|尺码|尺寸|作业|试题"
)
_FORM = r"\b(?:form|blanks?|fill\w*|worksheet|underscores?|hangman|signature)\b|空格|空白|填|横线|下划线|表格|一栏|留空|签名"
_LEFTOVERS = [
    _Leftover(
        needles.split("|"), re.compile(pattern), re.compile(f"(?i:{unless})") if unless else None, fewest
    )
    for needles, pattern, unless, fewest in (
        ("[", r"\[\s*/?[^\W\d_][^\[\]\n]{0,80}\]", _KEYS, 1),
        ("{", r"\{\s*[\"'$]?[^\W\d_]{2}", "", 1),
        ("\\", r"\\[A-Za-z]{2,}\{\s*\\?[^\W\d_][^\W\d_ ]? ?[^\W\d_]", "", 1),
        (
            "(|（|【",
            rf"(?i:[(（【]\s*(?:(?:the|an?|please)\s)?(?:(?:{_FILL_IN})\b[^()（）【】\n]{{0,60}}|(?:{_THING})\s?\d?"
            r"|(?:[\w ]{0,30} )?to be (?:added|filled|completed|confirmed|described)[\w ]{0,20}"
            r"|[^()（）【】\n]{0,8}(?:待补充?|待填写?|待定|待添加|主体|填写))\s*[)）】])",
            "",
            1,
        ),
        ("__", r"(?<![A-Za-z0-9_])_{2,}(?![A-Za-z0-9_])", _FORM, 1),
        (
            "xx|××",
            r"(?<![A-Za-z0-9$])(?<![A-Z][a-z]{3} )(?<!, )(?:X{3,}|x{4,})(?![A-Za-z0-9])(?!\s(?:[A-Z]|century|anniversary))"
            r"|(?<=[\u4e00-\u9fff])[X×]{2,}(?=[\u4e00-\u9fff])|[X×]{2,}(?=[的色款型牌])",
            "",
            1,
        ),
        ("todo|tbd|tba|fixme", r"(?<!\w)(?:TODO|TBD|TBA|FIXME)(?!\w)", "", 1),
        ("....", r"(?:^|\b(?:an?|the|of|with|is|and|at|in)\s)\.{4,}\s", "", 1),
        ("...|…", r"(?:^|[\s,])(?:\.{3}|…)\s[a-z]", "", 2),
        ("%", r"(?<![\w%])%(?:s|d|\(\w+\)s)(?!\w)", "", 1),
        ("某", "某[某地事物人处]", "", 2),
        (
            "[",
            rf"\[\s*\[?\s*{_NUMBER}(?:{_COMMA}{_NUMBER}){{2,}}\s*\]|\[{_NUMBER}{_COMMA}{_NUMBER}\]{_COMMA}\[",
            "",
            1,
        ),
        ("(|（", rf"[(（]\s*{_NUMBER}(?:{_COMMA}{_NUMBER}){{3,}}\s*[)）]", _MATHS, 1),
        ("(|（", rf"[(（]\s*{_NUMBER}{_COMMA}{_NUMBER}\s*[)）]", _MATHS, 2),
        (
            "x1|x2|xmin|x_min|x:|x=|x =|bbox|bounding box|box_2d|检测框|边界框|坐标",
            r"(?i:\b[xy]_?(?:min|max|\d)\s*[=:：]\s*\d|\bx\s?[=:：]\s?\d+\D{1,3}y\s?[=:：]\s?\d|\b(?:bbox\w*|bounding box(?:es)?|box_2d)\W{0,12}\d)"
            r"|(?:检测框|边界框|坐标)[^\w。；]{0,3}(?:为|是|在)?[^\w。；]{0,6}\d",
            "",
            1,
        ),
        (
            "confidence|score|conf|prob|置信度|概率",
            r"(?i:\b(?:confidence|score|conf|prob(?:ability)?)\b\s?[:=]?\s?(?:of |is )?[01]?\.\d)|(?:置信度|概率)(?:为|是)?\s?[:：=]?\s?[01]?\.\d",
            "",
            1,
        ),
        ("0.", r"[^\W\d_]\s?[(（]?0\.\d+[)）]?,?[\s，]+(?:and\s)?[^\W\d_]+\s?[(（]?0\.\d+", "", 1),
        (
            ".jpg|.jpeg|.png|.webp|.bmp|.gif|.tif",
            r"(?i:\A\W*(?:[^\W\d_][\w ]{0,20}[:：]\s*)?[\w./\\:-]*\.(?:jpe?g|png|webp|bmp|gif|tiff?)\b)",
            "",
            1,
        ),
    )
]
"""Needles, pattern, what is said nearby of a picture that shows such things, how often it has to come."""
MOST_LEFTOVERS, NEARBY = 20, 120
"""Places of a pattern that are looked at, and characters before each that tell what the picture shows."""

_NEEDLES = frozenset(
    needle
    for needles in (
        *(mark.needles for mark in _MARKUP),
        *(kind.needles for kind in _LEFTOVERS),
        *(each[0] for each in _LISTS),
    )
    for needle in needles
)


def _leftovers(caption: CaptionText, found: AbstractSet[str]) -> bool:
    """Whether anything of a template, a detector or a program is left in the text."""
    text = caption.unquoted
    for kind in _LEFTOVERS:
        if not found.isdisjoint(kind.needles):
            places = islice(kind.pattern.finditer(text), MOST_LEFTOVERS)
            if sum(not _is_of_picture(text, each, kind.unless) for each in places) >= kind.fewest:
                return True
    return False


def _is_of_picture(text: str, match: re.Match[str], shown: re.Pattern[str] | None) -> bool:
    if is_inscribed(text, match.start()):
        return True
    said = shown.search(text, max(0, match.start() - NEARBY)) if shown is not None else None
    return said is not None and said.start() < match.end() + NEARBY // 2


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
            _is_list(caption, first, second)
            for needles, first, second in _LIST_PATTERNS
            if not found.isdisjoint(needles)
        )
        or _leftovers(caption, found)
    )
    is_numbered = not caption.is_multi and _NUMBER_OF_ONE.match(text)
    return float(bool(has_mark or is_numbered or _LEADS_A_LINE.match(text) or _has_labels(text)))


def _is_list(caption: CaptionText, first: re.Pattern[str], second: re.Pattern[str]) -> bool:
    """Whether a second point follows the first, which no sign or menu in the picture shows. Circled numbers are
    the images of a set, unless there are more of them or they have labels."""
    text = caption.unquoted
    found = first.search(text)
    if found is None or not second.search(text, found.end() - 1):
        return False
    start = found.start()
    if caption.is_multi and "①" in found[0]:
        last = ord(max(_CIRCLED.findall(text))) - ord("①") + 1
        return last > caption.image_count or _CIRCLED_LABEL.search(text) is not None
    before = text[max(0, start - 3) : start + 1].rstrip()
    return not (before.endswith((":", "：")) and is_inscribed(text, start))


def _has_labels(text: str) -> bool:
    """Whether it begins with a heading, or has keywords or the fields of a form."""
    if ":" not in text and "：" not in text and "【" not in text:
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
    version=2,
    needles=_NEEDLES | frozenset(":：#>-*+•·▪●■◆○➤→✓1【"),  # of a heading, and of what leads a line
    likely_cause="a prompt that doesn't ask for plain prose",
)
