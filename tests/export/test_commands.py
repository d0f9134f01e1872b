"""`triptych export` and its options, on a judged run."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from triptych.cli import cli
from triptych.errors import SetupError, UsageError
from triptych.filtering.config import FilteringConfig
from triptych.filtering.stage import verdict_settings
from triptych.jobs import SEED_JOBS
from triptych.opening import open_run
from triptych.runs.folder import RunFolder
from triptych.verify import Findings
from triptych.verify.run import _check_export


@pytest.fixture
def run(judged_run) -> RunFolder:
    """A judged run with its settings and the jobs that were done."""
    run: RunFolder = judged_run()
    run.run_file.stages["captions"].notes = {f"{job.name}.planned": 1 for job in SEED_JOBS}
    run.run_file.stages["verdicts"].settings = verdict_settings(FilteringConfig())
    run.save()
    return run


@pytest.fixture
def call(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """``call("--dry-run")`` returns what `triptych export RUN --dry-run` prints to stdout."""

    def export(*options: str) -> str:
        cli.main(["export", str(run.path), *options], standalone_mode=False)
        return capsys.readouterr().out

    return export


def files_in(run: RunFolder) -> set[str]:
    return {path.name for path in run.export_folder.iterdir()} if run.export_folder.exists() else set()


def test_a_dry_run_prints_file_names_and_rows_and_writes_nothing(run: RunFolder, call) -> None:
    """A format can be given."""
    printed = call("--dry-run", "--format", "llava")

    assert "triptych_caption_9_single_image_en.jsonl" in printed
    assert " 9 rows " in printed
    assert set() == files_in(run)


def test_a_dry_run_with_fresh_keeps_the_existing_export(run: RunFolder, call) -> None:
    """It shows what --fresh export would write, and discards nothing."""
    call()
    before = files_in(run)

    printed = call("--dry-run", "--fresh", "export", "--file-type", "parquet")

    assert "triptych_caption_9_single_image_en.parquet" in printed
    assert before == files_in(run)
    assert "jsonl" == RunFolder.open(run.path).run_file.stages["export"].settings["file_type"]


def test_a_dry_run_is_refused_if_the_export_would_be(run: RunFolder, call) -> None:
    """With the same message."""
    run.run_file.stages["verdicts"].finished = False
    run.save()
    messages = []
    for options in ((), ("--dry-run",)):
        with pytest.raises(SetupError) as caught:
            call(*options)
        messages.append(str(caught.value))

    assert messages[0] == messages[1]


def test_an_export_folder_that_is_a_link_is_refused(run: RunFolder, call, tmp_path: Path) -> None:
    """A finished export is renamed to that path, which a link would prevent."""
    (tmp_path / "big").mkdir()
    run.export_folder.symlink_to(tmp_path / "big")
    with pytest.raises(SetupError, match="is a link"):
        call()


def test_fresh_accepts_no_other_stage_than_export(call) -> None:
    """The command runs no other stage."""
    with pytest.raises(click.UsageError, match="'captions' is not 'export'"):
        call("--fresh", "captions")


def test_another_format_requires_fresh(run: RunFolder, call) -> None:
    """A format is a setting like any other."""
    call()

    with pytest.raises(SetupError, match="format = 'internvl', now it is 'llama-factory'"):
        call("--format", "llama-factory")

    call("--format", "llama-factory", "--fresh", "export", "--image-root", "/data/sa1b")
    assert "dataset_info.json" in files_in(run)
    assert "`media_dir` is /data/sa1b" in Path(run.export_folder, "README.md").read_text("utf-8")


def test_an_unknown_format_is_a_usage_error(call) -> None:
    """The error lists the formats."""
    with pytest.raises(
        click.BadParameter, match="'internvl', 'llava', 'ms-swift', 'llama-factory', 'chat-parts'"
    ):
        call("--format", "coco")


def test_progress_of_reading_and_writing_is_shown(
    run: RunFolder, call, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal, stderr gets one line for each task."""
    capsys.readouterr()
    cli.main(["export", str(run.path)], standalone_mode=False)
    shown = capsys.readouterr().err

    for task in ("checksums: ", *(f"export {job.name}: " for job in SEED_JOBS)):
        assert task in shown


def files_of_named_export(run: RunFolder, name: str) -> dict[str, bytes]:
    """The files of an export below RUN/exports."""
    return {path.name: path.read_bytes() for path in (run.path / "exports" / name).iterdir()}


