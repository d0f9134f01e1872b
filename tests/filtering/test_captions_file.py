"""Captions from elsewhere, through the command."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.filtering.test_rule_counts import GOOD
from triptych.cli.filtering import filter_

ROWS = [
    {"id": "a", "job": "single_en", "text": GOOD[0]},
    {"id": "b", "job": "single_en", "text": GOOD[1], "finish_reason": "length"},
    {"id": "c", "job": "multi_en", "text": GOOD[2], "images": 3, "source": "elsewhere"},
    {"id": "d", "job": "single_en", "text": GOOD[0].upper()},
    {"id": "e", "job": "single_zh", "text": ""},
]


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    return path


def test_every_caption_gets_one_verdict_row_in_file_order(captions: Path, tmp_path: Path) -> None:
    """Four keys always, and what a duplicate repeats; other keys of the input are passed over."""
    out = tmp_path / "verdicts.jsonl"

    answer = CliRunner().invoke(filter_, [str(captions), "--out", str(out)])

    verdicts = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert 0 == answer.exit_code
    assert [
        ("a", True, None),
        ("b", False, "truncated"),
        ("c", True, None),
        ("d", False, "exact_duplicate"),
        ("e", False, "too_short"),
    ] == [(row["id"], row["keep"], row["reason"]) for row in verdicts]
    assert [{"id", "keep", "reason", "scores"}] * 4 == [set(row) for row in (*verdicts[:3], verdicts[4])]
    assert "a" == verdicts[3]["repeats"]


def test_a_dry_run_prints_the_counts_and_writes_nothing(captions: Path) -> None:
    """Per rule and job."""
    answer = CliRunner().invoke(filter_, [str(captions), "--dry-run"])

    assert "truncated                     1 rejected, alone 1 (33.33%)" in answer.stdout
    assert [captions] == list(captions.parent.iterdir())


def test_explain_prints_every_rules_score(captions: Path) -> None:
    """Also of the rules that keep it, with their thresholds."""
    answer = CliRunner().invoke(filter_, [str(captions), "--explain", "b"])

    assert "truncated            rejects          1   threshold 0" in answer.stdout
    assert "repeated             keeps            0   threshold 0.1" in answer.stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "x"}', r"line 6: expected a FileCaption"),
        (
            '{"id": "x", "job": "de", "text": ""}',
            "caption 6: unknown job 'de'.*single_zh, multi_en, multi_zh: mend the line",
        ),
    ],
)
def test_a_row_that_is_no_caption_is_named_by_its_line(
    captions: Path, tmp_path: Path, line: str, said: str
) -> None:
    """Nothing is written."""
    with captions.open("a") as file:
        file.write(line + "\n")
    out = tmp_path / "verdicts.jsonl"

    answer = CliRunner().invoke(filter_, [str(captions), "--out", str(out)])

    assert re.search(said, str(answer.exception))
    assert not out.exists()
