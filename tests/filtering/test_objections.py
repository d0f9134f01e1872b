"""The words that a rule objects to."""

from __future__ import annotations

import pytest

from triptych.filtering.config import FilteringConfig
from triptych.filtering.objections import objections
from triptych.filtering.rule import Rule
from triptych.filtering.rule_choice import make_scorer
from triptych.filtering.scoring import CaptionInput, FilterJob, Scorer
from triptych.jobs import SEED_JOBS
from triptych.languages import language_of

JOBS = [FilterJob(job, language_of(job.language, {})) for job in SEED_JOBS]
TWICE = "A red boat lies at the shore. A red boat lies at the shore."
CLEAR, TOWER = "天空晴朗而且明亮", "远处有一座灯塔"
HOUSE = "The picture shows a large red house by the river under a blue sky."


def words(scorer: Scorer, text: str, rule: str, job: str = "single_en") -> list[str]:
    return [text[start:end] for start, end in objections(scorer, CaptionInput("x", job, text), rule)]


@pytest.mark.parametrize(
    ("rule", "text", "marked"),
    [
        ("refusal", f"I'm sorry, but I cannot describe it. {HOUSE}", ["I'm sorry", "but I cannot describe"]),
        ("speculation", "It is likely old. 🦀 Perhaps it may rain.", ["likely", "Perhaps", "may"]),
        ("repeated", f"{TWICE} A green tree stands behind it and a bird flies.", [TWICE]),
        ("personal_data", f"Call 555-123-4567 or jo@smith.com; {HOUSE}", ["555-123-4567", "jo@smith.com"]),
        ("wrong_language", f"{HOUSE} {CLEAR}，{TOWER}。", [CLEAR, TOWER]),
    ],
)
def test_words_are_marked_without_which_the_score_would_be_better(
    rule: str, text: str, marked: list[str]
) -> None:
    """They may be phrases, repeated sentences, and clauses of which one alone would violate the rule."""
    assert marked == words(make_scorer(FilteringConfig(), JOBS), text, rule)


def test_chinese_characters_are_marked() -> None:
    text = "抱歉，我无法描述这张图片中的人物。图中有一座红色的房子，旁边有一条小河，天空是蓝色的。"

    assert "抱歉" == words(make_scorer(FilteringConfig(), JOBS), text, "refusal", "single_zh")[0]


@pytest.mark.parametrize("rule", ["too_long", "too_short", "exact_duplicate", "ungrounded", "no such rule"])
def test_rules_on_length_or_other_captions_mark_nothing(rule: str) -> None:
    assert [] == words(make_scorer(FilteringConfig(), JOBS), HOUSE * 30, rule)


def test_a_users_rule_has_marks() -> None:
    """The rule needn't return positions."""
    rule = Rule(name="own", measure=lambda caption: caption.text.count("red"), threshold=0, likely_cause="")

    assert ["red"] == words(Scorer(FilteringConfig(), JOBS, [rule]), HOUSE, "own")
