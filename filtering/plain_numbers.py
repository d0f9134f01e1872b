"""Captions of sets that name every image in so many words: "image 2", "the second photo", 第二张图.

Comes in: a block of captions of sets. Goes out: which of them name each image of their set plainly, and
hold nothing that could be another number of images. Such a caption leaves none out and makes none up, and
most captions of sets are like that: they needn't be read any closer. Only the commonest words are known
here, and where there is a doubt, the answer is no. Not its job: all other captions (see references).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.block import Block
from triptych.filtering.cues import counted_words
from triptych.filtering.image_numbers import EN_ORDINALS, EN_WORDS, ZH_OTHER_MEASURES, number_of
from triptych.filtering.vocabulary import WordValues

_Flags = NDArray[np.bool_]

_NUMBER = 63
"""The bits of a word's value that hold a number."""
_LAST = 62
"""Stands for the number of the last image; larger sets are read closely."""
_CARDINAL, _ORDINAL, _NOUN, _PLURAL, _SHOWS, _JOINS, _THE, _OTHERWISE, _COUNTS_THINGS = (
    1 << bit for bit in range(6, 15)
)
"""The other bits: what a word can be. OTHERWISE numbers images in another way ("image B", "image II");
behind a word that COUNTS_THINGS "image" has no number ("in the first image two women ...")."""
_MEASURE, _OTHER_MEASURE, _MOST, _LAST_OF, _NUMBERS_NEXT, _BEGINS_NOUN, _ENDS_NOUN, _IN_ALL, _BACKWARDS = (
    1 << bit for bit in range(15, 24)
)
"""In Chinese: 张; what counts other things; 最 and 后 of 最后一张; 第; what 图像, 照片, 画面 begin with, and
end with; 共有三张; 倒数第二张."""


def _values(*words: tuple[Iterable[str], int]) -> WordValues:
    """Words with all that each can be."""
    values: dict[str, int] = {}
    for some, value in words:
        for word in some:
            values[word] = values.get(word, 0) | value
    return WordValues(values)


_FIGURES = [({str(number)}, number | _CARDINAL) for number in range(1, 62)]
_NOUNS = ("image", "picture", "photo", "photograph")
_PLURALS = ("images", "pictures", "photos", "photographs", "pics")
_OTHERWISE_NUMBERED = ("b", "ii", "pic", "duo", "trio", "triptych", "quartet", "quintet")
_NTH = [
    *enumerate(EN_ORDINALS, 1), (1, "initial"), (1, "opening"), (1, "1st"), (2, "2nd"), (3, "3rd"),
    *((number, f"{number}th") for number in range(4, 21)), (_LAST, "last"), (_LAST, "final"),
]  # fmt: skip

_ENGLISH = _values(
    *_FIGURES,
    *(({word}, number | _CARDINAL) for number, word in enumerate(EN_WORDS, 1)),
    *(({word}, number | _ORDINAL | _COUNTS_THINGS) for number, word in _NTH),
    (("left", "right", "top", "bottom", "middle", "other", "the", "this", "that"), _COUNTS_THINGS),
    (("each", "one", "same", "every", "a", "another"), _COUNTS_THINGS),
    (_NOUNS, _NOUN),
    (_PLURALS, _PLURAL),
    ({"the"}, _THE),
    (("no", "number"), _NUMBERS_NEXT),
    (("shows", "depicts", "features", "captures", "presents", "displays", "portrays", "is", "has"), _SHOWS),
    (("and", "or", "to", "through"), _JOINS),
    (_OTHERWISE_NUMBERED, _OTHERWISE),
)
_CHINESE = _values(
    *_FIGURES,
    *(({word}, (number_of(word) or 0) | _CARDINAL) for word in "一二三四五六七八九十壹贰叁肆伍①②③④⑤⑥⑦⑧⑨⑩"),
    ({"两"}, 2 | _CARDINAL | _COUNTS_THINGS),
    ({"第"}, _NUMBERS_NEXT),
    (("图", "像", "片", "面", *_NOUNS), _NOUN),  # a number follows the last character of 图像, 照片, 画面
    ("像片面", _ENDS_NOUN),
    ("张幅", _MEASURE),
    (ZH_OTHER_MEASURES, _OTHER_MEASURE),
    ("图照画中里是展显呈则为描拍聚捕", _SHOWS),
    ("图照画影相不似", _BEGINS_NOUN),
    ("共有计", _IN_ALL),
    ("和与及至到", _JOINS),
    ({"最"}, _MOST),
    ({"后"}, _LAST_OF),
    ({"数"}, _BACKWARDS),
    (_OTHERWISE_NUMBERED, _OTHERWISE),
)
_EN_ANCHORS = counted_words((*(word for _, word in _NTH), *_NOUNS, *_PLURALS, *_OTHERWISE_NUMBERED))
_ZH_ANCHORS = counted_words(("第", "张", "幅", "图", "像", "片", "面", *_NOUNS, *_OTHERWISE_NUMBERED))

