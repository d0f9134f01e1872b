"""The languages that captions are written in, as data.

Comes in: a code, and languages that a config adds. Goes out: a Language. Nothing else in Triptych knows a
language by name: rules and prompts ask for its unit of length, its scripts and its code. Not its job:
telling which language a text is in (see filtering).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import msgspec

from triptych.errors import UsageError

Unit = Literal["word", "character"]


ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
HAN_NUMBERS = "一二三四五六七八九十"
"""From one to ten, by which captions name images."""


class Language(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One language. ``code`` is that of ISO 639-1, as py3langid uses it."""

    code: str
    name: str = ""
    """In English, for messages."""
    scripts: tuple[str, ...] = ("LATIN",)
    """What it is written in: the first word of its letters' names in Unicode (``LATIN``, ``CJK``)."""
    unit: Unit = "word"
    """What its length is counted in. ``character`` where words are not separated by spaces."""
    units_per_english_word: float = 1.0
    """How many units say what an English word says. Default lengths are those of English times this."""

    def __post_init__(self) -> None:
        """Raises UsageError where a value can't be."""
        if not self.scripts or any(script != script.upper() for script in self.scripts):
            raise UsageError(
                f"languages.{self.code}.scripts is {list(self.scripts)}; expected the first words of"
                ' letters\' names in Unicode, such as ["LATIN"] or ["HIRAGANA", "CJK"]',
                key=f"languages.{self.code}.scripts",
            )
        if not 0 < self.units_per_english_word < math.inf:
            raise UsageError(
                f"languages.{self.code}.units_per_english_word is {self.units_per_english_word:g};"
                " expected a number above 0",
                key=f"languages.{self.code}.units_per_english_word",
            )


_CHARACTER_LANGUAGES = (
    # Chinese: the seed's captions have 150 characters where the English ones have 95 words.
    Language(code="zh", name="Chinese", scripts=("CJK",), unit="character", units_per_english_word=1.5),
    # The others are estimates from parallel texts; nothing here was measured on captions.
    Language(
        code="ja",
        name="Japanese",
        scripts=("HIRAGANA", "KATAKANA", "CJK"),
        unit="character",
        units_per_english_word=2.0,
    ),
    Language(code="th", name="Thai", scripts=("THAI",), unit="character", units_per_english_word=4.0),
    Language(code="lo", name="Lao", scripts=("LAO",), unit="character", units_per_english_word=4.0),
    Language(code="km", name="Khmer", scripts=("KHMER",), unit="character", units_per_english_word=4.5),
    Language(code="my", name="Burmese", scripts=("MYANMAR",), unit="character", units_per_english_word=4.0),
    Language(code="yue", name="Cantonese", scripts=("CJK",), unit="character", units_per_english_word=1.5),
    Language(code="wuu", name="Wu Chinese", scripts=("CJK",), unit="character", units_per_english_word=1.5),
    Language(code="dz", name="Dzongkha", scripts=("TIBETAN",), unit="character", units_per_english_word=4.0),
)

_FEW_WORDS = 0.7
"""Words of languages that join what English separates: an estimate, low enough to reject nothing good."""

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
"""The other languages that py3langid tells apart, by script; ``*``: its words say more than English ones."""

_ALSO_WRITTEN_IN = {"sr": "LATIN", "az": "CYRILLIC", "ku": "ARABIC"}


def _known() -> dict[str, Language]:
    languages = {language.code: language for language in _CHARACTER_LANGUAGES}
    for script, listed in _WORD_LANGUAGES.items():
        for entry in listed.split(","):
            code, _, name = entry.strip().partition(" ")
            languages[code] = Language(
                code=code,
                name=name.rstrip("*"),
                scripts=(script, *_ALSO_WRITTEN_IN.get(code, "").split()),
                units_per_english_word=_FEW_WORDS if name.endswith("*") else 1.0,
            )
    return languages


LANGUAGES: Mapping[str, Language] = _known()
"""Every language that needs no word of configuration, by code."""


def language_of(code: str, added: Mapping[str, Language] | None = None) -> Language:
    """The language with this code, among those that ``added`` has and those known.

    Raises UsageError where there is none.
    """
    language = (added or {}).get(code) or LANGUAGES.get(code)
    if language is None:
        raise UsageError(
            f"unknown language {code!r}; expected a code of ISO 639-1 such as en, zh or ja, or a"
            f" [languages.{code}] table in the config with its scripts and unit"
        )
    return language


@lru_cache(maxsize=65536)
def script_of(letter: str) -> str:
    """The script of one letter, as its name in Unicode begins: LATIN, CJK, HIRAGANA; "" of what isn't one.

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
"""First words that name another form of a script's letters."""

_WRITES_WITH_THEM = r"\u0590-\u1cff\u2190-\u2bff\ufb1d-\ufdff\ufe00-\ufe0f\ufe70-\ufefc\U0001f000-\U0001faff"
"""Scripts from Hebrew to Khmer, and emoji: there they turn the direction of writing, or join signs."""
_INVISIBLE = re.compile(
    rf"(?<![{_WRITES_WITH_THEM}])[\xad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]++(?![{_WRITES_WITH_THEM}])"
)


def without_invisible(text: str) -> str:
    """``text`` without characters of no width that mean nothing in it: spaces, joiners, byte order marks.

    >>> without_invisible("A wooden\\u200b boat.\\ufeff")
    'A wooden boat.'
    """
    return text if text.isprintable() else _INVISIBLE.sub("", text)
