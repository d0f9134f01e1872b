"""`triptych filter RUN --verdicts FILE`: people's verdicts override the rules, also in the exported rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.triptych.conftest import Command, run_again
from tests.triptych.test_bad_input import assert_one_line
from triptych import open_run
from triptych.report.identity import report_id
from triptych.runs.folder import RunFolder
from triptych.runs.human_verdicts import STORED, digest_of_text

EDITED = "Two houses stand by a river, and a flag of <b>blue</b> cloth hangs over the door of one."


@pytest.fixture
def verdicts_file(run: Path, tmp_path: Path) -> Path:
    """A file with verdicts on four kept captions: one bad, one edited, one good, and one on an earlier text
    of the caption."""
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


def test_rejected_captions_are_left_out_and_edited_ones_are_exported(
    triptych: Command, run: Path, verdicts_file: Path
) -> None:
    """Both are counted and recorded. A verdict on an earlier text has no effect, and `verify` passes."""
    with open_run(run, read_only=True) as opened:
        before = {each.id: each for each in opened.captions("single_en", kept=True)}
    bad, edited, good, other, *_ = list(before)
    outcome = triptych("filter", run, "--verdicts", verdicts_file)

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


def test_a_file_of_verdicts_is_a_setting_that_can_be_removed(
    triptych: Command, run: Path, verdicts_file: Path
) -> None:
    """The same file again changes nothing. Without it, verdicts are made anew, even without --fresh."""
    triptych("filter", run, "--verdicts", verdicts_file)
    stamp = (run / "verdicts" / "scores.jsonl").stat().st_mtime_ns

    assert 0 == triptych("filter", run).exit_code
    assert stamp == (run / "verdicts" / "scores.jsonl").stat().st_mtime_ns

    assert 0 == triptych("filter", run, "--set", 'filtering.verdicts=""').exit_code
    with open_run(run, read_only=True) as opened:
        assert not opened.ledger().jobs["single_en"].rejected


def test_a_caption_whose_rejection_people_call_wrong_is_kept(
    triptych: Command, run: Path, tmp_path: Path
) -> None:
    """A caption whose rejection they call right stays rejected."""
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


def test_a_caption_that_people_call_good_is_kept_despite_stricter_rules(
    triptych: Command, run: Path, verdicts_file: Path
) -> None:
    """People have the last word."""
    good = json.loads(verdicts_file.read_text().splitlines()[2])["key"]
    strict = ("--fresh", "verdicts", "--set", "filtering.thresholds.too_short=300", "--accept", "too_short")

    assert "1 kept, 1 edited" in triptych("filter", run, *strict, "--verdicts", verdicts_file).stderr
    with open_run(run, read_only=True) as opened:
        assert good in [each.id.partition(":")[2] for each in opened.captions("single_en", kept=True)]


def test_verdicts_can_be_counted_after_they_were_applied(
    triptych: Command, run: Path, verdicts_file: Path
) -> None:
    """The report that people judged still belongs to this run."""
    report = report_id(RunFolder.open(run))
    verdicts_file.write_text(verdicts_file.read_text().replace('"report": "r"', f'"report": "{report}"'))

    assert 0 == triptych("filter", run, "--verdicts", verdicts_file).exit_code

    assert "single_en" in triptych("report", run, "--verdicts", verdicts_file).stdout


@pytest.mark.parametrize("judged_before", [True, False])
def test_a_caption_stays_rejected_when_people_confirm_their_rejection(
    triptych: Command, run: Path, verdicts_file: Path, judged_before: bool
) -> None:
    """Whether or not the file also contains the confirmed verdict."""
    bad = json.loads(verdicts_file.read_text().splitlines()[0])
    triptych("filter", run, "--verdicts", verdicts_file)
    with open_run(run, read_only=True) as opened:
        (rejected,) = [each.id for each in opened.captions("single_en", kept=False)]
    confirmed = bad | {"kind": "rejected: people", "verdict": "good", "time": "2030-01-01T00:00:00Z"}
    verdicts_file.write_text(
        "".join(json.dumps(each) + "\n" for each in [bad, confirmed][not judged_before :])
    )

    assert 0 == triptych("filter", run).exit_code
    with open_run(run, read_only=True) as opened:
        assert [rejected] == [each.id for each in opened.captions("single_en", kept=False)]


def test_confirming_a_rule_revokes_no_earlier_verdict(
    triptych: Command, run: Path, verdicts_file: Path
) -> None:
    """If the rule no longer rejects the caption, people still do."""
    bad = json.loads(verdicts_file.read_text().splitlines()[0])
    confirmed = bad | {"kind": "rejected: too_short", "verdict": "good", "time": "2030-01-01T00:00:00Z"}
    verdicts_file.write_text(json.dumps(bad) + "\n" + json.dumps(confirmed) + "\n")

    assert "1 rejected, 0 kept" in triptych("filter", run, "--verdicts", verdicts_file).stderr


def test_a_dry_run_applies_peoples_verdicts(triptych: Command, run: Path, verdicts_file: Path) -> None:
    """It counts the captions that the filter would keep."""
    shown = triptych("filter", run, "--dry-run", "--verdicts", verdicts_file).stdout.splitlines()

    assert f"  {'people':<20} {1:>10} rejected" in shown
    assert f"  {'kept':<20} {5:>10} (83.33%)" in shown
    assert "people's verdicts: 1 rejected, 0 kept, 1 edited; 1 are on captions that are others now" in shown


def test_new_verdicts_by_people_make_the_stored_ones_stale(
    triptych: Command, run: Path, verdicts_file: Path
) -> None:
    """Stale verdicts aren't exported. Deleting the file makes nothing stale; removing the setting does."""
    triptych("filter", run, "--verdicts", verdicts_file)
    first = json.loads(verdicts_file.read_text().splitlines()[2])
    with verdicts_file.open("a") as file:
        file.write(json.dumps(first | {"verdict": "bad", "time": "2030-01-01T00:00:00Z"}) + "\n")

    refused = triptych("export", run)
    why = "verdicts are stale: people's verdicts have changed since"
    assert_one_line(refused, 1, why, f"run `triptych filter {run}` first")
    assert "finished, stale: people's verdicts have changed since" in triptych("status", run).stdout
    assert f"BAD  {why}" in triptych("verify", run).stdout
    assert 0 == triptych("filter", run).exit_code
    verdicts_file.unlink()
    assert 0 == triptych("export", run).exit_code

    triptych("config", run, 'filtering.verdicts=""')
    assert_one_line(triptych("export", run), 1, why)


def test_a_damaged_line_of_stored_verdicts_is_reported(
    triptych: Command, run: Path, verdicts_file: Path
) -> None:
    """By all commands that read it. A last line that a crash cut short is no damage: nobody was told that it
    is stored."""
    report = report_id(RunFolder.open(run))
    lines = (
        verdicts_file.read_text().replace('"report": "r"', f'"report": "{report}"').splitlines(keepends=True)
    )
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


def test_a_file_without_verdicts_is_refused(triptych: Command, run: Path, tmp_path: Path) -> None:
    """Before anything is written. The error names the line."""
    path = tmp_path / "v.jsonl"
    path.write_text('{"id": 1}\n')
    outcome = triptych("filter", run, "--verdicts", path)

    assert 2 == outcome.exit_code
    assert "line 1: expected a verdict" in outcome.stderr


def test_a_missing_file_of_verdicts_is_found_before_any_work(
    triptych: Command, few_images: Path, run: Path, verdicts_file: Path
) -> None:
    """The error names the setting to change."""
    triptych("filter", run, "--verdicts", verdicts_file)
    verdicts_file.unlink()

    assert_one_line(
        run_again(triptych, few_images, run), 2, str(verdicts_file), "No such file", "filtering.verdicts="
    )
