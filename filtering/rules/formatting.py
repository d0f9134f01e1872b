"""Rules: one paragraph of plain prose, without line breaks, lists, headings and markup, blanks of a template and
boxes of a detector.

Comes in: a caption. Goes out: counts. Not its job: special tokens (see garbled).
"""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from triptych.filtering.caption import CaptionText, is_inscribed
from triptych.filtering.rule import Rule

_ESCAPED_BREAK = re.compile(r"\\r?\\n|\\n|<br\s*/?>|</p>\s*<p>", re.IGNORECASE)


def paragraphs(caption: CaptionText) -> float:
    """The number of lines with text; a line break that is spelled out counts."""
    text = caption.text
    if caption.is_printable and "\\" not in text and "<" not in text:
        return float(bool(text.strip()))
    return float(sum(1 for line in _ESCAPED_BREAK.sub("\n", text).splitlines() if line.strip()))


class _Kind(NamedTuple):
    """What is no prose, read in texts that have one of its needles."""

    needles: list[str]
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None
    """What is said nearby of a picture that shows such things. What a sign says is never of this kind."""
    fewest: int
    """Places: what a description may have once."""
    in_quotes: bool
    """Whether it counts between quotation marks, too: no sign says it."""


def _kind(needles: str, pattern: str, unless: str = "", fewest: int = 1, *, in_quotes: bool = False) -> _Kind:
    shown = re.compile(unless, re.IGNORECASE) if unless else None
    return _Kind(
        needles.split("|") if len(needles) > 1 else [needles], re.compile(pattern), shown, fewest, in_quotes
    )


