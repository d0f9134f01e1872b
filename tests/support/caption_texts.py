"""Captions for tests of rules, and which built-in rules a caption violates."""

from triptych.filtering.caption import CaptionText
from triptych.filtering.rules import RULES
from triptych.languages import language_of

GOOD_EN = (
    "This is a quiet harbour in the early morning light. A red boat lies beside the wooden pier and a"
    " blue boat drifts farther out. Behind them a white lighthouse stands on the rocks."
)
GOOD_ZH = (
    "这是清晨阳光下的一个安静港口。一艘红色的船停在木码头旁边，一艘蓝色的船漂在远处。"
    "后面的岩石上立着一座白色的灯塔。"
)
GOOD = {"en": GOOD_EN, "zh": GOOD_ZH}


def caption(text: str, language: str = "en", images: int = 1, end: str = "stop") -> CaptionText:
    """A caption of an image, or of a set if there are several images."""
    subject = "image" if images == 1 else "set"
    return CaptionText(text, language_of(language), subject=subject, image_count=images, finish_reason=end)


def violations(text: str, language: str = "en", images: int = 1, end: str = "stop") -> dict[str, float]:
    """The score of each built-in rule that the caption violates, by the rule's name."""
    judged = caption(text, language, images, end)
    found = {}
    for rule in RULES:
        is_for = rule.subject in (None, judged.subject) and rule.reads(judged.language)
        is_skipped = rule.needles and rule.needs_needle and not judged.present_needles(rule.needles)
        if rule.measure is None or not is_for or is_skipped:
            continue
        score = rule.measure(judged)
        if rule.is_violated(score, rule.threshold_of(judged.subject, judged.language)):
            found[rule.name] = score
    return found
