"""Which images of a set an English caption speaks of.

Comes in: text in one line, its cue words, number of images. Goes out: ``References``. Not its job:
the patterns (see english_patterns), numbers as such (see image_numbers).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Literal

from triptych.filtering import english_patterns as en
from triptych.filtering.cues import matches_at
from triptych.filtering.free_telling import FEWEST_NAMED, speaks_of_two, tells_of_several
from triptych.filtering.image_numbers import (
    References,
    covered_by_name,
    covered_otherwise,
    expand,
    number_of,
)


def english_references(text: str, words: AbstractSet[str], count: int) -> References:
    text = text.lower()
    by_number = _numbered(text, en.NUMBERED)
    spoken_of: set[int] = set()
    loose: set[int] = set()
    if not en.LETTER_WORDS.isdisjoint(words):
        letters = {ord(match[1]) - ord("a") + 1 for match in en.LETTERED.finditer(text)}
        by_number |= letters if 2 in letters else set()
    if not en.ROMAN_WORDS.isdisjoint(words):
        by_number |= {en.ROMAN_NUMBERS[match[1]] for match in en.ROMAN.finditer(text)}
    named = set(by_number)
    for ordinal in en.ORDINAL_WORDS & words:
        at = text.find(ordinal)
        while at >= 0:
            kind, numbers = _by_ordinal(text, at, count)
            (named if kind == "image" else spoken_of if kind == "pronoun" else loose).update(numbers)
            at = text.find(ordinal, at + 1)
    if last := en.LAST_WORDS & words:
        for match in matches_at(en.LAST, text, last):
            some = number_of(match["some"]) if match["some"] else 1
            spoken_of |= set(range(max(count - (some or 1) + 1, 1), count + 1))
    plurals = en.PLURALS & words
    counted = _counted_english(text, plurals, count) if plurals else frozenset()
    numbers = named | spoken_of
    covered = covered_by_name(numbers, count)
    if covered is None:
        if not en.PENULTIMATE_WORDS.isdisjoint(words) and en.PENULTIMATE.search(text):
            numbers.add(max(count - 1, 1))
        if not by_number:
            panels = _numbered(text, en.LOOSELY_NUMBERED)
            named |= {number for number in panels if number > count} if {1, 2} <= panels else set()
            numbers |= loose | panels
        if numbers and "number " in text:
            numbers |= {number_of(each["first"]) or 0 for each in en.BY_WORD_NUMBER.finditer(text)}
        if numbers.issuperset(range(2, count + 1)) and en.BEGINS.search(text):
            numbers.add(1)
        covered = _covered_otherwise(text, words, count, numbers, is_numbered=len(by_number) > 1)
        if covered < FEWEST_NAMED and not named and tells_of_several(text, "en", count):
            covered = count
    return References(frozenset(named), covered, counted)


def _numbered(text: str, patterns: Iterable[tuple[str, re.Pattern[str]]]) -> set[int]:
    """Images by their numbers: "image 2", "images 1 and 3"."""
    named: set[int] = set()
    for stem, pattern in patterns:
        if stem not in text:
            continue
        for match in pattern.finditer(text):
            start, first = match.start(), match["first"]
            if start > 1 and text[start - 2] not in en.ENDS_NO_DETERMINER:
                before = text[max(0, start - 14) : start].rpartition(" ")[0].rpartition(" ")[2]
                if before in en.TAKES_NO_NUMBER:
                    continue
                if (
                    before in en.DETERMINERS
                    and not first.isdigit()
                    and not en.SHOWS_NEXT.match(text, match.end())
                ):
                    continue
            if match["total"] and first != "1" and stem != "image":
                continue
            named |= expand(first + (match["more"] or ""))
    return named


def _by_ordinal(text: str, at: int, count: int) -> tuple[Literal["image", "pronoun", "loose"], set[int]]:
    """What the ordinal at ``at`` numbers: an image, what "the second" stands for, or a scene or a view."""
    if noun := en.BY_ORDINAL.match(text, at):
        numbers = _first_few(expand(noun["list"]), noun["some"])
        is_image = noun["noun"] in en.STRICT_NOUNS and not en.IN_A_PICTURE.match(text, noun.end())
        if max(numbers) > count and _is_within(text, at, noun["noun"]):
            is_image = False
        return "image" if is_image else "loose", numbers
    if group := en.GROUP.match(text, at):
        return "pronoun", _group(group["which"], group["group"], count)
    before = text[max(0, at - 4) : at]
    if before == "the " and (pronoun := _pronoun(text, at)):
        some = pronoun["some"] if "some" in pronoun.re.groupindex else None
        numbers = _first_few(expand(pronoun["list"]), some)
        is_image = max(numbers) > count and not _is_within(text, at, "")
        return "image" if is_image and _is_told(text, at, pronoun.end()) else "pronoun", numbers
    if (before.endswith("(") or before == "the (") and (bracketed := en.IN_BRACKETS.match(text, at)):
        return "pronoun", expand(bracketed["list"])
    if en.ORDINAL_HEADING.match(text, at):
        return "pronoun", expand(text[at : at + 10].partition(":")[0].strip())
    is_opening = at == 0 or text[max(0, at - 2) : at] in (". ", "; ", ": ")
    if is_opening and (opening := en.OPENING_ORDINAL.match(text, at)):
        return "pronoun", expand(opening[0].rstrip(", ").removesuffix("ly"))
    return "loose", set()


def _pronoun(text: str, at: int) -> re.Match[str] | None:
    """ "The second", with the words that show that an image is meant."""
    return en.ORDINAL_PRONOUN.match(text, at - 4) or (
        en.AFTER_IN.match(text, at - 4) if text.startswith("in ", max(0, at - 7)) else None
    )


def _is_told(text: str, at: int, end: int) -> bool:
    """Whether "the fourth" does what only an image does: "the fourth shows", "In the fourth, ..."."""
    opens = text[max(0, at - 9) : at] in (". in the ", "; in the ")
    return en.SHOWS_WHAT.match(text, end) is not None or (opens and text.startswith(",", end))


def _is_within(text: str, at: int, noun: str) -> bool:
    """Whether an ordinal counts pictures in a picture: "a wall with five photos; the fifth photo ..."."""
    before = text[max(0, at - en.INNER_CHARACTERS) : at]
    sentence = before[before.rfind(". ") + 1 :]
    if noun.rstrip("s") == "image":
        return en.INNER.search(sentence) is not None
    return en.INNER.search(before) is not None or en.INNER_PLACE.search(sentence) is not None


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
    is_ordered = is_numbered or {1, 2} <= numbers
    sides = _positions(text, words)
    extra = sum(
        number for side, number in sides.items() if not own or (side in en.BETWEEN and not is_ordered)
    )
    is_begun = is_numbered or 1 in numbers
    for match in matches_at(en.ANOTHER, text, en.ANOTHER_WORDS & words, "", "a ", "the ", "its "):
        is_next = match["of"] or match[0].startswith("the ") or en.SHOWS_WHAT.match(text, match.end())
        if own > 1 and match["one"] and not match["noun"]:
            continue
        if is_begun and not match["noun"] and (is_numbered or match["one"] or not is_next):
            continue
        extra += number_of(match["some"] or "one") or 1
    if not is_numbered and ("the one " in text or not en.THE_ONE_WORDS.isdisjoint(words)):
        extra += sum(not (is_ordered and match["where"]) for match in en.THE_ONE.finditer(text))
    if not is_numbered and not en.FOLLOWS_WORDS.isdisjoint(words):
        extra += sum(number_of(match["some"]) or 1 for match in en.THAT_FOLLOW.finditer(text))
    if not is_numbered:
        extra = max(extra, len(set(en.BY_KIND.findall(text))))
    rest = any(
        _is_rest(match, count - (own or extra), is_numbered=is_numbered)
        for match in matches_at(en.REST, text, en.REST_WORDS & words, "", "the ")
    )
    if not own:
        extra = max(extra, len(words & en.ONE_OF_TWO_WORDS))
    if not is_numbered and (_in_turn(text, words) >= count or (not own and _in_groups(text, count))):
        return count
    if own or extra:
        return covered_otherwise(numbers, count, extra, rest=rest, together=False)
    together = not speaks_of_two(text, "en", count) and _together(text, words, count)
    return covered_otherwise(numbers, count, 0, rest=rest, together=together)


def _in_turn(text: str, words: AbstractSet[str]) -> int:
    """How many are told of one after the other, at the beginning of sentences."""
    is_after = not en.AFTER_WORDS.isdisjoint(words)
    if is_after and (before := en.BEFORE.search(text)) and en.AFTER.search(text, before.end()):
        return 2
    turns = [match["next"] for match in en.TURNS.finditer(text)] if "another" in words else []
    return len(turns) if len(turns) > 2 and any(turns) else 0


def _in_groups(text: str, count: int) -> bool:
    """Whether groups of images are told of that are ``count`` together."""
    for first in en.OF_THEM.finditer(text):
        told = number_of(text[: first.start()].rpartition(" ")[2])
        if told is not None:
            return _adds_up(text, first.end(), told, count)
    return False


def _adds_up(text: str, at: int, told: int, count: int) -> bool:
    """Whether the groups behind the first, which has ``told``, make ``count`` of them."""
    for match in en.AND_SOME.finditer(text, at):
        told += number_of(match["some"]) or 0
        if told >= count:
            break
    return told == count


def _together(text: str, words: AbstractSet[str], count: int) -> bool:
    """Whether the caption speaks of all images at once: "both images", "the series follows"."""
    return (
        any(matches_at(en.TOGETHER, text, en.TOGETHER_WORDS & words, "", "in "))
        or any(matches_at(en.SOME_OF, text, en.SOME_WORDS & words, "the ", "a "))
        or en.OPENING_COUNT.match(text) is not None
        or (not en.SHARING_WORDS.isdisjoint(words) and en.THE_IMAGES_SHARE.search(text) is not None)
        or en.THE_SERIES.search(text) is not None
        or any(number_of(match["number"]) == count for match in en.ALL_COUNTED.finditer(text))
    )


def _is_rest(match: re.Match[str], left: int, *, is_numbered: bool) -> bool:
    """Whether "the other three" can be the images that are ``left``."""
    some = number_of(match["some"]) if match["some"] else None
    if some is not None:
        return some == left
    if is_numbered and not (match["noun"] or match["others"]):
        return False
    is_one = match["other"] and not match["others"] and not (match["noun"] or "").endswith("s")
    return left == 1 if is_one else True


def _positions(text: str, words: AbstractSet[str]) -> dict[str, int]:
    """The sides that pictures are said to be on, "the left image", "the upper two"; and how many there."""
    cues = en.POSITION_WORDS & words
    sides: dict[str, int] = {}
    for match in matches_at(en.POSITION_BEFORE, text, cues):
        corner = en.CORNER_BEFORE.search(text, max(0, match.start() - en.LONGEST_SIDE), match.start())
        where = (corner[0] if corner else "") + match["where"]
        sides[where.replace(" ", "-")] = number_of(match["some"] or "one") or 1
    for match in matches_at(en.POSITION_AFTER, text, cues, "the "):
        before = text[max(0, match.start() - en.BEFORE_CHARACTERS) : match.start()]
        if en.PICTURE_AT.search(before):
            sides[match["there"]] = 1
    if sides:
        for match in en.POSITION_ALONE.finditer(text):
            before = text[max(0, match.start() - 5) : match.start()]
            if match["corner"]:
                is_image = before in en.OPENS_WITH_IN
            else:
                is_image = not before.endswith(en.NO_POSITION_AFTER)
            if is_image:
                where = (match["where"] or match["corner"]).replace(" ", "-")
                sides.setdefault(where, number_of(match["some"] or "one") or 1)
    return sides


def _counted_english(text: str, plurals: AbstractSet[str], count: int) -> frozenset[int]:
    """How many images the caption says there are, where it speaks of all of them."""
    counted = set()
    for plural in matches_at(en.ANYTHING, text, plurals):
        before = text[max(0, plural.start() - en.BEFORE_CHARACTERS) : plural.start()].split()[
            -en.NUMBER_WITHIN :
        ]
        if not any(word.isdigit() or word in en.CARDINAL_WORDS for word in before):
            continue
        match = en.COUNTED_BEFORE.search(text, max(0, plural.start() - en.BEFORE_CHARACTERS), plural.start())
        number = number_of(match["number"]) if match else None
        if match is None or number is None or (match["of"] and match["lead"] != "all"):
            continue
        is_whole = match.start() < en.OPENING_CHARACTERS and match["lead"] != "the"
        if number > count or is_whole:
            counted.add(number)
    if group := en.GROUP_OF.search(text, 0, en.OPENING_CHARACTERS):
        counted.add(en.GROUP_SIZES[group[1]])
    return frozenset(counted)


def _first_few(numbers: set[int], some: str | None) -> set[int]:
    """ "The first two" are 1 and 2."""
    return set(range(1, (number_of(some) or 1) + 1)) if some and numbers == {1} else numbers
