"""A caption as the rules see it: its text, what it describes, and its units.

Comes in: text, language, subject, number of images, finish reason. Goes out: the same, and views of the text
that several rules share, each computed once. Not its job: judging (see rules).

Length is counted in words for scripts with spaces and in characters for scripts without, whatever the job's
language. So a caption in the wrong language is still measured correctly. ``Language.unit`` only decides which
thresholds apply.
"""

from __future__ import annotations

import functools
import re
import string
import unicodedata
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from zlib import crc32

from triptych.failure_notices import CARRIERS_EN, CARRIERS_ZH
from triptych.jobs import Subject
from triptych.languages import Language, without_invisible
from triptych.prompts import Prompt

LATIN = r"A-Za-zªºÀ-ÖØ-öø-ɏḀ-ỿＡ-Ｚａ-ｚ"
"""Latin letters with accents, and full-width ones, as the inside of a character class."""

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々〇"
"""Han characters, simplified and traditional, as the inside of a character class."""

KANA = r"\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
UNSPACED = HAN + KANA + r"\u0e01-\u0edf\u0f40-\u0fbc\u1000-\u109f\u1780-\u17dd"
"""Letters of scripts without spaces between words: Han, kana, Thai, Lao, Tibetan, Burmese, Khmer."""

LONGEST_WORD = 40
"""Longer runs of letters are not words. Their characters are counted one by one."""
LONGEST_QUOTE, LONGEST_SINGLE_QUOTE = 160, 80
"""In characters. A quoted sign is shorter than this. Single quotation marks may also be apostrophes, so they
are expected only around a word or a name."""

MAX_IMAGES = 1000
"""Of one caption: a sanity limit."""

LONGEST_READ = 8000
"""Characters that expensive rules read: nearly twice the longest caption that any job allows. Longer captions
are rejected for their length anyway."""

_TO_PLAIN = bytes(
    code if code >= 128 else ord(chr(code).lower()) if chr(code).isalnum() else 32 for code in range(256)
)
"""A translation table for UTF-8: lowers ASCII letters, and replaces other ASCII except digits by spaces."""
_TYPOGRAPHIC = (("“", '"'), ("”", '"'), ("‘", "'"), ("’", "'"), ("–", "-"), ("—", "-"), ("…", "..."))
_UNSPACED = re.compile(f"[{UNSPACED}]")
_RUN = re.compile(f"[{UNSPACED}]+|[^{UNSPACED} ][^{UNSPACED}]*")
_UNSPACED_MARKS = "，。、；：“”（）《》「」！？—…·"
"""Nearly all punctuation of scripts without spaces. Replacing the marks one by one is the fastest way."""
_COMMON_MARKS = "，。、"
"""In most captions of one image these are the only characters that are no letters."""
_WORDS_AND_MARKS = re.compile(f"[!-~{_UNSPACED_MARKS}]+")
_ONLY_UNSPACED = re.compile(f"[ {UNSPACED}]*")
LAST_OF_TEXT = "\U000effff"
"""The last code point before Unicode's private planes."""
_ONLY_CHARACTERS = re.compile(f"[ {UNSPACED}0-9a-z\U000f0000-\U0010fffd]*")
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
"""By opening mark. Each pattern begins with a literal character, which makes the search fast."""
_QUOTED = re.compile("|".join(quoted.pattern for quoted in _QUOTED_BY.values()))


_USUAL_ASCII = (string.ascii_letters + string.digits + " '\"(),.;:?!%/-").encode()
_USUAL = re.compile(
    rf"(?:[A-Za-z0-9 '\"(),.;:?!%/\-{HAN}{KANA}，。、；：“”‘’（）《》「」！？—–…·]++"
    "|[À-ÖØ-öø-ğġ-ɏ](?![“”‘’–—]))*+"
)


def _is_usual(text: str) -> bool:
    if text.isascii():
        return not text.encode().translate(None, _USUAL_ASCII)
    return _USUAL.fullmatch(text) is not None


