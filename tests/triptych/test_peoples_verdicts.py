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
from triptych.runs.human_verdicts import STORED, digest_of_text

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


@pytest.mark.parametrize("judged_before", [True, False])
def test_that_a_rejection_by_people_is_right_leaves_the_caption_rejected(
    triptych: Command, run: Path, said: Path, judged_before: bool
) -> None:
    """Whether the file has the verdict that it confirms, too, or not."""
    bad = json.loads(said.read_text().splitlines()[0])
    triptych("filter", run, "--verdicts", said)
    with open_run(run, read_only=True) as opened:
        (rejected,) = [each.id for each in opened.captions("single_en", kept=False)]
    confirmed = bad | {"kind": "rejected: people", "verdict": "good", "time": "2030-01-01T00:00:00Z"}
    said.write_text("".join(json.dumps(each) + "\n" for each in [bad, confirmed][not judged_before :]))

    assert 0 == triptych("filter", run).exit_code
    with open_run(run, read_only=True) as opened:
        assert [rejected] == [each.id for each in opened.captions("single_en", kept=False)]


def test_that_a_rule_is_right_takes_back_nothing_that_people_said_before(
    triptych: Command, run: Path, said: Path
) -> None:
    """When the rule is gone, theirs is still the last word."""
    bad = json.loads(said.read_text().splitlines()[0])
    confirmed = bad | {"kind": "rejected: too_short", "verdict": "good", "time": "2030-01-01T00:00:00Z"}
    said.write_text(json.dumps(bad) + "\n" + json.dumps(confirmed) + "\n")

    assert "1 rejected, 0 kept" in triptych("filter", run, "--verdicts", said).stderr


def test_a_dry_run_counts_with_what_people_say(triptych: Command, run: Path, said: Path) -> None:
    """As many are kept as the filter would keep."""
    shown = triptych("filter", run, "--dry-run", "--verdicts", said).stdout.splitlines()

    assert f"  {'people':<20} {1:>10} rejected" in shown
    assert f"  {'kept':<20} {5:>10} (83.33%)" in shown
    assert "people's verdicts: 1 rejected, 0 kept, 1 edited; 1 are on captions that are others now" in shown


def test_verdicts_are_stale_when_people_have_said_more(triptych: Command, run: Path, said: Path) -> None:
    """They aren't exported without it; a file that has gone says nothing new."""
    triptych("filter", run, "--verdicts", said)
    first = json.loads(said.read_text().splitlines()[2])
    with said.open("a") as file:
        file.write(json.dumps(first | {"verdict": "bad", "time": "2030-01-01T00:00:00Z"}) + "\n")

    refused = triptych("export", run)
    why = "verdicts are stale: people's verdicts have changed since"
    assert_one_line(refused, 1, why, f"run `triptych filter {run}` first")
    assert "finished, stale: people's verdicts have changed since" in triptych("status", run).stdout
    assert f"BAD  {why}" in triptych("verify", run).stdout
    assert 0 == triptych("filter", run).exit_code
    said.unlink()
    assert 0 == triptych("export", run).exit_code

    triptych("config", run, 'filtering.verdicts=""')
    assert_one_line(triptych("export", run), 1, why)


def test_a_damaged_line_of_what_the_run_has_stored_is_said(triptych: Command, run: Path, said: Path) -> None:
    """By all that read it; one that a crash cut short is none, since nobody was told that it is stored."""
    report = report_id(RunFolder.open(run))
    lines = said.read_text().replace('"report": "r"', f'"report": "{report}"').splitlines(keepends=True)
    stored = run / STORED
    stored.write_text("".join(lines[:3]) + lines[3][:40])
    assert "no verdicts" not in triptych("filter", run, "--verdicts", stored).stderr
    assert 0 == triptych("export", run).exit_code
    assert 0 == triptych("verify", run).exit_code

    stored.write_text(lines[0][:40] + "\n" + "".join(lines[1:3]))
    line = f"1 lines of {stored} are not verdicts: damaged or cut short"

    assert line in triptych("filter", run).stderr
    assert line in triptych("report", run, "--verdicts", stored).stderr
    assert f"BAD  {line}" in triptych("verify", run).stdout


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
