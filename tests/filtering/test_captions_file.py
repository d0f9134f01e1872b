"""`triptych filter` on a file of captions that Triptych didn't make."""

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
    """A verdict has four fields, and a duplicate also names what it repeats. Other fields of the input are
    ignored."""
    out = tmp_path / "verdicts.jsonl"

    result = CliRunner().invoke(filter_, [str(captions), "--out", str(out)])

    verdicts = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert 0 == result.exit_code
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
    """The counts are for each rule and job."""
    result = CliRunner().invoke(filter_, [str(captions), "--dry-run"])

    assert "truncated                     1 rejected, alone 1 (33.33%)" in result.stdout
    assert [captions] == list(captions.parent.iterdir())


def test_explain_prints_every_rules_score(captions: Path) -> None:
    """With the threshold, even for rules that the caption doesn't violate."""
    result = CliRunner().invoke(filter_, [str(captions), "--explain", "b"])

    assert "truncated            rejects          1   threshold 0" in result.stdout
    assert "repeated             keeps            0   threshold 0.1" in result.stdout


def judged(captions: Path, out: Path) -> tuple[Result, list[dict[str, object]]]:
    """The command's result, and the verdicts that it wrote."""
    result = CliRunner().invoke(filter_, [str(captions), "--out", str(out)])
    assert 0 == result.exit_code
    return result, [json.loads(line) for line in out.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("line", "identifier", "reason"),
    [
        (b'{"id": "x"}', "x", "missing required field `job`"),
        (b'{"id": "x", "job": "single_en", "text": null}', "x", "Expected `str`, got `null`"),
        ('{"id": "x", "job": "single_en", "text": "café"}'.encode("latin-1"), "x", "can't decode byte 0xe9"),
        (b'{"id": "x", "job": "multi_en", "text": "", "images": 1000000000000}', "x", "<= 1000"),
        (b"{nope", "row 6", "malformed"),
    ],
)
def test_an_invalid_row_gets_a_rejection_with_the_reason(
    captions: Path, tmp_path: Path, line: bytes, identifier: str, reason: str
) -> None:
    """It has its place among the other verdicts, and a warning names the first such row."""
    captions.write_bytes(captions.read_bytes() + line + b"\n" + json.dumps(ROWS[1]).encode() + b"\n")

    result, verdicts = judged(captions, tmp_path / "verdicts.jsonl")

    assert [*"abcde", identifier, "b"] == [row["id"] for row in verdicts]
    assert not verdicts[5]["keep"]
    assert reason in str(verdicts[5]["reason"])
    assert (
        f"1 rows of {captions} are no captions and are not kept, the first is {identifier}" in result.stderr
    )


def test_a_file_without_any_caption_is_refused(captions: Path, tmp_path: Path) -> None:
    """It must be the wrong file. Nothing is written."""
    captions.write_text('{"caption": "A boat."}\n', "utf-8")

    result = CliRunner().invoke(filter_, [str(captions), "--out", str(tmp_path / "verdicts.jsonl")])

    assert re.search("row 1 is no caption: Object missing required field `id`", str(result.exception))
    assert not (tmp_path / "verdicts.jsonl").exists()


def test_an_error_names_the_line_with_an_unknown_job(captions: Path, tmp_path: Path) -> None:
    """The job may be missing in the config. Nothing is written."""
    with captions.open("a") as file:
        file.write('{"id": "x", "job": "de", "text": ""}\n')

    result = CliRunner().invoke(filter_, [str(captions), "--out", str(tmp_path / "verdicts.jsonl")])

    message = "caption 6: unknown job 'de'.*single_zh, multi_en, multi_zh: fix the line"
    assert re.search(message, str(result.exception))
    assert not (tmp_path / "verdicts.jsonl").exists()


@pytest.mark.parametrize("form", ["byte order mark", "gzip", "array", "gzip of an array"])
def test_other_encodings_of_the_file_give_the_same_verdicts(
    captions: Path, tmp_path: Path, form: str
) -> None:
    """Even if the file's name doesn't show the encoding."""
    _, expected = judged(captions, tmp_path / "expected.jsonl")
    content = captions.read_bytes()
    if form == "byte order mark":
        content = b"\xef\xbb\xbf" + content
    if "array" in form:
        content = json.dumps(ROWS, indent=1).encode()
    captions.write_bytes(gzip.compress(content) if "gzip" in form else content)

    _, verdicts = judged(captions, tmp_path / "verdicts.jsonl")

    assert expected == verdicts


def test_a_truncated_gzip_file_is_refused(captions: Path, tmp_path: Path) -> None:
    """The error is one line, not a traceback."""
    captions.write_bytes(gzip.compress(captions.read_bytes())[:-20])

    result = CliRunner().invoke(filter_, [str(captions), "--out", str(tmp_path / "verdicts.jsonl")])

    assert f"{captions} is damaged" in str(result.exception)


def test_a_warning_names_repeated_ids(captions: Path, tmp_path: Path) -> None:
    """Each row still has its own verdict."""
    captions.write_text(captions.read_text("utf-8") + json.dumps(ROWS[0]) + "\n", "utf-8")

    result, verdicts = judged(captions, tmp_path / "verdicts.jsonl")

    assert "1 rows have the id of an earlier row, the first is a" in result.stderr
    assert 6 == len(verdicts)
