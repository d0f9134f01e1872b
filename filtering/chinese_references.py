"""Which images of a set a Chinese caption speaks of.

Comes in: text in one line, number of images. Goes out: ``References``. Not its job: numbers as such (see
image_numbers).
"""

from __future__ import annotations

import re

from triptych.filtering.free_telling import FEWEST_NAMED, speaks_of_two, tells_of_several
from triptych.filtering.image_numbers import (
    ZH_OTHER_MEASURES,
    References,
    covered_by_name,
    covered_otherwise,
    expand,
    number_of,
)
from triptych.filtering.units import any_in

_BEFORE_CHARACTERS = 6
_OPENING_CHARACTERS = 30
"""Where "这两张图" speaks of the whole set."""

_ZH_DIGIT = r"(?:\d{1,2}|十[一二]|[一二三四五六七八九十①②③④⑤⑥⑦⑧⑨⑩壹贰叁肆伍])"
_ZH_NOUN = r"(?:图像|图片|照片|画面|影像|相片|图画|图(?!案|书|标|形|表|腾|纸|中文))"
_ZH_NUMBERED = re.compile(
    r"(?:图像|图片|照片|画面|图|影像|Image|image|Picture|picture|Photo|photo)\s*[-–—－_#＃:：]?\s*[（(\[【「“]?(?!一[^是为有中里则展显呈的，。：]一)(?P<first>\d{1,2}(?!\d)|十[一二]|[一二三四五六七八九十①②③④⑤⑥⑦⑧⑨⑩壹贰叁肆伍])"
    rf"(?!\s*[{ZH_OTHER_MEASURES}])"
    r"(?P<more>(?:[）)\]】」”]?\s*(?:和|与|及|以及|、|，|,|/|跟|至|到|-|–|—|~|～)\s*(?:图像|图片|照片|图|[Ii]mage)?\s*[-–（(]?\s*\d{1,2}(?![.．]\d)(?![\d个张幅条只座辆棵排片些位名把艘点年月日])){0,11}"
    r"(?:[）)]?\s*(?:和|与|及|以及|、|至|到)\s*(?:图像|图片|照片|图)\s*[一二三四五六七八九十]){0,11})"
)
_ZH_LETTERED = re.compile(r"(?:图像|图片|照片|图)\s?([A-Fa-f])(?![A-Za-z])")
_ZH_ORDINAL = re.compile(
    rf"第\s*(?P<list>{_ZH_DIGIT}(?:\s*(?:张|幅|副|帧|个)?(?:{_ZH_NOUN})?\s*(?:和|与|及|以及|、|到|至|-)\s*第?\s*{_ZH_DIGIT}){{0,11}})\s*"
    rf"(?:(?P<some>[两二三四五\d])\s*)?(?:(?:张|幅|副)(?P<after>\s*{_ZH_NOUN})?(?=(?P<thing>\S{{0,3}}))"
    rf"|(?P<group>组)\s*{_ZH_NOUN}|个?\s*(?P<noun>{_ZH_NOUN})|(?P<frame>帧|个?\s*(?:场景|镜头|片段)))"
)
_ZH_NOT_AN_IMAGE = re.compile(
    r"(?![在由被没仍靠摄])[\w]{0,2}?(?:桌|床|椅|凳|纸|脸|面孔|嘴|票|沙发|卡|海报|画(?!面)|牌|饼|皮|网|弓|茶几|长椅|垫|地毯|毯|席|名片|邮票|贴|壁画|油画|书法|字画|对联|挂|CD|唱片|光盘|台|餐|办公|圆|方桌|木|长)"
)
_ZH_STRICT_AFTER = re.compile(
    r"\s*(?:中(?!式|间的)|里|则|是|展(?![台桌柜])|显|呈|上(?!铺)|为|，|、|的|描|拍|主(?!桌)|：|:|同|也|和|与|有|聚|突|内|以|又|却|还|当|捕|记|画面|$)"
)
_ZH_PREVIOUS = ("前一张", "前一幅")
"""Of two that were just named: "前一张是晴天，后一张是室内"."""
_ZH_FIRST_FEW = re.compile(
    rf"(?P<end>前|头|最后|后|末尾|末|最末|其余|其他|另外?|剩下的?|余下的?|剩余的?)\s*(?P<some>[一两二三四五六七八\d几])?\s*(?:张|幅)(?P<is_image>\s*(?:{_ZH_NOUN}|(?:[是为则均都也又还却展显呈拍摄捕聚描，、：:里]|中(?![国式])|分别)))?"
)
_ZH_ENDS = re.compile(
    r"(?P<second>次(?:张|幅|图))|(?P<first>首(?:张|幅|图)|(?:张|幅)首图|开头的?一?(?:张|幅)|第一图)|(?P<last>最后(?:的)?一?(?:张|幅|图|个画面)|末(?:张|幅|图)|(?:末尾|结尾)的?那?一?(?:张|幅)|尾图|压轴)"
)
_ZH_ENDS_NEED = ("首", "次张", "次幅", "次图", "开头", "第一图", "最后", "末", "尾图", "压轴", "结尾")
_ZH_REST = re.compile(
    r"其余(?:的)?(?:图|各[张幅图]|照|画面|几[张幅])|其他(?:图|照|画面|几[张幅]|各[张幅图])|(?:剩余|剩下|余下)的?(?:图|照|画面|几[张幅])"
    r"|(?P<one>后者|另一(?:个画面|图|侧图|[张幅](?=\s*(?:图|照|画面|[是为则均也又还却展显呈拍摄捕聚描，、：:里]|中(?![国式])))))"
)
_ZH_POSITION = re.compile(
    rf"(?P<where>[左右][上下]|左|右|上|下|中间)(?:边|侧|方|面|部)?(?:的)?(?:那|这)?(?:张|幅|一张|一幅)?(?:{_ZH_NOUN}|(?<=[那这][张幅]))(?!像是|的(?:左|右|上|下|中))"
)
_ZH_NEXT = re.compile(
    r"(?:接着|接下来|随后|然后|其后|之后)的?(?P<some>[两二三四])[张幅](?=图|照|画面|[是为则均都展显呈拍分])"
    r"|(?:下|往后|接下来)一[张幅](?=图|照|画面|[里中是为则展显呈拍，他她它])"
)
_ZH_TURNS = re.compile(
    r"(?:最先|首先|接着|接下来|随后|然后)(?:展示|呈现|出现|看到)?的?是一[只个座条辆匹头片位名]"
)
"""One after the other, without a word for image: "最先出现的是一只考拉；接着是一只企鹅；第三张是……"."""
_ZH_BETWEEN = frozenset(("中间",))
_ZH_ONE_OTHER = re.compile(
    r"一(?<![第每另前后上那这下来头尾]一)(?<![头尾后]的一)(?:张|幅)(?:图(?![案书标形表纸])|照|展|显|呈|是|拍|为|中(?![国式])|里|则|，)|有(?:一|的)(?:张|幅)?(?:图|照)"
    r"|(?:首先|其次|再次|接着|然后|随后|最后)(?:展示|呈现|出现)?的?是一[张幅](?!图|照|展|显|呈|是|拍|为|中|里|则|，)"
)
_ZH_INNER = re.compile(
    rf"(?:挂|贴|摆|放|陈列|展示|投影|显示|钉|有|印)[着了满出有]{{0,2}}[^，。；]{{0,6}}?(?:{_ZH_DIGIT}|两|几|多)\s*(?:[张幅](?!图)[^，。；]{{0,8}}|个小?画面)"
    rf"|(?:挂|贴|摆|放|陈列|投影|显示|钉|印)[着满][^，。；]{{0,6}}?(?:{_ZH_DIGIT}|两|几|多)\s*[张幅]图"
)
"""Pictures that a picture shows, told before they are counted: "墙上挂着五张照片，第一张是……"."""
_INNER_CHARACTERS = 80
_ZH_TOGETHER = re.compile(
    rf"(?:[两二三四五六七八九十\d]|每一?|各|几|多|所有|全部|这些|这组|该组|本组|这|整组|一组|各个)\s*(?:张|幅|帧|个)?(?:连续|不同|相关|相似)?(?:的)?\s*{_ZH_NOUN}|每(?:一)?(?:张|幅|帧)|各(?:张|幅)|(?:张|幅)(?:图像|图片|照片)(?:均|都)|两者|二者|三者"
)
_ZH_COUNTED = re.compile(rf"[张幅](?:不同的?|相关的?|相似的?)?{_ZH_NOUN}")
_ZH_IN_ALL = re.compile(rf"(?:图像|图片|照片|图)(?:一共|总共|共)(?:有|计)?(?P<number>{_ZH_DIGIT}|两)[张幅]")
_ZH_NUMBER_AT = re.compile(rf"(?P<number>{_ZH_DIGIT}|两)\s*$")
_ZH_COUNTS = re.compile(r"(?:这|该|以上|上述|本组|一共|共有?|总共|全部|所有|以下|给定的?|一组)\s*$")
_ZH_NOT_COUNTED_AFTER = re.compile(
    r"(?:前|后|头|末|最后|其中|另|另外|其他|其余|剩下|剩余|余下|余|第|有|中的|的|图|每|和|与|\d|[一二三四五六七八九十]|[挂贴摆放列钉印][着了满有]|显示着)$"
)

