"""Rule: a caption of a set says of all its images what its words on one of them contradict.

Comes in: a candidate. Goes out: how many contradictions there are. Not its job: which of the two is true
(see grounding); how many images there are (see images).

Looked at is only what can't be both: a thing that each image is said to have in one colour and one image
has in others only; that each is said to have, and one is said to be without; in one number, and in another.
A thing that isn't spoken of again is no contradiction, nor is a colour that comes on top.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.block import Block, look_where, says
from triptych.filtering.candidate import LONGEST_READ, Candidate
from triptych.filtering.characters import character_class
from triptych.filtering.cues import counted_words, matches_at
from triptych.filtering.image_numbers import number_of
from triptych.filtering.phrases import split_sentences
from triptych.records import Language

_COLOURS: dict[Language, str] = {
    "en": "red|orange|yellow|green|blue|purple|pink|white|black|brown|gr[ea]y|golden|silver|beige",
    "zh": "红|橙|橘|黄|绿|蓝|紫|粉|白|黑|棕|褐|灰|金|银|米",
}
_HARDLY_ANOTHER = {
    "gray": "grey", "silver": "grey", "golden": "yellow", "beige": "white",
    "橘": "橙", "褐": "棕", "金": "黄", "银": "灰", "米": "白",
}  # fmt: skip
"""Colours that one would also call by another name."""
_NUMBERS = {"en": "two|three|four|five|six|seven|eight|nine|ten", "zh": "两|三|四|五|六|七|八|九|十"}
_MEASURES = "个|位|名|只|辆|艘|座|张|把|棵|朵|条|匹|头|面|顶|架|枚|盏|扇|块|根|台|件|支|颗|本|杯|盘|碗|瓶"

_TO_ALL = {
    "en": re.compile(
        r"\b(?:each|both|all|every)\b[^.;:]{0,60}?"
        r"\b(?:with|has|have|shows?|contains?|features?|includes?|depicts?)\b(?P<told>[^.;]{3,200})"
    ),
    "zh": re.compile(
        r"(?:每一?[张幅]|每个|各[张幅]|[两三四五六]者|所有|都|均)[^。；，]{0,12}?"
        r"(?:都有|均有|各有|都能看到|有|出现|展示了|包含)(?P<told>[^。；]{2,100})"
    ),
}
"""What a caption says of all of its images."""
_TO_ALL_BEGINS = {
    "en": frozenset({"each", "every", "all", "both"}),
    "zh": frozenset({"每", "各", "所有", "都", "均", "两者", "三者", "四者", "五者", "六者"}),
}
_ONLY_SOME = {
    "en": re.compile(r"\b(?:no single|none|except|but|only|either|or|different|various|not all)\b"),
    "zh": re.compile(r"没有|除了|除|只有|或|不同|各种|并非|各异|但"),
}
_AFTER_A_THING = (
    "and|with|in|on|at|of|is|are|that|which|near|by|against|under|over|behind|beside|next|around|above|below"
    "|between|from|to|for|along|across|inside|outside|through|toward|towards|before|after|while|as|who|whose"
    "|parked|sitting|standing|lying"
)
_HEAD = {
    "en": r"(?P<head>[a-z]+(?:[ -][a-z]+){0,2}?)" + rf"(?=\s*(?:[,.;:()]|$|\b(?:{_AFTER_A_THING})\b))",
    "zh": r"(?P<head>[\u4e00-\u9fff]{1,4}?)(?=[、，。；：]|$|和|与|及|在|停|站|坐|位|旁|上|中|下|里|的)",
}
_COLOURED: dict[Language, re.Pattern[str]] = {
    "en": re.compile(rf"\b(?:an?|the|one)\s+(?P<what>{_COLOURS['en']})\s+{_HEAD['en']}"),
    "zh": re.compile(rf"一(?:{_MEASURES})(?P<what>{_COLOURS['zh']})色?的?{_HEAD['zh']}"),
}
_COUNTED: dict[Language, re.Pattern[str]] = {
    "en": re.compile(rf"\b(?P<what>{_NUMBERS['en']})\s+{_HEAD['en']}"),
    "zh": re.compile(rf"(?P<what>{_NUMBERS['zh']})(?:{_MEASURES}){_HEAD['zh']}"),
}
_PLAIN: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        rf"\ban?\s+(?!(?:{_COLOURS['en']}|few|lot|pair|group|number|set|series)\b){_HEAD['en']}"
    ),
    "zh": re.compile(rf"一(?:{_MEASURES})(?!{_COLOURS['zh']}){_HEAD['zh']}"),
}
_Kind = Literal["colour", "number", "presence"]
_KINDS: tuple[tuple[_Kind, dict[Language, re.Pattern[str]]], ...] = (
    ("colour", _COLOURED),
    ("number", _COUNTED),
    ("presence", _PLAIN),
)
_COLOUR_BEFORE = {
    "en": re.compile(rf"\b({_COLOURS['en']})\s+\Z"),
    "zh": re.compile(rf"({_COLOURS['zh']})色?的?\Z"),
}
_NUMBER_BEFORE = {
    "en": re.compile(rf"\b(one|{_NUMBERS['en']}|[1-9])\s+\Z"),
    "zh": re.compile(rf"(一|{_NUMBERS['zh']}|[1-9])(?:{_MEASURES})\Z"),
}
_WITHOUT_BEFORE = {
    "en": re.compile(r"\b(no|without(?: an?| any)?|lacks(?: an?| the)?)\s+\Z"),
    "zh": re.compile(r"(没有|不见|缺少|并无)\Z"),
}
_LONGEST_BEFORE = 14
"""Characters of any of these."""
_SAYS = {
    "en": rf"\b{{}}(?: and an? (?:{_COLOURS['en']})|(?:[ -](?!an?\b|the\b)[a-z]+){{{{0,3}}}})[ -]{{}}\b",
    "zh": r"{}(?:色?(?:和|与|及)?[\u4e00-\u9fff]?色?)的?{}",
}
_TOO_GENERAL = {
    "en": frozenset({"things", "thing", "objects", "items", "images"}),
    "zh": frozenset({"物体", "东西", "图像"}),
}
MOST_SENTENCES = 60
"""Of a caption: three times as many as one of the seed's length has."""


