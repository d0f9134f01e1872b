"""`triptych demo` from start to end, compared with the truth about its scenes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.demo_truth import missed_bounds, score_demo
from tests.support.killed_runs import export_digests
from tests.triptych.conftest import Command
from triptych.jobs import SEED_JOBS
from triptych.runs.folder import RunFolder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of one finished demo, and what the command printed."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    answer = subprocess.run(
        [sys.executable, "-m", "triptych", "demo", str(folder)], capture_output=True, text=True
    )

    assert 0 == answer.returncode, answer.stderr

    return folder, answer.stdout


def test_the_demo_prints_the_counts_the_export_and_three_captions(demo: tuple[Path, str]) -> None:
    """That is what a newcomer sees at the end."""
    folder, printed = demo

    assert re.search(r"^images found +256$", printed, re.MULTILINE)
    assert str(folder / "run" / "export") in printed
    assert 3 == printed.partition("Three captions to read:")[2].count("sa_00000") - _extra_images(printed)


def test_the_four_exported_files_are_named_after_their_counts(demo: tuple[Path, str]) -> None:
    """None of them is empty."""
    export = demo[0] / "run" / "export"
    for kind in ("single_image_en", "single_image_zh", "multi_image_en", "multi_image_zh"):
        (path,) = export.glob(f"triptych_demo_caption_*_{kind}.jsonl")
        rows = len(path.read_bytes().splitlines())

        assert rows > 0
        assert f"triptych_demo_caption_{rows}_{kind}.jsonl" == path.name


def test_captions_sets_and_duplicates_meet_their_bounds(demo: tuple[Path, str]) -> None:
    """Compared with the truth, on scenes that the models weren't trained on."""
    assert [] == missed_bounds(score_demo(demo[0]))


def test_as_many_images_are_unreadable_as_were_damaged(demo: tuple[Path, str]) -> None:
    """The demo draws six damaged files."""
    run = RunFolder.open(demo[0] / "run")

    assert 6 == sum(record.unreadable is not None for record in run.all_images())


def test_every_planned_caption_was_made(demo: tuple[Path, str]) -> None:
    """No caption of a readable image failed."""
    run = RunFolder.open(demo[0] / "run")

    assert not [c for job in SEED_JOBS for s in run.shards() for c in run.captions(job.name, s) if c.failure]


def test_verify_passes_until_the_export_is_changed(demo: tuple[Path, str], triptych: Command) -> None:
    """It then fails, and names the changed file."""
    run = demo[0] / "run"

    assert 0 == triptych("verify", run).exit_code

    (path,) = (run / "export").glob("*_multi_image_zh.jsonl")
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-3] + b'x"\n')
        outcome = triptych("verify", run)

        assert 1 == outcome.exit_code
        assert path.name in outcome.stdout
    finally:
        path.write_bytes(content)


def test_verify_reads_the_images_again(demo: tuple[Path, str], triptych: Command) -> None:
    """By default in their sources; with --image-root, where a trainer would look for them."""
    run = demo[0] / "run"

    there = triptych("verify", run, "--images", "all")
    nowhere = triptych("verify", run, "--images", "60", "--image-root", run / "no-such-folder")

    assert 0 == there.exit_code
    assert "250 of 250 images in their sources have their bytes and size" in there.stdout
    assert 1 == nowhere.exit_code
    assert "can't be read: No such file" in nowhere.stdout
    assert " more violations" in nowhere.stdout


def test_a_second_run_does_no_work_and_says_so(demo: tuple[Path, str], triptych: Command) -> None:
    """No byte of the export changes."""
    before = export_digests(demo[0] / "run")
    outcome = triptych("run", demo[0] / "images", "--preset", "demo", "--out", demo[0] / "run")

    assert 0 == outcome.exit_code
    assert "Nothing to do" in outcome.stderr
    assert before == export_digests(demo[0] / "run")


def _extra_images(printed: str) -> int:
    """How many images the printed sets have beyond the first one of each."""
    return printed.partition("Three captions to read:")[2].count(", sa_00000")
