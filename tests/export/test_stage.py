"""The export stage, and the files in export/ afterwards."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tests.export.conftest import FORMAT_OF
from tests.support.internvl_reader import load_dataset_meta
from triptych.errors import SetupError
from triptych.export.check.export import check_export
from triptych.export.containers import CONTAINERS
from triptych.jobs import SEED_JOBS, Job
from triptych.progress import Silent
from triptych.records import ImageRecord, Verdict
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl

FILES = {
    "triptych_caption_9_single_image_en.jsonl",
    "triptych_caption_8_single_image_zh.jsonl",
    "triptych_caption_1_multi_image_en.jsonl",
    "triptych_caption_1_multi_image_zh.jsonl",
    "triptych_caption_meta.json",
    "README.md",
    "manifest.json",
}


def contents(run: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.export_folder.iterdir()}


def contents_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def header(card: bytes) -> dict[str, object]:
    loaded = yaml.safe_load(card.decode().split("---\n")[1])
    assert isinstance(loaded, dict)
    return loaded


def test_an_export_has_a_file_for_each_job_a_card_meta_json_and_manifest(judged_run, export) -> None:
    """Nothing else remains, such as a partial export."""
    run = judged_run()

    assert export(run)

    assert contents(run).keys() == FILES
    assert not (run.path / "export.part").exists()


def test_the_internvl_loader_reads_every_file(judged_run, export) -> None:
    """It finds them in the meta JSON, and is as strict as the original."""
    run = judged_run()
    export(run, image_root="images")

    loaded = load_dataset_meta(run.export_folder / "triptych_caption_meta.json")

    assert {f"triptych_caption_{job.name}": n for job, n in zip(SEED_JOBS, (9, 8, 1, 1), strict=True)} == {
        name: len(rows) for name, rows in loaded.items()
    }


def test_rows_are_the_kept_captions_in_plan_order(judged_run, export) -> None:
    """Unreadable images, duplicates, failures and rejected captions have no row."""
    run = judged_run()
    export(run)

    lines = contents(run)["triptych_caption_8_single_image_zh.jsonl"].splitlines()

    assert [json.loads(line)["image"] for line in lines] == [
        "a/2.jpg", "a/4.jpg", "a/5.jpg", *(f"sub/b/{i}.jpg" for i in (1, 2, 3, 4, 5)),
    ]  # fmt: skip


def test_text_is_utf8_without_escapes(judged_run, export) -> None:
    """Chinese is legible in the file."""
    run = judged_run()
    export(run)

    assert "一艘船".encode() in contents(run)["triptych_caption_9_single_image_en.jsonl"]


def test_the_card_gives_each_file_a_config(judged_run, export) -> None:
    """The Hub's viewer shows four tabs, each with a train split."""
    run = judged_run()
    export(run)

    configs = header(contents(run)["README.md"])["configs"]

    assert [job.name for job in SEED_JOBS] == [config["config_name"] for config in configs]
    for config in configs:
        ((split, path),) = [tuple(entry.values()) for entry in config["data_files"]]
        assert "train" == split and path in FILES


def test_the_card_documents_the_dataset(judged_run, export) -> None:
    """It has the model, prompts, thresholds, rejections, licence, and an example row for each file."""
    run = judged_run()
    export(run, image_source="sa-1b")

    card = contents(run)["README.md"].decode()

    for text in ("nano_internvl", "描述这些图像。", "min_words_single", "too_short", "not included"):
        assert text in card
    assert "SA-1B Dataset Research License" in card
    assert 4 == card.count("```json")


def test_the_header_has_a_licence_only_if_the_user_names_one(judged_run, export) -> None:
    """It is the licence of the captions, not of the images."""
    run, other = judged_run("run"), judged_run("other")
    export(run)
    export(other, captions_licence="cc-by-4.0")

    assert "license" not in header(contents(run)["README.md"])
    assert "cc-by-4.0" == header(contents(other)["README.md"])["license"]


