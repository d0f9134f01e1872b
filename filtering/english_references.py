"""Which images of a set an English caption speaks of.

Comes in: text in one line, its different words, number of images. Goes out: ``References``. Not its job:
numbers as such (see image_numbers).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Literal

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
_SHOWS = (
    r"(?:shows?|depicts?|features?|is|are|has|have|captures?|presents?|displays?|includes?|contains?|portrays?"
    r"|focus(?:es)?|highlights?|reveals?|offers?|showcases?|illustrates?|with)"
)
_OF_THE_SET = (
    rf"of\s+(?:them|these|those|(?:the|these)\s+(?:set|series|sequence|group|collection|(?:(?:{'|'.join(EN_WORDS[1:8])}|\d)\s+)?{_NOUN}"
    r"|two|three|four|five|six))\b"
)
_STRICT_NOUN = r"(?:images?|pictures?|photos?|photographs?|pics?)"
_CARDINAL = rf"(?:\d{{1,3}}|{'|'.join(EN_WORDS)})"
_ORDINAL = rf"(?:{'|'.join(EN_ORDINALS)}|initial|opening|\d{{1,2}}(?:st|nd|rd|th))"

_ORDINAL_WORDS = frozenset(
    (*EN_ORDINALS, "initial", "opening", "1st", "2nd", "3rd", *(f"{at}th" for at in range(4, 21)))
)
_LAST_WORDS = frozenset({"last", "final", "closing", "concluding"})
_PLURALS = frozenset({"images", "pictures", "photos", "photographs", "pics"})
_STRICT_NOUNS = frozenset(
    noun + ending for noun in ("image", "picture", "photo", "photograph", "pic") for ending in ("", "s")
)


def _numbered_after(stem: str, ending: str = "") -> tuple[str, re.Pattern[str]]:
    """What a text has to have, and the pattern, which begins with it: such a search is quick."""
    return stem, re.compile(
        rf"{stem}{ending}s?\s?(?:[#_:№]|\bno\.?|\bnumber)?\s?[-–]?\s?[#(\[]?(?P<first>{_CARDINAL})\b(?![.:]\d)"
        rf"(?P<more>(?:\)?\s*(?:,?\s*(?:and|or|&)|,|/|-|–|—|~|to|through)\s*(?:{_STRICT_NOUN}\s?[-#(]?\s?)?"
        rf"(?:\d{{1,2}}|{'|'.join(EN_WORDS)})\b(?!\s+[a-z]+s\b)){{0,11}})"
        r"(?:\s*(?:of|/)\s*(?P<total>\d{1,3})\b)?"
    )


_NUMBERED = (
    _numbered_after("image"),
    _numbered_after("pic", "(?:ture)?"),
    _numbered_after("photo", "(?:graph)?"),
)
_LOOSELY_NUMBERED = tuple(map(_numbered_after, ("frame", "panel", "scene", "shot", "figure")))
"""These may number other things: they cover an image, and name none that isn't there."""
_TAKES_NO_NUMBER = frozenset(
    (*EN_ORDINALS, "initial", "opening", "last", "final", "left", "right", "top", "bottom", "middle", "other")
)
"""Before "image": the number behind it counts what is seen ("in the first image two women ...")."""
_DETERMINERS = _TAKES_NO_NUMBER | {"the", "this", "that", "each", "one", "same", "every", "a", "another"}
_ENDS_NO_DETERMINER = ".,;:(n"
_SHOWS_NEXT = re.compile(rf"\s*[,:;)]|\s+{_SHOWS}\b")
_LETTERED = re.compile(r"\b(?:image|picture|photo)\s([a-f])(?=[\s,:;]+(?!of\b))")
_ROMAN = re.compile(r"\b(?:image|picture|photo)s?\s(i{1,3}|iv|vi{0,3})\b")
_ROMAN_NUMBERS = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8}
_BY_ORDINAL = re.compile(
    rf"\b(?P<list>{_ORDINAL}(?:\s*(?:,\s*(?:and\s+)?|and\s+|&\s*|to\s+|through\s+|or\s+)(?:the\s+)?{_ORDINAL}){{0,11}})\s+"
    rf"(?:(?P<some>{'|'.join(EN_WORDS[1:8])}|\d)\s+)?(?:(?!of|is|has|and|in|on|the)[a-z]+\s)??(?P<noun>{_NOUN}|one)\b",
)
_ORDINAL_PRONOUN = re.compile(
    rf"\bthe\s+(?P<list>{_ORDINAL}(?:(?:,\s*|,?\s*and\s+)(?:the\s+)?{_ORDINAL}){{0,11}})(?:\s+(?P<some>two|three|four))?"
    r"(?=\s*(?:[,;:.]|\(|—|–)|\s+(?:also\s+|then\s+|instead\s+|simply\s+|again\s+)?(?:the|an?|was|were|stands?|comes?|lies|sits|can|could|does|captured|centers?|centres?|concentrates|depicted|appears?|seems|looks|closes|opens|ends|continues|follows|documents|places|leaves|draws|shifts|feels|makes|sees|finds|sets|carries|differs|shares|repeats|returns|pulls|gets|goes|becomes|describes|records|shot|taken|wears|holds|concludes|contrasts|switches|completes|covers|emphasi[sz]es|shows?|depicts?|features?|is|are|has|have|captures?|presents?|displays?|includes?|contains?"
    r"|portrays?|focuse?s?|highlights?|reveals?|offers?|showcases?|illustrates?|adds?|uses|with|being|provides?|zooms|"
    r"looks|frames|replaces|swaps|lacks|moves|turns|shifts|gives|pictures|brings|takes|zeroes|keeps|holds|omits|introduces|and\s+(?:the\s+)?(?:third|fourth|last|final))\b"
    rf"|\s+{_OF_THE_SET})",
)
_SHOWS_WHAT = re.compile(r"\s+(?:shows?|depicts?|features?|captures?|presents?|displays?|portrays?)\b")
"""What only an image does: "the fourth shows a garden" of three is an image that isn't there."""
_AFTER_IN = re.compile(
    rf"\bthe\s+(?P<list>{_ORDINAL})(?=\s+(?:and|but|while|whereas|or)\s+(?!(?:the\s+)?(?:{_ORDINAL}|last|final)\b))"
)
"""What "in" goes before: "parked in the first and moving in the second"."""
_ORDINAL_HEADING = re.compile(rf"(?:{_ORDINAL})\s?[:：]")
"""An ordinal that opens a sentence and has a colon: "1st: the lid of the box. 2nd: ..."."""
_ORDINAL_OPENING = re.compile(r"\A|[.;:!?]\s")
_OPENING_ORDINAL = re.compile(rf"(?:{_ORDINAL})(?:ly)?,\s")
"""An ordinal with a comma, which opens a sentence: "Second, a tram crosses a bridge."."""
_IN_BRACKETS = re.compile(
    rf"(?:the\s+)?(?P<list>{_ORDINAL}(?:,?\s*(?:and\s+|&\s*|to\s+|through\s+)?(?:the\s+)?{_ORDINAL}){{0,11}})(?=\)|\s+and\s+last\))"
)
"""Ordinals between brackets: "a tram (second)", "the outer views (first and last)"."""
_GROUP = re.compile(
    r"(?P<which>first|second|third|fourth)\s+(?P<group>pair|half|trio)\b"
    rf"(?=\s+{_SHOWS}\b|\s+of\s+(?:(?:the|these)\s+)?(?:set|series|sequence|group|collection|{_NOUN})\b|\s*[,:])"
)
_LAST = re.compile(
    rf"\b(?:last|final|closing|concluding)(?:\s+(?P<some>{'|'.join(EN_WORDS[1:8])}|\d))?(?:\s+(?:{_NOUN}|ones?)\b"
    rf"|(?=\s*[,)]|\s+{_OF_THE_SET}|\s+{_SHOWS}\b))",
)
_PENULTIMATE = re.compile(rf"\b(?:penultimate|(?:second|next)[- ]to[- ]last)\s+(?:{_NOUN}|one)\b")
_REST = re.compile(
    rf"\b(?:remaining|the\s+(?P<other>other)(?P<others>s)?|the\s+rest)\b(?:\s+(?P<some>{_CARDINAL}))?(?:\s+(?P<noun>{_NOUN}|ones?)"
    rf"|(?=\s*,|\s+(?:{_SHOWS}|an?|the)\b|\s+{_OF_THE_SET}))",
)
_ANOTHER = re.compile(
    r"\b(?:(?P<one>one)|another|a\s+(?:second|third|fourth|fifth)|a\s+further"
    rf"|the\s+(?:next|following|subsequent)(?:\s+(?P<some>{'|'.join(EN_WORDS[1:5])}))?)\b"
    rf"(?:\s+(?P<noun>{_NOUN})|\s+(?P<of>{_OF_THE_SET})|\s+one\b(?=\s+{_SHOWS}\b)"
    r"|(?=\s*,|\s+(?:shows?|depicts?|features?|captures?|presents?|displays?|portrays?|highlights?)\b)"
    rf"|(?<=another)(?=\s+an?\s)|(?<!one)(?=\s+{_SHOWS}\b))",
)
_THE_ONE = re.compile(
    r"the\s+one\s+(?:(?:right\s+|just\s+)?(?:after|following|next\s+to|beside|below|beneath|above)\s+(?:that|it|this|them)\b"
    r"|(?:in|at|on)\s+(?:the\s+)?(?:middle|cent(?:er|re)|between|left|right|top|bottom)\b)"
    rf"|the\s+(?:one|{_NOUN})\s+(?:on\s+top|above|below|beneath)(?=\s+{_SHOWS}\b)"
)
"""An image by its place: "the one after that", "the one in the middle", "the image below"."""
_THE_ONE_WORDS = frozenset({"one", "top", "above", "below", "beneath"})
_SIDE = "left|right|top|bottom|upper|lower|middle|center|centre|central"
_BETWEEN = frozenset(("middle", "center", "centre", "central"))
_POSITION_WORDS = frozenset(
    (*_SIDE.split("|"), "leftmost", "rightmost", "topmost", "bottommost", "uppermost", "lowermost")
)
_POSITION_BEFORE = re.compile(rf"\b(?P<where>{_SIDE})(?:most|-hand)?\s+{_NOUN}\b")
_POSITION_ALONE = re.compile(
    rf"(?<!on )(?<!to )(?<!at )(?<!in )(?<!from )the\s+(?P<where>(?:(?:top|bottom|upper|lower)[- ])?(?:left|right)|middle|cent(?:er|re))(?:\s+one)?"
    rf"(?=\s+(?:an?|{_SHOWS})\b|\s*:)"
)
"""Once a side was an image's: "the top-left image shows a bus, the top-right a tram"."""
_CORNER_BEFORE = re.compile(r"\b(?:top|bottom|upper|lower|middle)[ -]$")
_POSITION_AFTER = re.compile(r"the (?P<there>left|right|top|bottom|middle|center|centre)\b")
_PICTURE_AT = re.compile(rf"\b{_NOUN} (?:on|at|to|in) $")
_SOME = r"(?:set|series|pair|duo|group|collection|collage|sequence|trio|quartet|triptych)"
_TOGETHER = re.compile(
    rf"\b(?:both|all|each|every|these|this\s+{_SOME}\s+of)\b(?:\s+of)?"
    rf"(?:\s+(?:the|these))?(?:\s+{_CARDINAL})?\s+(?:\w+\s)?{_NOUN}\b"
    r"|\b(?:both|each|all\s+(?:two|three|four|five))\s+(?:shows?|depicts?|features?|captures?|presents?|share|of\s+them)\b"
    r"|\ball\s+of\s+them\b"
    r"|\bin\s+(?:both|each|all\s+(?:three|four|five))\s*[,;]",
)
_SOME_OF = re.compile(rf"(?:the|an?)\s+{_SOME}\s+of\s+(?:{_CARDINAL}\s+)?(?:\w+\s)?{_NOUN}\b")
_SOME_WORDS = frozenset(_SOME.strip("(?:)").split("|"))
_OPENING_COUNT = re.compile(
    rf"\s*(?:an?\s+{_SOME}\s+of\s+|the\s+)?{_CARDINAL}\s+(?:[\w-]+\s)?(?:images|pictures|photos|photographs|shots|frames|panels|snapshots|scenes|views)\b"
)
"""A caption that opens with them all: "Three photographs of the same bus stop: ..."."""
_THE_IMAGES_SHARE = re.compile(
    rf"\bthe\s+(?:{_CARDINAL}\s+)?(?:images|pictures|photos|photographs)\s+(?:all\s+|both\s+)?"
    r"(?:show|depict|feature|capture|present|share|display|portray|are|have|differ|contrast|illustrate|document)\b"
)
_INNER = re.compile(
    rf"\b(?:{_CARDINAL}|several|many|some|framed|of)\s+(?:[\w-]+\s){{0,2}}(?:photographs|photos|pictures|images|paintings|posters|portraits|prints)\b"
)
"""Pictures that a picture shows, told before they are counted."""
_INNER_PLACE = re.compile(r"\bimage\b.*\b(?:walls?|screen|monitor|gallery|album|shelf|exhibition)\b")
"""Where a picture has pictures, told of in a sentence about an image."""
_INNER_CHARACTERS = 200
_ANYTHING = re.compile("")
_ANOTHER_WORDS = frozenset(
    {"another", "second", "third", "fourth", "fifth", "next", "following", "subsequent", "further", "one"}
)
_REST_WORDS = frozenset({"remaining", "other", "others", "rest"})
_TOGETHER_WORDS = frozenset({"both", "all", "each", "every", "these", "this"})
_CARDINAL_WORDS = frozenset(EN_WORDS)
_COUNTED_BEFORE = re.compile(
    r"(?<!first )(?<!last )(?<!other )(?<!final )(?<!remaining )(?<!next )(?<!of )(?:\b(?P<lead>these|all"
    r"|(?:this|the) (?:set|series|group|collection|sequence) of|(?:total) of|across|the(?: given| provided| following)?)"
    r"|\A\s*an? (?:set|series|group|collection|sequence) of)"
    rf"\s+(?:of\s+)?(?:the\s+|these\s+)?(?P<number>{_CARDINAL})\s+(?:[\w-]+\s+)?$"
)
_BEFORE_CHARACTERS = 60
_LONGEST_SIDE = 8
_OPENING_CHARACTERS = 60
"""Where "these two images" speaks of the whole set; later it may speak of two that were just named."""


