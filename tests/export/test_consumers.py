"""An export is loaded by what it is made for: the real libraries, from their packages."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from triptych.export.config import FILE_TYPES, FORMAT_NAMES, FileType, FormatName
from triptych.export.rows_file import read_lines
from triptych.records import JOB_NAMES
from triptych.runs.folder import RunFolder

ROWS = {"single_en": 9, "single_zh": 8, "multi_en": 1, "multi_zh": 1}

TEXT = 'A "red" boat, </script> 一艘船 🙂, \u202eمرحبا\u202c,\u2028{id}.'


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, str], Any]]:
    """``load(folder, config)``: what a user calls, offline, with a cache of its own."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    yield lambda folder, config: datasets.load_dataset(
        str(folder), config, split="train", cache_dir=str(tmp_path / "cache")
    )
    datasets.enable_progress_bars()


def written(run: RunFolder, job: str, file_type: FileType) -> list[dict[str, Any]]:
    """The rows of ``job`` as they stand in the file."""
    kind, language = job.split("_")
    (path,) = run.export_folder.glob(f"*_{kind}_image_{language}.{file_type}")
    return [json.loads(line) for line in read_lines(path, file_type)]


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_datasets_loads_each_config_of_each_format(judged_run, export, load, name: FormatName) -> None:
    """The folder as it is, by the four names of its card; every row as it was written."""
    run = judged_run(text=TEXT)
    export(run, format=name)

    for job in JOB_NAMES:
        loaded = load(run.export_folder, job)

        assert ROWS[job] == len(loaded)
        assert written(run, job, "jsonl") == loaded.to_list()


@pytest.mark.parametrize("file_type", [kind for kind in FILE_TYPES if kind != "jsonl"])
def test_datasets_loads_compressed_lines_and_parquet(judged_run, export, load, file_type: FileType) -> None:
    """Through the same card."""
    run = judged_run(text=TEXT)
    export(run, file_type=file_type)

    for job in JOB_NAMES:
        assert written(run, job, file_type) == load(run.export_folder, job).to_list()


@pytest.mark.parametrize("name", FORMAT_NAMES)
@pytest.mark.filterwarnings("default")  # of the libraries that mlcroissant brings
def test_mlcroissant_takes_the_metadata_and_reads_the_rows(judged_run, export, name: FormatName) -> None:
    """No error, and every record with its question, its answer and its images."""
    import mlcroissant

    run = judged_run()
    export(run, format=name, captions_licence="cc-by-4.0")

    dataset = mlcroissant.Dataset(run.export_folder / "croissant.json")

    assert [] == list(dataset.metadata.ctx.issues.errors)
    for job in JOB_NAMES:
        (first, *_) = rows = list(dataset.records(job))
        (as_written, *_) = written(run, job, "jsonl")
        assert ROWS[job] == len(rows)
        assert as_written["id"] == first[f"{job}/id"].decode()
        column = "conversations" if "conversations" in as_written else "messages"
        said = [turn.get("value") or turn["content"] for turn in as_written[column]]
        assert said == [words.decode() for words in first[f"{job}/{column}"]]


@pytest.mark.filterwarnings("default")
def test_mlcroissant_reads_parquet(judged_run, export) -> None:
    """As it reads lines."""
    import mlcroissant

    run = judged_run()
    export(run, file_type="parquet")

    dataset = mlcroissant.Dataset(run.export_folder / "croissant.json")

    assert ROWS["single_en"] == len(list(dataset.records("single_en")))


@pytest.mark.parametrize("file_type", FILE_TYPES)
def test_croissant_lists_every_file_with_its_checksum(judged_run, export, file_type: FileType) -> None:
    """The manifest's."""
    run = judged_run()
    export(run, file_type=file_type)
    manifest = json.loads((run.export_folder / "manifest.json").read_text("utf-8"))
    described = json.loads((run.export_folder / "croissant.json").read_text("utf-8"))

    assert {name: entry["sha256"] for name, entry in manifest["files"].items() if "job" in entry} == {
        file["contentUrl"]: file["sha256"] for file in described["distribution"]
    }


def test_croissant_says_where_the_rows_came_from(judged_run, export) -> None:
    """Images, and each stage with its settings and the digests of what it read."""
    run = judged_run()
    export(run, image_source="sa-1b")
    described = json.loads((run.export_folder / "croissant.json").read_text("utf-8"))

    assert "SA-1B" == described["prov:wasDerivedFrom"]["prov:label"]
    labels = [activity["prov:label"] for activity in described["prov:wasGeneratedBy"]]
    assert [f"Triptych: {s}" for s in ("embeddings", "sets", "captions", "verdicts", "export")] == labels
    used = {e["prov:label"]: e["prov:value"] for e in described["prov:wasGeneratedBy"][2]["prov:used"]}
    assert "nano_internvl" == used["model"]
    assert any("Describe the image." in said for said in described["rai:dataAnnotationProtocol"])
    assert "nano_internvl" in described["rai:machineAnnotationTools"]
