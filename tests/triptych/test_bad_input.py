"""Whatever goes wrong ends with one clear line and the right exit code, or is recorded in the run."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.triptych.conftest import Command, Outcome

DEMO = ("--preset", "demo")


def assert_one_line(outcome: Outcome, exit_code: int, *words: str) -> None:
    """The last line of stderr contains the words, and there is no traceback."""
    assert exit_code == outcome.exit_code, outcome.stderr
    assert "Traceback" not in outcome.stderr
    last = outcome.stderr.strip().splitlines()[-1]
    for word in words:
        assert word in last


def test_a_missing_source_is_refused(triptych: Command, tmp_path: Path) -> None:
    """No run folder is created."""
    outcome = triptych("run", tmp_path / "none", *DEMO, "--out", tmp_path / "run")

    assert_one_line(outcome, 2, "none does not exist", "expected a folder")
    assert not (tmp_path / "run").exists()


def test_a_source_that_is_gone_may_have_moved(triptych: Command, few_images: Path, tmp_path: Path) -> None:
    """The error says how to name its new place."""
    images, elsewhere = tmp_path / "images", tmp_path / "elsewhere"
    shutil.copytree(few_images, images)
    assert 0 == triptych("group", images, *DEMO, "--out", tmp_path / "run").exit_code
    images.rename(elsewhere)

    gone = triptych("caption", tmp_path / "run")

    assert_one_line(gone, 1, f"{images} does not exist any more", f"add --moved {images}=NEW")
    assert 0 == triptych("caption", tmp_path / "run", "--moved", f"{images}={elsewhere}").exit_code


def test_a_source_without_images_is_refused(triptych: Command, tmp_path: Path) -> None:
    """An empty folder is a mistake, not an empty dataset."""
    (tmp_path / "empty").mkdir()
    outcome = triptych("run", tmp_path / "empty", *DEMO, "--out", tmp_path / "run")

    assert_one_line(outcome, 2, "no images in", "expected a folder, an image, a tar")


def test_an_unknown_option_is_answered_with_the_closest_one(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """click suggests it."""
    outcome = triptych("run", few_images, "--prset", "demo", "--out", tmp_path / "run")

    assert_one_line(outcome, 2, "--prset", "--preset")


def test_an_unknown_config_key_is_answered_with_the_closest_one(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """Here in a config file."""
    file = tmp_path / "mine.toml"
    file.write_text("[set]\nmax_sets = 3\n")
    outcome = triptych("run", few_images, *DEMO, "--config", file, "--out", tmp_path / "run")

    assert_one_line(outcome, 2, "unknown config key set", "did you mean sets?")


def test_a_run_without_a_captioning_model_is_refused(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """The embedded models are never used silently."""
    outcome = triptych("run", few_images, "--out", tmp_path / "run")

    assert_one_line(outcome, 2, "no captioning model", "--model")


def test_a_missing_model_folder_is_found_before_grouping(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """Not after hours of grouping."""
    outcome = triptych("run", few_images, *DEMO, "--model", tmp_path / "no-model", "--out", tmp_path / "run")

    assert_one_line(outcome, 1, "no-model")
    assert not (tmp_path / "run" / "images").exists()


def test_captions_stay_if_the_model_to_remake_them_is_missing(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """--fresh discards nothing that can't be made again."""
    arguments = ("run", few_images, *DEMO, "--job", "single_en", "--out", tmp_path / "run")

    assert 0 == triptych(*arguments).exit_code

    (journal,) = (tmp_path / "run" / "captions" / "single_en").rglob("*.jsonl")
    before = journal.read_bytes()
    no_model = ("--fresh", "captions", "--model", tmp_path / "no-model")
    commands = [arguments, ("caption", tmp_path / "run", "--job", "single_en")]
    outcomes = [triptych(*command, *no_model) for command in commands]

    for outcome in outcomes:
        assert_one_line(outcome, 1, "no-model")
    assert before == journal.read_bytes()
    assert "not finished" not in triptych("verify", tmp_path / "run").stdout


def test_a_missing_encoder_folder_is_named(triptych: Command, few_images: Path, tmp_path: Path) -> None:
    """In one line."""
    outcome = triptych(
        "group", few_images, *DEMO, "--set", f"embedding.model={tmp_path}/no-clip", "--out", tmp_path / "run"
    )

    assert_one_line(outcome, 1, "no-clip")


def test_embeddings_stay_if_the_encoder_to_remake_them_is_missing(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """They cost hours."""
    arguments = ("group", few_images, *DEMO, "--out", tmp_path / "run")

    assert 0 == triptych(*arguments).exit_code

    outcome = triptych(*arguments, "--fresh", "embeddings", "--set", f"embedding.model={tmp_path}/no-clip")

    assert_one_line(outcome, 1, "no-clip")
    assert list((tmp_path / "run" / "embeddings").glob("*.npy"))


@pytest.mark.parametrize("stage", ["group", "run"])
def test_an_unreachable_hub_ends_the_command_in_one_line(
    stage: str, few_images: Path, tmp_path: Path
) -> None:
    """Within seconds. The command runs in a child process, so that no cache or setting leaks."""
    model = (
        ["--set", "embedding.model=ViT-B-32", "--set", "embedding.pretrained=laion2b_s34b_b79k"]
        if stage == "group"
        else ["--model", "OpenGVLab/InternVL3-1B-hf"]
    )
    environment = {
        **os.environ,
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path / "cache"),
    }
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "triptych",
            stage,
            str(few_images),
            *DEMO,
            *model,
            "--out",
            str(tmp_path / "run"),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert_one_line(Outcome(answer.returncode, answer.stdout, answer.stderr), 1, "reach")


