"""Which images of a set a caption speaks of.

Comes in: text, language, number of images. Goes out: the numbers that it names, and whether it speaks
of all of them together. English and Chinese, in figures, words and ordinals; ranges, "the last two",
"the other". An ordinal that belongs to something else ("the second floor", "第二张桌子") is no image.
Not its job: judging (see images).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from corpus.records import Language
from filtering.units import any_in


class References(NamedTuple):
    """``named``: numbers from 1, as written. ``covered``: how many of the set's images are spoken of.

    ``counted``: how many images the caption says there are, where it says so.
    """

    named: frozenset[int]
    covered: int
    counted: frozenset[int]


_EN_WORDS = (
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
_EN_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
)  # fmt: skip
_NUMBER: dict[str, int] = {
    **{str(at): at for at in range(100)},
    **{word: at for at, word in enumerate(_EN_WORDS, 1)},
    **{word: at for at, word in enumerate(_EN_ORDINALS, 1)},
    **{word: at for at, word in enumerate("一二三四五六七八九十", 1)},
    **{word: at for at, word in enumerate("①②③④⑤⑥⑦⑧⑨⑩", 1)},
    **{word: at for at, word in enumerate("壹贰叁肆伍陆柒捌玖拾", 1)},
    "十一": 11,
    "十二": 12,
    "两": 2,
    "俩": 2,
    "首": 1,
    "initial": 1,
    "opening": 1,
}


_FIGURES = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")


def number_of(word: str) -> int | None:
    """The number that figures, a cardinal or an ordinal of either language mean, up to 99."""
    word = word.strip().lower()
    known = _NUMBER.get(word)
    if known is None and (figures := _FIGURES.fullmatch(word)):
        return int(figures[1])
    return known


_NOUN = r"(?:images?|pictures?|photos?|photographs?|pics?|shots?|frames?|panels?|snapshots?|scenes?|views?)"
_STRICT_NOUN = r"(?:images?|pictures?|photos?|photographs?|pics?)"
_CARDINAL = rf"(?:\d{{1,3}}|{'|'.join(_EN_WORDS)})"
_ORDINAL = rf"(?:{'|'.join(_EN_ORDINALS)}|initial|opening|\d{{1,2}}(?:st|nd|rd|th))"

_ORDINAL_WORDS = frozenset(
    (*_EN_ORDINALS, "initial", "opening", "1st", "2nd", "3rd", *(f"{at}th" for at in range(4, 21)))
)
_LAST_WORDS = frozenset({"last", "final", "closing"})
_PLURALS = frozenset({"images", "pictures", "photos", "photographs", "pics"})
_STRICT_NOUNS = frozenset(
    noun + ending for noun in ("image", "picture", "photo", "photograph", "pic") for ending in ("", "s")
)

_NUMBERED = tuple(
    (
        stem,
        re.compile(
            rf"{stem}{ending}s?\s?(?:[#_:№]|\bno\.?|\bnumber)?\s?[-–]?\s?[#(\[]?(?P<first>{_CARDINAL})\b(?![.:]\d)"
            rf"(?P<more>(?:\)?\s*(?:,?\s*(?:and|or|&)|,|/|-|–|—|~|to|through)\s*(?:{_STRICT_NOUN}\s?[-#(]?\s?)?(?:\d{{1,2}})\b(?!\s+[a-z]+s\b)){{0,11}})"
        ),
    )
    for stem, ending in (("image", ""), ("pic", "(?:ture)?"), ("photo", "(?:graph)?"))
)
"""What a text has to have, and the pattern, which begins with it: such a search is quick."""
_LETTERED = re.compile(r"\b(?:image|picture|photo)\s([a-f])(?=[\s,:;]+(?!of\b))")
_BY_ORDINAL = re.compile(
    rf"\b(?P<list>{_ORDINAL}(?:\s*(?:,\s*(?:and\s+)?|and\s+|&\s*|to\s+|through\s+|or\s+)(?:the\s+)?{_ORDINAL}){{0,11}})\s+"
    rf"(?:(?P<some>{'|'.join(_EN_WORDS[1:8])}|\d)\s+)?(?:(?!of|is|has|and|in|on|the)[a-z]+\s)??(?P<noun>{_NOUN}|one)\b",
)
_ORDINAL_PRONOUN = re.compile(
    rf"\bthe\s+(?P<list>{_ORDINAL}(?:(?:,\s*|,?\s*and\s+)(?:the\s+)?{_ORDINAL}){{0,11}})(?:\s+(?P<some>two|three|four))?"
    r"(?=\s*(?:[,;:.]|\(|—|–)|\s+(?:also\s+|then\s+|instead\s+|simply\s+|again\s+)?(?:the|an?|was|were|stands?|comes?|lies|sits|can|could|does|captured|centers?|centres?|concentrates|depicted|appears?|seems|looks|closes|opens|ends|continues|follows|documents|places|leaves|draws|shifts|feels|makes|sees|finds|sets|carries|differs|shares|repeats|returns|pulls|gets|goes|becomes|describes|records|shot|taken|wears|holds|concludes|contrasts|switches|completes|covers|emphasi[sz]es|shows?|depicts?|features?|is|are|has|have|captures?|presents?|displays?|includes?|contains?"
    r"|portrays?|focuse?s?|highlights?|reveals?|offers?|showcases?|illustrates?|adds?|uses|with|being|provides?|zooms|"
    r"looks|frames|replaces|swaps|lacks|moves|turns|shifts|gives|pictures|brings|takes|zeroes|keeps|holds|omits|introduces|and\s+(?:the\s+)?(?:third|fourth|last|final))\b)",
)
_ORDINAL_HEADING = re.compile(rf"(?:{_ORDINAL})\s?[:：]")
"""An ordinal that opens a sentence and has a colon: "1st: the lid of the box. 2nd: ..."."""
_LAST = re.compile(
    rf"\b(?:last|final|closing)(?:\s+(?P<some>{'|'.join(_EN_WORDS[1:8])}|\d))?(?:\s+(?:{_NOUN}|ones?)\b"
    r"|(?=\s*,|\s+of\s+(?:them|these|the\s+(?:set|series|images|pictures|photos|two|three|four|five|six))\b"
    r"|\s+(?:shows?|depicts?|features?|is|are|has|have|captures?|presents?|displays?|includes?|contains?|portrays?|focuses|highlights?|reveals?|offers?|showcases?|illustrates?|with)\b))",
)
_REST = re.compile(
    rf"\b(?:remaining|the\s+others?|the\s+rest)\b(?:\s+(?:{_CARDINAL}))?(?:\s+(?:{_NOUN}|ones?)|(?=\s*,|\s+(?:shows?|depicts?|features?|is|are|has|have|captures?|presents?|displays?|includes?|contains?|portrays?|focus|with|of)\b))",
)
_ANOTHER = re.compile(
    rf"\b(?:another|a\s+(?:second|third|fourth|fifth)|the\s+next|a\s+further|one)\b(?:\s+{_NOUN}|\s+one\b(?=\s+(?:shows?|depicts?))|(?=\s*,|\s+(?:shows|depicts|features|captures|presents|displays|portrays|highlights)\b))",
)
_SIDE = "left|right|top|bottom|upper|lower|middle|center|centre|central"
_POSITION_WORDS = frozenset(
    (*_SIDE.split("|"), "leftmost", "rightmost", "topmost", "bottommost", "uppermost", "lowermost")
)
_POSITION_BEFORE = re.compile(rf"\b(?P<where>{_SIDE})(?:most|-hand)?\s+{_NOUN}\b")
_CORNER_BEFORE = re.compile(r"\b(?:top|bottom|upper|lower|middle)[ -]$")
_POSITION_AFTER = re.compile(r"the (?P<there>left|right|top|bottom|middle|center|centre)\b")
_PICTURE_AT = re.compile(rf"\b{_NOUN} (?:on|at|to|in) $")
_TOGETHER = re.compile(
    rf"\b(?:both|all|each|every|these|this\s+(?:set|series|pair|group|collection|sequence|trio)\s+of)\b(?:\s+of)?"
    rf"(?:\s+(?:the|these))?(?:\s+{_CARDINAL})?\s+(?:\w+\s)?{_NOUN}\b"
    r"|\b(?:both|each|all\s+(?:two|three|four|five))\s+(?:shows?|depicts?|features?|captures?|presents?|share|of\s+them)\b"
    r"|\bin\s+(?:both|each|all\s+(?:three|four|five))\s*[,;]",
)
_THE_IMAGES_SHARE = re.compile(
    rf"\bthe\s+(?:{_CARDINAL}\s+)?(?:images|pictures|photos|photographs)\s+(?:all\s+|both\s+)?"
    r"(?:show|depict|feature|capture|present|share|display|portray|are|have|differ|contrast|illustrate|document)\b"
)
_ANYTHING = re.compile("")
_ANOTHER_WORDS = frozenset({"another", "second", "third", "fourth", "fifth", "next", "further", "one"})
_REST_WORDS = frozenset({"remaining", "other", "others", "rest"})
_TOGETHER_WORDS = frozenset({"both", "all", "each", "every", "these", "this"})
_CARDINAL_WORDS = frozenset(_EN_WORDS)
_COUNTED_BEFORE = re.compile(
    r"(?<!first )(?<!last )(?<!other )(?<!final )(?<!remaining )(?<!next )(?<!of )\b(?P<lead>these|all|this (?:set|series|group"
    r"|collection|sequence) of|(?:set|series|group|collection|sequence|total) of|across|the(?: given| provided| following)?)"
    rf"\s+(?:of\s+)?(?:the\s+|these\s+)?(?P<number>{_CARDINAL})\s+(?:[\w-]+\s+)?$"
)
_BEFORE_CHARACTERS = 60
_LONGEST_SIDE = 8
_BEFORE_CHARACTERS_HAN = 6
_OPENING_CHARACTERS = 60
"""Where "these two images" speaks of the whole set; later it may speak of two that were just named."""

_ZH_DIGIT = r"(?:\d{1,2}|十[一二]|[一二三四五六七八九十①②③④⑤⑥⑦⑧⑨⑩壹贰叁肆伍])"
_ZH_NOUN = r"(?:图像|图片|照片|画面|影像|相片|图画|图(?!案|书|标|形|表|腾|纸|中文))"
_ZH_NUMBERED = re.compile(
    r"(?:图像|图片|照片|画面|图|影像|Image|image|Picture|picture|Photo|photo)\s*[-–—－_#＃:：]?\s*[（(\[【「“]?(?P<first>\d{1,2}(?!\d)|十[一二]|[一二三四五六七八九十①②③④⑤⑥⑦⑧⑨⑩壹贰叁肆伍])"
    r"(?!\s*[个张幅条只座辆棵排片些位名把艘匹头间家组层根件朵台株种者边起般直旁侧对群路共样致款块盏盘杯碗年月日点分岁米角半份套本部堆串])"
    r"(?P<more>(?:[）)\]】」”]?\s*(?:和|与|及|以及|、|，|,|/|跟|至|到|-|–|—|~|～)\s*(?:图像|图片|照片|图|[Ii]mage)?\s*[-–（(]?\s*\d{1,2}(?![\d个张幅条只座辆棵排片些位名把艘点年月日])){0,11}"
    r"(?:[）)]?\s*(?:和|与|及|以及|、|至|到)\s*(?:图像|图片|照片|图)\s*[一二三四五六七八九十]){0,11})"
)
_ZH_ORDINAL = re.compile(
    rf"第\s*(?P<list>{_ZH_DIGIT}(?:\s*(?:张|幅|副|个)?(?:{_ZH_NOUN})?\s*(?:和|与|及|以及|、|到|至|-)\s*第?\s*{_ZH_DIGIT}){{0,11}})\s*"
    rf"(?:(?P<some>[两二三四五\d])\s*)?(?:(?:张|幅|副)(?P<after>\s*{_ZH_NOUN})?(?P<thing>\S{{0,3}})|(?:个|组)?\s*(?P<noun>{_ZH_NOUN}))"
)
_ZH_NOT_AN_IMAGE = re.compile(
    r"[\w]{0,2}?(?:桌|床|椅|凳|纸|脸|面孔|嘴|票|沙发|卡|海报|画(?!面)|牌|饼|皮|网|弓|茶几|长椅|垫|地毯|毯|席|名片|邮票|贴|壁画|油画|书法|字画|对联|挂|CD|唱片|光盘|台|餐|办公|圆|方桌|木|长)"
)
_ZH_STRICT_AFTER = re.compile(
    r"\s*(?:中|里|则|是|展|显|呈|上|为|，|、|的|描|拍|主|：|:|同|也|和|与|有|聚|突|内|以|又|却|还|当|捕|记|画面|$)"
)
_ZH_FIRST_FEW = re.compile(
    rf"(?P<end>前|头|最后|后|末|最末|其余|其他|另外?|剩下的?|余下的?|剩余的?)\s*(?P<some>[一两二三四五六七八\d几])?\s*(?:张|幅)(?:\s*{_ZH_NOUN})?"
)
_ZH_ENDS = re.compile(
    r"(?P<first>首(?:张|幅|图)|(?:张|幅)首图|开头的?一?(?:张|幅)|第一图)|(?P<last>最后(?:的)?一?(?:张|幅|图|个画面)|末(?:张|幅|图)|尾图|压轴)"
)
_ZH_ENDS_NEED = ("首", "开头", "第一图", "最后", "末", "尾图", "压轴")
_ZH_REST = re.compile(
    r"其余(?:图|的|各|照|画)|其他(?:图|照|画|几|各)|剩(?:余|下)的?(?:图|照|画|几)|余下|后者|另一(?:张|幅|个画面|图|侧图)"
)
_ZH_POSITION = re.compile(
    rf"(?P<where>左|右|上|下|中间)(?:边|侧|方|面|部)?(?:的)?(?:那|这)?(?:张|幅|一张|一幅)?{_ZH_NOUN}(?!像是|的(?:左|右|上|下|中))"
)
_ZH_ONE_OTHER = re.compile(
    r"一(?<![第每另]一)(?:张|幅)(?:图|照|展|显|呈|是|拍|为|中|里|则|，)|有(?:一|的)(?:张|幅)?(?:图|照)"
)
_ZH_TOGETHER = re.compile(
    rf"(?:[两二三四五六七八九十\d]|每一?|各|几|多|所有|全部|这些|这组|该组|本组|这|整组|一组|各个)\s*(?:张|幅|个)?(?:的)?\s*{_ZH_NOUN}|每(?:一)?(?:张|幅)|各(?:张|幅)|(?:张|幅)(?:图像|图片|照片)(?:均|都)|两者|二者|三者"
)
_ZH_COUNTED = re.compile(rf"[张幅](?:不同的?|相关的?|相似的?)?{_ZH_NOUN}")
_ZH_NUMBER_AT = re.compile(rf"(?P<number>{_ZH_DIGIT}|两)\s*$")
_ZH_COUNTS = re.compile(r"(?:这|该|以上|上述|本组|一共|共有?|总共|全部|所有|以下|给定的?|一组)\s*$")
_ZH_NOT_COUNTED_AFTER = re.compile(
    r"(?:前|后|头|末|最后|其中|另|另外|其他|其余|剩下|剩余|余下|余|第|有|中的|的|图|每|和|与|\d|[一二三四五六七八九十])$"
)


def references(text: str, words: AbstractSet[str], language: Language, image_count: int) -> References:
    """What ``text``, whose different units are ``words``, says of the images of a set of ``image_count``."""
    if not text.isprintable():
        text = " ".join(text.split())
    while "  " in text:
        text = text.replace("  ", " ")
    return _chinese(text, image_count) if language == "zh" else _english(text, words, image_count)


def _english(text: str, words: AbstractSet[str], count: int) -> References:
    text = text.lower()
    named: set[int] = set()
    spoken_of: set[int] = set()
    for stem, pattern in _NUMBERED:
        if stem in text:
            for match in pattern.finditer(text):
                named |= _expand(match["first"] + (match["more"] or ""))
    if "b" in words:
        letters = {ord(match[1]) - ord("a") + 1 for match in _LETTERED.finditer(text)}
        named |= letters if 2 in letters else set()
    for ordinal in _ORDINAL_WORDS & words:
        at = text.find(ordinal)
        while at >= 0:
            noun = _BY_ORDINAL.match(text, at)
            if noun:
                numbers = _first_few(_expand(noun["list"]), noun["some"])
                (named if noun["noun"] in _STRICT_NOUNS else spoken_of).update(numbers)
            elif text.startswith("the ", max(0, at - 4)):
                pronoun = _ORDINAL_PRONOUN.match(text, at - 4)
                if pronoun:
                    spoken_of |= _first_few(_expand(pronoun["list"]), pronoun["some"])
            elif _ORDINAL_HEADING.match(text, at):
                spoken_of |= _expand(ordinal)
            at = text.find(ordinal, at + 1)
    if last := _LAST_WORDS & words:
        for match in _matches(_LAST, text, last):
            some = number_of(match["some"]) if match["some"] else 1
            spoken_of |= set(range(max(count - (some or 1) + 1, 1), count + 1))
    plurals = _PLURALS & words
    counted = _counted_english(text, plurals, count) if plurals else frozenset()
    numbers = named | spoken_of
    covered = _covered(numbers, count)
    if covered is None:
        extra = len(_positions(text, words))
        extra += sum(1 for _ in _matches(_ANOTHER, text, _ANOTHER_WORDS & words, "", "a ", "the "))
        rest = any(_matches(_REST, text, _REST_WORDS & words, "", "the "))
        together = any(_matches(_TOGETHER, text, _TOGETHER_WORDS & words, "", "in ")) or bool(
            plurals and _THE_IMAGES_SHARE.search(text)
        )
        covered = _covered_otherwise(numbers, count, extra, rest=rest, together=together)
    return References(frozenset(named), covered, counted)


def _matches(
    pattern: re.Pattern[str], text: str, cues: AbstractSet[str], *leads: str
) -> Iterator[re.Match[str]]:
    """What ``pattern`` matches where one of ``cues`` stands, or a lead before it; never overlapping.

    Looking for words first is ten times as quick as trying a pattern everywhere.
    """
    places = []
    for cue in cues:
        at = text.find(cue)
        while at >= 0:
            places.append(at)
            at = text.find(cue, at + 1)
    end = 0
    for at in sorted(places):
        for lead in leads or ("",):
            start = at - len(lead)
            if start >= end and text.startswith(lead, start) and (match := pattern.match(text, start)):
                yield match
                end = match.end()
                break


def _positions(text: str, words: AbstractSet[str]) -> set[str]:
    """The sides that a picture is said to be on: "the left image", "the image at the top"."""
    cues = _POSITION_WORDS & words
    sides = set()
    for match in _matches(_POSITION_BEFORE, text, cues):
        corner = _CORNER_BEFORE.search(text, max(0, match.start() - _LONGEST_SIDE), match.start())
        sides.add((corner[0] if corner else "") + match["where"])
    for match in _matches(_POSITION_AFTER, text, cues, "the "):
        before = text[max(0, match.start() - _BEFORE_CHARACTERS) : match.start()]
        if _PICTURE_AT.search(before):
            sides.add(match["there"])
    return sides


def _counted_english(text: str, plurals: AbstractSet[str], count: int) -> frozenset[int]:
    """How many images the caption says there are, where it speaks of all of them."""
    counted = set()
    for plural in _matches(_ANYTHING, text, plurals):
        before = text[max(0, plural.start() - _BEFORE_CHARACTERS) : plural.start()].split()[-2:]
        if not any(word.isdigit() or word in _CARDINAL_WORDS for word in before):
            continue
        match = _COUNTED_BEFORE.search(text, max(0, plural.start() - _BEFORE_CHARACTERS), plural.start())
        number = number_of(match["number"]) if match else None
        if match is None or number is None:
            continue
        is_whole = match.start() < _OPENING_CHARACTERS and match["lead"] != "the"
        if number > count or is_whole:
            counted.add(number)
    return frozenset(counted)


def _first_few(numbers: set[int], some: str | None) -> set[int]:
    """ "The first two" are 1 and 2."""
    return set(range(1, (number_of(some) or 1) + 1)) if some and numbers == {1} else numbers


def _chinese(text: str, count: int) -> References:
    named: set[int] = set()
    spoken_of: set[int] = set()
    for match in _ZH_NUMBERED.finditer(text):
        named |= _expand(match["first"] + (match["more"] or ""))
    for match in _ZH_ORDINAL.finditer(text):
        numbers = _expand(match["list"])
        thing = match["thing"] or ""
        if match["noun"] or match["after"]:
            named |= numbers
        elif not _ZH_NOT_AN_IMAGE.match(thing):
            (named if _ZH_STRICT_AFTER.match(thing) else spoken_of).update(numbers)
    for match in _ZH_FIRST_FEW.finditer(text):
        some = number_of(match["some"] or "一") or 1
        if match["end"] in ("前", "头"):
            spoken_of |= set(range(1, some + 1)) if match["some"] else set()
        elif "后" in match["end"] or "末" in match["end"]:
            spoken_of |= set(range(max(count - some + 1, 1), count + 1))
        elif match["some"] or match["end"] != "其他":
            spoken_of |= set(range(1, count + 1)) if (spoken_of | named) else set()
    if any_in(text, _ZH_ENDS_NEED):
        for match in _ZH_ENDS.finditer(text):
            spoken_of.add(1 if match["first"] else count)
    numbers = named | spoken_of
    covered = _covered(numbers, count)
    if covered is None:
        extra = len({match["where"] for match in _ZH_POSITION.finditer(text)})
        extra += len(_ZH_ONE_OTHER.findall(text)) + ("前者" in text)
        rest, together = bool(_ZH_REST.search(text)), bool(_ZH_TOGETHER.search(text))
        covered = _covered_otherwise(numbers, count, extra, rest=rest, together=together)
    return References(frozenset(named), covered, _counted_chinese(text, count))


def _counted_chinese(text: str, count: int) -> frozenset[int]:
    """How many images the caption says there are, where it speaks of all of them."""
    counted = set()
    for match in _ZH_COUNTED.finditer(text):
        said = _ZH_NUMBER_AT.search(text, max(0, match.start() - 4), match.start())
        number = number_of(said["number"]) if said else None
        if said is None or number is None or number < 2:
            continue
        start = said.start()
        lead = _ZH_COUNTS.search(text, max(0, start - _BEFORE_CHARACTERS_HAN), start)
        is_part = lead is None and start > 0 and _ZH_NOT_COUNTED_AFTER.search(text, max(0, start - 3), start)
        is_whole = lead is not None and lead.start() < _OPENING_CHARACTERS // 2
        if not is_part and (number > count or is_whole):
            counted.add(number)
    return frozenset(counted)


def _covered(numbers: set[int], count: int) -> int | None:
    """``count`` where each image is named; None where that has to be looked into."""
    return count if numbers.issuperset(range(1, count + 1)) else None


def _covered_otherwise(numbers: set[int], count: int, extra: int, *, rest: bool, together: bool) -> int:
    """How many of ``count`` images are spoken of, each by itself or, where none is, all together."""
    own = {number for number in numbers if 1 <= number <= count}
    if own:
        return count if rest else min(count, len(own) + extra)
    if extra >= count or (rest and extra):
        return count
    return count if together and not extra else min(count, extra)


_PIECE = re.compile(
    rf"(?P<number>\d{{1,3}}(?:st|nd|rd|th)?|{'|'.join(_EN_ORDINALS)}|{'|'.join(_EN_WORDS)}|initial|opening|十[一二]|[一二三四五六七八九十①②③④⑤⑥⑦⑧⑨⑩壹贰叁肆伍])"
    r"|(?P<to>-|–|—|~|～|至|到|\bto\b|\bthrough\b)",
    re.IGNORECASE,
)


def _expand(listed: str) -> set[int]:
    """ "1, 2 and 4" and "first to third" as numbers."""
    alone = _NUMBER.get(listed)
    if alone is not None:
        return {alone}
    numbers: set[int] = set()
    last: int | None = None
    is_range = False
    for piece in _pieces(listed):
        if piece is None:
            is_range = last is not None
            continue
        numbers |= set(range(last, piece + 1)) if is_range and last is not None and last < piece else {piece}
        last, is_range = piece, False
    return numbers


def _pieces(listed: str) -> Iterator[int | None]:
    for match in _PIECE.finditer(listed):
        if match["to"]:
            yield None
        elif (number := number_of(match["number"])) is not None:
            yield number