def test_a_job_without_kept_captions_has_an_empty_file_and_no_config(judged_run, export) -> None:
    """The file exists because the job was requested, but a loader can't derive columns from it."""
    run = judged_run()
    for job in (job.name for job in SEED_JOBS):
        for path in (run.path / "verdicts" / job).rglob("*.jsonl"):
            shard = path.relative_to(run.path / "verdicts" / job).with_suffix("").as_posix()
            rejected = [Verdict(id=v.id, keep=False, reason="too_short") for v in run.verdicts(job, shard)]
            write_jsonl(path, rejected)
    run.finish_stage("verdicts")

    export(run)

    assert b"" == contents(run)["triptych_caption_0_single_image_en.jsonl"]
    assert [] == header(contents(run)["README.md"])["configs"]
    assert {} == json.loads(contents(run)["triptych_caption_meta.json"])
    assert [] == check_export(run, Silent())[1]


def test_a_run_without_readable_images_exports_empty_files(tmp_path: Path, export) -> None:
    """No captions were planned; the counts on the card show why."""
    run = RunFolder.create_or_open(tmp_path / "run")
    write_jsonl(run.images_file("a"), [ImageRecord(key="a/0.jpg", unreadable="empty: no bytes")])
    write_jsonl(run.duplicates_file, [])
    write_jsonl(run.sets_file, [])
    for stage in ("embeddings", "sets", "captions", "verdicts"):
        run.begin_stage(stage, {}, {})
        run.finish_stage(stage)

    assert export(run)

    assert 4 == sum(name.endswith(".jsonl") and not text for name, text in contents(run).items())
    assert b"unreadable: empty" in contents(run)["README.md"]


def test_a_job_that_was_not_requested_has_no_file(judged_run, export) -> None:
    """Only requested jobs are exported."""
    run = judged_run()
    export(run, SEED_JOBS[:1])

    assert 1 == sum(name.endswith(".jsonl") for name in contents(run))


SHORT_JA = Job(name="short_ja", subject="image", language="ja")
LONG_JA = Job(name="long_ja", subject="image", language="ja")
SETS_KO = Job(name="sets_ko", subject="set", language="ko")


def test_jobs_in_any_language_are_exported(judged_run, export) -> None:
    """Two jobs on images in one language have separate files, and the card names each language."""
    jobs = (SHORT_JA, LONG_JA, SETS_KO)
    run = judged_run(jobs=jobs)
    export(run, jobs)

    card = contents(run)["README.md"]

    assert {
        "triptych_caption_9_short_ja.jsonl",
        "triptych_caption_9_long_ja.jsonl",
        "triptych_caption_1_multi_image_ko.jsonl",
    } == {name for name in contents(run) if name.endswith(".jsonl")}
    assert ["ja", "ko"] == header(card)["language"]
    assert ["short_ja", "long_ja", "sets_ko"] == [c["config_name"] for c in header(card)["configs"]]
    assert "| short_ja | `triptych_caption_9_short_ja.jsonl` | Japanese | 9 |" in card.decode()
    assert [] == check_export(run, Silent())[1]


def test_two_runs_with_the_same_captions_have_the_same_export(judged_run, export) -> None:
    """Wherever the runs are, and whatever the order of the answers was."""
    one, other = judged_run("one"), judged_run("deeper/two", newest_first=True)
    export(one)
    export(other)

    assert contents(one) == contents(other)


def test_an_export_contains_no_path_of_this_machine(judged_run, export, tmp_path: Path) -> None:
    """A model in a folder is named by the folder's last part."""
    run = judged_run()
    export(run)

    everything = b"".join(contents(run).values())

    assert str(tmp_path).encode() not in everything
    assert b"/opt/models" not in everything


def test_an_interrupted_export_is_repeated_with_the_same_bytes(judged_run, export) -> None:
    """It may stop while files are written, or between renaming the folder and recording that it has
    finished."""
    whole, stopped = judged_run("whole"), judged_run("stopped")
    export(whole)
    export(stopped)
    stopped.run_file.stages["export"].finished = False
    stopped.save()
    shutil.copytree(stopped.export_folder, stopped.path / "export.part")
    (stopped.export_folder / "README.md").unlink()

    assert export(RunFolder.open(stopped.path))

    assert contents(whole) == contents(stopped)