_BULLET = "[-*+•·▪●■◆○➤→✓]"
_NUMBERS = r"-?\d+(?:\.\d+)?\s?%?(?:\s*[,，;；]\s*-?\d+(?:\.\d+)?\s?%?)"
_IMAGE_FILE = r"[\w./\\:-]*\.(?:jpe?g|png|webp|bmp|gif|tiff?)\b"
_FILL_IN = (
    "insert|add|describe|fill in|specify|mention|replace|enter|provide|your|name of|type of|todo|tbd|tba|placeholder"
    "|此处|这里|插入|填写|补充|待补|待填|待定|描述"
)
_THING = (
    "name|location|place|number|count|colou?r|object|subject|person|animal|date|time|adjective|noun|verb|direction|action|city|brand"
    "|颜色|人物|地点|数量|物体|主体|名称|方向|姓名|日期|时间|动作|物品|对象|数字|场景|某物|某人"
)
_CODE = r"\b(?:code|html|tags?|source|markup)\b|代码|标签|源码"
_KEYS = r"\b(?:keys?|buttons?|keyboard|keycap)\b|按?键|按钮"
_MATHS = (
    r"\b(?:graphs?|plot|charts?|ax[ei]s|parabola|triangle|vector|matrix|equation|formula|math\w*|exercise|textbook|worksheet|maps?|gps"
    r"|navigat\w+|compass|latitude|sizes?)\b|坐标系|坐标轴|函数|数学|三角|曲线|矩阵|地图|导航|经纬|北纬|尺码|尺寸|作业|试题"
)
_FORM = r"\b(?:form|blanks?|fill\w*|worksheet|underscores?|hangman|signature)\b|空格|空白|填|横线|下划线|表格|一栏|留空|签名"
_KINDS = (
    # Markdown, HTML, JSON and LaTeX.
    _kind("**", r"\*\*[^*\n]+(?:\*\*|$)"),
    _kind("`", r"```|`[^`\n]{1,80}`", in_quotes=True),
    _kind("|", r"\|\s*:?-{2,}|(?:\A|\n)\s{0,3}\|[^|\n]+\|", in_quotes=True),
    _kind("](", r"\[[^\]\n]{1,80}\]\([^)\n]{1,200}\)"),
    _kind(
        "<",
        r"(?i:</?(?:p|b|i|u|br|em|strong|[uo]l|li|div|span|h[1-6]|html|body|table|t[rd])\s*/?>)",
        _CODE,
        in_quotes=True,
    ),
    _kind("{|[", r"\A\s*[{\[]\s*[\"'{]", in_quotes=True),
    _kind('":|" :|"：', r"\"\s*:\s*\"|\A\s*\"[\w ]{1,30}\"\s*[:：]", in_quotes=True),
    _kind("\n", r"\n\s{0,3}(?:#{1,6}\s|>\s|[-*+•]\s?\S)"),
    _kind("---|===|***", r"(?:^|\n)\s*(?:-{3,}|={3,}|\*{3,})\s*(?:\n|$)"),
    _kind(
        " - | * |· |•|▪|●|■|◆|○|➤|✓",
        rf"[:：;；。.]\s*({_BULLET})\s+\S[^\n]{{0,400}}?[;；。.,，\s]\1\s+\S|([•▪●■◆➤✓])[^\n]{{1,400}}?\2",
    ),
    _kind("\\", r"\\[A-Za-z]{2,}\{\s*\\?[^\W\d_][^\W\d_ ]? ?[^\W\d_]"),
    # Blanks of a template: words in brackets, what is to be filled in, marks in the place of words.
    _kind(
        "[|【",
        r"[\[【]\s*/?(?!(?:[图照画第][像片面]?|[Ii]mage)\s?-?[\d一二三四五六]{1,2}[张幅]?[\]】])[^\W\d_][^\[\]【】\n]{0,80}[\]】]",
        _KEYS,
    ),
    _kind("{", r"\{\s*[\"'$]?[^\W\d_]{2}"),
    _kind(
        "(|（",
        rf"(?i:[(（]\s*(?:(?:the|an?|please)\s)?(?:(?:{_FILL_IN})\b[^()（）\n]{{0,60}}|(?:{_THING})(?: of [\w ]{{1,20}})?\s?\d?"
        r"|(?:[\w ]{0,30} )?to be (?:added|filled|completed|confirmed|described)[\w ]{0,20}"
        r"|[^()（）\n]{0,8}(?:待补充?|待填写?|待定|待添加|主体|填写))\s*[)）])",
    ),
    _kind("__", r"(?<![A-Za-z0-9_])_{2,}(?![A-Za-z0-9_])|(?<!\w)__[^_\n]+__(?!\w)", _FORM),
    _kind(
        "xx|××",
        r"(?<![A-Za-z0-9$])(?<![A-Z][a-z]{3} )(?<!, )(?:X{3,}|x{4,})(?![A-Za-z0-9])(?!\s(?:[A-Z]|century|anniversary))"
        r"|(?<=[\u4e00-\u9fff])[X×]{2,}(?=[\u4e00-\u9fff])|[X×]{2,}(?=[的色款型牌])",
    ),
    _kind("todo|tbd|tba|fixme", r"(?<!\w)(?:TODO|TBD|TBA|FIXME)(?!\w)"),
    _kind("....", r"(?:^|\b(?:an?|the|of|with|is|and|at|in)\s)\.{4,}\s"),
    _kind("...|…", r"(?:^|[\s,])(?:\.{3}|…)\s[a-z]", fewest=2),
    _kind("%", r"(?<![\w%])%(?:s|d|\(\w+\)s)(?!\w)"),
    _kind("某", "某[某地事物人处]", fewest=2),
    # Boxes, points and scores of a detector; a file in front.
    _kind("(|（|[", rf"\[\s*\[?\s*{_NUMBERS}{{2,}}\s*\]|[(（]\s*{_NUMBERS}{{3,}}\s*[)）]", _MATHS),
    _kind("(|（|[", rf"[(（\[]\s*{_NUMBERS}\s*[)）\]]", _MATHS, fewest=2),
    _kind(
        "x1|x2|xmin|x_min|x:|x=|x =|bbox|bounding box|box_2d|检测框|边界框|坐标",
        r"(?i:\b[xy]_?(?:min|max|\d)\s*[=:：]\s*\d|\bx\s?[=:：]\s?\d+\D{1,3}y\s?[=:：]\s?\d|\b(?:bbox\w*|bounding box(?:es)?|box_2d)\W{0,12}\d)"
        r"|(?:检测框|边界框|坐标)[^\w。；]{0,3}(?:为|是|在)?[^\w。；]{0,6}\d",
    ),
    _kind(
        "confidence|score|conf|prob|置信度|概率|0.",
        r"(?i:\b(?:confidence|score|conf|prob(?:ability)?)\b\s?[:=]?\s?(?:of |is )?[01]?\.\d)|(?:置信度|概率)(?:为|是)?\s?[:：=]?\s?[01]?\.\d"
        r"|[^\W\d_]\s?[(（]?0\.\d+[)）]?,?[\s，]+(?:and\s)?[^\W\d_]+\s?[(（]?0\.\d+",
    ),
    _kind(
        ".jpg|.jpeg|.png|.webp|.bmp|.gif|.tif", rf"(?i:\A\W*(?:[^\W\d_][\w ]{{0,20}}[:：]\s*)?{_IMAGE_FILE})"
    ),
)
MOST_PLACES, NEARBY = 20, 120
"""Places of a pattern that are looked at, and characters before each that tell what the picture shows."""

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
    "(?: (?:of|for) (?:(?:the|this) )?(?:image|picture|photo)| caption)?"
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


_NEEDLES = frozenset(
    needle
    for needles in (*(kind.needles for kind in _KINDS), *(each[0] for each in _LISTS))
    for needle in needles
)


def _has(kind: _Kind, caption: CaptionText) -> bool:
    """Whether the caption has something of this kind that its picture doesn't show."""
    text = caption.text if kind.in_quotes else caption.unquoted
    places = islice(kind.pattern.finditer(text), MOST_PLACES)
    return sum(not _is_of_picture(kind, text, each) for each in places) >= kind.fewest


def _is_of_picture(kind: _Kind, text: str, match: re.Match[str]) -> bool:
    if not kind.in_quotes and is_inscribed(text, match.start()):
        return True
    said = kind.unless.search(text, max(0, match.start() - NEARBY)) if kind.unless is not None else None
    return said is not None and said.start() < match.end() + NEARBY // 2


def markup(caption: CaptionText) -> float:
    """1 where there is markdown, HTML, a heading, a form or a list outside quotation marks, else 0."""
    text, found = caption.text, caption.among(_NEEDLES)
    has_mark = found and (
        any(not found.isdisjoint(kind.needles) and _has(kind, caption) for kind in _KINDS)
        or any(
            not found.isdisjoint(needles) and _is_list(caption, first, second)
            for needles, first, second in _LIST_PATTERNS
        )
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
    version=3,
    needles=_NEEDLES | frozenset(":：#>-*+•·▪●■◆○➤→✓1【"),  # of a heading, and of what leads a line
    likely_cause="a prompt that doesn't ask for plain prose",
)
