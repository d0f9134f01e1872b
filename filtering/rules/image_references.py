"""Rules: a set's caption names each of its images, and no caption names a nonexistent one.

Comes in: a caption. Goes out: numbers of images. If the job's prompt says how images are named (``Naming``),
that is checked exactly, in any language. Other captions are read leniently. Then two faults are certain and
reject: a number beyond the last image, and a caption of a set that mentions a single image only, from its
first words on. Whether an image was left out is a guess and only flags, because prose can name images in too
many ways. Not its job: whether statements about an image are true (see grounding).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from triptych.filtering.caption import LONGEST_READ, CaptionText
from triptych.filtering.rule import Rule
from triptych.languages import HAN_NUMBERS, ORDINALS
from triptych.prompts import Naming

_CARDINALS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_VALUES: Mapping[str, int] = {
    word: value
    for words in (_CARDINALS, ORDINALS, HAN_NUMBERS, "①②③④⑤⑥⑦⑧⑨⑩", "abcdef")
    for value, word in enumerate(words, 1)
} | {"两": 2}

_CARDINAL = rf"(?:\d{{1,2}}|{'|'.join(_CARDINALS)})"
_ORDINAL = rf"(?:{'|'.join(ORDINALS)}|\d{{1,2}}(?:st|nd|rd|th))"
_NOUN = "(?:image|picture|photograph|photo)"
_ALL, _GROUP = rf"({_CARDINAL}) (?:[a-z]+ )?{_NOUN}s\b", "(?:set|series|group|collection)"
_VIEW = "(?:image|picture|photo|photograph|shot|frame|panel|scene|view|one)"
_SHOWS = "(?:show|depict|feature|capture|present|display|portray|is|are|has|have|was|were|contain)"
_PLACE = "(?:left|right|top|bottom|upper|lower|middle|cent(?:er|re))"
_HAN_NUMBER = rf"(?:\d{{1,2}}|十[一二]|[{HAN_NUMBERS}①②③④⑤⑥⑦⑧⑨⑩])"
_HAN_NOUN = "(?:图像|图片|照片|画面|图)"
_AFTER_A_NAME = "[中里上的是为则与和及同也都均有展显呈描拍捕聚记]"
_HAN_END = rf"(?:(?<![{HAN_NUMBERS}])|(?![^\W\d_])|(?={_AFTER_A_NAME}))"
"""After a Chinese number, which must not count something else: not "图片四周", "照片三名"."""


class Reader(NamedTuple):
    """The patterns of one language. Unnamed groups capture numbers. Patterns that are searched for in every
    caption begin with letters, which is several times as fast as beginning with a word boundary."""

    named: re.Pattern[str]
    """Certainly an image: "image 2", "images 1 to 3", "the second photograph"."""
    counted: re.Pattern[str]
    """In words, which captions use beside the names of their prompt: "the third image", "all three
    images"."""
    numbered: re.Pattern[str]
    """By a figure, which a single image's caption has no reason to use: "Image-2 shows"."""
    nth: re.Pattern[str]
    """The nth of something that may be an image: "the second shows"."""
    several: re.Pattern[str]
    """Several from one end: "the last two". Groups: ``many``, and ``last`` if counted from the end."""
    last: re.Pattern[str]
    other: re.Pattern[str]
    """One image without a number: "another picture", "the one on the left"."""
    rest: re.Pattern[str]
    """All images that aren't named: "the remaining images"."""
    plural: re.Pattern[str]
    """Words that only captions of several images have."""
    single: re.Pattern[str]
    """An opening that describes one image."""
    within: re.Pattern[str]
    """Things that have pictures on them. Numbers in their sentences are not those of the set's images."""


