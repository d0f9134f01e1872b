"""Exports with images, in several parts or for other tools than trainers, read by the tools themselves."""

from __future__ import annotations

import gc
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from tests.export.conftest import small_jpeg
from tests.support.internvl_reader import load_dataset_meta
from triptych.errors import SetupError, UsageError
from triptych.export.card import card
from triptych.export.check.export import check_export
from triptych.export.config import ExportConfig
from triptych.export.containers.container import CaptionedFiles
from triptych.export.formats.label_studio import LABEL_CONFIG
from triptych.export.manifest import read_manifest
from triptych.export.parts import Parts
from triptych.languages import LANGUAGES
from triptych.progress import Silent
from triptych.runs.folder import RunFolder

SUPPORT = Path(__file__).parents[1] / "support"
KEYS = ["a/2.jpg", "a/4.jpg", "a/5.jpg", *(f"sub/b/{number}.jpg" for number in range(6))]
"""The images of the nine rows of single_en."""

IN_SET = ["sub/b/5.jpg", "a/2.jpg", "sub/b/1.jpg"]


def jpeg_of(key: str) -> bytes:
    """The bytes of an image in the run's tars."""
    shard = key.rpartition("/")[0]
    return small_jpeg(len(shard) * 10 + int(key[-5]))


def files(run: RunFolder, job: str) -> list[Path]:
    """The files with the rows of a job, in order."""
    named = read_manifest(run.export_folder).files.items()
    return [run.export_folder / name for name, entry in named if entry.job == job]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset doesn't close its files
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_reads_images_captions_and_rows(judged_run, export) -> None:
    """All parts of a job are read by the library, and images have the bytes of their source."""
    import webdataset

    run: RunFolder = judged_run()
    export(run, file_type="tar", rows_per_file=4)
    tars = [str(path) for path in files(run, "single_en")]
    samples = list(webdataset.WebDataset(tars, shardshuffle=False))
    (of_set,) = webdataset.WebDataset([str(files(run, "multi_en")[0])], shardshuffle=False).decode("pil")
    gc.collect()

    assert 3 == len(tars)
    assert KEYS == [json.loads(sample["json"])["image"] for sample in samples]
    assert [f"single_en-{row:09d}" for row in range(len(KEYS))] == [sample["__key__"] for sample in samples]
    assert [jpeg_of(key) for key in KEYS] == [sample["jpg"] for sample in samples]
    assert [f"A red boat, 一艘船, said single_en:{key}." for key in KEYS] == [
        sample["txt"].decode() for sample in samples
    ]
    assert [(16, 12)] * 3 == [of_set[f"{place}.jpg"].size for place in range(3)]
    assert IN_SET == of_set["json"]["image"]


def test_an_unpacked_tar_has_each_caption_beside_its_image(judged_run, export, tmp_path: Path) -> None:
    """As kohya-ss reads a folder: each image has a .txt of the same name."""
    run: RunFolder = judged_run()
    export(run, file_type="tar")
    with tarfile.open(files(run, "single_en")[0]) as tar:
        tar.extractall(tmp_path / "train", filter="data")

    captions = [
        path.with_suffix(".txt").read_text("utf-8") for path in sorted((tmp_path / "train").glob("*.jpg"))
    ]

    assert [f"A red boat, 一艘船, said single_en:{key}." for key in KEYS] == captions


@pytest.mark.parametrize("name", ["internvl", "chat-parts"])
@pytest.mark.parametrize("rows_per_file", [0, 4])
def test_datasets_decodes_the_images_in_parquet(
    judged_run, export, load, name: str, rows_per_file: int
) -> None:
    """The card is enough, for one file or several. Bytes and paths are those of the source."""
    import datasets

    run: RunFolder = judged_run()
    export(run, file_type="images.parquet", format=name, rows_per_file=rows_per_file)

    singles, (of_set,) = load(run.export_folder, "single_en"), load(run.export_folder, "multi_en")

    field = "image" if name == "internvl" else "images"
    assert [(16, 12)] * 3 == [image.size for image in of_set[field]]
    undecoded = singles.cast_column(
        field,
        datasets.Image(decode=False) if name == "internvl" else datasets.List(datasets.Image(decode=False)),
    )
    stored = [row[field] if name == "internvl" else row[field][0] for row in undecoded]
    assert [(key, jpeg_of(key)) for key in KEYS] == [(each["path"], each["bytes"]) for each in stored]


