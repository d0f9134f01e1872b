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
_BLANK = (
    r"(?:(?:the|an?|please)\s)?(?:(?:insert|add|describe|fill in|specify|mention|enter|your)\b[^()（）\n]{0,60}|[\w ]{0,30}\bto be \w+ed\b[\w ]{0,20}"
    r"|(?:name|type|location|number|count|colou?r|object|subject|animal)(?: of [\w ]{1,20})?)"
    r"|请?(?:此处|这里|插入|填写|补充|描述|在此)[^()（）\n]{0,60}|(?:颜色|人物|地点|数量|物体|主体|名称)\d?|[^()（）\n]{0,8}(?:待\w{1,2}|填写)"
)
"""Bracketed text that is meant to be filled in."""
_BULLETS = "-*+•·▪●■◆○➤→✓"
_ONCE = (
    # Markdown, LaTeX, tables, bullets.
    (
        ("**", "\n", "\\", "`", "|"),
        rf"\*\*[^*\n]+(?:\*\*|$)|\n\s{{0,3}}(?:#{{1,6}}\s|>\s|[{_BULLETS}]\s?\S)|\\[A-Za-z]{{2,}}\{{\s*\\?[^\W\d_][^\W\d_ ]? ?[^\W\d_]|`[^`\n]{{0,80}}`|\|\s*:?-{{2,}}",
    ),
    (
        ("- ", "* ", "+ ", "· ", "•", "▪", "●", "■", "◆", "○", "➤", "→", "✓"),
        rf"[:：;；。.]\s*([{_BULLETS}])\s+\S[^\n]{{0,400}}?[;；。.,，\s]\1\s+\S|([•▪●■◆➤✓])[^\n]{{1,400}}?\2",
    ),
    # Words in brackets other than an image's name, variables, blanks and other text to fill in.
    (
        ("[", "【"),
        r"[\[【]\s*/?(?!(?:[图照画第][像片面]?|image)\s?-?[\d一二三四五六]{1,2}[张幅]?[\]】])[^\W\d_][^\[\]【】\n]{0,80}[\]】]"
        rf"|\[\s*\[?\s*{_NUMBERS}{{2,}}\s*\]",
    ),
    (("{", "$"), r"(?:\{|(?<!\w)\$)\s*+[\"'${]{0,20}+[^\W\d_]{2}"),
    (
        ("(", "（", "<"),
        rf"[(（]\s*(?:{_BLANK})\s*[)）]|[(（<](?=[^()（）<>]{{0,60}}(?:\d{{3}}|\.\d|%))\s*{_NUMBERS}{{3,}}\s*[)）>]",
    ),
    (
        ("__", "todo", "tbd", " tba", "fixme", "%", "xx", "××", "insert"),
        r"(?<![A-Za-z0-9])_{2,}|(?<!\w)(?:todo|tbd|tba|fixme|%[sd]|%\w{2,30}%|insert [\w ]{1,20} here)(?!\w)"
        r"|(?:\b(?:an?|of) x{3,}|(?<![a-z0-9$])x{4,})(?![a-z0-9])|(?<=[\u4e00-\u9fff])[x×]{2,}(?=[\u4e00-\u9fff])",
    ),
    # Boxes, points and scores of a detector; the image's file name at the start.
    (
        "x1|x2|x0|xm|x_m|x:|x=|x =|x：|box|检测框|边界框|坐标".split("|"),
        r"(?<![a-z0-9_])x_?(?:min|max|\d)?\s*[=:：]\s*\d+\D{1,3}y|\b(?:bbox|box_|bounding box)\w*\W{0,12}\d"
        r"|(?:检测框|边界框|坐标)[^\w。；]{0,3}(?:为|是|在)?(?:[左右][上下]角?)?[^\w。；]{0,6}\d",
    ),
    (
        "confidence|score|conf|prob|置信度|概率|得分|0.".split("|"),
        r"(?:\b(?:confidence|score|conf|prob(?:ability)?)\b|置信度|概率|得分)[^.。\d]{0,5}(?:[01]?\.\d|\d{2,3}\s?%)|\d\s?% confidence"
        r"|[^\W\d_]\s?[:：(（]?\s?0\.\d+[)）]?[,，]?\s?(?:and\s)?[^\W\d_]+\s?[:：(（]?\s?0\.\d+",
    ),
    (
        (".jpg", ".jpeg", ".png", ".webp", "/"),
        r"\A\W*+(?:[^\W\d_][\w ]{0,20}(?:[:：]| of | for )\s*)?(?:[\w./\\:-]*\.(?:jpe?g|png|webp)\b|(?=[\w./-]*\d)(?:[A-Za-z0-9_.-]+/){2,})",
    ),
)
"""Needles and a pattern: nothing that a description contains. Every match contains one of the needles."""
_ONCE_PATTERNS = [(frozenset(needles), re.compile(pattern, re.IGNORECASE)) for needles, pattern in _ONCE]
_JSON = re.compile(r"\"\s*:\s*\"")
_JSON_MARKS = frozenset(('":', '" :'))
_TWICE = re.compile(rf"[(（\[]\s*{_NUMBERS}\s*[)）\]]|某[某地事物人处]|\bN/A\b|为无[，。；]")
"""A description may contain one of these, but not two."""
_TWICE_MARKS = frozenset("( （ [ 某 n/a 为无".split(" "))
_SHOWS_MARKUP = re.compile(
    r"\b(?:code|html|tags?|source|markup|keys|buttons?|keyboard|keycap|graphs?|plot|charts?|ax[ei]s|parabola|triangle|vector|matrix|equation|formula"
    r"|math\w*|exercise|textbook|worksheet|dashboard|maps?|gps|navigat\w+|compass|latitude|sizes?|form|blanks?|fill\w*|underscores?|hangman|signature|programm\w+)\b"
    "|代码|标签|源码|按?键|按钮|坐标系|坐标轴|函数|数学|三角|曲线|矩阵|地图|导航|经纬|北纬|尺码|尺寸|作业|试题|空格|空白|填[写空入]|横线|下划线|表格|一栏|留空|签名",
    re.IGNORECASE,
)
"""Things in a picture that show markup or numbers. If one is mentioned nearby, a match doesn't count."""
MAX_MATCHES, NEARBY = 20, 120
"""Matches that are looked at; nearby is this many characters before a match, and half as many after."""