_ENGLISH = Reader(
    named=re.compile(
        rf"the ({_ORDINAL})\s(?:and (?:last|final)\s)?{_NOUN}\b|the [a-z-]+ {_NOUN}\b"
        rf"|{_NOUN}(?:[ #_-]{{0,2}}(?:no\.\s?|number\s)?\(?({_CARDINAL}|[a-f](?=[,:]))\b(?!\.\d)"
        r"|s\s(\d{1,2}\b(?:(?:\s?[-–,&]\s?|,?\sand\s|\sto\s|\sthrough\s)\d{1,2}\b)*))"
    ),
    counted=re.compile(
        rf"the ({_ORDINAL})\s(?:and (?:last|final)\s)?{_NOUN}\b|all {_ALL}|these {_ALL}|the(?<=\Athe) {_ALL}"
        rf"|this {_GROUP} of {_ALL}|the {_GROUP} of {_ALL}|a {_GROUP} of {_ALL}"
    ),
    numbered=re.compile(
        r"image(?<!\bthe image)(?<!\bthis image)(?<!\ban image)s?[ #_-]{0,2}(\d{1,2})\b(?!\.\d)"
    ),
    nth=re.compile(
        rf"({_ORDINAL})(?=(?:\s[a-z-]+)?\s{_VIEW}s?\b|[,:;.)]|\sof\s(?:the|these|them)\b"
        rf"|\s(?:and|to|through)\s(?:the\s)?(?:{_ORDINAL}|last)|\s(?:the|an?)\s|\s{_SHOWS})"
    ),
    several=re.compile(r"(?:first|(?P<last>last|final))\s(?P<many>two|three|four|five)\b"),
    last=re.compile(rf"(?:last|final|closing)(?=[,.)]|\s{_VIEW}\b|\s{_SHOWS}|\sof\s(?:the|these)\b)"),
    other=re.compile(
        rf"\b(?:one|another|the (?:next|following|other)|{_PLACE})(?=\s{_VIEW}\b|\s{_SHOWS}|[,:])"
        rf"|\bthe (?:one|{_NOUN}) (?:on|at|in|after|below|above)\b"
    ),
    rest=re.compile(r"(?:remaining| others|the rest|the other (?:two|three|four)|respectively)\b"),
    plural=re.compile(
        r"\b(?:images|pictures|photos|photographs|shots|frames|panels|views|scenes|both|another|series|sequence"
        rf"|pair|trio|(?:other|next|last|leading|{_PLACE}|initial|{_ORDINAL}) {_VIEW}|{_NOUN} (?:following|after))\b"
    ),
    single=re.compile(rf"\W*(?:in |on )?(?:the|this|an?) (?:[a-z-]+ )?{_NOUN}(?=,| {_SHOWS})"),
    within=re.compile(
        r"\b(?:wall|album|gallery|screen|monitor|exhibition|newspaper|magazine|\w*book|page)s?\b"
    ),
)
_CHINESE = Reader(
    named=re.compile(
        rf"(?:图[像片]?|照片|image)\s?[-#]?\s?({_HAN_NUMBER}(?:\s?[-~、和与及至到]\s?{_HAN_NOUN}?{_HAN_NUMBER}){{0,11}}"
        rf"|[a-f](?![a-z])){_HAN_END}(?![张幅个案条只座辆位年月分排片些直般样])|第\s?({_HAN_NUMBER})\s?[张幅个]\s?{_HAN_NOUN}"
    ),
    counted=re.compile(
        rf"第\s?({_HAN_NUMBER})\s?[张幅]\s?{_HAN_NOUN}|(?<![^，。；：])({_HAN_NUMBER})[张幅]{_HAN_NOUN}(?:全?都|均)"
        rf"|(?:这|\A|组{_HAN_NOUN}共?有?)({_HAN_NUMBER})[张幅]{_HAN_NOUN}"
    ),
    numbered=re.compile(rf"图(?<![地插配附]图)[像片]?\s?[-#]?\s?(\d{{1,2}})(?=[\s：:，、]|{_AFTER_A_NAME})"),
    nth=re.compile(rf"第\s?({_HAN_NUMBER}(?:\s?[、和与至到]\s?第?{_HAN_NUMBER}){{0,11}})\s?[张幅帧]"),
    several=re.compile("(?:前|(?P<last>最?后|末))(?P<many>[两二三四五])[张幅]"),
    last=re.compile("最后(?:[一的]|那)?[张幅图]|最末一?[张幅]|末尾的?那?[张幅]"),
    other=re.compile(
        "另一?[张幅]|其中一[张幅]|(?:^|[，。；：])一[张幅]|[左右上下]图|[左右上下中](?:边|侧|方|间)的?(?:那[张幅]|图|照片)"
        "|前者|后者|下一[张幅]"
    ),
    rest=re.compile("其余|其他|剩下|余下|另[两三四]|分别|依次"),
    plural=re.compile(
        "[两二三四五六几][张幅]|第[二三四五六2-6][张幅]|另一[张幅]|[一每各][张幅](?:图|照|都|均|是|里|中)"
        "|这[组些]|两者|前者|后者|图[像片]?[-#]?[2-9二三]|[左右彼另]图"
    ),
    single=re.compile(
        rf"在?(?:[这该此本][张幅]?)?(?:[黑彩俯航特][\u4e00-\u9fff]{{1,3}})?{_HAN_NOUN}"
        "(?=[中里上，]|展示|显示|呈现|描绘|拍摄|展现|捕捉|是|为)"
    ),
    within=re.compile("墙|相册|屏幕|展览|画廊|报纸|杂志|手机|投影|木板|课本|教材|书页|试卷"),
)
READERS: Mapping[str, Reader] = {"en": _ENGLISH, "zh": _CHINESE}
"""By language code. Other languages can't be read."""

