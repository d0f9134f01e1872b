"""`triptych filter RUN --verdicts FILE`: people have the last word, down to the exported rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.triptych.conftest import Command, again
from tests.triptych.test_bad_input import assert_one_line
from triptych import open_run
from triptych.report.identity import report_id
from triptych.runs.folder import RunFolder
from triptych.runs.human_verdicts import digest_of_text

EDITED = "Two houses stand by a river, and a flag of <b>blue</b> cloth hangs over the door of one."


@pytest.fixture
def said(run: Path, tmp_path: Path) -> Path:
    """A file: of four kept captions one is bad, one edited, one good, and one was judged as it was before."""
    with open_run(run, read_only=True) as opened:
        kept = list(opened.captions("single_en", kept=True))
    assert 4 <= len(kept)
    words = [("bad", ""), ("bad", EDITED), ("good", ""), ("bad", "")]
    rows = [
        {
            "report": "r",
            "kind": "single_en",
            "key": caption.id.partition(":")[2],
            "job": "single_en",
            "verdict": verdict,
            "text": text,
            "of": digest_of_text(caption.text if number < 3 else "another text"),
            "drawn": "even",
        }
        for number, (caption, (verdict, text)) in enumerate(zip(kept, words, strict=False))
    ]
    path = tmp_path / "verdicts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_what_people_reject_is_left_out_and_what_they_write_is_exported(
    triptych: Command, run: Path, said: Path
) -> None:
    """Each counted, with its record; a caption that has changed since stays as it is; verify agrees."""
    with open_run(run, read_only=True) as opened:
        before = {each.id: each for each in opened.captions("single_en", kept=True)}
    bad, edited, good, other, *_ = list(before)
    outcome = triptych("filter", run, "--verdicts", said)

    assert 0 == outcome.exit_code
    line = "people's verdicts: 1 rejected, 0 kept, 1 edited; 1 are on captions that are others now"
    assert line in outcome.stderr
    assert line in triptych("status", run).stdout
    with open_run(run, read_only=True) as opened:
        verdicts = {each.id: each for each in opened.verdicts("single_en")}
        texts = {each.id: each.text for each in opened.captions("single_en", kept=True)}
        assert {**(opened.ledger().jobs["single_en"].rejected or {})} == {"people": 1}
    assert (False, "people", {"people": 1.0}) == (
        verdicts[bad].keep,
        verdicts[bad].reason,
        verdicts[bad].scores,
    )
    assert (True, None, EDITED) == (verdicts[edited].keep, verdicts[edited].reason, verdicts[edited].text)
    assert before.keys() - {bad} == texts.keys()
    assert (EDITED, before[good].text, before[other].text) == (texts[edited], texts[good], texts[other])

    assert 0 == triptych("export", run).exit_code
    rows = "".join(path.read_text("utf-8") for path in (run / "export").glob("*.jsonl"))
    assert json.dumps(EDITED)[1:-1] in rows
    assert before[edited].text not in rows
    assert f'"{bad}"' not in rows
    assert 0 == triptych("verify", run).exit_code


def test_the_same_file_changes_nothing_again_and_none_takes_it_back(
    triptych: Command, run: Path, said: Path
) -> None:
    """It is a setting of the run; another file makes the verdicts anew without --fresh."""
    triptych("filter", run, "--verdicts", said)
    stamp = (run / "verdicts" / "scores.jsonl").stat().st_mtime_ns

    assert 0 == triptych("filter", run).exit_code
    assert stamp == (run / "verdicts" / "scores.jsonl").stat().st_mtime_ns

    assert 0 == triptych("filter", run, "--set", 'filtering.verdicts=""').exit_code
    with open_run(run, read_only=True) as opened:
        assert not opened.ledger().jobs["single_en"].rejected


def test_a_rejection_that_people_call_wrong_is_kept(triptych: Command, run: Path, tmp_path: Path) -> None:
    """And one that they call right stays."""
    strict = ("--fresh", "verdicts", "--set", "filtering.thresholds.too_short=60", "--accept", "too_short")
    triptych("filter", run, *strict)
    with open_run(run, read_only=True) as opened:
        rejected = [each.id.partition(":")[2] for each in opened.captions("single_en", kept=False)]
    row = {"report": "r", "kind": "rejected: too_short", "job": "single_en", "drawn": "even"}
    path = tmp_path / "verdicts.jsonl"
    path.write_text(
        json.dumps(row | {"key": rejected[0], "verdict": "bad"})
        + "\n"
        + json.dumps(row | {"key": rejected[1], "verdict": "good"})
    )

    assert "0 rejected, 1 kept, 0 edited" in triptych("filter", run, "--verdicts", path).stderr
    with open_run(run, read_only=True) as opened:
        assert [rejected[0]] == [
            each.id.partition(":")[2] for each in opened.captions("single_en", kept=True)
        ]


def test_a_caption_that_people_call_good_is_kept_whatever_rules_say_later(
    triptych: Command, run: Path, said: Path
) -> None:
    """They have the last word."""
    good = json.loads(said.read_text().splitlines()[2])["key"]
    strict = ("--fresh", "verdicts", "--set", "filtering.thresholds.too_short=300", "--accept", "too_short")

    assert "1 kept, 1 edited" in triptych("filter", run, *strict, "--verdicts", said).stderr
    with open_run(run, read_only=True) as opened:
        assert good in [each.id.partition(":")[2] for each in opened.captions("single_en", kept=True)]


def test_what_people_said_can_be_counted_after_it_was_taken_into_account(
    triptych: Command, run: Path, said: Path
) -> None:
    """The report that they judged is still that of this run."""
    report = report_id(RunFolder.open(run))
    said.write_text(said.read_text().replace('"report": "r"', f'"report": "{report}"'))

    assert 0 == triptych("filter", run, "--verdicts", said).exit_code

    assert "single_en" in triptych("report", run, "--verdicts", said).stdout


def test_a_file_that_is_no_verdicts_is_refused(triptych: Command, run: Path, tmp_path: Path) -> None:
    """Before anything is written, with the line."""
    path = tmp_path / "v.jsonl"
    path.write_text('{"id": 1}\n')
    outcome = triptych("filter", run, "--verdicts", path)

    assert 2 == outcome.exit_code
    assert "line 1: expected a verdict" in outcome.stderr


def test_a_file_that_has_gone_is_missed_before_any_work(
    triptych: Command, few_images: Path, run: Path, said: Path
) -> None:
    """With two ways out."""
    triptych("filter", run, "--verdicts", said)
    said.unlink()

    assert_one_line(again(triptych, few_images, run), 2, str(said), "No such file", "filtering.verdicts=")