_EACH = counted_words({"each", "every", "all", "both", "每", "各", "都", "均", "所"})
_SHOW = ("show", "contain", "feature", "include", "depict")
_HAS = {
    "en": counted_words(("with", "has", "have", *(verb + end for verb in _SHOW for end in ("", "s")))),
    "zh": counted_words("有出展包看"),
}
_CLAUSE_END = {
    "en": character_class("[.;:]", is_common=True),
    "zh": character_class("[。；，]", is_common=True),
}
_HAS_WITHIN = {"en": 67, "zh": 14}
"""Characters from the beginning of "each" to that of "has"."""


class _Told(NamedTuple):
    """A thing that each image is said to have."""

    kind: _Kind
    whats: frozenset[str]
    """All colours or numbers that they are said to have things of this kind in."""
    what: str
    head: str


def contradictions(candidate: Candidate) -> float:
    """How many things of all images one image's own words contradict, counted once an image."""
    if not candidate.is_multi or not says(_speak_of_each, candidate):
        return 0.0
    language = candidate.language
    text = candidate.unquoted_lowered[:LONGEST_READ]
    # Most captions are done here: taking one apart costs more than all other rules.
    if not any(_contradicts(told, text, language) for told in _told_of_all([text], language)):
        return 0.0
    sentences = split_sentences(text, language, candidate.image_count, MOST_SENTENCES)
    everywhere = _told_of_all([each.text for each in sentences if each.of == "each"], language)
    own: dict[int, str] = {}
    for sentence in sentences:
        if sentence.of == "named" and len(sentence.images) == 1:
            own[sentence.images[0]] = own.get(sentence.images[0], "") + " " + sentence.text
    return float(
        sum(
            _contradicts(told, words, language) and not _says(told, words, language)
            for told in everywhere
            for words in own.values()
        )
    )