def english_references(text: str, words: AbstractSet[str], count: int) -> References:
    text = text.lower()
    by_number = _numbered(text, _NUMBERED)
    spoken_of: set[int] = set()
    loose: set[int] = set()
    if "b" in words:
        letters = {ord(match[1]) - ord("a") + 1 for match in _LETTERED.finditer(text)}
        by_number |= letters if 2 in letters else set()
    if "ii" in words:
        by_number |= {_ROMAN_NUMBERS[match[1]] for match in _ROMAN.finditer(text)}
    named = set(by_number)
    for ordinal in _ORDINAL_WORDS & words:
        at = text.find(ordinal)
        while at >= 0:
            kind, numbers = _by_ordinal(text, at, count)
            (named if kind == "image" else spoken_of if kind == "pronoun" else loose).update(numbers)
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
        if _PENULTIMATE.search(text):
            numbers.add(max(count - 1, 1))
        if not by_number:
            numbers |= loose | _numbered(text, _LOOSELY_NUMBERED)
        covered = _covered_otherwise(text, words, count, numbers, is_numbered=bool(by_number))
    return References(frozenset(named), covered, counted)


def _numbered(text: str, patterns: Iterable[tuple[str, re.Pattern[str]]]) -> set[int]:
    """Images by their numbers: "image 2", "images 1 and 3"."""
    named: set[int] = set()
    for stem, pattern in patterns:
        if stem not in text:
            continue
        for match in pattern.finditer(text):
            start, first = match.start(), match["first"]
            if start > 1 and text[start - 2] not in _ENDS_NO_DETERMINER:
                before = text[max(0, start - 14) : start].rpartition(" ")[0].rpartition(" ")[2]
                if before in _TAKES_NO_NUMBER:
                    continue
                if (
                    before in _DETERMINERS
                    and not first.isdigit()
                    and not _SHOWS_NEXT.match(text, match.end())
                ):
                    continue
            if match["total"] and first != "1" and stem != "image":
                continue
            named |= expand(first + (match["more"] or ""))
    return named


