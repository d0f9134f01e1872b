"""Rules: what no person would have typed, and what a person would not want passed on.

Comes in: a candidate. Goes out: counts of special tokens, control and replacement characters, and
wrongly decoded text (garbled); of e-mail addresses and telephone numbers (personal data). Not its
job: markup (see layout).
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.block import Block, look_where
from triptych.filtering.candidate import Candidate
from triptych.filtering.characters import IS_DIGIT, IS_UNPRINTABLE, character_class
from triptych.filtering.cues import cue_words
from triptych.filtering.units import any_in

_SPECIAL_TOKEN = re.compile(
    r"<\|[^|<>\n]{1,40}\|>"  # <|im_end|>
    r"|<\s*/?\s*(?:s|pad|unk|bos|eos|sep|cls|mask|image|img|img_context|image_token|box|ref|quad|think|tool_call)\s*>"
    r"|<0x[0-9a-f]{2}>|<image_?\d*>|<｜[^｜]{1,40}｜>"
    r"|\[(?:unk|pad|sep|cls|mask|inst|/inst|unused\d+)\]|<</?sys>>"
    r"|&(?:amp|quot|nbsp|lt|gt|apos|#\d{2,6}|#x[0-9a-f]{2,6});"
    r"|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}",
    re.IGNORECASE,
)
_TOKEN_CHARACTERS = frozenset("<[&\\")

_BAD_CHARACTER = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd\ufffc\ufeff\u200b\u200e\u200f\u202a-\u202e\u2060"
    "\ue000-\uf8ff\ufff9-\ufffb\ufdd0-\ufdef\ud800-\udfff\U000f0000-\U0010fffd▁Ġ�□]"
)
"""Control, format, private, surrogate and replacement characters, and two tokenizers' marks for a space."""

_WRONGLY_DECODED = re.compile(
    r"Ã[\x80-\xbf©¨ª«¢£¤¥§¶¼½¾‰“”€‚]|â€[™œ\x9d“”˜¦\x9c]?|Â[°\xa0·»«]|[åäæçèé](?:[\x80-\xbfˆ‰€‚ƒ„…†‡Š‹Œ›œžŸ][\x80-\xbf“”‘’™–—ˆ‰€‚ƒ„…†‡Š‹Œ›œžŸ˜•]|[“”‘’™–—˜•][\x80-\xbfˆ‰€‚ƒ„†‡Š‹Œ›œžŸ])"
    r"|锟斤拷|锟斤|烫烫|屯屯|ï¿½|娴嬭|鐨勫|鍥剧|涓€|銆�"
)

_PRINTABLE_BUT_BAD = frozenset("\ufffd\ufffc▁Ġ□")
_STARTS_WRONGLY_DECODED = frozenset("Ãâïåäæç")
_HAN_WRONGLY_DECODED = cue_words("锟烫屯娴鐨鍥銆")
_SYMBOLS = frozenset("@#$%^&*+=|\\~<>/{}[]")
_SPACED_RUN = ". . . . . ."
_RUNS = (",,,,", ";;;;", "::::", "????", "!!!!!!", _SPACED_RUN)
_WIDE_RUNS = ("，，，，", "、、、、", "。。。。", "；；；；", "！！！！！！")

_SYMBOL_RUN = re.compile(
    r"([^\w\s.!?…。！？—\-~～*=_哈★☆⭐•●])\1{3,}|([!！])\2{5,}|(?:[.。]\s){6,}|([\u2190-\u2bff\U0001f000-\U0001faff])(?:\ufe0f?\s?\3){5,}|[@#$%^&*+=|\\~<>/{}\[\]]{5,}|(?:[^\w\s一-鿿]\s?){9,}"
)
"""The same sign four times, or a heap of signs."""

_PICTURE_SIGN = re.compile("[\u2190-\u2bff\U0001f000-\U0001faff]")
"""Arrows, shapes, emoji."""

