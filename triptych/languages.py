"""The languages that captions are written in, as data.

Comes in: a language code, and languages that a config adds. Goes out: a Language. Other modules use only a
language's code, scripts and unit of length. Not its job: detecting the language of a text (see
filtering.rules.language).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import msgspec

from triptych.errors import UsageError, expect_fields

Unit = Literal["word", "character"]

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
HAN_NUMBERS = "一二三四五六七八九十"
"""One to ten, as captions number images."""


class Language(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One language. ``code`` is its ISO 639-1 code, as py3langid uses it."""

    code: str
    name: str = ""
    """In English, for messages."""
    scripts: tuple[str, ...] = ("LATIN",)
    """Each named by the first word of its letters' Unicode names (``LATIN``, ``CJK``)."""
    unit: Unit = "word"
    """What length is counted in: ``character`` if words are not separated by spaces."""
    units_per_english_word: float = 1.0
    """Units that correspond to one English word: a factor for the default length limits."""

    def __post_init__(self) -> None:
        """Raise UsageError if a value is invalid."""
        expect_fields(self, f"languages.{self.code}")
        if not self.scripts or any(script != script.upper() for script in self.scripts):
            raise UsageError(
                f"languages.{self.code}.scripts is {list(self.scripts)}; expected the first words of"
                ' letters\' Unicode names, such as ["LATIN"] or ["HIRAGANA", "CJK"]',
                key=f"languages.{self.code}.scripts",
            )
        if not 0 < self.units_per_english_word < math.inf:
            raise UsageError(
                f"languages.{self.code}.units_per_english_word is {self.units_per_english_word:g};"
                " expected a number above 0",
                key=f"languages.{self.code}.units_per_english_word",
            )


_CHARACTER_LANGUAGES = (
    ("zh", "Chinese", "CJK", 1.5),
    ("ja", "Japanese", "HIRAGANA KATAKANA CJK", 2.0),
    ("th", "Thai", "THAI", 4.0),
    ("lo", "Lao", "LAO", 4.0),
    ("km", "Khmer", "KHMER", 4.5),
    ("my", "Burmese", "MYANMAR", 4.0),
    ("yue", "Cantonese", "CJK", 1.5),
    ("wuu", "Wu Chinese", "CJK", 1.5),
    ("dz", "Dzongkha", "TIBETAN", 4.0),
)
"""Code, name, scripts, characters per English word. Chinese is measured: the seed's captions have 150
characters, in English 95 words. The others are estimated from parallel texts."""

_FEW_WORDS = 0.7
"""Units per English word in languages with long words: an estimate, low enough to reject no good caption."""

_WORD_LANGUAGES = {
    "LATIN": """
        af Afrikaans, an Aragonese, az Azerbaijani, br Breton, bs Bosnian, ca Catalan, cs Czech, cy Welsh,
        da Danish, de German, en English, eo Esperanto, es Spanish, et Estonian*, eu Basque*, fi Finnish*,
        fo Faroese, fr French, ga Irish, gl Galician, hr Croatian, ht Haitian Creole, hu Hungarian*,
        id Indonesian, is Icelandic, it Italian, jv Javanese, ku Kurdish, la Latin, lb Luxembourgish,
        lt Lithuanian, lv Latvian, mg Malagasy, ms Malay, mt Maltese, nb Norwegian Bokmål, nl Dutch,
        nn Norwegian Nynorsk, no Norwegian, oc Occitan, pl Polish, pt Portuguese, qu Quechua*, ro Romanian,
        rw Kinyarwanda*, se Northern Sami*, sk Slovak, sl Slovenian, sq Albanian, sv Swedish, sw Swahili*,
        tl Tagalog, tr Turkish*, vi Vietnamese, vo Volapük, wa Walloon, xh Xhosa*, zu Zulu*,
        ace Acehnese, bcl Central Bikol, crh Crimean Tatar*, ext Extremaduran, fuv Nigerian Fulfulde,
        fy Frisian, gcf Guadeloupean Creole, gcr Guianese Creole, gd Scottish Gaelic, gug Guarani*, guw Gun,
        ha Hausa, ig Igbo, kab Kabyle, kik Kikuyu*, lg Luganda*, lij Ligurian, ln Lingala, ltg Latgalian,
        nso Northern Sotho, om Oromo, pcm Nigerian Pidgin, sn Shona*, so Somali, st Southern Sotho,
        tk Turkmen*, uz Uzbek*, vec Venetian, yo Yoruba""",
    "ARABIC": "ar Arabic, fa Persian, ps Pashto, ug Uyghur*, ur Urdu, ary Moroccan Arabic,"
    " arz Egyptian Arabic, sdh Southern Kurdish, uzs Southern Uzbek*",
    "ARMENIAN": "hy Armenian",
    "BENGALI": "as Assamese, bn Bengali",
    "CYRILLIC": """
        be Belarusian, bg Bulgarian, kk Kazakh*, ky Kyrgyz*, mk Macedonian, mn Mongolian*, ru Russian,
        sr Serbian, uk Ukrainian, ba Bashkir*, tg Tajik, tt Tatar*""",
    "DEVANAGARI": "hi Hindi, mr Marathi, ne Nepali, gom Konkani, sa Sanskrit",
    "ETHIOPIC": "am Amharic*",
    "GEORGIAN": "ka Georgian*",
    "GREEK": "el Greek, grc Ancient Greek",
    "GUJARATI": "gu Gujarati",
    "GURMUKHI": "pa Punjabi",
    "HANGUL": "ko Korean*",
    "HEBREW": "he Hebrew, hbo Ancient Hebrew",
    "KANNADA": "kn Kannada*",
    "MALAYALAM": "ml Malayalam*",
    "ORIYA": "or Odia",
    "SINHALA": "si Sinhala",
    "TAMIL": "ta Tamil*",
    "TELUGU": "te Telugu*",
}
"""The other languages that py3langid detects, by script; ``*`` marks languages with long words."""