_ZH_OF_THE_REST = re.compile("另|其余|其他|剩|余下|后[两二三四五]")
_ZH_PLATES = re.compile(
    "(?<![A-Za-z0-9])[Pp](?P<page>[1-9])(?=[是为中里则，：])|(?P<stem>[甲乙丙丁戊己])图(?![形案])"
    "|[（(](?P<bracketed>[1-9])[)）](?=[是为中里则])|(?P<circled>[①②③④⑤⑥⑦⑧⑨])(?=[是为中里则])"
)
"""P1是, 甲图, (1)中, ①是."""
_ZH_SECOND_PLATES = ("P2", "p2", "乙图", "2)", "2）", "②")
"""Without one of them there is no first."""


def chinese_references(text: str, count: int) -> References:
    named: set[int] = set()
    for match in _ZH_NUMBERED.finditer(text):
        named |= expand(match["first"] + (match["more"] or ""))
    if any_in(text, _ZH_SECOND_PLATES):
        plates = {number_of(plate[plate.lastgroup or 0]) or 0 for plate in _ZH_PLATES.finditer(text)}
        named |= plates if 2 in plates else set()
    if "B" in text or "b" in text:
        letters = {ord(match[1].lower()) - ord("a") + 1 for match in _ZH_LETTERED.finditer(text)}
        named |= letters if 2 in letters else set()
    is_numbered = len(named) > 1
    by_name, spoken_of = _by_ordinal(text, count)
    named |= by_name
    has_previous = count > 2 and "前一" in text and any_in(text, _ZH_PREVIOUS)
    for match in _ZH_FIRST_FEW.finditer(text):
        some = number_of(match["some"] or "一") or 1
        if match["end"] in ("前", "头"):
            spoken_of |= set(range(1, some + 1)) if match["some"] and some > has_previous else set()
        elif "后" in match["end"] or "末" in match["end"]:
            if match["end"] != "后" or some > has_previous:
                spoken_of |= set(range(max(count - some + 1, 1), count + 1))
        elif match["is_image"]:
            own = {number for number in spoken_of | named if number <= count}
            if own and (match["some"] == "几" or some == count - len(own)):
                spoken_of |= set(range(1, count + 1))
    if any_in(text, _ZH_ENDS_NEED):
        for match in _ZH_ENDS.finditer(text):
            spoken_of.add(1 if match["first"] else 2 if match["second"] else count)
    numbers = named | spoken_of
    covered = covered_by_name(numbers, count)
    if covered is None:
        covered = _covered_otherwise(text, count, numbers, is_numbered=is_numbered)
        if covered < FEWEST_NAMED and not named and tells_of_several(text, "zh", count):
            covered = count
    return References(frozenset(named), covered, _counted_chinese(text, count))