_AT = character_class("@")
_FEWEST_DIGITS = 7
_FIVE_DIGITS_WITHIN = 20
"""Characters. Any telephone number has five digits with at most three other characters before each."""

_EMAIL = re.compile(r"[\w.+\-]{1,64}\s?@\s?[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,4}")
_PHONE = re.compile(
    r"(?<![\w.,])(?:\+\d{1,3}[\s.\-]?(?:\(?\d{1,4}\)?[\s.\-]?){2,5}\d{2,4}"  # +44 20 7946 0000
    r"|\(?\d{3}\)?[\s.\-]\d{3}[\s.\-]\d{4}"  # (212) 555-0143
    r"|0\d{2,3}[\s\-]?\d{7,8}|1[3-9]\d[\s\-]?\d{4}[\s\-]?\d{4}|[48]00[\s\-]\d{3,4}[\s\-]\d{3,4}"  # China
    r"|0\d{2,4}[\s\-]\d{3,4}[\s\-]\d{3,4}|\d{3}-\d{4})(?![\w])"
)
_SEVEN_DIGITS = re.compile(r"(?:\d\D{0,12}){7}")
"""Of a caption's marks: no telephone number has fewer, or has them further apart."""


def garbling(candidate: Candidate) -> float:
    """The number of places that are not text."""
    text, marks = candidate.text, candidate.marks
    found = 0
    if not _TOKEN_CHARACTERS.isdisjoint(marks):
        found += len(_SPECIAL_TOKEN.findall(text))
    if not marks.isprintable() or not _PRINTABLE_BUT_BAD.isdisjoint(marks):
        found += len(_BAD_CHARACTER.findall(text))
    if not _STARTS_WRONGLY_DECODED.isdisjoint(marks) or not _HAN_WRONGLY_DECODED.isdisjoint(
        candidate.cue_words
    ):
        found += len(_WRONGLY_DECODED.findall(text))
    has_run = not _SYMBOLS.isdisjoint(marks) or any_in(text, _RUNS)
    if not has_run and not marks.isascii():
        has_run = any_in(text, _WIDE_RUNS) or _PICTURE_SIGN.search(marks) is not None
    if has_run:
        found += len(_SYMBOL_RUN.findall(candidate.unquoted))
    return float(found)


_SUSPECT = IS_UNPRINTABLE | character_class(
    "["
    + "".join(
        map(re.escape, sorted(_TOKEN_CHARACTERS | _PRINTABLE_BUT_BAD | _STARTS_WRONGLY_DECODED | _SYMBOLS))
    )
    + "]|"
    + _PICTURE_SIGN.pattern
)


def screen_garbling(block: Block) -> NDArray[np.float64]:
    """0 without symbols, runs of punctuation, and characters that wrong decoding leaves."""
    is_han = block.count(_HAN_WRONGLY_DECODED) > 0
    return look_where(block.has(_SUSPECT) | is_han | block.has_run_of_four | block.has_any(_SPACED_RUN))


def personal_data(candidate: Candidate) -> float:
    """The number of e-mail addresses and telephone numbers."""
    text, marks = candidate.text, candidate.marks
    found = len(_EMAIL.findall(text)) if "@" in marks else 0
    if _SEVEN_DIGITS.search(marks):
        found += len(_PHONE.findall(text))
    return float(found)


def screen_personal_data(block: Block) -> NDArray[np.float64]:
    """0 without an at sign or the digits of a telephone number."""
    digits, captions = block.places_of(IS_DIGIT)
    is_near = (captions[4:] == captions[:-4]) & (digits[4:] - digits[:-4] <= _FIVE_DIGITS_WITHIN)
    look = np.zeros(len(block), np.bool_)
    look[captions[4:][is_near]] = True
    look &= np.bincount(captions, minlength=len(block)) >= _FEWEST_DIGITS
    return look_where(look | block.has(_AT))