def test_an_unreachable_endpoint_is_found_before_embedding(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """The error names it."""
    outcome = triptych(
        "run", few_images, *DEMO, "--server", "http://127.0.0.1:9/v1", "--out", tmp_path / "run"
    )

    assert_one_line(outcome, 1, "http://127.0.0.1:9")
    assert not (tmp_path / "run" / "images").exists()


def test_a_run_folder_of_another_format_version_is_refused(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """By `run` and by `status`."""
    (tmp_path / "run.json").write_text('{"format_version": 999}')
    for arguments in (("run", few_images, *DEMO, "--out", tmp_path), ("status", tmp_path)):
        assert_one_line(triptych(*arguments), 1, "run format 999")


def test_a_run_folder_in_use_is_refused(triptych: Command, few_images: Path, tmp_path: Path) -> None:
    """The error names the process that uses it."""
    code = "import sys,time; from pathlib import Path; from triptych.runs.lock import owned\n"
    code += "with owned(Path(sys.argv[1])): print(flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        outcome = triptych("run", few_images, *DEMO, "--out", tmp_path)

        assert_one_line(outcome, 1, f"in use by process {holder.pid}")
    finally:
        holder.kill()
        holder.communicate()


def test_a_folder_that_is_no_run_is_refused(triptych: Command, tmp_path: Path) -> None:
    """By each command that takes a run folder."""
    for command in ("caption", "filter", "export", "status", "verify"):
        assert_one_line(triptych(command, tmp_path), 1, "is not a run folder")
        assert_one_line(triptych(command, tmp_path / "no.jsonl"), 1, "no.jsonl: no such file or run folder")


def test_a_stage_without_its_input_names_the_command_to_run_first(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """Here `export`, which needs the verdicts of `filter`."""
    triptych("group", few_images, *DEMO, "--out", tmp_path / "run")
    outcome = triptych("export", tmp_path / "run")

    assert_one_line(outcome, 1, f"run `triptych filter {tmp_path / 'run'}` first")


def test_a_changed_setting_is_refused_without_fresh(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """The error names the setting, and --fresh, with which the command succeeds."""
    triptych("group", few_images, *DEMO, "--out", tmp_path / "run")
    changed = ("group", few_images, *DEMO, "--set", "sets.max_images=3", "--out", tmp_path / "run")

    assert_one_line(triptych(*changed), 1, "max_images", "--fresh sets")
    assert 0 == triptych(*changed, "--fresh", "sets").exit_code


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_too_little_free_space_is_refused_before_work_starts(
    triptych: Command, few_images: Path, small_disk: Path
) -> None:
    """The error gives the free space, and suggests another disk."""
    outcome = triptych("group", few_images, *DEMO, "--out", small_disk / "run")

    assert_one_line(outcome, 1, "MiB free", "another disk")


def test_a_disk_that_fills_up_ends_the_run_in_one_line(
    triptych: Command, few_images: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With space again, the same command succeeds."""
    monkeypatch.setattr("triptych.opening.MIN_FREE_BYTES", 0)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - 12 * 1024))
    arguments = ("group", few_images, *DEMO, "--out", small_disk / "run")

    assert_one_line(triptych(*arguments), 1, "No space left on device", "resumes from here")

    ballast.unlink()

    assert 0 == triptych(*arguments).exit_code


def test_unreadable_images_and_a_truncated_tar_are_recorded(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """They don't end the run, and each is recorded with its reason."""
    source = tmp_path / "images"
    shutil.copytree(few_images, source)
    (source / "empty.jpg").touch()
    (source / "words.jpg").write_bytes(b"not a picture at all")
    picture = (few_images / "00.png").read_bytes()
    (source / "half.png").write_bytes(picture[: len(picture) // 2])
    with tarfile.open(source / "cut.tar", "w") as archive:
        for name in ("a.png", "b.png"):
            header = tarfile.TarInfo(name)
            header.size = len(picture)
            archive.addfile(header, io.BytesIO(picture))
    whole = (source / "cut.tar").read_bytes()
    (source / "cut.tar").write_bytes(whole[: 512 + len(picture) + 1500])
    outcome = triptych("group", source, *DEMO, "--out", tmp_path / "run")

    assert 0 == outcome.exit_code, outcome.stderr

    rows = [
        json.loads(line)
        for path in (tmp_path / "run" / "images").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    reasons = {
        row["key"].partition("#")[0]: row["unreadable"].partition(":")[0]
        for row in rows
        if "unreadable" in row
    }

    assert "empty" == reasons["empty.jpg"]
    assert "unknown format" == reasons["words.jpg"]
    assert "truncated" == reasons["half.png"]
    assert "truncated archive" == reasons["cut.tar"]
    assert "cut/a.png" in {row["key"] for row in rows} - reasons.keys()
