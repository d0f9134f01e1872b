"""Which images of a set an English caption speaks of.

Comes in: text in one line, its different words, number of images. Goes out: ``References``. Not its job:
numbers as such (see image_numbers).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from filtering.image_numbers import (
    EN_ORDINALS,
    EN_WORDS,
    References,
    covered_by_name,
    covered_otherwise,
    expand,
    number_of,
)

_NOUN = r"(?:images?|pictures?|photos?|photographs?|pics?|shots?|frames?|panels?|snapshots?|scenes?|views?)"
_STRICT_NOUN = r"(?:images?|pictures?|photos?|photographs?|pics?)"
_CARDINAL = rf"(?:\d{{1,3}}|{'|'.join(EN_WORDS)})"
_ORDINAL = rf"(?:{'|'.join(EN_ORDINALS)}|initial|opening|\d{{1,2}}(?:st|nd|rd|th))"

_ORDINAL_WORDS = frozenset(
    (*EN_ORDINALS, "initial", "opening", "1st", "2nd", "3rd", *(f"{at}th" for at in range(4, 21)))
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
    rf"(?:(?P<some>{'|'.join(EN_WORDS[1:8])}|\d)\s+)?(?:(?!of|is|has|and|in|on|the)[a-z]+\s)??(?P<noun>{_NOUN}|one)\b",
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
    rf"\b(?:last|final|closing)(?:\s+(?P<some>{'|'.join(EN_WORDS[1:8])}|\d))?(?:\s+(?:{_NOUN}|ones?)\b"
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
_CARDINAL_WORDS = frozenset(EN_WORDS)
_COUNTED_BEFORE = re.compile(
    r"(?<!first )(?<!last )(?<!other )(?<!final )(?<!remaining )(?<!next )(?<!of )\b(?P<lead>these|all|this (?:set|series|group"
    r"|collection|sequence) of|(?:set|series|group|collection|sequence|total) of|across|the(?: given| provided| following)?)"
    rf"\s+(?:of\s+)?(?:the\s+|these\s+)?(?P<number>{_CARDINAL})\s+(?:[\w-]+\s+)?$"
)
_BEFORE_CHARACTERS = 60
_LONGEST_SIDE = 8
_OPENING_CHARACTERS = 60
"""Where "these two images" speaks of the whole set; later it may speak of two that were just named."""


def english_references(text: str, words: AbstractSet[str], count: int) -> References:
    text = text.lower()
    named: set[int] = set()
    spoken_of: set[int] = set()
    for stem, pattern in _NUMBERED:
        if stem in text:
            for match in pattern.finditer(text):
                named |= expand(match["first"] + (match["more"] or ""))
    if "b" in words:
        letters = {ord(match[1]) - ord("a") + 1 for match in _LETTERED.finditer(text)}
        named |= letters if 2 in letters else set()
    for ordinal in _ORDINAL_WORDS & words:
        at = text.find(ordinal)
        while at >= 0:
            noun = _BY_ORDINAL.match(text, at)
            if noun:
                numbers = _first_few(expand(noun["list"]), noun["some"])
                (named if noun["noun"] in _STRICT_NOUNS else spoken_of).update(numbers)
            elif text.startswith("the ", max(0, at - 4)):
                pronoun = _ORDINAL_PRONOUN.match(text, at - 4)
                if pronoun:
                    spoken_of |= _first_few(expand(pronoun["list"]), pronoun["some"])
            elif _ORDINAL_HEADING.match(text, at):
                spoken_of |= expand(ordinal)
            at = text.find(ordinal, at + 1)
    if last := _LAST_WORDS & words:
        for match in _matches(_LAST, text, last):
            some = number_of(match["some"]) if match["some"] else 1
            spoken_of |= set(range(max(count - (some or 1) + 1, 1), count + 1))
    plurals = _PLURALS & words
    counted = _counted_english(text, plurals, count) if plurals else frozenset()
    numbers = named | spoken_of
    covered = covered_by_name(numbers, count)
    if covered is None:
        extra = len(_positions(text, words))
        extra += sum(1 for _ in _matches(_ANOTHER, text, _ANOTHER_WORDS & words, "", "a ", "the "))
        rest = any(_matches(_REST, text, _REST_WORDS & words, "", "the "))
        together = any(_matches(_TOGETHER, text, _TOGETHER_WORDS & words, "", "in ")) or bool(
            plurals and _THE_IMAGES_SHARE.search(text)
        )
        covered = covered_otherwise(numbers, count, extra, rest=rest, together=together)
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