def _covered_otherwise(text: str, count: int, numbers: set[int], *, is_numbered: bool) -> int:
    """How many images are spoken of by position, one after the other, as the rest or all together.

    Once images have numbers, "一张是" and a side are no images any more.
    """
    own = len(numbers & set(range(1, count + 1)))
    extra = 0
    if not is_numbered:
        sides = {match["where"] for match in _ZH_POSITION.finditer(text)}
        extra = len(sides & _ZH_BETWEEN if own else sides) + len(_ZH_ONE_OTHER.findall(text))
        extra += sum(number_of(match["some"] or "一") or 1 for match in _ZH_NEXT.finditer(text))
        extra += len(_ZH_TURNS.findall(text)) if own else 0
    rest = any(
        not match["one"] or (count - (own or extra) == 1 and match["one"] != "后者")
        for match in _ZH_REST.finditer(text)
    )
    if "前者" in text and not own and not is_numbered:
        extra = max(extra, 1 + ("后者" in text) + ("中间" in text))
    together = _ZH_TOGETHER.search(text) is not None and not speaks_of_two(text, "zh", count)
    return covered_otherwise(numbers, count, extra, rest=rest, together=together)


def _by_ordinal(text: str, count: int) -> tuple[set[int], set[int]]:
    """What ordinals say: images by name, and what may be one."""
    named: set[int] = set()
    spoken_of: set[int] = set()
    groups: set[int] = set()
    for match in _ZH_ORDINAL.finditer(text):
        numbers = expand(match["list"])
        thing = match["thing"] or ""
        before = text[max(0, match.start() - 2) : match.start()]
        if before == "倒数":
            spoken_of |= {count + 1 - number for number in numbers if number <= count}
            named |= {number for number in numbers if number > count}
        elif match["group"]:
            groups |= numbers
        elif match["frame"] or (
            numbers and max(numbers) > count and (before == "其中" or _is_within(text, match))
        ):
            spoken_of |= numbers
        elif match["noun"] or match["after"] or _ZH_STRICT_AFTER.match(thing):
            named |= numbers
        elif not _ZH_NOT_AN_IMAGE.match(thing):
            spoken_of |= numbers
    if len(groups) > 1:  # how many images a group has isn't said
        spoken_of |= set(range(1, count + 1))
    return named, spoken_of


