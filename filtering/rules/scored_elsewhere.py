"""Rules whose scores are computed elsewhere, since they need more than the caption.

Comes in: a caption with measurements of other modules. Goes out: rules on duplicates, which have no measure,
on phrases that the image doesn't show, on statements that a checker denied, and on answers that disagree. Not
its job: finding duplicates (see near_duplicates), comparing phrases with images (see grounding), asking a
checker (see captioning.checking).
"""

from __future__ import annotations

from triptych.filtering.caption import CaptionText
from triptych.filtering.rule import Rule
from triptych.jobs import Subject
from triptych.languages import Language


def least_similarity(subject: Subject, language: Language) -> float:
    """The estimated Jaccard similarity of 5-grams above which a caption is a near duplicate.

    For words NeMo Curator uses 0.8, datatrove 0.72: in a caption of the seed's length, two of 95 words may
    differ. For characters two words are four of 150. Captions of drawn scenes that differ in one colour have
    0.84; they are no duplicates.
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
    """The deficit of the worst phrase (see grounding), in [0, 1]; 0 if not measured."""
    return caption.grounding_rank or 0.0


def highest_rank(subject: Subject, language: Language) -> float:
    """Chosen on 2,600 scenes of the nano captioner that are in no reported figure.

    For single images 0.34 loses 5% of the good captions in both languages. In a set each phrase is measured
    on every image that it names; there 0.58 (English) and 0.51 (Chinese) lose 5%.
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
    """The probability that the least likely statement is untrue, in [0, 1]; 0 if none was checked."""
    return caption.untruth or 0.0


UNTRUE = Rule(
    name="untrue",
    measure=untruth,
    threshold=0.5,  # "no" is likelier than "yes"
    is_share=True,
    likely_cause="captions of other images than their own, or a checker that doesn't see the images",
)


def uncertainty(caption: CaptionText) -> float:
    """How little a caption agrees with other answers to the same request, in [0, 1]; 0 without others."""
    return 0.0 if caption.agreement is None else 1 - caption.agreement


UNCERTAIN = Rule(
    name="uncertain",
    measure=uncertainty,
    threshold=1.0,  # rejects nothing, since agreement depends on the model, prompt and temperature
    is_share=True,
    likely_cause="answers sampled at a high temperature, or images that the model can hardly describe",
)