def test_pyarrow_reads_the_images_in_parquet(judged_run, export) -> None:
    """So `datasets` isn't required."""
    import pyarrow.parquet as pq

    run: RunFolder = judged_run()
    export(run, file_type="images.parquet")

    table = pq.read_table(files(run, "single_en")[0])

    assert KEYS == table["image"].combine_chunks().field("path").to_pylist()
    with Image.open(io.BytesIO(table["image"][0]["bytes"].as_py())) as image:
        assert (16, 12) == image.size


def test_datasets_loads_all_parts_of_a_job(judged_run, export, load) -> None:
    """In order, with the card."""
    run: RunFolder = judged_run()
    export(run, rows_per_file=2)

    assert KEYS == load(run.export_folder, "single_en")["image"]


def test_parts_are_named_as_on_the_hub_and_listed_for_the_trainer(judged_run, export) -> None:
    """The count in each name is that of all rows. InternVL's loader reads all parts."""
    run: RunFolder = judged_run()
    export(run, rows_per_file=4, image_root="images")

    loaded = load_dataset_meta(run.export_folder / "triptych_caption_meta.json")

    assert [f"triptych_caption_9_single_image_en-{part:05d}-of-00003.jsonl" for part in range(3)] == [
        path.name for path in files(run, "single_en")
    ]
    assert [4, 4, 1] == [len(loaded[f"triptych_caption_single_en_{part:05d}"]) for part in range(3)]
    assert 1 == len(loaded["triptych_caption_multi_en"])


def test_the_manifest_counts_rewritten_captions_for_each_part(judged_run, export) -> None:
    """Captions are rewritten if they contain reserved words."""
    run: RunFolder = judged_run(text="A sign says <image>, {id}.")
    export(run, rows_per_file=4)

    entries = [each for each in read_manifest(run.export_folder).files.values() if each.job == "single_en"]

    assert [4, 4, 1] == [each.rewritten for each in entries] == [each.rows for each in entries]


@pytest.mark.parametrize(
    ("file_type", "rows_per_file"), [("jsonl", 4), ("tar", 0), ("tar", 4), ("images.parquet", 4)]
)
def test_the_check_reads_every_part_and_finds_no_mismatch(
    judged_run, export, file_type: str, rows_per_file: int
) -> None:
    """Exporting the same run twice gives the same bytes."""
    first, second = judged_run("one"), judged_run("two")
    for run in (first, second):
        export(run, file_type=file_type, rows_per_file=rows_per_file)

    checks, mismatches = check_export(first, Silent())

    assert [] == mismatches
    assert 9 == sum(check.count for check in checks if "single_image_en" in check.what)
    assert {path.name: path.read_bytes() for path in first.export_folder.iterdir()} == {
        path.name: path.read_bytes() for path in second.export_folder.iterdir()
    }


def test_the_check_continues_after_a_missing_part(judged_run, export) -> None:
    """It names that part, and compares the others with their captions."""
    run: RunFolder = judged_run()
    export(run, rows_per_file=4)
    gone = files(run, "single_en")[1]
    gone.unlink()

    _, mismatches = check_export(run, Silent())

    assert [f"{gone} is in the manifest, but missing"] == mismatches


def test_the_check_finds_an_image_that_differs_from_its_record(judged_run, export) -> None:
    """Even if the manifest has the checksum of the file."""
    run: RunFolder = judged_run()
    export(run, file_type="tar")
    records = run.images_file("a")
    records.write_text(
        records.read_text().replace(
            msgspec.json.decode(records.read_text().splitlines()[2])["content_hash"], "0" * 32
        )
    )

    _, mismatches = check_export(run, Silent())

    assert any("the bytes of a/2.jpg are not those of the run" in line for line in mismatches)


@pytest.mark.parametrize("file_type", ["tar", "images.parquet"])
@pytest.mark.parametrize("fault", ["gone", "changed"])
def test_a_missing_or_changed_image_ends_the_export_and_leaves_nothing(
    judged_run, export, file_type: str, fault: str
) -> None:
    """The error is one line and names the image."""
    run: RunFolder = judged_run()
    pile = run.path.with_name(f"{run.path.name} pictures") / "sub" / "b.tar"
    content = pile.read_bytes()
    at = content.index(jpeg_of("sub/b/2.jpg"))
    pile.write_bytes(content[:at] if fault == "gone" else content[:at] + b"\0" * 99 + content[at + 99 :])

    with pytest.raises(SetupError, match=r"the images can't be exported: .*sub/b/2\.jpg"):
        export(run, file_type=file_type)

    assert not run.export_folder.exists()
    assert [] == list(run.path.glob("export*"))