def _is_within(text: str, match: re.Match[str]) -> bool:
    """Whether an ordinal counts pictures in a picture, told of in the same sentence."""
    before = text[max(0, match.start() - _INNER_CHARACTERS) : match.start()]
    return match["noun"] in (None, "画面") and _ZH_INNER.search(before[before.rfind("。") + 1 :]) is not None


def _counted_chinese(text: str, count: int) -> frozenset[int]:
    """How many images the caption says there are, where it speaks of all of them."""
    counted = set()
    if "共" in text:
        counted |= {number for all_ in _ZH_IN_ALL.finditer(text) if (number := number_of(all_["number"]))}
    for match in _ZH_COUNTED.finditer(text):
        said = _ZH_NUMBER_AT.search(text, max(0, match.start() - 4), match.start())
        number = number_of(said["number"]) if said else None
        if said is None or number is None or number < 2:
            continue
        start = said.start()
        lead = _ZH_COUNTS.search(text, max(0, start - _BEFORE_CHARACTERS), start)
        is_part = lead is None and start > 0 and _ZH_NOT_COUNTED_AFTER.search(text, max(0, start - 3), start)
        is_whole = lead is not None and lead.start() < _OPENING_CHARACTERS
        opens = start == 0 and not _ZH_OF_THE_REST.search(text)
        if not is_part and (number > count or is_whole or opens):
            counted.add(number)
    return frozenset(counted)