_COUNTED_WITHIN = 5
"""Units before "images" that may say how many: "five black-and-white images"."""


def are_plainly_numbered(block: Block) -> _Flags:
    """``bool[n]``: which captions of the block name each image of their set plainly."""
    return _chinese(block) if block.language == "zh" else _english(block)


def _english(block: Block) -> _Flags:
    near = _Neighbours(block, _ENGLISH, _EN_ANCHORS)
    before, word, behind, third, fourth = (near.values(offset) for offset in (-1, 0, 1, 2, 3))
    number = np.where(behind & _CARDINAL, behind & _NUMBER, 0)
    nth = np.where(word & _ORDINAL, word & _NUMBER, 0)

    is_pronoun = (behind & _SHOWS > 0) | near.has_comma_behind()
    is_ordinal = (behind & _NOUN > 0) | (before & _THE > 0) & is_pronoun
    is_number = (word & _NOUN > 0) & (number > 0) & (before & _COUNTS_THINGS == 0)
    goes_on = (third & _CARDINAL > 0) | (third & _JOINS > 0) & (fourth & _CARDINAL > 0)
    goes_on &= ~near.has_colon_behind_number()

    is_beyond = (nth > near.counts) & (nth != _LAST) | (word & _NOUN > 0) & (number > near.counts)
    is_list = (word & _PLURAL > 0) & (number > 0) | is_number & goes_on
    plurals = np.flatnonzero(word & _PLURAL > 0)
    is_beyond[plurals] |= near.has_another_number_before(plurals, _COUNTED_WITHIN)
    is_unread = (behind & _NUMBERS_NEXT > 0) | (behind == 0) & near.is_figure_behind()
    is_unread &= word & (_NOUN | _PLURAL) > 0
    doubts = is_beyond | is_list | is_unread | (word & _OTHERWISE > 0)
    return near.name_all(np.where(is_number, number, np.where(is_ordinal, nth, 0)), doubts)


def _chinese(block: Block) -> _Flags:
    near = _Neighbours(block, _CHINESE, _ZH_ANCHORS)
    third_before, second_before, before, word, behind, third, fourth = map(near.values, range(-3, 4))
    number = np.where(behind & _CARDINAL, behind & _NUMBER, 0)
    is_noun, is_nth, is_measure = word & _NOUN > 0, word & _NUMBERS_NEXT > 0, word & _MEASURE > 0

    is_ordinal = is_nth & (third & _MEASURE > 0) & (fourth & _SHOWS > 0)
    is_whole = (word & _ENDS_NOUN == 0) | (before & _BEGINS_NOUN > 0)
    is_number = is_noun & is_whole & (behind & _COUNTS_THINGS == 0) & (number > 0)
    is_number &= third & _OTHER_MEASURE == 0
    is_last = is_measure & (third_before & _MOST > 0) & (second_before & _LAST_OF > 0) & (behind & _SHOWS > 0)
    goes_on = (third & (_CARDINAL | _JOINS) > 0) & ~near.has_colon_behind_number()

    said = np.where(before & _CARDINAL, before & _NUMBER, 0)
    is_miscounted = (said != near.counts) | (second_before & _CARDINAL > 0)
    doubts = (
        (is_noun | is_nth) & (number > near.counts)
        | (is_nth | is_number) & (number > 0) & goes_on
        | is_measure
        & ((behind & _BEGINS_NOUN) | (second_before & _IN_ALL) > 0)
        & (said > 1)
        & (second_before & _NUMBERS_NEXT == 0)
        & is_miscounted
        | is_noun & (behind == 0) & near.is_figure_behind()
        | is_nth & (before & _BACKWARDS > 0)
        | (word & _OTHERWISE > 0)
    )
    numbers = np.where(is_last & (said == 1), _LAST, np.where(is_ordinal | is_number, number, 0))
    return near.name_all(numbers, doubts)