def test_a_second_export_has_nothing_to_do(judged_run, export) -> None:
    """Captions, verdicts and settings are the same."""
    run = judged_run()

    assert [True, False] == [export(run), export(run)]


def test_another_prefix_requires_fresh(judged_run, export) -> None:
    """As for the settings of every stage."""
    run = judged_run()
    export(run)

    with pytest.raises(SetupError, match="--fresh export"):
        export(run, prefix="other")


def test_a_run_that_does_not_add_up_is_not_exported(judged_run, export) -> None:
    """The error names the first violation."""
    run = judged_run()
    write_jsonl(run.verdicts_file("single_en", "a"), [])
    run.finish_stage("verdicts")

    with pytest.raises(SetupError, match=r"don't add up.*no verdict on single_en:a/0\.jpg"):
        export(run)

    assert not run.export_folder.exists()


def test_unfiltered_captions_are_not_exported(tmp_path: Path, export) -> None:
    """The error names the command to run first."""
    run = RunFolder.create_or_open(tmp_path / "run")

    with pytest.raises(SetupError, match="triptych filter"):
        export(run)


TROUBLE = '\u202eمرحبا\u202c "🙂" \\ </script>\n\u2028'


def test_unusual_file_names_and_captions_are_exported_unchanged(judged_run, export) -> None:
    """They contain quotes, newlines, emoji and right-to-left text. Only tags are put in guillemets."""
    run = judged_run(text=TROUBLE + "{id} <image>", key_part=TROUBLE)
    export(run)
    (path,) = run.export_folder.glob("*_single_image_en.jsonl")

    rows = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]

    assert 9 == len(rows)
    for row in rows:
        assert TROUBLE in row["image"]
        expected = f"{TROUBLE}{row['id']}".replace("</script>", "‹/script›")
        assert f"{expected} ‹image›" == row["conversations"][1]["value"]
    assert [] == check_export(run, Silent())[1]


@pytest.mark.parametrize("file_type", CONTAINERS)
def test_a_dry_run_returns_what_an_export_writes_and_writes_nothing(
    judged_run, try_export, export, file_type: str
) -> None:
    """It has the names, rows and sizes of the files."""
    run = judged_run()
    before = sorted(run.path.rglob("*"))

    kind = {"file_type": file_type, "format": FORMAT_OF[file_type]}
    found = try_export(run, **kind)

    assert before == sorted(run.path.rglob("*"))
    assert "export" not in RunFolder.open(run.path).run_file.stages
    export(run, **kind)
    rows_files = {
        path.name: path.stat().st_size for path in run.export_folder.glob(f"triptych_*.{file_type}")
    }
    assert rows_files == {name: file.size_bytes for name, file in found.files.items()}
    assert [9, 8, 1, 1] == [file.rows for file in found.files.values()]


def test_a_dry_run_fails_if_the_export_would(judged_run, try_export, export) -> None:
    """Here there is an export with other settings."""
    run = judged_run()
    export(run)

    with pytest.raises(SetupError, match="--fresh export"):
        try_export(run, format="llava")


@pytest.mark.parametrize("file_type", ["jsonl.zst", "parquet"])
def test_without_pyarrow_the_error_says_what_to_install(
    judged_run, export, monkeypatch: pytest.MonkeyPatch, file_type: str
) -> None:
    """Nothing has been written by then."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    run = judged_run()

    with pytest.raises(SetupError, match=r'install "triptych\[arrow\]"'):
        export(run, file_type=file_type)

    assert not run.export_folder.exists()


def test_only_json_lines_have_a_configuration_file_for_the_trainer(judged_run, export) -> None:
    """The file refers to JSON Lines. The card of other file types says that it is missing."""
    run = judged_run()
    export(run, file_type="parquet", format="llama-factory")

    assert "dataset_info.json" not in contents(run)
    note = "`dataset_info.json` is written beside JSON Lines alone, so it isn't here."
    assert note in contents(run)["README.md"].decode()
