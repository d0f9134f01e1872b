"""A caption as rules see it: its text, what it is a caption of, and its units.

Comes in: text, language, subject, number of images, finish reason. Goes out: the same, with the views on the
text that several rules share, each made once. Not its job: judging (see rules).

The unit of length is a word in scripts that write spaces, and a character in those that don't, whatever
the job's language: a caption in the wrong language is then still measured by its own measure. The unit of a
language (``Language.unit``) only says which thresholds are for it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from zlib import crc32

from triptych.jobs import Subject
from triptych.languages import Language, without_invisible
from triptych.prompts import Prompt

LATIN = r"A-Za-zªºÀ-ÖØ-öø-ɏḀ-ỿＡ-Ｚａ-ｚ"
"""Latin letters with all their accents, and the full-width ones, as the inside of a character class."""

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々〇"
"""Han characters, simplified and traditional, as the inside of a character class."""

KANA = r"\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
UNSPACED = HAN + KANA + r"\u0e01-\u0edf\u0f40-\u0fbc\u1000-\u109f\u1780-\u17dd"
"""Letters of scripts without spaces between words: Han, kana, Thai, Lao, Tibetan, Burmese, Khmer."""

LONGEST_WORD = 40
"""A run of letters longer than this is not a word in any caption: its characters are counted one by one."""
LONGEST_QUOTE, LONGEST_SINGLE_QUOTE = 160, 80
"""In characters. What a sign says is shorter; a longer stretch between quotation marks is the caption. Single
ones, which are apostrophes, too, stand around a word or a name."""

LONGEST_READ = 8000
"""Characters that the costly views read: nearly twice the longest caption that any job allows.
What is longer is rejected for its length."""

_TO_PLAIN = bytes(
    code if code >= 128 else ord(chr(code).lower()) if chr(code).isalnum() else 32 for code in range(256)
)
"""Of UTF-8: ASCII letters in lower case, spaces for what is neither letter nor digit."""
_TYPOGRAPHIC = (("“", '"'), ("”", '"'), ("‘", "'"), ("’", "'"), ("–", "-"), ("—", "-"), ("…", "..."))
_UNSPACED = re.compile(f"[{UNSPACED}]")
_OF_SPACED = re.compile(f"([^{UNSPACED} ][^{UNSPACED}]*)")
_UNSPACED_MARKS = "，。、；：“”（）"
"""Those of scripts without spaces, nearly always: replacing one by one beats any other way."""
_MARK = re.compile(r"[^\w ]")

_QUOTED_BY = {
    opening: re.compile(rf"{opening}[^{opening}{closing}\n]{{1,{LONGEST_QUOTE}}}[{closing}]")
    for opening, closing in (
        ('"', '"'), ("“", "”"), ("‘", "’"), ("「", "」"), ("『", "』"), ("《", "》"),
        ("„", "“”"), ("«", "»"), ("»", "«"),
    )
}  # fmt: skip
_QUOTED_BY['"'] = re.compile(rf'"(?<!\d")[^"\n]{{1,{LONGEST_QUOTE}}}"')  # 12" is a length
_QUOTED_BY["'"] = re.compile(rf"'(?<!\w')[^'\n]{{1,{LONGEST_SINGLE_QUOTE}}}'(?!\w)")
"""By the mark that opens; each begins with it, so that the search runs in C."""
_QUOTED = re.compile("|".join(quoted.pattern for quoted in _QUOTED_BY.values()))


class CaptionText:
    """One caption to judge. Its text doesn't change; views on it are made when they are first asked for."""

    def __init__(
        self,
        text: str,
        language: Language,
        *,
        subject: Subject = "image",
        image_count: int = 1,
        finish_reason: str = "stop",
        prompt: Prompt | None = None,
        counterparts: Mapping[str, str] | None = None,
        grounding_rank: float | None = None,
    ) -> None:
        self.is_printable = text.isprintable()
        """Whether no character controls, or is a space other than the usual."""
        self.text = text if self.is_printable else without_invisible(text)
        self.language = language
        """The one that the caption was asked for in."""
        self.subject: Subject = subject
        self.is_multi = subject == "set"
        self.image_count = image_count
        self.finish_reason = finish_reason
        self.prompt = prompt
        """What was asked; None where that isn't known."""
        self.naming = prompt.naming if prompt is not None else None
        """How the prompt told the model to name the images of a set; None where that isn't known."""
        self.counterparts: Mapping[str, str] = counterparts or {}
        """What other captions of the same image or set say, by the code of their language."""
        self.grounding_rank = grounding_rank
        """What its least fitting phrase lacks (see grounding); None where that wasn't measured."""
        self.needles: AbstractSet[str] | None = None
        """The needles of all rules that the text has, where they were looked for."""

    def among(self, needles: AbstractSet[str]) -> AbstractSet[str]:
        """Those of ``needles``, in lower case, that the text has."""
        if self.needles is None:
            return {needle for needle in needles if needle in self.lowered}
        return needles & self.needles

    @functools.cached_property
    def lowered(self) -> str:
        """The text in lower case."""
        return self.text.lower()

    @functools.cached_property
    def units(self) -> Sequence[str]:
        """Words, and characters of scripts without spaces, in order and in lower case."""
        return units_of(self.text)

    @functools.cached_property
    def unit_bytes(self) -> bytes:
        """A byte for each unit, the same for the same one, for others mostly another; PIECE_TWICE for a
        piece said twice. What comes again is quickly looked for in them."""
        if isinstance(self.units, str):
            return self.units.encode("utf-32-le", "surrogatepass")[::4]
        return bytes(map(_BYTES.__getitem__, self.units))

    @functools.cached_property
    def unquoted(self) -> str:
        """The text without what stands between quotation marks: a sign may say what it says."""
        text = self.text
        marks = [mark for mark in _QUOTED_BY if mark in text]
        if not marks:
            return text
        return (_QUOTED if len(marks) > 1 else _QUOTED_BY[marks[0]]).sub(" ", text)

    @functools.cached_property
    def unquoted_lowered(self) -> str:
        """The same in lower case."""
        return self.unquoted.lower()


