"""The built-in rules, all together."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.caption_texts import GOOD, GOOD_EN, caption, violations
from triptych.filtering.rule import Rule
from triptych.filtering.rules import RULES
from triptych.languages import LANGUAGES

GOOD_SET_EN = (
    "These three images show a street, each with a red car. Image 1 shows a red car and a blue house;"
    " image 2 shows a red car and a blue house; image 3 shows a red car, a blue house and a green bus."
    " Image 3 has the most things."
)
GOOD_SET_ZH = (
    "这三张图像都展示了街道，每张图像中都有一辆红色的汽车。图像1中有一辆红色的汽车和一座蓝色的房子；"
    "图像2中有一辆红色的汽车和一座蓝色的房子；图像3中有一辆红色的汽车、一座蓝色的房子和一辆绿色的公共汽车。"
)


def test_rules_are_in_order_of_priority() -> None:
    """The first that rejects a caption is its reason."""
    names = [rule.name for rule in RULES]

    assert "garbled refusal prompt_leak wrong_language traditional truncated too_short".split() == names[:7]
    assert len(names) == len(set(names)) == 22
    assert {"personal_data", "disagreement", "unnamed_image"} == {r.name for r in RULES if r.action == "flag"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_has_a_likely_cause_and_valid_thresholds(rule: Rule) -> None:
    """The threshold is valid for any language and subject. Needles are in lower case."""
    assert rule.likely_cause
    assert all(needle == needle.lower() for needle in rule.needles)
    for language in LANGUAGES.values():
        for subject in ("image", "set"):
            threshold = rule.threshold_of(subject, language)
            assert threshold >= 0
            assert threshold <= 1 or not rule.is_share


@pytest.mark.parametrize(
    ("text", "language", "images"),
    [(GOOD["en"], "en", 1), (GOOD["zh"], "zh", 1), (GOOD_SET_EN, "en", 3), (GOOD_SET_ZH, "zh", 3)],
)
def test_a_good_caption_violates_no_rule(text: str, language: str, images: int) -> None:
    """It is a complete paragraph in the right language, on an image or a set."""
    assert {} == violations(text, language, images)


def test_a_caption_may_violate_several_rules() -> None:
    """All of them are reported."""
    assert {"truncated", "too_short", "multi_paragraph"} == set(violations("Boat\nboat"))


def test_an_empty_caption_is_too_short_and_nothing_else() -> None:
    """Other rules find nothing to judge."""
    assert {"too_short": 0.0} == violations("")


def test_needles_found_in_advance_do_not_change_a_score() -> None:
    """A rule would find the same ones itself."""
    needles = frozenset().union(*(rule.needles for rule in RULES))
    text = GOOD_EN + " I'm sorry, perhaps it is a **boat**. Call (212) 555-0143."
    alone, together = caption(text), caption(text)
    together.needles = {needle for needle in needles if needle in text.lower()}

    for rule in RULES:
        if rule.measure is not None:
            assert rule.measure(alone) == rule.measure(together)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    text=st.text(max_size=400)
    | st.text(alphabet='船的a1第图张 “"”(.。!\n…\u0301👩\u200d\ud800', max_size=400),
    language=st.sampled_from(["en", "zh", "ja", "th", "hi", "fr", "sr"]),
    images=st.integers(1, 5),
)
def test_no_text_makes_a_measure_raise(text: str, language: str, images: int) -> None:
    """Each rule that reads the language returns a valid score."""
    judged = caption(text, language, images)
    for rule in RULES:
        if rule.measure is not None and rule.reads(judged.language):
            score = rule.measure(judged)

            assert score >= 0
            assert score <= 1 or not rule.is_share