def _by_ordinal(text: str, at: int, count: int) -> tuple[Literal["image", "pronoun", "loose"], set[int]]:
    """What the ordinal at ``at`` numbers: an image, what "the second" stands for, or a scene or a view."""
    if noun := _BY_ORDINAL.match(text, at):
        numbers = _first_few(expand(noun["list"]), noun["some"])
        is_image = noun["noun"] in _STRICT_NOUNS
        if max(numbers) > count and _is_within(text, at, noun["noun"]):
            is_image = False
        return "image" if is_image else "loose", numbers
    if group := _GROUP.match(text, at):
        return "pronoun", _group(group["which"], group["group"], count)
    before = text[max(0, at - 4) : at]
    if before == "the " and (pronoun := _pronoun(text, at)):
        some = pronoun["some"] if "some" in pronoun.re.groupindex else None
        numbers = _first_few(expand(pronoun["list"]), some)
        is_image = max(numbers) > count and not _is_within(text, at, "")
        return "image" if is_image and _is_told(text, at, pronoun.end()) else "pronoun", numbers
    if (before.endswith("(") or before == "the (") and (bracketed := _IN_BRACKETS.match(text, at)):
        return "pronoun", expand(bracketed["list"])
    if _ORDINAL_HEADING.match(text, at):
        return "pronoun", expand(text[at : at + 10].partition(":")[0].strip())
    is_opening = at == 0 or text[max(0, at - 2) : at] in (". ", "; ", ": ")
    if is_opening and (opening := _OPENING_ORDINAL.match(text, at)):
        return "pronoun", expand(opening[0].rstrip(", ").removesuffix("ly"))
    return "loose", set()


