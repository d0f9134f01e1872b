"""Rules whose scores something else makes: it takes more than the caption to know them.

Comes in: a caption with what was found of it elsewhere. Goes out: two rules without a measure, on captions that
say what another caption of their job says, one on phrases that their image doesn't show, and one on statements
that a checker denied. Not its job: finding duplicates (see near_duplicates), comparing phrases with images
(see grounding), asking a checker (see captioning.checking).
"""

from __future__ import annotations

from triptych.filtering.caption import CaptionText
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


def grounding_rank(caption: CaptionText) -> float:
    """How much the worst phrase lacks beside phrases like it, in [0, 1]; 0 where that wasn't measured."""
    return caption.grounding_rank or 0.0


def highest_rank(subject: Subject, language: Language) -> float:
    """In rank among other images, and twice as much in similarity to what another caption says of the image.

    Of the nano captioner's captions 0.34 loses 5% of the good ones of single images in both languages, chosen
    on 2,600 scenes that no figure is reported of. In a set no phrase may lack more on any image that it names:
    there 0.58 (English) and 0.51 (Chinese) lose 5%.
    """
    return 0.55 if subject == "set" else 0.34


UNGROUNDED = Rule(
    name="ungrounded",
    measure=grounding_rank,
    threshold=highest_rank,
    is_share=True,
    likely_cause="captions of other images than their own, or an encoder that doesn't know such images",
)


def untruth(caption: CaptionText) -> float:
    """How likely the least likely statement of a checked caption is untrue, in [0, 1]; 0 of one that wasn't."""
    return caption.untruth or 0.0


UNTRUE = Rule(
    name="untrue",
    measure=untruth,
    threshold=0.5,  # no is likelier than yes
    is_share=True,
    likely_cause="captions of other images than their own, or a checker that doesn't see the images",
)


def uncertainty(caption: CaptionText) -> float:
    """How little a caption agrees with other answers to the same request, in [0, 1]; 0 of an only answer."""
    return 0.0 if caption.agreement is None else 1 - caption.agreement


UNCERTAIN = Rule(
    name="uncertain",
    measure=uncertainty,
    threshold=1.0,  # rejects nothing: how alike answers are depends on model, prompt and temperature
    is_share=True,
    likely_cause="answers drawn with a high temperature, or images that the model doesn't know what to say of",
)
