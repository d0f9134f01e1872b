"""`triptych report`, as a user calls it."""

import json
from pathlib import Path

import pytest

from tests.report.conftest import make_run
from tests.triptych.conftest import Command
from triptych.report.identity import report_id


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    """A finished run with its sources beside it."""
    return make_run(tmp_path).path


def test_report_writes_the_page_and_prints_its_path(run_path: Path, triptych: Command) -> None:
    """On stdout, with its size."""
    outcome = triptych("report", run_path)
    page = run_path / "report" / "index.html"

    assert 0 == outcome.exit_code
    assert f"{page}  {page.stat().st_size:,} bytes, 7 pictures\n" == outcome.stdout


def test_report_works_without_the_sources(run_path: Path, triptych: Command) -> None:
    """With a note, and with the pictures counted as missing."""
    (run_path.parent / "images").rename(run_path.parent / "elsewhere")
    outcome = triptych("report", run_path)

    assert 0 == outcome.exit_code
    assert "note: pictures are missing" in outcome.stderr
    assert "0 pictures, 7 missing" in outcome.stdout


def test_verdicts_are_summed_up_in_a_table(run_path: Path, tmp_path: Path, triptych: Command) -> None:
    """With the precision, its interval, and the verdicts that don't count."""
    from triptych.runs.folder import RunFolder

    report = report_id(RunFolder.open(run_path))
    rows = [("s1", "good", "even"), ("s2", "good", "even"), ("s3", "bad", "even"), ("s4", "good", "rare")]
    path = tmp_path / "v.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({"report": report, "kind": "set", "key": key, "verdict": verdict, "drawn": drawn})
            for key, verdict, drawn in rows
        )
    )
    lines = triptych("report", run_path, "--verdicts", path).stdout.splitlines()

    assert ["set", "2", "3", "0.667", "0.208", "to", "0.939"] == lines[1].split()[:7]
    assert lines[1].endswith("not counted: 1 good of 1 not drawn evenly")
    assert not (run_path / "report").exists()


def test_verdicts_on_another_run_are_refused(run_path: Path, tmp_path: Path, triptych: Command) -> None:
    """In one line, as a usage error."""
    path = tmp_path / "v.jsonl"
    path.write_text('{"report": "x", "kind": "set", "key": "s", "verdict": "good", "drawn": "even"}')
    outcome = triptych("report", run_path, "--verdicts", path)

    assert 2 == outcome.exit_code
    assert "a verdict on report x, and none on this run's" in outcome.stderr


def test_a_folder_without_a_run_is_refused(tmp_path: Path, triptych: Command) -> None:
    """Without a traceback."""
    outcome = triptych("report", tmp_path)

    assert 1 == outcome.exit_code
    assert "is not a run folder" in outcome.stderr


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--port 8000", "--port is for a page that is served; add --serve"),
        ("--serve --to s3://bucket/report.html", "--to is for a page in a file; leave out --serve"),
        ("--verdicts {file} --beside {run}", "--beside is for a page; leave out --verdicts"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    run_path: Path, tmp_path: Path, triptych: Command, options: str, expected: str
) -> None:
    """It isn't ignored silently."""
    (file := tmp_path / "verdicts.jsonl").touch()

    outcome = triptych("report", run_path, *options.format(file=file, run=run_path).split())

    assert 2 == outcome.exit_code
    assert expected in outcome.stderr