_ALSO_WRITTEN_IN = {"sr": "LATIN", "az": "CYRILLIC", "ku": "ARABIC"}


def _known() -> dict[str, Language]:
    languages = [
        Language(
            code=c, name=name, scripts=tuple(scripts.split()), unit="character", units_per_english_word=n
        )
        for c, name, scripts, n in _CHARACTER_LANGUAGES
    ]
    for script, listed in _WORD_LANGUAGES.items():
        for entry in listed.split(","):
            code, _, name = entry.strip().partition(" ")
            scripts = (script, *_ALSO_WRITTEN_IN.get(code, "").split())
            factor = _FEW_WORDS if name.endswith("*") else 1.0
            languages.append(
                Language(code=code, name=name.rstrip("*"), scripts=scripts, units_per_english_word=factor)
            )
    return {language.code: language for language in languages}


LANGUAGES: Mapping[str, Language] = _known()
"""The built-in languages, by code."""


def language_of(code: str, added: Mapping[str, Language] | None = None) -> Language:
    """The language with this code, from ``added`` or built in. Raises UsageError if there is none."""
    language = (added or {}).get(code) or LANGUAGES.get(code)
    if language is None:
        raise UsageError(
            f"unknown language {code!r}; expected a code of ISO 639-1 such as en, zh or ja, or a"
            f" [languages.{code}] table in the config with its scripts and unit"
        )
    return language


@lru_cache(maxsize=65536)
def script_of(letter: str) -> str:
    """The script of one letter, such as LATIN, CJK or HIRAGANA; ``""`` if it isn't a letter.

    >>> script_of("é"), script_of("字"), script_of("か"), script_of("한"), script_of("3")
    ('LATIN', 'CJK', 'HIRAGANA', 'HANGUL', '')
    """
    if not letter.isalpha():
        return ""
    script = unicodedata.name(letter, "").partition(" ")[0]
    return _SAME_SCRIPT.get(script, script)


_SAME_SCRIPT = {
    "FULLWIDTH": "LATIN",
    "HALFWIDTH": "KATAKANA",
    "IDEOGRAPHIC": "CJK",
    "KATAKANA-HIRAGANA": "KATAKANA",
}
"""First words of Unicode names that mean a variant of another script's letters."""

_USES_INVISIBLE = r"\u0590-\u1cff\u2190-\u2bff\ufb1d-\ufdff\ufe00-\ufe0f\ufe70-\ufefc\U0001f000-\U0001faff"
"""Scripts from Hebrew to Khmer, and emoji: they need invisible characters to set direction or join glyphs."""
_INVISIBLE = re.compile(
    rf"(?<![{_USES_INVISIBLE}])[\xad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]++(?![{_USES_INVISIBLE}])"
)


def without_invisible(text: str) -> str:
    """Remove zero-width characters that have no meaning here: spaces, joiners, byte order marks.

    >>> without_invisible("A wooden\\u200b boat.\\ufeff")
    'A wooden boat.'
    """
    return text if text.isprintable() else _INVISIBLE.sub("", text)
