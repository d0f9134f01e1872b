"""The figures of BENCHMARKS.md are those of the results, and nothing else."""

import json
from pathlib import Path

import pytest

from scripts.benchmark_figures import CLAIMS, Claim
from scripts.benchmarks_page import RESULTS, NoFigure, chart, sentence, table

RESULT = {
    "command": "python -m benchmarks.speed",
    "measured": {
        "jobs": {"en": {"recall": 0.97}, "zh": {"recall": 0.991}, "sets": 3},
        "runs": [{"took_s": 95.0}, {"took_s": 184.0}],
        "rows": 1_234_567,
        "ends": True,
        "same": 1_234_567,
    },
}


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        ("{jobs/en/recall:.0%} in English", "97% in English"),
        (
            "at least {least jobs/*/recall:.2f}, at most {most jobs/*/recall:.2f}",
            "at least 0.97, at most 0.99",
        ),
        ("{rows:,} rows, {rows:MB}", "1,234,567 rows, 1.2 MB"),
        ("{runs/-1/took_s:min} for the last", "3 minutes for the last"),
    ],
)
def test_a_figure_is_what_lies_under_its_keys(figure: str, shown: str) -> None:
    """Formatted; the least or the most of several; of lists by position."""
    assert shown == sentence(Claim("", "speed", figure), RESULT)


@pytest.mark.parametrize("figure", ["{jobs/ja/recall:.0%}", "{runs/7/took_s}", "{least nothing/*/recall}"])
def test_a_figure_that_the_result_does_not_have_is_named(figure: str) -> None:
    """A benchmark that renames a key fails the check instead of leaving the page as it was."""
    with pytest.raises(NoFigure, match=r"speed\.json has no"):
        sentence(Claim("", "speed", figure), RESULT)


def test_a_claim_that_is_false_is_not_shown() -> None:
    """What a sentence says besides its figures is held against the result, too."""
    kept = Claim("", "speed", "all of them", "rows == same and ends == True")
    broken = Claim("", "speed", "all of them", "rows == 12")

    assert "all of them" == sentence(kept, RESULT)
    with pytest.raises(NoFigure, match="rows == 12 doesn't hold"):
        sentence(broken, RESULT)


def test_a_claim_without_a_result_has_no_row(tmp_path: Path) -> None:
    """It isn't measured yet."""
    source = RESULTS / "help_time.json"
    (tmp_path / source.name).write_bytes(source.read_bytes())

    rows = table(tmp_path).splitlines()

    assert 3 == len(rows)
    assert f"`{json.loads(source.read_text())['command']}` |" in rows[-1]


def test_the_chart_shows_each_ratio_as_the_result_has_it() -> None:
    """A bar for each, with its value."""
    shown = json.loads((RESULTS / "self_join.json").read_text("utf-8"))["measured"]["sizes"][-1]

    assert f">{shown['times_the_peer']:.1f}x</text>" in chart()


def test_rows_are_short() -> None:
    """One figure, one sentence."""
    assert [] == [row for row in table().splitlines() if len(row) > 320]
    assert len(CLAIMS) == len({claim.claim for claim in CLAIMS})
