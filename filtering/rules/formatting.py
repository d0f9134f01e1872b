"""Rules: captions must be one paragraph of plain prose, without lists, headings, markup, template
placeholders and detector boxes.

Comes in: a caption. Goes out: the number of paragraphs; 1 if it isn't plain prose, else 0. Not its job:
special tokens (see garbled).
"""

from __future__ import annotations

import re
from itertools import islice

from triptych.filtering.caption import LONGEST_READ, LONGEST_WORD, CaptionText, is_inscribed
from triptych.filtering.rule import Rule

_ESCAPED_BREAK = re.compile(r"\\r?\\n|\\n|<br\s*/?>|</p>\s*<p>", re.IGNORECASE)


def paragraphs(caption: CaptionText) -> float:
    """The number of lines with text. Escaped line breaks such as a literal ``\\n`` count."""
    text = caption.text
    if caption.is_printable and "\\" not in text and "<" not in text:
        return float(bool(text.strip()))
    return float(sum(1 for line in _ESCAPED_BREAK.sub("\n", text).splitlines() if line.strip()))


_NUMBERS = r"-?\d+(?:\.\d+)?\s?%?(?:\s*[,，;；]\s*-?\d+(?:\.\d+)?\s?%?)"
_PLACEHOLDER = (
    r"(?:(?:the|an?|please)\s)?(?:(?:(?:insert|add|describe|fill in|specify|mention|replace|enter|provide|your|name of|type of|todo|tbd|placeholder)\b"
    r"|请?(?:此处|这里|插入|填写|补充|描述))[^()（）\n]{0,60}"
    r"|number(?: of [\w ]{1,20})?|(?:name|location|place|count|colou?r|object|subject|person|animal|date|time|adjective|noun|verb|action|city|brand)"
    r"(?: of [\w ]{1,20})?\s?\d?|(?:颜色|人物|地点|数量|物体|主体|名称|方向|日期|时间|动作|物品|场景)\d?"
    r"|[\w ]{0,30}\bto be (?:added|filled|completed|confirmed|described)[\w ]{0,20}|[^()（）\n]{0,8}(?:待补充?|待填写?|待定|待添加|填写))"
)
"""Bracketed text that is meant to be filled in."""
_EVEN_QUOTED = re.compile(
    r"`[^`\n]{1,80}`|```|\|\s*:?-{2,}|(?:\A|\n)\s{0,3}\|[^|\n]+\||\A\s*[{\[]\s*[\"'{]|\"\s*:\s*\"|\A\s*\"[\w ]{1,30}\"\s*[:：]"
)
"""Markdown and JSON. They count even in quotation marks, since no sign shows them."""
_ONCE = (
    # Markdown, HTML, LaTeX.
    (
        ("**", "<", "\n", "\\"),
        r"\*\*[^*\n]+(?:\*\*|$)|</?(?:p|b|i|u|br|em|strong|[uo]l|li|div|span|h[1-6]|html|body|table|t[rd])\s*/?>"
        r"|\n\s{0,3}(?:#{1,6}\s|>\s|[-*+•·▪●■◆○➤→✓]\s?\S)|\\[A-Za-z]{2,}\{\s*\\?[^\W\d_][^\W\d_ ]? ?[^\W\d_]",
    ),
    (
        ("- ", "* ", "+ ", "· ", "•", "▪", "●", "■", "◆", "○", "➤", "→", "✓"),
        r"[:：;；。.]\s*([-*+•·▪●■◆○➤→✓])\s+\S[^\n]{0,400}?[;；。.,，\s]\1\s+\S|([•▪●■◆➤✓])[^\n]{1,400}?\2",
    ),
    # Template placeholders: words in brackets other than an image's name, text to fill in, variables.
    (
        ("[", "【"),
        r"[\[【]\s*/?(?!(?:[图照画第][像片面]?|image)\s?-?[\d一二三四五六]{1,2}[张幅]?[\]】])[^\W\d_][^\[\]【】\n]{0,80}[\]】]"
        rf"|\[\s*\[?\s*{_NUMBERS}{{2,}}\s*\]",
    ),
    (("{", "$"), r"(?:\{|(?<!\w)\$)\s*+[\"'${]{0,20}+[^\W\d_]{2}"),
    (
        ("(", "（"),
        rf"[(（]\s*{_PLACEHOLDER}\s*[)）]|[(（](?=[^)）]{{0,60}}(?:\d{{3}}|\.\d|%))\s*{_NUMBERS}{{3,}}\s*[)）]",
    ),
    (("%",), r"(?<![\w%])%(?:s|d|\(\w+\)s|[a-z_]{2,30}%)(?!\w)"),
    (("__",), r"(?<![A-Za-z0-9_])_{2,}(?![A-Za-z0-9_])|(?<!\w)__[^_\n]+__(?!\w)"),
    (("todo", "tbd", "tba", "fixme"), r"(?<!\w)(?:todo|tbd|tba|fixme)(?!\w)"),
    (
        ("xx", "××"),
        r"(?<![a-z0-9$])(?:(?<=\ba )|(?<=\bof )|(?<=\ban ))x{3,}(?![a-z0-9])|x{4,}(?![a-z0-9])|(?<=[\u4e00-\u9fff])[x×]{2,}(?=[\u4e00-\u9fff])",
    ),
    (("....",), r"(?:^|\b(?:an?|the|of|with|is|and|at|in)\s)\.{4,}\s"),
    # Boxes, points and scores of a detector; the image's file name at the start.
    (
        ("x1", "x2", "xmin", "x_min", "x:", "x=", "x =", "x：", "ymin", "y_min", "y1"),
        r"(?<![a-z0-9_])(?:[xy]_?(?:min|max|\d)\s*[=:：]\s*\d|x\s?[=:：]\s?\d+\D{1,3}y\s?[=:：]\s?\d)",
    ),
    (("bbox", "box"), r"\b(?:bbox\w*|bounding box(?:es)?|box_2d)\W{0,12}\d"),
    (
        ("检测框", "边界框", "坐标"),
        r"(?:检测框|边界框|坐标)[^\w。；]{0,3}(?:为|是|在)?(?:[左右][上下]角?)?[^\w。；]{0,6}\d",
    ),
    (
        "confidence|score|conf |conf:|conf=|probability|prob |prob:|prob=|置信度|概率|得分".split("|"),
        r"(?:置信度|概率|得分)(?:为|是)?\s?[:：=]?\s?[01]?\.\d|置信度(?:为|是)?\s?[:：=]?\s?\d{1,3}(?:\.\d+)?\s?%"
        r"|\d\s?% confidence|\bconfidence (?:of )?\d{1,3}(?:\.\d+)?\s?%"
        r"|\b(?:confidence|score|conf|prob(?:ability)?)\b\s?[:=]?\s?(?:of |is )?[01]?\.\d",
    ),
    (
        ("0.",),
        r"[^\W\d_]\s?[:：(（]?\s?0\.\d+[)）]?[,，]?\s?(?:and\s)?[^\W\d_]+\s?[:：(（]?\s?0\.\d+",
    ),
    (
        (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif"),
        r"\A\W*+(?:(?:[^\W\d_][\w ]{0,20}(?:[:：]| of | for )\s*)?[\w./\\:-]*\.|(?<=\.))(?:jpe?g|png|webp|bmp|gif|tiff?)\b",
    ),
    (("/",), r"\A\W*+(?=[A-Za-z0-9_./-]*[0-9_])(?=[A-Za-z0-9_./-]*[a-z])(?:[A-Za-z0-9_.-]+/){2,}"),
)
"""Needles and a pattern: nothing that a description contains. Every match contains one of the needles."""
_ONCE_PATTERNS = [(frozenset(needles), re.compile(pattern, re.IGNORECASE)) for needles, pattern in _ONCE]
_EVEN_QUOTED_MARKS = frozenset('` | { [ "'.split(" "))
_TWICE = re.compile(
    rf"[(（\[]\s*{_NUMBERS}\s*[)）\]]|某[某地事物人处]|(?:^|[\s,])(?:\.{{3}}|…)\s[a-z]|\b(?:N/A|null)\b|为无[，。；]"
)
"""A description may contain one of these, but not two."""
_TWICE_MARKS = frozenset("( （ [ 某 ... … n/a null 为无".split(" "))
_SHOWS_MARKUP = re.compile(
    r"\b(?:code|html|tags?|source|markup|keys|buttons?|keyboard|keycap|graphs?|plot|charts?|ax[ei]s|parabola|triangle|vector|matrix|equation|formula"
    r"|math\w*|exercise|textbook|worksheet|dashboard|maps?|gps|navigat\w+|compass|latitude|sizes?|form|blanks?|fill\w*|underscores?|hangman|signature)\b"
    "|代码|标签|源码|按?键|按钮|坐标系|坐标轴|函数|数学|三角|曲线|矩阵|地图|导航|经纬|北纬|尺码|尺寸|作业|试题|空格|空白|填[写空入]|横线|下划线|表格|一栏|留空|签名",
    re.IGNORECASE,
)
"""Things in a picture that show markup or numbers. If one is mentioned nearby, a match doesn't count."""
MAX_MATCHES, NEARBY = 20, 120
"""Matches that are looked at; nearby is this many characters before a match, and half as many after."""

_BEFORE_A_NUMBER = r"(?<![Ii]mage)(?<![Pp]icture)(?<![Pp]hoto)(?:^|[\s:：;；。.,，!！?？])"
_NOT_AN_IMAGE = "(?![是为则中里和与号])"
"""The number is not that of an image, which would be followed by such a word: ①是, (1)中, ①号."""
_END = r"[;；。.!！?？\n,，]\s{0,3}"
_LISTS = (
    (("1.", "1．"), r"1[.．](?!\d)\s{0,3}\S", r"[;；。.!！?？\n]\s{0,3}2[.．](?!\d)\s{0,3}\S"),
    (
        ("1)", "1、", "1）"),
        rf"[(（]?1[)、）](?!\d){_NOT_AN_IMAGE}\s{{0,3}}\S",
        rf"{_END}[(（]?2[)、）](?!\d)\s{{0,3}}\S",
    ),
    (("一、", "一）", "一)"), r"[(（]?一[)）、]", rf"{_END}[(（]?二[)）、]"),
    (("①",), f"①{_NOT_AN_IMAGE}", "②"),
    (("a、", "a．"), r"[AＡ][、．]", rf"{_END}[BＢ][、．]"),
    (("a)",), r"[(]?[aA][)]\s", rf"{_END}[(]?[bB][)]\s"),
)
"""Needles, the number of the first item, that of the second item after a mark that ends an item: "two
columns, (1) departures and (2) arrivals" is no list."""
_LIST_PATTERNS = [
    (needles, re.compile(_BEFORE_A_NUMBER + first), re.compile(second)) for needles, first, second in _LISTS
]

_CIRCLED = re.compile(r"[①-⑳]")
_CIRCLED_LABEL = re.compile(r"①[^\s，。；：、,.;:①②]{1,6}\s?[:：]")

_LINE_START = re.compile(
    r"\s{0,3}(?:#{1,6}\s|>\s|[-*+•·▪●■◆○➤→✓]\s?\S|(?:step\s+)?1[.)、]\s*\S)", re.IGNORECASE
)

_LABEL = re.compile(
    r"\s*[*#\"“(（\s]{0,4}(?:(?:[\w'’-]+ ){0,3}(?:descriptions?|captions?|answer|output|response|result|summary|paragraph|title|reasoning"
    r"|thoughts?|thinking|analysis|observations?|conclusion|assistant|model|gpt\S{0,6}|ai|bot|task|alt text|prompt|drafts?|version)"
    r"(?: (?:of|for) (?:the |this )?(?:image|picture|photo)| in (?:english|chinese)| \([\w ]{1,20}\)| would be)?|(?:image|picture|photo|file ?(?:name)?|path|final|text|step \d)"
    r"|[^\W\d_]{0,6}(?:描述|说明|标题|回答|回复|答案|结果|答|总结|摘要|概述|分析|思考(?:过程)?|推理(?:过程)?|[初草改]稿|结论|模型|助手|路径|文件名?|任务|输出|第[一1]步|步骤[一1])"
    r"(?:内容|如下|为|是)?)\s*[*)）]{0,2}\s*[:：](?!\s*[\"“「『《][^\"”」』》\n]{1,40}[\"”」』》]\s*[^\s。.])"
    r"|\s*【(?!(?:图[像片]?|照片|image)\s?-?[\d一二三四五六]|第)[^【】\n]{1,12}】",
    re.IGNORECASE,
)
"""A heading before the text, on its own line or not: "Description: ...", "图像描述：...". A heading on a poster is
quoted, and more text follows the quotation."""

_NUMBER_OF_ONE = re.compile(
    r"\s*(?:image|picture|photo|图像?|图片|照片)\s?[-#]?\s?\d{1,2}\s?[:：]", re.IGNORECASE
)
"""An image number before the caption of a single image: "Image-1: ..."."""

_KEYWORDS = re.compile(
    r"(?:^|[.!?。！？\n]\s{0,3})(?:key ?words?|(?:hash)?tags?|(?:(?!in )\w+ )?(?:captions?|descriptions?|summary|answer)"
    r"|关键词|关键字|标签|(?:最终|图[片像])?(?:内容|描述|答案|总结))\s?[:：]",
    re.IGNORECASE,
)
"""Labels that may also follow the text."""

_MARKS = ",，、;；.。:："
MIN_KEYWORDS, MAX_WORDS_PER_KEYWORD = 12, 1.8
"""Words in total, and on average between two marks, which is at least 2.3 in good captions."""

_FIELD = re.compile(
    r"(?:\A|[.;。；\n])\s{0,3}(objects?|subjects?|setting|mood|colou?rs?|lighting|light|background|foreground|midground|composition"
    "|style|atmosphere|details|people|location|weather|text|actions?|environment|perspective|theme|主体|前景|中景|背景|远景|近景"
    "|氛围|色调|颜色|构图|光线|人物|环境|场景|物体|主题|风格|细节|地点|动作|天气|视角|整体) ?[:：]",
    re.IGNORECASE,
)
MIN_FIELDS = 3
"""This many different fields make a form: "Objects: ... Setting: ... Mood: ...". Two are just style."""


def _count(pattern: re.Pattern[str], text: str) -> int:
    """The number of matches that are not something in the picture."""
    return sum(not _is_shown(text, each) for each in islice(pattern.finditer(text), MAX_MATCHES))


def _is_shown(text: str, match: re.Match[str]) -> bool:
    start, end = match.span()
    if is_inscribed(text, start) or _SHOWS_MARKUP.search(text, max(0, start - NEARBY), start):
        return True
    # The search goes on by a word, so that the last one is whole.
    after = _SHOWS_MARKUP.search(text, end, end + NEARBY // 2 + LONGEST_WORD)
    return after is not None and after.start() < end + NEARBY // 2


def markup(caption: CaptionText) -> float:
    """1 if there is markdown, HTML, a heading, a form, a placeholder, a box or a list, else 0."""
    text, found = caption.text[:LONGEST_READ], caption.present_needles(MARKUP.needles)
    if not found.isdisjoint(_EVEN_QUOTED_MARKS) and _EVEN_QUOTED.search(text):
        return 1.0
    patterns = [pattern for needles, pattern in _ONCE_PATTERNS if not found.isdisjoint(needles)]
    if patterns and any(_count(pattern, caption.unquoted[:LONGEST_READ]) for pattern in patterns):
        return 1.0
    if not found.isdisjoint(_TWICE_MARKS) and _count(_TWICE, caption.unquoted[:LONGEST_READ]) > 1:
        return 1.0
    is_list = any(
        not found.isdisjoint(needles) and _is_list(caption, first, second)
        for needles, first, second in _LIST_PATTERNS
    )
    is_numbered = not caption.is_multi and _NUMBER_OF_ONE.match(text)
    is_headed = is_numbered or _LINE_START.match(text) or _has_labels(text, caption.unquoted)
    return float(bool(is_list or is_headed or _is_keywords(caption)))


def _is_list(caption: CaptionText, first: re.Pattern[str], second: re.Pattern[str]) -> bool:
    """Whether a second item follows the first, and no sign or menu in the picture shows them. Circled numbers
    mean the images of a set, unless there are more of them than images or they have labels."""
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


def _is_keywords(caption: CaptionText) -> bool:
    """Whether there are only one or two words between punctuation marks on average."""
    marks, count = sum(map(caption.unquoted.count, _MARKS)), len(caption.unit_sequence)
    return MIN_KEYWORDS <= count < MAX_WORDS_PER_KEYWORD * caption.language.units_per_english_word * marks


def _has_labels(text: str, unquoted: str) -> bool:
    """Whether it begins with a heading, or has keywords or the fields of a form."""
    if ":" not in text and "：" not in text and "【" not in text:
        return False
    fields = {field.lower() for field in _FIELD.findall(text)}
    return bool(_LABEL.match(text) or _count(_KEYWORDS, unquoted)) or len(fields) >= MIN_FIELDS


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
    version=9,
    needles=_EVEN_QUOTED_MARKS.union(
        _TWICE_MARKS, *(needles for needles, _ in _ONCE_PATTERNS), *(needles for needles, _, _ in _LISTS)
    )
    | frozenset(":：#>-*+•·▪●■◆○➤→✓1【,，、"),  # headings, line starts, keywords
    likely_cause="a prompt that doesn't ask for plain prose",
)