class _Neighbours:
    """Words of a block at which images may be named, and what stands beside each in the same caption."""

    def __init__(self, block: Block, words: WordValues, anchors: frozenset[str]) -> None:
        self._block, self._words = block, words
        self._at = block.units_among(anchors)
        self._captions = block.captions[self._at]
        self.counts = block.image_counts[self._captions]
        """Of each, the number of its set's images."""

    def values(self, offset: int) -> NDArray[np.int64]:
        """What the words ``offset`` units behind can be; 0 for words that don't matter here."""
        return self._values(self._at, self._captions, offset)

    def _values(self, at: NDArray[np.int64], captions: NDArray[np.int64], offset: int) -> NDArray[np.int64]:
        beside = np.clip(at + offset, 0, len(self._block.captions) - 1)
        values = self._words.values(self._block.arrays.hashes[beside])
        is_inside = (self._block.captions[beside] == captions) & (beside == at + offset)
        return np.where(is_inside, values, 0)

    def has_another_number_before(self, chosen: NDArray[np.int64], within: int) -> _Flags:
        """Whether one of ``within`` units before is a number, and not that of the images."""
        at, captions, counts = self._at[chosen], self._captions[chosen], self.counts[chosen]
        found = np.zeros(len(chosen), np.bool_)
        for offset in range(-within, 0):
            values = self._values(at, captions, offset)
            found |= (values & _CARDINAL > 0) & (values & _NUMBER != counts)
        return found

    def is_figure_behind(self) -> _Flags:
        """Whether a digit begins the next unit, also a wide one."""
        following = self._code(1, 0)
        is_figure = (following >= ord("0")) & (following <= ord("9"))
        is_wide: _Flags = (following >= ord("０")) & (following <= ord("９"))
        return is_figure | is_wide

    def has_comma_behind(self) -> _Flags:
        """Whether there is a comma and a space before the next unit."""
        is_comma: _Flags = (self._code(1, -2) == ord(",")) & (self._code(1, -1) == ord(" "))
        return is_comma

    def has_colon_behind_number(self) -> _Flags:
        """Whether there is one before the next unit but one."""
        found = np.zeros(len(self._at), np.bool_)
        for code in (self._code(2, -1), self._code(2, -2)):
            found |= (code == ord(":")) | (code == ord("："))
        return found

    def _code(self, offset: int, by: int) -> NDArray[np.uint32]:
        """The character ``by`` behind the beginning of the unit ``offset`` behind."""
        arrays = self._block.arrays
        beside = np.minimum(self._at + offset, len(arrays.starts) - 1)
        return arrays.codes[arrays.starts[beside] + by]

    def name_all(self, numbers: NDArray[np.int64], doubts: _Flags) -> _Flags:
        """Of each caption, whether ``numbers``, 0 for none, are those of all its images, without doubts."""
        is_one = numbers > 0
        captions, counts = self._captions[is_one], self.counts[is_one]
        bits = np.zeros(len(self._block), np.int64)
        numbers = np.where(numbers[is_one] == _LAST, np.minimum(counts, _LAST), numbers[is_one])
        np.bitwise_or.at(bits, captions, np.int64(1) << numbers)
        wanted = (np.int64(1) << (np.clip(self._block.image_counts, 0, _LAST) + 1)) - 2
        is_all: _Flags = (bits & wanted == wanted) & (self._block.image_counts < _LAST)
        is_all[self._captions[doubts]] = False
        return is_all
