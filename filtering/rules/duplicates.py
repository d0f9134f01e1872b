"""Rules: a caption that says what another caption of the same job says.

Comes in: nothing. Goes out: two rules without a measure, because it takes all captions to know. Not its job:
finding them (see near_duplicates).
"""

from __future__ import annotations

from triptych.filtering.rule import Rule
from triptych.jobs import Subject
from triptych.languages import Language


def least_similarity(subject: Subject, language: Language) -> float:
    """The estimated Jaccard similarity of 5-grams from which a caption is a near duplicate.

    Of words: NeMo Curator settles at 0.8, datatrove at 0.72. Of a caption of the seed's length, two words of
    95 may differ. Of characters two words are four of 150, and captions of drawn scenes that differ in one
    colour have 0.84: they are no duplicates.
    """
    return 0.86 if language.unit == "character" else 0.8


EXACT_DUPLICATE = Rule(
    name="exact_duplicate",
    measure=None,
    threshold=0.0,
    likely_cause="the same image again and again, or a model that doesn't see the images",
)
NEAR_DUPLICATE = Rule(
    name="near_duplicate",
    measure=None,
    threshold=least_similarity,
    is_share=True,
    likely_cause="images that are nearly alike, or a model that writes from a template",
)
