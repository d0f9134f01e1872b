"""Rules: captions in another language than requested, or in Traditional Chinese; the one file that imports
py3langid and opencc.

Comes in: a caption. Goes out: the share of it that is in another language, in [0, 1]. Scripts are compared
first. Then a language identifier looks at each sentence, for languages of the same script. Only clearly
different languages count: identifiers can't reliably distinguish related ones, so these count as the same.
Not its job: what the caption says.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from triptych.filtering.caption import HAN, LATIN, LONGEST_READ, UNSPACED, CaptionText, is_inscribed, units_of
from triptych.filtering.rule import Rule
from triptych.jobs import Subject
from triptych.languages import LANGUAGES, Language, script_of

ENGLISH_WORDS = frozenset(
    "the and of with is are to this that its there from by which while has other at on it their was he she"
    " his her they where these as for an being image each both near behind beside across above along".split()
)
"""Words that make up a third of any English description, and are rare in other languages."""
SURELY_ENGLISH_SHARE = 0.22
"""Of the units. Labelled captions have at least 0.25. A caption with one foreign sentence among four has
less; then each sentence is identified."""
SURELY_ENGLISH_SENTENCE_SHARE = 0.12
"""A sentence with this share of ENGLISH_WORDS is English, so it need not be identified."""
MIN_WORDS_IDENTIFIED, MAX_CHARACTERS_IDENTIFIED, MAX_SENTENCES_IDENTIFIED = 5, 400, 50
"""Shorter sentences are too short for the identifier, and of longer ones only the beginning is read. No
caption that a job allows has so many sentences."""
MIN_LIKELIHOOD = 0.05
"""A sentence is foreign if the requested language and those that count as the same are less likely."""

FOREIGN_RUN_WORDS, FOREIGN_RUN_CHARACTERS = 6, 10
"""So many consecutive words or characters make a clause in another script. One of the Latin words has to be
in ENGLISH_WORDS, since names and brands have none."""
FOREIGN_SHARE_OF_RUN = 0.4
"""Of a run's characters. Japanese has at least this share of kana beside its Chinese characters."""
LONGEST_SIGN, MAX_SIGNS = 24, 100
"""Characters of a sign's text, and signs that are looked at."""
NEGLIGIBLE_SHARE = 0.1
"""Of words. It is below any threshold, so no closer look is needed."""

MIN_MIXED_IN = 3
"""Different words of another script among others. Latin ones count only in lower case, unlike names."""
MIN_ENGLISH_SHARE, MIN_PROSE_UNITS = 0.04, 12
"""An English text of at least so many units with a lower share of ENGLISH_WORDS has lost its spaces. Labelled
captions have at least 0.11."""

_SAME = "no nb nn da|hr bs sr|id ms|zh yue wuu|cs sk|pt gl|es gl an ext|ar arz ary|af nl".split("|")
"""Groups of languages that count as the same."""

MIN_TRADITIONAL = 3
"""Different characters. One or two may be a name, or also occur in Simplified Chinese (乾隆, 著名)."""