class _Bytes(dict[str, int]):
    """Of units that were asked for."""

    def __missing__(self, unit: str) -> int:
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        piece = unit[: len(unit) // 2]
        is_twice = len(piece) >= SHORTEST_PIECE and piece * 2 == unit
        self[unit] = byte = (
            PIECE_TWICE if is_twice else 1 + crc32(unit.encode("utf-8", "surrogatepass")) % 255
        )
        return byte


_BYTES = _Bytes()
MOST_REMEMBERED = 100_000
"""Most captions have no other units; what is noise is forgotten with them."""
PIECE_TWICE, SHORTEST_PIECE = 0, 3
"""Letters of a piece that makes a word when said twice ("windowwindow"); "mama" is a word."""

_WRITES = re.compile(
    r"(?:\b(?:reads?|reading|says?|saying|writ(?:es?|ten|ing)|words?|titled?|entitled|labell?(?:ed)?|print(?:s|ed)|message"
    r"|slogan|text|letter(?:s|ing)|characters?|inscri\w+|asks?|asking|tells?|telling|menu|signs?|board|receipt|schedule|displays?)\b"
    "|[写刻印标列贴][着有]|写道|字样|大字|标语|题为|名为|标注|文字|菜单|价目|告示|黑板|小票|清单|显示|提示)"
    r"[^.!?;\n。！？；]{0,40}\Z"
)
_WRITES_WITHIN = 80
"""Characters."""


def is_inscribed(text: str, at: int) -> bool:
    """Whether words before ``at``, in the same sentence, say that something is written in the picture.

    >>> text = "A board reads please wait."
    >>> is_inscribed(text, text.index("please"))
    True
    """
    return _WRITES.search(text, max(0, at - _WRITES_WITHIN), at) is not None


def units_of(text: str) -> Sequence[str]:
    """The units of any text, in order: a string where each is a character. An apostrophe joins ("don't" is
    ``dont``), a hyphen separates.

    >>> units_of("A red-brick house: 东京 2.")
    ['a', 'red', 'brick', 'house', '东', '京', '2']
    >>> units_of("一艘船。")
    '一艘船'
    """
    is_unspaced = not text.isascii() and _UNSPACED.search(text)
    units = _with_single_characters(text) if is_unspaced else _words(text)
    return _pieces_of_long(units, len(text))


def _with_single_characters(text: str) -> Sequence[str]:
    """Characters of scripts without spaces one by one, words of others."""
    for mark in _UNSPACED_MARKS:
        text = text.replace(mark, " ")
    parts = _OF_SPACED.split(text)
    words = [_words(part) for part in parts[1::2]]
    parts[1::2] = map("".join, words)
    if all(len(word) == 1 for each in words for word in each):
        return "".join(parts).replace(" ", "")
    units = [*parts[0].replace(" ", "")]
    for each, part in zip(words, parts[2::2], strict=True):
        units += each
        units += part.replace(" ", "")
    return units


def _words(text: str) -> list[str]:
    """What is above or below a letter, as vowels in Hindi are, belongs to the word."""
    text = in_ascii(text)
    if text.isascii():
        return text.encode().translate(_TO_PLAIN, b"'").decode().split()
    encoded = text.lower().encode("utf-8", "surrogatepass")
    plain = encoded.translate(_TO_PLAIN, b"'").decode("utf-8", "surrogatepass")
    for mark in set(_MARK.findall(plain)):
        if not unicodedata.category(mark).startswith("M"):
            plain = plain.replace(mark, " ")
    return plain.split()


def _pieces_of_long(units: Sequence[str], length: int) -> Sequence[str]:
    if length <= LONGEST_WORD * len(units) or all(len(unit) <= LONGEST_WORD for unit in units):
        return units
    return [part for unit in units for part in (unit if len(unit) > LONGEST_WORD else [unit])]


def in_ascii(text: str) -> str:
    """The text with typographic quotation marks, dashes and dots as ASCII writes them."""
    if not text.isascii():
        for mark, ascii_mark in _TYPOGRAPHIC:
            text = text.replace(mark, ascii_mark)
    return text