_LIST = re.compile(
    r"(?<![Ii]mage)(?<![Pp]icture)(?<![Pp]hoto)(?:\A|[\s:：;；。.,，!！?？])[(（]?([1一Aa])([.．)）、])(?![\d是为则中里和与号])(?:[^1一Aa]|(?!\1\2(?!\d))[1一Aa]){1,400}?"
    r"(?:[;；。.!！?？\n]\s{0,3}|[,，]\s{0,3}(?=[(（]?.[^.．]))[(（]?[2二Bb]\2(?!\d)"
)
"""A second item follows a mark that ends an item: "two columns, (1) departures and (2) arrivals" is no list. Nor
is a number that means an image: ①是, (1)中, ①号. An item ends where the first mark occurs again."""
_LIST_MARKS = frozenset("1. 1． 1) 1、 1） 一、 一） 一) ① a、 a． a)".split())
_CIRCLED = re.compile(r"[①-⑳]")
_CIRCLED_LIST = re.compile(r"①(?![是为则中里和与号])[^①]{1,400}?②")
_CIRCLED_LABEL = re.compile(r"①[^\s，。；：、,.;:①②]{1,6}\s?[:：]")

_START = re.compile(
    rf"\s*(?:[{{\[]\s*[\"'{{]|\s{{0,3}}(?:#{{1,6}}\s|>\s|[{_BULLETS}|]\s?\S|(?:step\s+)?1[.)、]\s*\S))",
    re.IGNORECASE,
)
"""JSON, a heading, a table or a list."""