_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。！？]")
_NOTHING = re.compile(r"\s*[:：]\s*(?:[.。…;；]|\Z)")
_NUMBER_OR_RANGE = re.compile(
    rf"(?P<to>-|–|~|至|到|\bto\b|\bthrough\b)|{_ORDINAL}|{_CARDINAL}|{_HAN_NUMBER}|\b[a-f]\b"
)


def beyond_last(text: str, language: str, image_count: int, *kinds: str) -> set[int]:
    """Numbers beyond ``image_count`` that the text certainly uses for images. ``kinds`` are the Reader's
    patterns to use."""
    reader, numbers = READERS[language], set[int]()
    for pattern in [getattr(reader, kind) for kind in kinds or ("named", "counted")]:
        if max(_numbers(pattern, text), default=0) > image_count:
            sentences = (each for each in _SENTENCE_END.split(text) if not reader.within.search(each))
            numbers |= {number for each in sentences for number in _numbers(pattern, each)}
    return {number for number in numbers if number > image_count}


def mentions_only_one(text: str, language: str) -> bool:
    """Whether the caption describes one image from its first words on, and mentions no other."""
    reader = READERS[language]
    return bool(reader.single.match(text)) and not reader.plural.search(text)


def left_out(text: str, language: str, image_count: int) -> int:
    """How many images the caption seems to leave out; 0 if that can't be known."""
    reader, every = READERS[language], set(range(1, image_count + 1))
    certain = _numbers(reader.named, text)
    if every <= certain or reader.rest.search(text):
        return 0
    named = (certain | _less_certain(text, reader, image_count)) & every
    if named == every:
        return 0
    mentioned = len(named) + len(reader.other.findall(text))
    if not mentioned and reader.plural.search(text):
        return 0
    return max(0, image_count - max(1, mentioned))


def named_images(text: str, language: str, image_count: int) -> set[int]:
    """Numbers from 1 of the images that ``text`` names, including words that may mean something else."""
    reader = READERS[language]
    return _numbers(reader.named, text) | _less_certain(text, reader, image_count)


def _less_certain(text: str, reader: Reader, image_count: int) -> set[int]:
    """Numbers of images that are named by words that may mean something else."""
    numbers = _numbers(reader.nth, text)
    if reader.last.search(text):
        numbers.add(image_count)
    for match in reader.several.finditer(text):
        many = min(_VALUES[match["many"]], image_count)
        start = image_count - many if match["last"] else 0
        numbers |= set(range(start + 1, start + many + 1))
    return numbers


