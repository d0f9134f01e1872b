"""Captions from elsewhere, through the command."""

import gzip
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

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


def judged(captions: Path, out: Path) -> tuple[Result, list[dict[str, object]]]:
    """What the command answers, and the verdicts that it has written."""
    answer = CliRunner().invoke(filter_, [str(captions), "--out", str(out)])
    assert 0 == answer.exit_code
    return answer, [json.loads(line) for line in out.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("line", "identifier", "why"),
    [
        (b'{"id": "x"}', "x", "missing required field `job`"),
        (b'{"id": "x", "job": "single_en", "text": null}', "x", "Expected `str`, got `null`"),
        ('{"id": "x", "job": "single_en", "text": "café"}'.encode("latin-1"), "x", "can't decode byte 0xe9"),
        (b'{"id": "x", "job": "multi_en", "text": "", "images": 1000000000000}', "x", "<= 1000"),
        (b"{nope", "row 6", "malformed"),
    ],
)
def test_a_row_that_is_no_caption_costs_its_own_verdict(
    captions: Path, tmp_path: Path, line: bytes, identifier: str, why: str
) -> None:
    """It isn't kept, in its place among the others, and a warning names the first."""
    captions.write_bytes(captions.read_bytes() + line + b"\n" + json.dumps(ROWS[1]).encode() + b"\n")

    answer, verdicts = judged(captions, tmp_path / "verdicts.jsonl")

    assert [*"abcde", identifier, "b"] == [row["id"] for row in verdicts]
    assert not verdicts[5]["keep"]
    assert why in str(verdicts[5]["reason"])
    assert (
        f"1 rows of {captions} are no captions and are not kept, the first is {identifier}" in answer.stderr
    )


def test_a_file_without_any_caption_is_refused(captions: Path, tmp_path: Path) -> None:
    """It is a file of something else; nothing is written."""
    captions.write_text('{"caption": "A boat."}\n', "utf-8")

    answer = CliRunner().invoke(filter_, [str(captions), "--out", str(tmp_path / "verdicts.jsonl")])

    assert re.search("row 1 is no caption: Object missing required field `id`", str(answer.exception))
    assert not (tmp_path / "verdicts.jsonl").exists()


def test_an_unknown_job_is_refused_by_its_line(captions: Path, tmp_path: Path) -> None:
    """It may be missing in the config; nothing is written."""
    with captions.open("a") as file:
        file.write('{"id": "x", "job": "de", "text": ""}\n')

    answer = CliRunner().invoke(filter_, [str(captions), "--out", str(tmp_path / "verdicts.jsonl")])

    said = "caption 6: unknown job 'de'.*single_zh, multi_en, multi_zh: fix the line"
    assert re.search(said, str(answer.exception))
    assert not (tmp_path / "verdicts.jsonl").exists()


@pytest.mark.parametrize("form", ["byte order mark", "gzip", "array", "gzip of an array"])
def test_other_forms_of_the_file_give_the_same_verdicts(captions: Path, tmp_path: Path, form: str) -> None:
    """Whatever the file is called."""
    _, expected = judged(captions, tmp_path / "expected.jsonl")
    content = captions.read_bytes()
    if form == "byte order mark":
        content = b"\xef\xbb\xbf" + content
    if "array" in form:
        content = json.dumps(ROWS, indent=1).encode()
    captions.write_bytes(gzip.compress(content) if "gzip" in form else content)

    _, verdicts = judged(captions, tmp_path / "verdicts.jsonl")

    assert expected == verdicts


def test_an_archive_that_is_cut_short_is_refused(captions: Path, tmp_path: Path) -> None:
    """With one line."""
    captions.write_bytes(gzip.compress(captions.read_bytes())[:-20])

    answer = CliRunner().invoke(filter_, [str(captions), "--out", str(tmp_path / "verdicts.jsonl")])

    assert f"{captions} is damaged" in str(answer.exception)


def test_ids_that_come_again_are_said(captions: Path, tmp_path: Path) -> None:
    """Each row has its verdict all the same."""
    captions.write_text(captions.read_text("utf-8") + json.dumps(ROWS[0]) + "\n", "utf-8")

    answer, verdicts = judged(captions, tmp_path / "verdicts.jsonl")

    assert "1 rows have the id of an earlier row, the first is a" in answer.stderr
    assert 6 == len(verdicts)
