"""Extra columns of rows: the kind of a set, whether a caption was repaired, how far several answers
agreed."""

import json
from collections.abc import Callable

import msgspec
import pytest

from tests.export.conftest import repair_first_caption
from tests.support.contexts import JOBS
from triptych.export.check.export import check_export
from triptych.export.containers import CONTAINERS
from triptych.export.extra_columns import extra_columns, type_with_columns
from triptych.export.formats import FORMATS
from triptych.progress import Silent
from triptych.records import ImageSet
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import sha256_of, write_jsonl
from triptych.runs.stage_record import JobChecks


@pytest.fixture
def contrast_run(judged_run: Callable[..., RunFolder]) -> RunFolder:
    """A run with one contrast set, whose second image is the odd one. Half of all sets were requested to be
    such."""
    run = judged_run()
    (image_set,) = run.sets()
    write_jsonl(run.sets_file, [msgspec.structs.replace(image_set, kind="contrast", odd=image_set.keys[1])])
    run.run_file.stages["sets"].settings = {
        "contrast_share": 0.5, "varied_share": 0.0, "seed": 7, "together": "", "apart": "video",
    }  # fmt: skip
    run.run_file.stages["sets"].wrote["sets.jsonl"] = sha256_of(run.sets_file)
    run.save()
    return run


def _rows(run: RunFolder, job: str) -> list[dict]:
    (path,) = [path for path in run.export_folder.iterdir() if path.name.endswith(f"_{job}")]
    return [json.loads(line) for line in CONTAINERS[job.partition(".")[2]].lines(path)]


@pytest.mark.parametrize("file_type", ["jsonl", "jsonl.zst", "parquet"])
@pytest.mark.parametrize("row_format", [name for name, each in FORMATS.items() if each.trains])
def test_rows_of_sets_have_their_kind_and_the_number_of_the_odd_image(
    contrast_run: RunFolder, export: Callable[..., bool], row_format: str, file_type: str
) -> None:
    """In every format and file type, at the end of the row. Rows of single images don't have these
    columns."""
    export(contrast_run, format=row_format, file_type=file_type)

    (row,) = _rows(contrast_run, f"multi_image_en.{file_type}")
    assert ("contrast", 2) == (row["kind"], row["odd_image"])
    assert ["kind", "odd_image"] == list(row)[-2:]
    assert not {"kind", "odd_image"} & set(_rows(contrast_run, f"single_image_en.{file_type}")[0])
    assert [] == check_export(contrast_run, Silent())[1]


@pytest.mark.parametrize(("row_format", "file_type"), [("label-studio", "json"), ("fiftyone", "csv")])
def test_formats_for_viewing_tools_have_no_extra_columns(
    contrast_run: RunFolder, export: Callable[..., bool], row_format: str, file_type: str
) -> None:
    """The tools would refuse them."""
    export(contrast_run, format=row_format, file_type=file_type)

    assert not any(
        b"odd_image" in path.read_bytes() for path in contrast_run.export_folder.glob(f"*.{file_type}")
    )
    assert [] == check_export(contrast_run, Silent())[1]


def test_related_sets_have_a_kind_in_a_run_with_several_kinds(
    judged_run: Callable[..., RunFolder], export: Callable[..., bool]
) -> None:
    """Loaders fail on a column that only some rows have."""
    run = judged_run()
    run.run_file.stages["sets"].settings = {"contrast_share": 0.0, "varied_share": 0.5, "seed": 0}
    run.save()

    export(run)

    (row,) = _rows(run, "multi_image_en.jsonl")
    assert ("related", 0) == (row["kind"], row["odd_image"])


def test_rows_of_a_run_with_only_related_sets_have_no_extra_columns(
    judged_run: Callable[..., RunFolder], export: Callable[..., bool]
) -> None:
    """They are as trainers document them."""
    run = judged_run()

    export(run)

    assert ["id", "image", "width_list", "height_list", "conversations"] == list(
        _rows(run, "multi_image_en.jsonl")[0]
    )


def test_the_card_states_the_kinds_of_sets(contrast_run: RunFolder, export: Callable[..., bool]) -> None:
    """With the requested shares, the seed, counts, groups and the meaning of the columns."""
    export(contrast_run)

    card = (contrast_run.export_folder / "README.md").read_text("utf-8")
    assert (
        "Sets: 0 related, 0 varied, 1 contrast. Asked for were shares of 0.0 varied and 0.5 contrast" in card
    )
    assert "drawn with seed 7" in card
    assert "`odd_image` is its number, from 1" in card
    assert "No two images of one `video` share a set." in card