class CaptionText:
    """One caption to judge. Its text doesn't change; views of it are computed on first use."""

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
        self.text = text
        self.is_usual = _is_usual(text)
        """Whether there are only the commonest characters of English and Chinese prose."""
        self.is_printable = self.is_usual or text.isprintable()
        """Whether there are no control characters, and no spaces other than the usual one."""
        if not self.is_printable:
            self.text = without_invisible(text)
            self.is_usual = _is_usual(self.text)
        self.lowered = self.text.lower()
        self.language = language
        """The language that was requested."""
        self.unit_sequence = unit_sequence_of(self.lowered, language)
        """The units in a form that is fast to count and compare."""
        self.subject: Subject = subject
        self.is_multi = subject == "set"
        self.image_count = image_count
        self.finish_reason = finish_reason
        self.prompt = prompt
        """None if unknown."""
        self.naming = prompt.naming if prompt is not None else None
        """How the prompt asks to name the images of a set; None if unknown."""
        self.counterparts: Mapping[str, str] = counterparts or {}
        """The texts of other captions of the same image or set, by language code."""
        self.grounding_rank = grounding_rank
        """How badly its worst phrase fits (see grounding); None if not measured."""
        self.untruth = untruth
        """The probability that its least likely statement is untrue; None if none was checked."""
        self.agreement = agreement
        """How much it agrees with other answers to the same request; None if it is the only answer."""
        self.needles: AbstractSet[str] | None = None
        """The needles of all rules that occur in the text; None if they were not searched for."""

    def present_needles(self, needles: AbstractSet[str]) -> AbstractSet[str]:
        """Those of the lower-case ``needles`` that occur in the text."""
        if self.needles is None:
            return {needle for needle in needles if needle in self.lowered}
        return needles & self.needles

    @functools.cached_property
    def units(self) -> list[str]:
        """Lower-case words, and characters of scripts without spaces, in order."""
        units = self.unit_sequence
        return units if isinstance(units, list) else units_of(self.lowered)

    @functools.cached_property
    def unquoted(self) -> str:
        """The text without its quoted parts, which may be what a sign in the picture says."""
        marks = [mark for mark in _QUOTED_BY if mark in self.text]
        if not marks:
            return self.text
        return (_QUOTED if len(marks) > 1 else _QUOTED_BY[marks[0]]).sub(" ", self.text)

    @functools.cached_property
    def unquoted_lowered(self) -> str:
        """``unquoted`` in lower case."""
        return self.unquoted.lower()


_INTRODUCES_INSCRIPTION = re.compile(
    r"(?:\b(?:reads?|reading|says?|saying|writ(?:es?|ten|ing)|words?|titled?|entitled|labell?(?:ed)?|print(?:s|ed)|message"
    r"|slogan|text|letter(?:s|ing)|characters?|inscri\w+|asks?|asking|tells?|telling|menu|signs?|board|receipt|schedule|displays?)\b"
    "|[写刻印标列贴][着有]|写道|字样|大字|标语|题为|名为|标注|文字|菜单|价目|告示|黑板|小票|清单|显示|提示)"
    r"[^.!?;\n。！？；]{0,40}\Z"
)
_INSCRIPTION_CHARACTERS_BEFORE = 80


def is_inscribed(text: str, at: int) -> bool:
    """Whether words before ``at`` in the same sentence introduce text that is written in the picture.

    >>> text = "A board reads please wait."
    >>> is_inscribed(text, text.index("please"))
    True
    """
    start = max(0, at - _INSCRIPTION_CHARACTERS_BEFORE)
    return _INTRODUCES_INSCRIPTION.search(text, start, at) is not None


_CARRIER = re.compile(rf"\b(?:{CARRIERS_EN})|{CARRIERS_ZH}")
_CARRIER_CHARACTERS_BEFORE, _CARRIER_CHARACTERS_BEFORE_UNSPACED = 160, 60
"""About one sentence."""
_REST_OF_SENTENCE = re.compile(r"[^.!?\n。！？]{0,160}")


