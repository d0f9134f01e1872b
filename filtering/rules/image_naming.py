"""Rules: a set's caption names each of its images, and none that isn't there.

Comes in: a caption of a set. Goes out: numbers of images. Where the job's prompt says how images are named
(``Naming``), that is checked exactly, in any language. Captions without that contract are read leniently:
what is certain rejects, what is doubtful is a flag. Not its job: reading prose (see image_references).
"""

from __future__ import annotations

from triptych.filtering.caption import LONGEST_READ, CaptionText
from triptych.filtering.rule import Rule
from triptych.filtering.rules.image_references import READERS, beyond_last, left_out, speaks_of_one


def missing_images(caption: CaptionText) -> float:
    """How many images the caption does not name; without a contract, all but one of a caption of one."""
    if caption.naming is not None:
        return float(len(set(range(1, caption.image_count + 1)) - caption.image_numbers))
    text = _prose(caption)
    return float(caption.image_count - 1) if text and speaks_of_one(text, caption.language.code) else 0.0


def unknown_images(caption: CaptionText) -> float:
    """How many numbers of images the caption has that the set doesn't have. A sign may say any number."""
    if caption.naming is not None:
        return float(len(caption.image_numbers.difference(range(1, caption.image_count + 1))))
    text = _prose(caption)
    return float(len(beyond_last(text, caption.language.code, caption.image_count))) if text else 0.0


def unnamed_images(caption: CaptionText) -> float:
    """How many images a caption without a contract seems to leave out."""
    if caption.naming is not None:
        return 0.0
    text = _prose(caption)
    return float(left_out(text, caption.language.code, caption.image_count)) if text else 0.0


def _prose(caption: CaptionText) -> str:
    """What the lenient reader reads; nothing where it can't."""
    if caption.language.code not in READERS or caption.image_count < 2:
        return ""
    text = caption.unquoted_lowered[:LONGEST_READ]
    return text if text.isprintable() else " ".join(text.split())


MISSING_IMAGE = Rule(
    name="missing_image",
    measure=missing_images,
    threshold=0.0,  # the prompt asks for each image
    subject="set",
    likely_cause="the model names images otherwise than the prompt asks, or describes only one of them",
)
UNKNOWN_IMAGE = Rule(
    name="unknown_image",
    measure=unknown_images,
    threshold=0.0,
    subject="set",
    likely_cause="the model counts images from 0, or was shown fewer than it was told",
)
UNNAMED_IMAGE = Rule(
    name="unnamed_image",
    measure=unnamed_images,
    threshold=0.0,
    subject="set",
    action="flag",
    languages=frozenset(READERS),
    likely_cause="the captions speak of their images in ways that can't be read; a prompt with [naming] can",
)
