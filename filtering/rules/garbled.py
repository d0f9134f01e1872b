"""Rule: text that no person would type.

Comes in: a caption. Goes out: the number of special tokens, control and replacement characters, wrongly
decoded characters and runs of symbols. Not its job: markup (see formatting).
"""

from __future__ import annotations

import re
from itertools import islice

from triptych.filtering.caption import HAN, CaptionText, is_inscribed
from triptych.filtering.rule import Rule

_NAME = r"(?:pad|unk|[be]os|sep|cls|g?mask|image|img|video|audio|think|inst|\w{1,30}_\w{0,30})"
_SPECIAL_TOKEN = re.compile(
    r"<[|｜][^|｜<>\n]{1,40}[|｜]>|◁/?\w{1,20}▷|<</?sys>>"  # <|im_end|>
    rf"|<\s*/?\s*(?:{_NAME}|s|box|ref|quad|0x[0-9a-f]{{2}}|[a-z]+\d+)\s*>|\[/?(?:{_NAME}|unused\d+)\]"
    r"|&(?:amp|quot|nbsp|lt|gt|apos|#x?[0-9a-f]{2,6});|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}",
    re.IGNORECASE,
)

_TAG = re.compile(r"</?[^\W\d_][^<>\n]{0,60}>")
_CODE = re.compile(r"\b(?:code|html|tags?)\b|代码|标签", re.IGNORECASE)
MAX_TAGS = 20
"""Tags that are counted: of templates, reasoning or web pages. A pictured sign or screen may show one."""

_BAD_CHARACTER = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd\ufffc"
    "\ue000-\uf8ff\ufff9-\ufffb\ufdd0-\ufdef\ud800-\udfff\U000f0000-\U0010fffd▁�]|Ġ(?<=\\wĠ)"
)
"""Control, format, private, surrogate and replacement characters, and the space markers of two tokenizers."""
_WRONGLY_DECODED = re.compile(
    "Ã[\x80-\xbf‰“”€‚]|â€[™œ\x9d“”˜¦\x9c]?|Â[°\xa0·»«]"
    "|[åäæçèé](?:[\x80-\x9f\xa1-\xaa\xac-\xba\xbc-\xbfˆ‰€‚ƒ„†‡Š‹Œ›œžŸ][\x80-\xbf“”‘’™–—ˆ‰€‚ƒ„†‡Š‹Œ›œžŸ˜•]"
    "|[“”‘’™–—˜•][\x80-\xbfˆ‰€‚ƒ„†‡Š‹Œ›œžŸ])"
    r"|\?(?<=[a-z]\?)(?:s|t|re|ll|ve)\b|â(?<=[a-z]â)(?:s|re|ll|ve)\b|锟斤拷?|烫烫|屯屯|ï¿½|娴嬭|鐨勫|鍥剧|涓€|銆�"
)
"""UTF-8 decoded as Latin-1 or Windows-1252, and the commonest words decoded as GBK."""

_BOX = re.compile("□")
_SPELLED = re.compile(rf"(?: [{HAN}]){{7}}")
"""A space before every character."""

_SYMBOL = "[@#$%^&*+=|\\\\~<>/{}\\[\\]]"
_PICTURE = "[\u2190-\u2bff\U0001f000-\U0001faff]"
"""Arrows, shapes, emoji."""
_SYMBOL_RUN = re.compile(
    r"([^\w\s.!?…。！？\-—~～*=_☆★⭐•●])\1{3}|([!！])\2{5}|(?:[.。]\s){6}"
    rf"|({_PICTURE})(?:\ufe0f?\s?\3){{5}}|{_SYMBOL}{{4}}|(?:[^\w\s]\s?){{9}}"
)
"""The same sign several times, or many different ones."""
_FOUR_SIGNS = re.compile(r"[^\w\s]\s?[^\w\s]\s?[^\w\s]\s?[^\w\s]")
"""Part of every run, and fast to search for."""

_NEEDLES = frozenset(
    ",,,, ;;;; :::: ???? !!!!!! ，，，， 、、、、 。。。。 ；；；； ！！！！！！ ?s ?t ?re ?ll ?ve âs âre âll âve".split()
).union("�□锟烫屯娴鐨鍥涓銆", [". . . . . ."])


def garbling(caption: CaptionText) -> float:
    """The number of garbled places."""
    text = caption.text
    if caption.language.unit == "character" and " " in text and _SPELLED.search(text):
        return 1.0
    if caption.is_usual and not caption.present_needles(_NEEDLES):
        return 0.0
    unquoted = caption.unquoted
    found = sum(not is_inscribed(unquoted, each.start()) for each in _BOX.finditer(unquoted))
    found += len(_SYMBOL_RUN.findall(unquoted)) if _FOUR_SIGNS.search(text) else 0
    if any(map(text.__contains__, "<[&\\◁")):
        found += len(_SPECIAL_TOKEN.findall(text))
        if not _CODE.search(text):
            tags = islice(_TAG.finditer(unquoted), MAX_TAGS)
            found += sum(not is_inscribed(unquoted, tag.start()) for tag in tags)
    return float(found + len(_BAD_CHARACTER.findall(text)) + len(_WRONGLY_DECODED.findall(text)))


GARBLED = Rule(
    name="garbled",
    measure=garbling,
    version=5,
    needles=_NEEDLES,
    needs_needle=False,
    threshold=0.0,  # even one replacement character means lost text
    likely_cause="a wrong chat template or tokenizer, or a model loaded in the wrong precision",
)
