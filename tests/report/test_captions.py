"""Marked words in the captions on the page."""

from __future__ import annotations

from triptych.filtering.config import FilteringConfig
from triptych.filtering.rule_choice import make_scorer
from triptych.filtering.scoring import FilterJob
from triptych.jobs import SEED_JOBS
from triptych.languages import language_of
from triptych.records import StatementCheck
from triptych.report.captions import marked
from triptych.report.content import CaptionShown

SCORER = make_scorer(FilteringConfig(), [FilterJob(job, language_of(job.language, {})) for job in SEED_JOBS])
TEXT = "🦀 A red house. It is likely old, and perhaps it may rain."


def test_rules_and_checks_mark_the_words_that_they_object_to() -> None:
    """In the order of the text, with positions in UTF-16 units as browsers count them."""
    shown = CaptionShown(
        id="single_en:a", job="single_en", language="en", state="rejected", text=TEXT, rules=["speculation"]
    )
    denied = StatementCheck(id="single_en:a#1/1", start=2, end=14, image="a", answer="no")
    marks = marked(shown, SCORER, 1, [denied]).marks
    units = TEXT.encode("utf-16-le")

    assert [
        ("untrue", "A red house."),
        ("speculation", "likely"),
        ("speculation", "perhaps"),
        ("speculation", "may"),
    ] == [(mark.rule, units[2 * mark.start : 2 * mark.end].decode("utf-16-le")) for mark in marks]


def test_a_denied_statement_on_a_set_has_one_mark_with_the_numbers_of_its_images() -> None:
    """However many images it was denied for."""
    shown = CaptionShown(id="multi_en:s", job="multi_en", language="en", state="rejected", text=TEXT)
    denied = [
        StatementCheck(id=f"multi_en:s#1/{image}", start=2, end=14, image="a", answer="no")
        for image in (3, 1)
    ]

    assert [("untrue", [1, 3])] == [(m.rule, m.images) for m in marked(shown, SCORER, 3, denied).marks]


def test_the_phrase_that_fits_the_images_least_is_marked() -> None:
    """It is found although the caption may have its first letter in another case."""
    shown = CaptionShown(
        id="single_en:a", job="single_en", language="en", state="rejected", text=TEXT, rules=["ungrounded"],
        unfit="a red house",
    )  # fmt: skip

    (mark,) = marked(shown, SCORER, 1).marks

    assert ("ungrounded", 3, 14) == (mark.rule, mark.start, mark.end)


def test_without_a_scorer_nothing_is_marked() -> None:
    """Nor in a caption of a job that the scorer doesn't have."""
    shown = CaptionShown(id="x:a", job="x", language="en", state="rejected", text=TEXT, rules=["speculation"])

    assert [] == marked(shown, None, 1).marks == marked(shown, SCORER, 1).marks