def test_named_exports_do_not_affect_each_other_or_the_runs_own(run: RunFolder, call) -> None:
    """Each keeps its own options when it is run again."""
    call()
    before = {path.name: path.read_bytes() for path in run.export_folder.iterdir()}

    call("--to", "llava", "--format", "llava", "--prefix", "mine")
    call("--to", "trl", "--format", "chat-parts")
    first = files_of_named_export(run, "llava")
    call("--to", "llava")

    assert {"mine_9_single_image_en.jsonl", "manifest.json"} <= first.keys()
    assert first == files_of_named_export(run, "llava")
    assert before == {path.name: path.read_bytes() for path in run.export_folder.iterdir()}
    assert "internvl" == RunFolder.open(run.path).run_file.config["export"]["format"]
    assert ["exports/llava", "exports/trl"] == RunFolder.open(run.path).every_stage[5:]


def test_the_manifest_of_a_named_export_has_its_own_settings(run: RunFolder, call) -> None:
    """It has the same bytes whether the run has its own export or not."""
    call("--to", "lf", "--format", "llama-factory")
    before = files_of_named_export(run, "lf")
    call()
    call("--to", "lf", "--fresh", "export")

    assert before == files_of_named_export(run, "lf")
    settings = json.loads(before["manifest.json"])["stages"]["export"]["settings"]
    assert "llama-factory" == settings["format"]


def test_a_named_export_does_not_take_over_the_rows_per_file_of_the_runs_own(run: RunFolder, call) -> None:
    """It stays in one file."""
    call("--to", "lf")
    call("--rows-per-file", "2")

    call("--to", "lf")

    assert "triptych_caption_9_single_image_en.jsonl" in files_of_named_export(run, "lf")


def test_a_named_export_can_be_replaced_in_another_format_with_fresh(run: RunFolder, call) -> None:
    """Without --fresh it is refused; the error names both solutions."""
    call("--to", "mine", "--format", "llava")

    with pytest.raises(SetupError, match=r"exports/mine .* --fresh export .*, or write another with --to"):
        call("--to", "mine", "--format", "internvl")
    call("--to", "mine", "--format", "internvl", "--fresh", "export")

    assert "triptych_caption_meta.json" in files_of_named_export(run, "mine")


@pytest.mark.parametrize("name", ["../out", "a/b", ".part", "", " "])
def test_an_export_name_that_is_no_folder_name_is_refused(name: str, run: RunFolder, call) -> None:
    """Nothing is written elsewhere. An empty name means the run's own export."""
    if not name:
        call("--to", name)
        assert files_in(run)
        return
    with pytest.raises(UsageError, match="expected letters, digits"):
        call("--to", name)


def test_verify_finds_damage_to_a_named_export(run: RunFolder, call) -> None:
    """It reads the rows as it does those of the run's own export."""
    call("--to", "llava", "--format", "llava")
    opened = open_run(run.path, read_only=True)
    found = Findings()
    _check_export(opened, found)
    assert found.checks
    assert not found.violations

    path = run.path / "exports" / "llava" / "triptych_caption_9_single_image_en.jsonl"
    path.write_bytes(path.read_bytes().replace(b"image", b"imagE", 1))
    found = Findings()
    _check_export(opened, found)

    assert "doesn't have the checksum in the manifest" in found.violations[0]


def test_a_folder_that_is_no_export_of_the_run_is_not_replaced(run: RunFolder, call) -> None:
    """Nothing in it is removed, and the error says what to do."""
    mine = run.path / "exports" / "mine" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")

    for options in ((), ("--fresh", "export"), ("--dry-run",)):
        with pytest.raises(SetupError, match=r"exports/mine exists and .* or name another export with --to"):
            call("--to", "mine", *options)

    assert "mine" == mine.read_text()


def test_an_export_with_another_threshold_than_the_verdicts_is_refused(
    run: RunFolder, call, capsys: pytest.CaptureFixture[str]
) -> None:
    """The setting isn't saved by that. If it is set in the run's config, `triptych status` reports the
    difference."""
    setting = "filtering.thresholds.too_short=2500"
    for options in ((), ("--to", "t"), ("--dry-run",)):
        with pytest.raises(
            SetupError,
            match=r"thresholds\.too_short = None, now it is 2500.0; run `triptych filter .* --fresh",
        ):
            call("--set", setting, *options)
    assert set() == files_in(run)
    call()

    cli.main(["config", str(run.path), setting], standalone_mode=False)
    cli.main(["status", str(run.path)], standalone_mode=False)
    assert "finished, with another value of thresholds.too_short than the run has" in capsys.readouterr().out


def test_a_run_with_verdicts_of_older_rule_versions_can_be_exported(run: RunFolder, call) -> None:
    """The user has changed no setting. A different list of rules is refused."""
    settings = run.run_file.stages["verdicts"].settings
    settings["rules"] = str(settings["rules"]).replace("too_short 1", "too_short 0")
    run.save()
    call()

    settings["rules"] = str(settings["rules"]).replace("too_short 0, ", "")
    run.save()
    with pytest.raises(SetupError, match="rules = "):
        call("--to", "other")
