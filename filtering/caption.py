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

from triptych.about_captions import CARRIERS_EN, CARRIERS_ZH
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

MOST_IMAGES = 1000
"""Of one caption. More is no number of images."""

LONGEST_READ = 8000
"""Characters that the costly views read: nearly twice the longest caption that any job allows.
What is longer is rejected for its length."""

_TO_PLAIN = bytes(
    code if code >= 128 else ord(chr(code).lower()) if chr(code).isalnum() else 32 for code in range(256)
)
"""Of UTF-8: ASCII letters in lower case, spaces for what is neither letter nor digit."""
_TYPOGRAPHIC = (("“", '"'), ("”", '"'), ("‘", "'"), ("’", "'"), ("–", "-"), ("—", "-"), ("…", "..."))
_UNSPACED = re.compile(f"[{UNSPACED}]")
_RUN = re.compile(f"[{UNSPACED}]+|[^{UNSPACED} ][^{UNSPACED}]*")
_UNSPACED_MARKS = "，。、；：“”（）《》「」！？—…·"
"""Those of scripts without spaces, nearly always: replacing one by one beats any other way."""
_ASCII_RUN = re.compile("[!-~]+")
_ONLY_UNSPACED = re.compile(f"[{UNSPACED}]+")
LAST_OF_TEXT = "\U000effff"
"""Of Unicode, before its private planes."""
_ONLY_CHARACTERS = re.compile(f"[{UNSPACED}0-9a-z\U000f0000-\U0010fffd]*")
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
        untruth: float | None = None,
        agreement: float | None = None,
    ) -> None:
        self.is_printable = text.isprintable()
        """Whether no character controls, or is a space other than the usual."""
        self.text = text if self.is_printable else without_invisible(text)
        self.lowered = self.text.lower()
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
        self.untruth = untruth
        """How likely its least likely statement is untrue; None where none was asked about."""
        self.agreement = agreement
        """How far several answers agreed of which it is one; None where it is the only one."""
        self.needles: AbstractSet[str] | None = None
        """The needles of all rules that the text has, where they were looked for."""

    def among(self, needles: AbstractSet[str]) -> AbstractSet[str]:
        """Those of ``needles``, in lower case, that the text has."""
        if self.needles is None:
            return {needle for needle in needles if needle in self.lowered}
        return needles & self.needles

    @functools.cached_property
    def units(self) -> list[str]:
        """Words, and characters of scripts without spaces, in order and in lower case."""
        found = self.unit_sequence
        return found if isinstance(found, list) else units_of(self.lowered)

    @functools.cached_property
    def unit_sequence(self) -> Sequence[str]:
        """The units to count, and to compare with each other (see unit_sequence_of)."""
        return unit_sequence_of(self.lowered, self.language)

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


_CARRIER = re.compile(rf"\b(?:{CARRIERS_EN})|{CARRIERS_ZH}")
_CARRIER_BEFORE, _CARRIER_BEFORE_HAN = 160, 60
"""Characters: about the sentence before."""
_REST_OF_SENTENCE = re.compile(r"[^.!?\n。！？]{0,160}")


def is_on_carrier(lowered: str, start: int, end: int) -> bool:
    """Whether what shows words, such as a screen or a page, is named shortly before or in the sentence."""
    rest = _REST_OF_SENTENCE.match(lowered, end)
    last = rest.end() if rest else end
    before = _CARRIER_BEFORE_HAN if _UNSPACED.search(lowered, start, end) else _CARRIER_BEFORE
    return _CARRIER.search(lowered, max(0, start - before), last) is not None


_TITLE = re.compile(r"(?:I(?:['’]\w+)?|We|Let['’]s) (?!I\b)[A-Z][a-z]")
_CAPITALISED_BEFORE = re.compile(r"[^\s.!?:]\s+[A-Z]\w*[a-z]\s\Z")
_LETTERING = re.compile(
    r"[^，。！？；\n的中]{0,14}?(?:[几一两三四五六七八九十]个\w{0,2}字|字样|的\w{0,2}(?:标牌|木牌|牌子|按钮|横幅|标语|告示|提示|登录框|输入框))"
)


def is_name(text: str, at: int) -> bool:
    """Whether no sentence stands at ``at`` but a title, a numeral, or what words behind it call lettering.

    >>> is_name("A poster of I Am Legend.", 12), is_name("In World War I did it stand.", 13)
    (True, True)
    >>> is_name("我能行三个字", 0)
    True
    """
    if _LETTERING.match(text, at) or _TITLE.match(text, at):
        return True
    return text[at : at + 2] == "I " and _CAPITALISED_BEFORE.search(text, max(0, at - 60), at) is not None


def units_of(text: str) -> list[str]:
    """The units of any text, in order. An apostrophe joins ("don't" is ``dont``), a hyphen separates.

    >>> units_of("A red-brick house: 东京 2.")
    ['a', 'red', 'brick', 'house', '东', '京', '2']
    """
    if text.isascii() or not _UNSPACED.search(text):
        units = _words(text)
    else:
        units = []
        for run in _RUN.findall(_without_marks(text)):
            units += run if _UNSPACED.match(run) else _words(run)
    if len(text) <= LONGEST_WORD * len(units) or all(len(unit) <= LONGEST_WORD for unit in units):
        return units
    return [part for unit in units for part in (unit if len(unit) > LONGEST_WORD else [unit])]


def unit_sequence_of(lowered: str, language: Language) -> Sequence[str]:
    """The units of a text in lower case, to count and to compare with each other.

    Of languages without spaces they are mostly a string, which is quickly made; a character beyond
    LAST_OF_TEXT stands for a word of another script.
    """
    found = _in_characters(lowered) if language.unit == "character" else None
    return units_of(lowered) if found is None else found


def _in_characters(lowered: str) -> str | None:
    """None where the text has other letters than ASCII ones and those of scripts without spaces."""
    lowered = _without_marks(lowered)
    text = lowered.replace(" ", "")
    if _ONLY_UNSPACED.fullmatch(text):
        return text
    text = _ASCII_RUN.sub(_characters_of, lowered).replace(" ", "")
    return text if _ONLY_CHARACTERS.fullmatch(text) else None


def _without_marks(text: str) -> str:
    for mark in _UNSPACED_MARKS:
        text = text.replace(mark, " ")
    return text


def _characters_of(run: re.Match[str]) -> str:
    return _characters_of_run(run[0])


@functools.lru_cache(10_000)
def _characters_of_run(run: str) -> str:
    """One of a private plane for each word."""
    digests = ((unit, crc32(unit.encode())) for unit in units_of(run))
    return "".join(unit if len(unit) == 1 else chr(0xF0000 + digest % 0x1FFFE) for unit, digest in digests)


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


def in_ascii(text: str) -> str:
    """The text with typographic quotation marks, dashes and dots as ASCII writes them."""
    if not text.isascii():
        for mark, ascii_mark in _TYPOGRAPHIC:
            text = text.replace(mark, ascii_mark)
    return text