def _numbers(pattern: re.Pattern[str], text: str) -> set[int]:
    found = {group for match in pattern.finditer(text) for group in match.groups() if group}
    return {number for group in found for number in _expand(group)}


def _expand(listed: str) -> set[int]:
    """The numbers in texts like "1, 2 and 4" or "first to third"."""
    if value := _value(listed):
        return {value}
    numbers: set[int] = set()
    last, is_range = 0, False
    for match in _NUMBER_OR_RANGE.finditer(listed):
        if match["to"]:
            is_range = bool(last)
            continue
        value = _value(match[0]) or 0
        numbers |= set(range(last, value + 1)) if is_range else {value}
        last, is_range = value, False
    return numbers


def _value(word: str) -> int | None:
    """The value of one word or figure."""
    if len(word) == 2 and word[0] == "十":
        return 10 + _VALUES[word[1]]
    figures = word.rstrip("stndrh")
    return int(figures) if figures.isdecimal() else _VALUES.get(word)


def missing_images(caption: CaptionText) -> float:
    """How many images the caption doesn't name, or doesn't describe after their name. If the prompt has no
    naming, all but one if the caption mentions only one."""
    if caption.naming is not None:
        missing = caption.naming.missing(caption.unquoted, caption.image_count)
        return float(len(missing | _empty(caption.text[:LONGEST_READ], caption.naming)))
    text = _prose(caption)
    return float(caption.image_count - 1) if text and mentions_only_one(text, caption.language.code) else 0.0


_NOUNS = frozenset({"image", "picture", "photo", "图", "照片", "画面"})
"""A caption of one image that names another has one of these needles."""


def unknown_images(caption: CaptionText) -> float:
    """How many nonexistent images the caption names, outside quotation marks."""
    if not caption.is_multi and caption.naming is None and not caption.present_needles(_NOUNS):
        return 0.0
    text, naming, count = _prose(caption), caption.naming, caption.image_count
    kinds = ("counted",) if naming else ("named", "counted") if caption.is_multi else ("numbered",)
    found = beyond_last(text, caption.language.code, count, *kinds) if text else set[int]()
    return float(len(found | naming.unknown(caption.unquoted, count) if naming else found))


def _empty(text: str, naming: Naming) -> set[int]:
    """Images whose name and colon are followed by nothing before the next name or the end of a sentence."""
    names = list(re.finditer(naming.pattern, text))
    ends = [*(each.start() for each in names[1:]), len(text)]
    parts = ((each[0], text[each.end() : end]) for each, end in zip(names, ends, strict=False))
    return {number for name, part in parts if _NOTHING.match(part) for number in naming.numbers(name)}


def unnamed_images(caption: CaptionText) -> float:
    """How many images a caption seems to leave out, if the prompt doesn't say how to name them."""
    if caption.naming is not None:
        return 0.0
    text = _prose(caption)
    return float(left_out(text, caption.language.code, caption.image_count)) if text else 0.0


def _prose(caption: CaptionText) -> str:
    """The text for the lenient reader; empty if it can't read the language."""
    if caption.language.code not in READERS:
        return ""
    text = caption.unquoted_lowered[:LONGEST_READ]
    return text if text.isprintable() else " ".join(text.split())


MISSING_IMAGE = Rule(
    name="missing_image",
    measure=missing_images,
    threshold=0.0,  # the prompt asks for each image
    subject="set",
    version=2,
    likely_cause="the model names images otherwise than the prompt asks, or describes only one of them",
)
UNKNOWN_IMAGE = Rule(
    name="unknown_image",
    measure=unknown_images,
    threshold=0.0,
    version=2,
    needles=_NOUNS,
    needs_needle=False,  # a prompt may name a set's images with other words
    likely_cause="the model counts images from 0, or was shown fewer than it was told",
)
UNNAMED_IMAGE = Rule(
    name="unnamed_image",
    measure=unnamed_images,
    threshold=0.0,
    subject="set",
    action="flag",
    version=2,
    languages=frozenset(READERS),
    likely_cause="the captions speak of their images in ways that can't be read; a prompt with [naming] can",
)