def test_a_file_type_that_a_format_does_not_have_is_refused(judged_run, export) -> None:
    """The error names the one to use."""
    with pytest.raises(UsageError, match="rows of label-studio can be written to json: add --file-type json"):
        ExportConfig(format="label-studio")


def _run_with_package(package: str, script: str, *arguments: object) -> Any:
    """The output of a script in its own environment with ``package``. Skips the test if that can't be
    installed."""
    command = [sys.executable, "-m", "uv", "run", "--quiet", "--no-project"]
    installed = subprocess.run([*command, "--with", package, "python", "-c", ""], capture_output=True)
    if installed.returncode:
        pytest.skip(f"{package} can't be installed: {installed.stderr.decode().strip()[-200:]}")
    answer = subprocess.run(
        [*command, "--with", package, "python", SUPPORT / script, *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert 0 == answer.returncode, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


@pytest.mark.slow
def test_fiftyone_imports_captions_and_images(judged_run, export, tmp_path: Path) -> None:
    """Captions may contain quotes, commas and line breaks. The images of a set are in order under one id."""
    run: RunFolder = judged_run(text='A "red" boat,\n一艘船; {id}.')
    export(run, format="fiftyone", file_type="csv")
    root = tmp_path / "root"
    for key in {*KEYS, *IN_SET}:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(jpeg_of(key))

    exported = [files(run, job)[0] for job in ("single_en", "multi_en")]
    found = _run_with_package("fiftyone>=1.22,<2", "load_in_fiftyone.py", root, *exported)

    text = 'A "red" boat,\n一艘船; {}.'
    singles = [[str(root / key), f"single_en:{key}", 1, text.format(f"single_en:{key}")] for key in KEYS]
    of_set = [
        [str(root / key), "multi_en:s1", place, text.format("multi_en:s1")]
        for place, key in enumerate(IN_SET, start=1)
    ]
    # The importer sorts by path; `position` has the order in the set.
    assert [singles, of_set] == [sorted(samples, key=lambda sample: sample[2]) for samples in found]


@pytest.mark.slow
def test_label_studio_accepts_tasks_and_predictions(judged_run, export) -> None:
    """Its SDK checks them against the labelling interface on the card."""
    run: RunFolder = judged_run()
    export(run, format="label-studio", file_type="json")
    assert LABEL_CONFIG in (run.export_folder / "README.md").read_text("utf-8")

    exported = [files(run, job)[0] for job in ("single_en", "multi_en")]
    found = _run_with_package("label-studio-sdk>=2.1,<3", "load_in_label_studio.py", LABEL_CONFIG, *exported)

    assert [{"tasks": count, "good_data": count, "errors": []} for count in (9, 1)] == found


def test_datasets_reads_every_image_of_a_tar(judged_run, export, load, tmp_path: Path) -> None:
    """The card lists all of them: by itself, datasets drops any that the first five samples don't have."""
    run: RunFolder = judged_run()
    export(run)
    jpeg, png = small_jpeg(1), io.BytesIO()
    Image.new("RGB", (16, 12)).save(png, "PNG")
    (folder := tmp_path / "tars").mkdir()
    with Parts(lambda _: folder / "sets.tar", "tar", msgspec.Struct, job="multi_en", rows_a_file=0) as parts:
        for images in [*[[jpeg, jpeg]] * 6, [jpeg, jpeg, jpeg], [jpeg, png.getvalue()]]:
            parts.write(b"{}\n", (), [CaptionedFiles("Boats.", images)])
    manifest = msgspec.structs.replace(read_manifest(run.export_folder), files={"sets.tar": parts.entries[0]})

    text = card(ExportConfig(file_type="tar"), manifest, LANGUAGES, {}, {})
    (folder / "README.md").write_text(text)

    names = ("0.jpg", "1.jpg", "1.png", "2.jpg")
    assert [*[2] * 6, 3, 2] == [
        sum(row[name] is not None for name in names) for row in load(folder, "multi_en")
    ]