def screen_contradictions(block: Block) -> NDArray[np.float64]:
    """0 for captions of one image, and where nothing is said of all images."""
    return look_where(block.once(_speak_of_each)) if block.is_multi else np.zeros(len(block))


def _speak_of_each(block: Block) -> NDArray[np.bool_]:
    """``bool[n]``: whether there is an "each" with a "has" not far behind in the same clause."""
    found = np.zeros(len(block), np.bool_)
    each, has = block.units_among(_EACH), block.units_among(_HAS[block.language])
    following = np.searchsorted(has, each)
    each, following = each[following < len(has)], following[following < len(has)]
    begins, ends = block.arrays.starts[each], block.arrays.starts[has[following]]
    is_near = (ends - begins <= _HAS_WITHIN[block.language]) & (
        block.captions[each] == block.captions[has[following]]
    )
    if is_near.any():
        between = np.stack([begins[is_near], ends[is_near]], axis=1).ravel()
        classes = np.bitwise_or.reduceat(block.arrays.character_classes, between)[::2]
        is_clause = classes & _CLAUSE_END[block.language] == 0
        found[block.captions[each[is_near][is_clause]]] = True
    return found


def _told_of_all(texts: Sequence[str], language: Language) -> list[_Told]:
    whats: dict[tuple[_Kind, str], set[str]] = {}
    pattern, begins = _TO_ALL[language], _TO_ALL_BEGINS[language]
    for match in (found for text in texts for found in matches_at(pattern, text, begins)):
        if _ONLY_SOME[language].search(match[0]):
            continue
        for kind, things in _KINDS:
            for thing in things[language].finditer(match["told"]):
                if thing["head"] not in _TOO_GENERAL[language]:
                    what = thing["what"] if kind != "presence" else ""
                    whats.setdefault((kind, thing["head"]), set()).add(what)
    return [
        _Told(kind, frozenset(said), what, head)
        for (kind, head), said in whats.items()
        for what in sorted(said)
    ]


def _contradicts(told: _Told, words: str, language: Language) -> bool:
    """Whether ``words`` give a thing of this kind another colour or number, or say that there is none."""
    if told.head not in words:
        return False
    if _said_before(told.head, _WITHOUT_BEFORE[language], words):
        return True
    if told.kind == "presence":
        return False
    is_whole = language == "en"
    if told.kind == "colour":
        said = _said_before(told.head, _COLOUR_BEFORE[language], words, is_whole=is_whole)
        return not {_plain(each) for each in said} <= {_plain(each) for each in told.whats}
    said = _said_before(told.head, _NUMBER_BEFORE[language], words, is_whole=is_whole)
    return not {number_of(each) for each in said} <= {number_of(each) for each in told.whats}


def _said_before(head: str, what: re.Pattern[str], words: str, *, is_whole: bool = False) -> set[str]:
    """What stands right before ``head``, wherever ``words`` have it; ``is_whole``: as a whole word."""
    said = set()
    at = words.find(head)
    while at >= 0:
        end = at + len(head)
        is_head = not (is_whole and words[end : end + 1].isalnum())
        if is_head and (match := what.search(words, max(0, at - _LONGEST_BEFORE), at)):
            said.add(match[1])
        at = words.find(head, end)
    return said


def _plain(colour: str) -> str:
    return _HARDLY_ANOTHER.get(colour, colour)


def _says(told: _Told, words: str, language: Language) -> bool:
    """Whether ``words`` say the same, whatever else they say: "a red and a blue car", "red-roofed houses"."""
    return told.kind == "colour" and bool(
        re.search(_SAYS[language].format(told.what, re.escape(told.head)), words)
    )
