"""Rule: a phrase of the caption that its image doesn't show.

Comes in: a caption with its grounding rank. Goes out: that rank. Not its job: computing it, which takes the
images' embeddings and a text tower (see grounding).
"""

from __future__ import annotations

from triptych.filtering.caption import CaptionText
from triptych.filtering.rule import Rule
from triptych.jobs import Subject
from triptych.languages import Language


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
