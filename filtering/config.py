"""The filter's settings: which rules run, in which order, and where each draws the line.

Every bound stands beside its source or its measurement. "The seed" is InternVL-SA-1B-Caption: its card
names no bounds, but its bytes a row (1,040 and 830 for one image, 1,990 and 1,580 for a set), less
prompt and JSON, give captions of about 95 words or 150 characters, and 230 words or 330 characters.
"Labelled" is tests/filtering/labelled, and `python -m benchmarks.filter_quality` measures on it.
Not its job: measuring (see rules).
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from triptych.errors import UsageError

RuleName = Literal[
    "garbled",
    "refusal",
    "prompt_leak",
    "wrong_language",
    "traditional",
    "truncated",
    "too_short",
    "repeated",
    "too_long",
    "multi_paragraph",
    "markup",
    "unknown_image",
    "missing_image",
    "speculation",
    "exact_duplicate",
    "near_duplicate",
    "ungrounded",
    "personal_data",
    "disagreement",
    "contradiction",
]
RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)

_SHARES = (
    "max_repeated_share",
    "max_foreign_share_en",
    "max_foreign_share_zh",
    "max_traditional_share",
    "min_near_duplicate_similarity_en",
    "min_near_duplicate_similarity_zh",
    "max_grounding_rank_single",
    "max_grounding_rank_multi",
    "max_dropped_share",
)


class FilteringConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which captions are dropped. Lengths are in words for English, in Han characters for Chinese."""

    rules: tuple[RuleName, ...] = RULE_NAMES
    """The rules to run. The first of them that drops a caption is its reason."""
    flags: tuple[RuleName, ...] = ("personal_data", "disagreement", "contradiction")
    """Of these rules the score is kept, but they drop nothing."""

    min_words_single: int = 15
    """English, one image: a sixth of the seed's mean. Shorter is a label, not a description; true demo
    captions have 24 and more."""
    min_words_multi: int = 25
    """English, a set: a dozen for each of two images, the smallest set."""
    max_words_single: int = 350
    """English, one image: nearly four times the seed's mean. Longer is speculation or a loop."""
    max_words_multi: int = 700
    """English, a set: three times the seed's mean. Of two held-out sets, what was too long had 788 words and
    more, good ones up to 267."""
    min_han_single: int = 22
    """Chinese, one image: as for English, at 1.5 characters a word (the seed's 150 to 95)."""
    min_han_multi: int = 38
    """Chinese, a set: the same."""
    max_han_single: int = 550
    """Chinese, one image: the same."""
    max_han_multi: int = 900
    """Chinese, a set: the same. What was too long had 981 and more, good ones up to 371."""

    max_repeated_share: float = 0.10
    """Of the caption. Gopher drops documents with 0.15 of their characters in repeated 5-grams and 0.10
    in repeated 10-grams (Rae et al. 2021, table A1); ours are stretches of 8 words. True demo captions have
    0 in all four jobs, one sentence said twice has 0.5, a sentence said twenty times 0.95."""
    max_foreign_share_en: float = 0.14
    """Of words outside quotation marks. data-juicer asks its language classifier for 0.8; a clause of a
    second language in a caption of the seed's length is 0.15 (labelled: goods stay below 0.12)."""
    max_foreign_share_zh: float = 0.22
    """Of characters and foreign words outside quotation marks. Higher than for English: Chinese captions
    write brands and abbreviations in Latin letters without quotation marks (labelled: goods reach 0.19)."""
    max_traditional_share: float = 0.02
    """Of Han characters outside quotation marks. A text in Traditional Chinese has 0.3, one sentence of
    five in it 0.06, an unquoted shop sign in a caption of the seed's length 0.02."""
    max_garbled: int = 0
    """Places. One replacement character is a place where the caption is lost."""
    max_self_talk: int = 0
    """Phrases. A description of a picture has none."""
    max_prompt_leaks: int = 0
    """Phrases. PixelProse and BLIP3-KALE drop at the first, too."""
    max_paragraphs: int = 1
    """The seed's prompt: "Do not use multiple paragraphs or line breaks."."""
    max_hedges_single: float = 2.5
    """"Perhaps" counts 1 and "seems" 0.5. The seed's prompt forbids speculation; one hedge is caution, and
    two guesses with a "seems" still describe (labelled: goods reach 2.0, speculation begins at 3)."""
    max_hedges_multi: float = 3.0
    """The same for a set, which is twice as long."""
    max_missing_images: int = 0
    """Of a set. The prompt asks for each image."""
    min_near_duplicate_similarity_en: float = 0.8
    """Estimated Jaccard similarity of 5-grams of words: NeMo Curator settles at 0.8, datatrove at 0.72. Of a
    caption of the seed's length, two words of 95 may differ."""
    min_near_duplicate_similarity_zh: float = 0.86
    """The same of characters, where two words are four of 150. Captions of drawn scenes that differ in one
    colour have 0.84: they are not copies."""
    max_personal_data: int = 0
    """E-mail addresses and telephone numbers."""
    max_disagreements: int = 0
    """Numbers that English and Chinese contradict each other on."""

    max_contradictions: int = 0
    """Things that all images of a set are said to have, and one is said to have otherwise. Of the nano
    captioner's untrue openings it finds four in five (benchmarks/results/grounding_roc.json)."""

    grounding: bool = False
    """Compare each phrase with its image. Needs the embeddings of the run and a model with a text tower."""
    max_grounding_rank_single: float = 0.34
    """How much the worst phrase lacks beside phrases like it: in rank among other images, and twice as much
    in similarity to what the other language says of the image. Of the nano captioner's captions 0.34 loses
    5% of the good ones in both languages (chosen on 2,600 scenes that no figure is reported of)."""
    max_grounding_rank_multi: float = 0.55
    """The same for a set, where no phrase may lack more on any image that it names: there 0.58 (English) and
    0.51 (Chinese) lose 5%."""
    grounding_images: int = 512
    """How many other images a phrase is compared with, and captions of how many to find phrases like it:
    chosen by hash over the corpus. The rank is then known to within 0.04 (two standard deviations of a
    share of 512, at most)."""

    max_dropped_share: float = 0.3
    """Of a job's captions. A rule that drops more stops the stage: a prompt, a model or a bound is off
    rather than so many captions. The seed kept nearly all (11M of 11,185,362 images have a caption)."""
    guarded_from: int = 30
    """Captions of a job. A share of fewer says nothing."""
    accepted: tuple[RuleName, ...] = ()
    """Rules that may drop any share."""
    workers: int = 0
    """Processes that judge; 0 is one for each core. Verdicts don't depend on it."""

    def __post_init__(self) -> None:
        """Raises UsageError where a bound can't be one."""
        for name in _SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"filtering.{name} is {getattr(self, name)}; expected a share from 0 to 1")
        for unit in ("words", "han"):
            for kind in ("single", "multi"):
                low, high = getattr(self, f"min_{unit}_{kind}"), getattr(self, f"max_{unit}_{kind}")
                if not 0 <= low <= high:
                    raise UsageError(
                        f"filtering.min_{unit}_{kind} is {low} and max_{unit}_{kind} {high};"
                        " expected 0 <= min <= max"
                    )
        if self.grounding_images < 2 or self.workers < 0:
            raise UsageError(
                f"filtering.grounding_images is {self.grounding_images} and workers {self.workers};"
                " expected at least 2 and 0"
            )
        if len(set(self.rules)) < len(self.rules):
            raise UsageError(f"filtering.rules names a rule twice: {', '.join(self.rules)}; name each once")