def test_the_check_finds_a_wrong_odd_image(contrast_run: RunFolder, export: Callable[..., bool]) -> None:
    """Even if the manifest has the checksum of the edited file."""
    export(contrast_run)
    (path,) = contrast_run.export_folder.glob("*multi_image_en.jsonl")
    path.write_text(path.read_text("utf-8").replace('"odd_image":2', '"odd_image":1'), "utf-8")
    manifest_path = contrast_run.export_folder / "manifest.json"
    manifest = json.loads(manifest_path.read_text("utf-8"))
    manifest["files"][path.name]["sha256"] = sha256_of(path)
    manifest_path.write_text(json.dumps(manifest), "utf-8")

    (mismatch,) = check_export(contrast_run, Silent())[1]
    assert mismatch.endswith("odd_image is 1, expected 2")


def test_the_type_of_rows_with_extra_columns_requires_them() -> None:
    """Rows are read back strictly."""
    llava = FORMATS["llava"]
    columns = extra_columns(JOBS["multi_en"], llava, {"sets": {"contrast_share": 0.5}})
    row_type = type_with_columns(llava.row_type(several_images=True), columns)
    fields = {"id": "m:s", "image": ["a", "b"], "conversations": [{"from": "human", "value": "x"}] * 2}

    with pytest.raises(msgspec.ValidationError, match="missing required field `kind`"):
        msgspec.convert(fields, row_type)
    assert ImageSet(id="s", keys=("a",), min_cosine_similarity=1, mean_cosine_similarity=1).kind == "related"


@pytest.mark.parametrize("file_type", ["jsonl", "parquet"])
def test_rows_of_a_run_with_repairs_say_whether_the_caption_was_repaired(
    judged_run: Callable[..., RunFolder], export: Callable[..., bool], file_type: str
) -> None:
    """Both for single images and for sets. The card has their number, and the check finds no mismatch."""
    run = judged_run()
    run.run_file.stages["verdicts"].settings = {"untrue": "repair"}
    repair_first_caption(run, "single_en")
    run.run_file.checked["multi_en"] = JobChecks(
        captions=9, denied=3, swapped=20, hold_elsewhere=5, made_of=run.captions_mark("multi_en")
    )
    run.save()

    export(run, file_type=file_type)

    rows = _rows(run, f"single_image_en.{file_type}")
    assert 1 == sum(row["repaired"] for row in rows) < len(rows)
    assert ["A boat."] == [row["conversations"][1]["value"] for row in rows if row["repaired"]]
    assert [False] == [row["repaired"] for row in _rows(run, f"multi_image_en.{file_type}")]
    card = (run.export_folder / "README.md").read_text("utf-8")
    assert f"repaired: 1 of {len(rows)} in `single_en`" in card
    assert "- `multi_en`: 9 captions checked, 3 with a statement denied: 33.3% (95% interval 12.1% to" in card
    assert "- `multi_en`: of 20 statements on one image 25.0% (95% interval 11.2% to 46.9%) hold for" in card
    assert [] == check_export(run, Silent())[1]


def test_rows_of_captions_chosen_from_several_answers_have_their_agreement(
    judged_run: Callable[..., RunFolder], export: Callable[..., bool]
) -> None:
    """It is 0 if there was no other answer."""
    run = judged_run()
    run.run_file.stages["captions"].settings = {"samples": 3}
    shard = next(each for each in run.shards() if any(v.keep for v in run.verdicts("single_en", each)))
    kept = next(each.id for each in run.verdicts("single_en", shard) if each.keep)
    path = run.captions_file("single_en", shard)
    captions = list(run.captions("single_en", shard))
    path.unlink()
    with JournalWriter(path) as journal:
        journal.commit(
            [msgspec.structs.replace(each, agreement=0.75 if each.id == kept else None) for each in captions]
        )

    export(run)

    agreement = {row["id"]: row["agreement"] for row in _rows(run, "single_image_en.jsonl")}
    assert 0.75 == agreement.pop(kept)
    assert {0.0} == set(agreement.values())