_BRACKETED = re.compile(r"\([^()\n]{1,80}\)|（[^（）\n]{1,80}）")
_LATIN_RUN = re.compile(rf"(?<![{LATIN}])[{LATIN}]++(?:[\s,'’\-]++[{LATIN}]++){{{FOREIGN_RUN_WORDS - 1},}}")
_UNSPACED_RUN = re.compile(rf"[{UNSPACED}](?:[{UNSPACED}，、：]){{{FOREIGN_RUN_CHARACTERS - 1},}}")
_SIGN = re.compile(rf"[{UNSPACED}]{{1,{LONGEST_SIGN}}}(?![{UNSPACED}])")
_BEYOND_LATIN = re.compile("[\u0250-\u1fff\u2070-\U0010ffff]")
"""Without any of these, all letters are Latin. Dashes and quotation marks are not included."""
_LETTER = re.compile(r"[^\W\d_]")
_LETTERS_BUT: Mapping[tuple[str, ...], re.Pattern[str]] = {
    ("LATIN",): re.compile(rf"[^\W\d_{LATIN}]+"),
    ("CJK",): re.compile(rf"[^\W\d_{HAN}]+"),
}
"""Words in other scripts, for languages with a single script: a fast path for the commonest ones."""
_MIXED_IN: Mapping[tuple[str, ...], re.Pattern[str]] = {
    ("LATIN",): re.compile(rf"[^\W\d_{LATIN}\u0250-\u036f]{{2,}}"),
    ("CJK",): re.compile(r"(?<![A-Za-z0-9.@/:_#'’-])[a-z]{4,}(?![A-Za-z0-9.@/:_#'’-])"),
}
_NAME = re.compile(r"(?<![A-Za-z])i?[A-Z][A-Za-z0-9]*(?:[ -](?:i?[A-Z][A-Za-z0-9]*|\d+))+")
"""A name in Latin letters counts as one word."""
_SENTENCE = re.compile(r"[^.!?;。！？；।؟۔\n]+")
_INSCRIBED = re.compile(
    rf"(?:[写寫題题刻印标標书書][着著有了]|字样|匾额|招牌|店名|牌匾)(?:是|为|上?[的]?)?[：:]?[{HAN}·]{{1,12}}"
)
"""The text of a Chinese sign without quotation marks."""


def foreign_share(caption: CaptionText) -> float:
    """The share of the text in another language, without quoted and bracketed parts."""
    return (_other_scripts(caption) or _other_languages(caption)) if caption.unit_sequence else 0.0


def _other_scripts(caption: CaptionText) -> float:
    """The share of units in scripts that the language doesn't use; 1 if no letter is in its own script."""
    language = caption.language
    if "LATIN" in language.scripts and _LETTER.search(caption.text):
        text = caption.text
        if text.isascii() or not _BEYOND_LATIN.search(text):
            return 0.0
    text = _BRACKETED.sub(" ", caption.unquoted[:LONGEST_READ])
    if others := _LETTERS_BUT.get(language.scripts):
        found = others.findall(text)
        words = _MIXED_IN[language.scripts].finditer(text) if len(found) >= MIN_MIXED_IN else iter(())
        mixed_in = {each[0] for each in islice(words, MAX_SIGNS) if not is_inscribed(text, each.start())}
        if len(mixed_in) >= MIN_MIXED_IN:
            return 1.0
        share = len(found) / len(caption.unit_sequence)
        if share < NEGLIGIBLE_SHARE and len(found) < FOREIGN_RUN_WORDS and "".join(found).isascii():
            return share if found or _LETTER.search(caption.text) else 1.0
    counted = text if "LATIN" in language.scripts else _NAME.sub("X", text)
    own, foreign = _count(units_of(counted), language.scripts)
    if own + foreign == 0:
        own, foreign = _count(caption.units, language.scripts)
    if own == 0:
        return 1.0
    if foreign and "CJK" not in language.scripts:
        signs = islice(_SIGN.finditer(text), MAX_SIGNS)
        foreign -= sum(len(sign[0]) for sign in signs if is_inscribed(text, sign.start()))
    if foreign <= 0:
        return 0.0
    return 1.0 if _has_foreign_clause(text, language) else foreign / (own + foreign)


def _count(units: Iterable[str], scripts: tuple[str, ...]) -> tuple[int, int]:
    """The number of units in ``scripts``, and in other scripts."""
    own = foreign = 0
    for unit in units:
        script = script_of(unit[0])
        if script in scripts:
            own += 1
        elif script:
            foreign += 1
    return own, foreign


def _has_foreign_clause(text: str, language: Language) -> bool:
    """Whether a whole clause is in another script, and is not the text of a sign."""
    runs = []
    for run in _UNSPACED_RUN.finditer(text):
        own, foreign = _count(run[0], language.scripts)
        if foreign >= FOREIGN_SHARE_OF_RUN * (own + foreign):
            runs.append(run)
    if "LATIN" not in language.scripts:
        latin = _LATIN_RUN.finditer(text)
        runs += [run for run in latin if not ENGLISH_WORDS.isdisjoint(run[0].lower().split())]
    return any(not is_inscribed(text, run.start()) for run in runs)