_HEADING = (
    r"[\s*#\"“(（]{0,5}(?:(?:[\w'’-]+ ){0,3}(?:descriptions?|captions?|answer|output|response|result|summary|paragraph|title|reasoning"
    r"|thoughts?|thinking|analysis|conclusion|assistant|model|gpt\S{0,6}|ai|bot|task|drafts?|version|key ?words?|(?:hash)?tags?)"
    r"(?: (?:of|for|in|would) [\w ]{2,12})?(?: \([\w ]{1,20}\))?|[^\W\d_]{0,6}(?:描述|说明|标题|回答|回复|答案|结果|总结|摘要|概述|分析|思考|推理|过程|稿|结论|模型|助手|路径|文件名?|任务|输出|关键[词字]|标签|第[一1]步|步骤[一1])"
    r"(?:内容|如下|为|是)?|(?:text|path|final|file ?name|step \d|(?:图[像片])?内容))\s*[*)）]{0,2}\s*[:：](?!\s*[\"“「『《][^\"”」』》\n]{1,40}[\"”」』》]\s*[^\s。.])"
)
_LABEL = re.compile(
    rf"{_HEADING}|\s*【(?!(?:图[像片]?|照片|image)\s?-?[\d一二三四五六]|第)[^【】\n]{{1,12}}】", re.IGNORECASE
)
_LATER_LABEL = re.compile(rf"[.!?。！？\n]{_HEADING}", re.IGNORECASE)
"""A heading before or after the text, on its own line or not: "Description: ...", "图像描述：...". A heading on a
poster is quoted, and more text follows the quotation."""
_NUMBER_OF_ONE = re.compile(
    r"\s*(?:image|picture|photo|图像?|图片|照片)\s?[-#]?\s?\d{0,2}\s?[:：]", re.IGNORECASE
)
"""A name before the caption of a single image: "Image-1: ..."."""
_FIELD = re.compile(r"(?:\A|[.;。；\n])\s{0,3}([^\W\d_]{2,14}) ?[:：]")
MIN_FIELDS = 3
"""This many different fields in a single image's caption make a form: "Objects: ... Setting: ... Mood: ..."."""

_MARKS = ",，、;；.。:："
MIN_KEYWORDS, MAX_WORDS_PER_KEYWORD = 12, 1.8
"""Words in total, and on average between two marks, which is at least 2.3 in good captions."""


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
    """1 if there is markdown, HTML, a heading, a placeholder, a box or a list, else 0."""
    text, found = caption.text[:LONGEST_READ], caption.present_needles(MARKUP.needles)
    if _START.match(text) or (not found.isdisjoint(_JSON_MARKS) and _count(_JSON, text)):
        return 1.0
    unquoted = caption.unquoted[:LONGEST_READ]
    patterns = [pattern for needles, pattern in _ONCE_PATTERNS if not found.isdisjoint(needles)]
    if any(_count(pattern, unquoted) for pattern in patterns):
        return 1.0
    if not found.isdisjoint(_TWICE_MARKS) and _count(_TWICE, unquoted) > 1:
        return 1.0
    is_list = not found.isdisjoint(_LIST_MARKS) and _is_list(caption, unquoted)
    return float(is_list or _has_labels(caption) or _is_keywords(caption))


def _is_list(caption: CaptionText, unquoted: str) -> bool:
    """Whether there are two items. Circled numbers mean the images of a set, unless there are more of them than
    images or they have labels."""
    if _count(_LIST, unquoted):
        return True
    if not caption.is_multi:
        return _count(_CIRCLED_LIST, unquoted) > 0
    last = max(map(ord, _CIRCLED.findall(unquoted)), default=0) - ord("①") + 1
    return last > max(caption.image_count, 1) or _CIRCLED_LABEL.search(unquoted) is not None


def _is_keywords(caption: CaptionText) -> bool:
    """Whether there are only one or two words between punctuation marks on average."""
    marks, count = sum(map(caption.text.count, _MARKS)), len(caption.unit_sequence)
    return MIN_KEYWORDS <= count < MAX_WORDS_PER_KEYWORD * caption.language.units_per_english_word * marks


def _has_labels(caption: CaptionText) -> bool:
    """Whether there is a heading, or a form."""
    text = caption.unquoted[:LONGEST_READ]
    if ":" not in text and "：" not in text and "【" not in text:
        return False
    is_form = not caption.is_multi and (
        _NUMBER_OF_ONE.match(text) or len(set(_FIELD.findall(text))) >= MIN_FIELDS
    )
    return bool(is_form or _LABEL.match(caption.text) or _count(_LATER_LABEL, caption.text[:LONGEST_READ]))


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
    version=13,
    needles=_LIST_MARKS.union(_JSON_MARKS, _TWICE_MARKS, *(needles for needles, _ in _ONCE_PATTERNS)),
    needs_needle=False,  # headings have none
    likely_cause="a prompt that doesn't ask for plain prose",
)