def is_on_carrier(lowered: str, start: int, end: int) -> bool:
    """Whether a thing that shows words, such as a screen, is named in the sentence or shortly before."""
    rest = _REST_OF_SENTENCE.match(lowered, end)
    last = rest.end() if rest else end
    is_unspaced = _UNSPACED.search(lowered, start, end)
    before = _CARRIER_CHARACTERS_BEFORE_UNSPACED if is_unspaced else _CARRIER_CHARACTERS_BEFORE
    return _CARRIER.search(lowered, max(0, start - before), last) is not None


_TITLE = re.compile(r"(?:I(?:['’]\w+)?|We|Let['’]s) (?!I\b)[A-Z][a-z]")
_CAPITALISED_BEFORE = re.compile(r"[^\s.!?:]\s+[A-Z]\w*[a-z]\s\Z")
_LETTERING = re.compile(
    r"[^，。！？；\n的中]{0,14}?(?:[几一两三四五六七八九十]个\w{0,2}字|字样|的\w{0,2}(?:标牌|木牌|牌子|按钮|横幅|标语|告示|提示|登录框|输入框))"
)


def is_title_or_lettering(text: str, at: int) -> bool:
    """Whether the words at ``at`` are a title, a Roman numeral, or lettering as the words after them say.

    >>> is_title_or_lettering("A poster of I Am Legend.", 12)
    True
    >>> is_title_or_lettering("In World War I did it stand.", 13)
    True
    >>> is_title_or_lettering("我能行三个字", 0)
    True
    """
    if _LETTERING.match(text, at) or _TITLE.match(text, at):
        return True
    return text[at : at + 1].isupper() and _CAPITALISED_BEFORE.search(text, max(0, at - 60), at) is not None


def units_of(text: str) -> list[str]:
    """The units of any text, in order. Apostrophes are dropped ("don't" is ``dont``), hyphens separate words.

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
    """The units of a lower-case text, in a form that is fast to count and compare.

    For a language without spaces this is usually a string. In it a character beyond LAST_OF_TEXT stands for a
    word of another script.
    """
    characters = _as_characters(lowered) if language.unit == "character" else None
    return units_of(lowered) if characters is None else characters


def _as_characters(lowered: str) -> str | None:
    """None if the text has letters other than ASCII ones and those of scripts without spaces."""
    text = _without_marks(lowered, _COMMON_MARKS)
    if not _ONLY_UNSPACED.fullmatch(text):
        text = _WORDS_AND_MARKS.sub(lambda run: _word_characters(run[0]), text)
        if not _ONLY_CHARACTERS.fullmatch(text):
            return None
    return text.replace(" ", "")


def _without_marks(text: str, marks: str = _UNSPACED_MARKS) -> str:
    for mark in marks:
        text = text.replace(mark, " ")
    return text


@functools.lru_cache(10_000)
def _word_characters(run: str) -> str:
    """One character of a private plane for each word."""
    digests = ((unit, crc32(unit.encode())) for unit in units_of(run))
    return "".join(unit if len(unit) == 1 else chr(0xF0000 + digest % 0x1FFFE) for unit, digest in digests)


def _words(text: str) -> list[str]:
    """Split at spaces and marks. Combining marks, such as vowels in Hindi, belong to their word."""
    text = _ascii_punctuation(text)
    if text.isascii():
        return text.encode().translate(_TO_PLAIN, b"'").decode().split()
    encoded = text.lower().encode("utf-8", "surrogatepass")
    plain = encoded.translate(_TO_PLAIN, b"'").decode("utf-8", "surrogatepass")
    for mark in set(_MARK.findall(plain)):
        if not unicodedata.category(mark).startswith("M"):
            plain = plain.replace(mark, " ")
    return plain.split()


def _ascii_punctuation(text: str) -> str:
    """``text`` with typographic quotation marks, dashes and ellipses in ASCII."""
    if not text.isascii():
        for mark, ascii_mark in _TYPOGRAPHIC:
            text = text.replace(mark, ascii_mark)
    return text