def _other_languages(caption: CaptionText) -> float:
    """The share of units in sentences that are clearly in another language of the same script."""
    language, is_english = caption.language, caption.language.code == "en"
    if is_english:
        share = _english_count(caption.units) / max(len(caption.units), 1)
        if share >= SURELY_ENGLISH_SHARE:
            return 0.0
        if share < MIN_ENGLISH_SHARE and len(caption.units) >= MIN_PROSE_UNITS:
            return 1.0
    likelihood = _likelihood(language)
    if likelihood is None:
        return 0.0
    shortest = MIN_WORDS_IDENTIFIED * (language.units_per_english_word if language.unit == "character" else 1)
    foreign = total = identified = 0
    for sentence in _SENTENCE.findall(caption.unquoted[:LONGEST_READ]):
        units = units_of(sentence)
        total += len(units)
        if len(units) < shortest or identified == MAX_SENTENCES_IDENTIFIED:
            continue
        if not is_english or _english_count(units) < SURELY_ENGLISH_SENTENCE_SHARE * len(units):
            identified += 1
            if likelihood(sentence.strip()[:MAX_CHARACTERS_IDENTIFIED]) < MIN_LIKELIHOOD:
                foreign += len(units)
    return foreign / max(total, 1)


def _english_count(units: Iterable[str]) -> int:
    return len(list(filter(ENGLISH_WORDS.__contains__, units)))  # the fastest way


@functools.cache
def _likelihood(language: Language) -> Callable[[str], float] | None:
    """A function that returns how likely a sentence is in ``language``, among all languages of its scripts;
    None if there is nothing to distinguish."""
    same = {language.code}.union(*(codes.split() for codes in _SAME if language.code in codes.split()))
    rivals = {each.code for each in LANGUAGES.values() if set(each.scripts) <= set(language.scripts)}
    known = set(_identifier().labels)
    if not same & known or not (rivals - same) & known:
        return None
    identifier = copy.copy(_identifier())
    identifier.set_languages((rivals | same) & known)
    return lambda sentence: sum(share for code, share in identifier.rank(sentence) if code in same)


@functools.cache
def _identifier() -> Any:
    """A separate instance, since the module's own is shared by the whole process."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def most_foreign(subject: Subject, language: Language) -> float:
    """Of words or characters. data-juicer demands a language score of 0.8. A clause of a second language in
    an English caption of the seed's length is 0.15, and labelled good captions stay below 0.12. Other scripts
    write brands and abbreviations in Latin letters without quotation marks: good Chinese captions reach 0.19.
    """
    return 0.14 if "LATIN" in language.scripts else 0.22


WRONG_LANGUAGE = Rule(
    name="wrong_language",
    measure=foreign_share,
    threshold=most_foreign,
    is_share=True,
    version=2,
    likely_cause="a model that doesn't write this language, or a prompt in another one",
)


def traditional_share(caption: CaptionText) -> float:
    """The share of Traditional characters among the Han characters outside quotation marks, in [0, 1]."""
    pattern = _traditional_only()
    if len(set(pattern.findall(caption.text))) < MIN_TRADITIONAL:
        return 0.0
    text = _INSCRIBED.sub(" ", caption.unquoted)
    found = pattern.findall(text)
    return len(found) / len(re.findall(f"[{HAN}]", text)) if len(set(found)) >= MIN_TRADITIONAL else 0.0


@functools.cache
def _traditional_only() -> re.Pattern[str]:
    """Every character of the common blocks that opencc replaces for Simplified Chinese."""
    import opencc

    to_simplified = opencc.OpenCC("t2s")
    common = map(chr, (*range(0x3400, 0x4DBF), *range(0x4E00, 0x9FFF)))
    return re.compile(f"[{''.join(each for each in common if to_simplified.convert(each) != each)}]")


TRADITIONAL = Rule(
    name="traditional",
    measure=traditional_share,
    threshold=0.02,
    # A text in Traditional Chinese has 0.3, one with a Traditional sentence among five 0.06, a caption of the
    # seed's length with an unquoted shop sign 0.02.
    languages=frozenset({"zh"}),
    is_share=True,
    likely_cause="a model or prompt set to Traditional Chinese",
)