def _pronoun(text: str, at: int) -> re.Match[str] | None:
    """ "The second", with the words that show that an image is meant."""
    return _ORDINAL_PRONOUN.match(text, at - 4) or (
        _AFTER_IN.match(text, at - 4) if text.startswith("in ", max(0, at - 7)) else None
    )


def _is_told(text: str, at: int, end: int) -> bool:
    """Whether "the fourth" does what only an image does: "the fourth shows", "In the fourth, ..."."""
    opens = text[max(0, at - 9) : at] in (". in the ", "; in the ")
    return _SHOWS_WHAT.match(text, end) is not None or (opens and text.startswith(",", end))


def _is_within(text: str, at: int, noun: str) -> bool:
    """Whether an ordinal counts pictures in a picture: "a wall with five photos; the fifth photo ..."."""
    before = text[max(0, at - _INNER_CHARACTERS) : at]
    sentence = before[before.rfind(". ") + 1 :]
    if noun.rstrip("s") == "image":
        return _INNER.search(sentence) is not None
    return _INNER.search(before) is not None or _INNER_PLACE.search(sentence) is not None


def _group(which: str, group: str, count: int) -> set[int]:
    """ "The second pair", "the first half": of ``count`` images."""
    at = expand(which).pop()
    size = {"pair": 2, "trio": 3, "half": (count + 1) // 2}[group]
    return set(range((at - 1) * size + 1, min(at * size, count) + 1))


def _covered_otherwise(
    text: str, words: AbstractSet[str], count: int, numbers: set[int], *, is_numbered: bool
) -> int:
    """How many images are spoken of by position, one after the other, as the rest or all together.

    Once images are named by ``numbers``, less counts as another one: "one of them" is a man by then.
    """
    own = len(numbers & set(range(1, count + 1)))
    sides = _positions(text, words)
    extra = len(sides if not own else sides & _BETWEEN if not is_numbered else ())
    is_begun = is_numbered or 1 in numbers
    for match in _matches(_ANOTHER, text, _ANOTHER_WORDS & words, "", "a ", "the "):
        is_next = match["of"] or match[0].startswith("the ") or _SHOWS_WHAT.match(text, match.end())
        if is_begun and not match["noun"] and (is_numbered or match["one"] or not is_next):
            continue
        extra += number_of(match["some"] or "one") or 1
    if not is_numbered and not _THE_ONE_WORDS.isdisjoint(words):
        extra += len(_THE_ONE.findall(text))
    rest = any(
        _is_rest(match, count - (own or extra), is_numbered=is_numbered)
        for match in _matches(_REST, text, _REST_WORDS & words, "", "the ")
    )
    together = (
        any(_matches(_TOGETHER, text, _TOGETHER_WORDS & words, "", "in "))
        or any(_matches(_SOME_OF, text, _SOME_WORDS & words, "the ", "a "))
        or _OPENING_COUNT.match(text) is not None
        or (not _PLURALS.isdisjoint(words) and _THE_IMAGES_SHARE.search(text) is not None)
    )
    return covered_otherwise(numbers, count, extra, rest=rest, together=together)


def _is_rest(match: re.Match[str], left: int, *, is_numbered: bool) -> bool:
    """Whether "the other three" can be the images that are ``left``."""
    some = number_of(match["some"]) if match["some"] else None
    if some is not None:
        return some == left
    if is_numbered and not (match["noun"] or match["others"]):
        return False
    is_one = match["other"] and not match["others"] and not (match["noun"] or "").endswith("s")
    return left == 1 if is_one else True


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
    if sides:
        sides |= {match["where"].replace(" ", "-") for match in _POSITION_ALONE.finditer(text)}
    return {side.replace(" ", "-") for side in sides}


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
