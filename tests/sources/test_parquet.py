"""Parquet files: images from their column, by row, in bounded memory."""

import contextlib
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.parquet_files import image_structs, write_parquet
from tests.support.pile import jpeg, keys, read_again, reasons, write_file
from triptych.errors import UsageError
from triptych.sources.config import InputConfig, ParquetConfig
from triptych.sources.loose_files import FILES_PER_SHARD
from triptych.sources.opening import open_sources


def test_files_written_by_datasets_are_read(tmp_path: Path) -> None:
    """Written by the library itself, with its own metadata."""
    import datasets

    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    rows = {"image": [{"bytes": jpeg(n), "path": None} for n in range(5)], "label": list(range(5))}
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "train-00000-of-00001.parquet")
    (shard,) = open_sources([tmp_path])

    assert [f"train-00000-of-00001/{row}" for row in range(5)] == keys(tmp_path)
    assert [jpeg(n) for n in range(5)] == [file.content for file in shard.files()]
    assert [True] * 5 == read_again(shard)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_a_plain_column_of_bytes_is_read(tmp_path: Path, kind: pa.DataType) -> None:
    """In a nested folder, beside images, and across the borders of row groups."""
    images = pa.array([jpeg(n) for n in range(25)], kind)
    write_parquet(tmp_path / "sub" / "a.parquet", {"jpg": images, "caption": ["x"] * 25}, rows_a_group=10)
    write_file(tmp_path / "loose.jpg")

    assert ["loose.jpg", *(f"sub/a/{row}" for row in range(25))] == keys(tmp_path)
    assert all(all(read_again(shard)) for shard in open_sources([tmp_path]))


def test_a_row_without_bytes_is_recorded(tmp_path: Path) -> None:
    """The other rows keep their numbers."""
    source = write_parquet(tmp_path / "a.parquet", {"image": image_structs([jpeg(), None, jpeg()])})

    assert ["a/0", "a/2"] == keys(source)
    assert {"a/1": "no image"} == reasons(source)


def test_a_table_of_file_names_may_be_beside_its_images(tmp_path: Path) -> None:
    """`datasets` writes such tables if it doesn't embed images. A table with a single image is read."""
    for name in ("train", "test"):
        write_file(tmp_path / name / "0.jpg")
    write_parquet(tmp_path / "train.parquet", {"image": image_structs([None, None])})

    assert ["test/0.jpg", "train/0.jpg"] == keys(tmp_path)
    assert {"train.parquet": "not an image"} == reasons(tmp_path)

    write_parquet(tmp_path / "test.parquet", {"image": image_structs([None, jpeg()])})
    with pytest.raises(UsageError, match="would share keys"):
        open_sources([tmp_path])


def test_a_column_of_uuids_is_not_a_column_of_images(tmp_path: Path) -> None:
    """Databases write such columns beside images."""
    ids = pa.array([bytes([n]) * 16 for n in range(3)], pa.uuid())
    write_parquet(tmp_path / "a.parquet", {"id": ids, "image": [jpeg(n) for n in range(3)]})

    assert ["a/0", "a/1", "a/2"] == keys(tmp_path)
    assert {} == reasons(tmp_path)


def test_the_column_is_found_by_declaration_then_by_type(tmp_path: Path) -> None:
    """A column that `datasets` declares comes first, then structs with bytes, then bytes."""
    declared = json.dumps({"info": {"features": {"photo": {"_type": "Image"}, "mask": {"_type": "Value"}}}})
    images, other = image_structs([jpeg(1)]), image_structs([b"other"])
    for name, columns, metadata in (
        ("declared", {"mask": other, "photo": images}, {"huggingface": declared}),
        ("struct", {"raw": [b"other"], "photo": images}, {}),
        ("binary", {"text": ["x"], "photo": [jpeg(1)]}, {}),
    ):
        (shard,) = open_sources([write_parquet(tmp_path / f"{name}.parquet", columns, **metadata)])

        assert [jpeg(1)] == [file.content for file in shard.files()]


def test_two_possible_columns_are_a_usage_error(tmp_path: Path) -> None:
    """The error names both. Settings can name one, for all files or for some."""
    source = write_parquet(tmp_path / "a.parquet", {"left": [jpeg(1)], "right": [jpeg(2)]})
    with pytest.raises(UsageError, match=r"2 columns that may hold images: left, right; .*--image-column"):
        open_sources([source])
    (shard,) = open_sources([source], InputConfig(parquet=ParquetConfig(image_column="right")))

    assert [jpeg(2)] == [file.content for file in shard.files()]

    write_parquet(tmp_path / "b.parquet", {"left": [jpeg(3)], "right": [jpeg(4)]})
    write_parquet(tmp_path / "c.parquet", {"left": [jpeg(5)], "right": [jpeg(6)]})
    chosen = ParquetConfig(image_column="left", image_columns={"b.*": "right", "[ab].parquet": "none"})
    shards = open_sources([tmp_path], InputConfig(parquet=chosen))
    files = [file for shard in shards for file in shard.files()]

    assert {"b/0": jpeg(4), "c/0": jpeg(5)} == {f.key: f.content for f in files if f.unreadable is None}
    assert [("a.parquet", "not an image: no column none of bytes")] == [
        (f.key, (f.unreadable or "").partition(",")[0]) for f in files if f.unreadable is not None
    ]


def test_an_ambiguous_table_does_not_stop_the_run(tmp_path: Path) -> None:
    """The other tables are read."""
    write_parquet(tmp_path / "a.parquet", {"left": [jpeg(1)], "right": [jpeg(2)]})
    write_parquet(tmp_path / "b.parquet", {"image": [jpeg(3)]})

    assert ["b/0"] == keys(tmp_path)
    assert {"a.parquet": "not an image"} == reasons(tmp_path)


BLOB = b"\x93NUMPY no image"


CLEAR: tuple[dict[str, object], ...] = (
    {"embedding": BLOB, "image": jpeg(1)},
    {"image": BLOB, "photo_of_it": jpeg(1)},
    {"jpg": jpeg(1), "thumbnail": jpeg(2)},
    {"first": BLOB, "second": jpeg(1)},
    {"only": jpeg(1)},
    {"audio": {"bytes": BLOB}, "picture_1": jpeg(1)},
    {"mask": {"bytes": jpeg(2)}, "image": {"bytes": jpeg(1)}},
)
UNCLEAR: tuple[dict[str, object], ...] = (
    {"sha256": BLOB},
    {"sha256": BLOB, "md5": BLOB},
    {"audio": {"bytes": BLOB}},
    {"left": jpeg(1), "right": jpeg(2)},
    {"png": jpeg(1), "jpg": jpeg(2)},
)


def _write_all(folder: Path, tables: Sequence[dict[str, object]]) -> None:
    for number, columns in enumerate(tables):
        rows = {name: [value] * 2 for name, value in columns.items()}
        write_parquet(folder / f"{number}.parquet", {"id": [7, 8], **rows})


def test_the_column_with_images_is_used(tmp_path: Path) -> None:
    """It is recognised from its first rows. Of several columns, the one with an image's name is used."""
    _write_all(tmp_path, CLEAR)
    contents = [file.content for shard in open_sources([tmp_path]) for file in shard.files()]

    assert [jpeg(1)] * 2 * len(CLEAR) == contents


def test_a_table_without_a_clear_image_column_is_recorded_with_its_columns(tmp_path: Path) -> None:
    """A column of other bytes doesn't count, nor do two that are equally likely."""
    write_file(tmp_path / "x.jpg")
    _write_all(tmp_path, UNCLEAR)
    why = {file.key: file.unreadable for shard in open_sources([tmp_path]) for file in shard.files()}

    assert why.pop("x.jpg") is None
    assert len(UNCLEAR) == len(why)
    for number, columns in enumerate(UNCLEAR):
        reason = why[f"{number}.parquet"] or ""

        assert reason.startswith("not an image: ")
        assert all(name in reason for name in columns)


BYTES = {
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
    "binary_view": pa.binary_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.binary()),
    "fixed": pa.binary(len(jpeg(1))),
}


def _shapes(kind: pa.DataType) -> dict[str, tuple[pa.DataType, object]]:
    """Types that contain bytes, each with a row of images 1 and 2, or of 1 alone."""
    struct = pa.struct([("path", pa.large_string()), ("bytes", kind)])
    one, two = {"path": "x", "bytes": jpeg(1)}, {"path": None, "bytes": jpeg(2)}
    return {
        "plain": (kind, jpeg(1)),
        "struct": (struct, one),
        "other field": (pa.struct([("h", pa.int32()), ("data", kind)]), {"h": 1, "data": jpeg(1)}),
        "nested": (pa.struct([("sample", pa.struct([("image", struct)]))]), {"sample": {"image": one}}),
        "list": (pa.list_(kind), [jpeg(1), jpeg(2)]),
        "large list": (pa.large_list(kind), [jpeg(1), jpeg(2)]),
        "fixed list": (pa.list_(kind, 2), [jpeg(1), jpeg(2)]),
        "list view": (pa.list_view(kind), [jpeg(1), jpeg(2)]),
        "list of structs": (pa.list_(struct), [one, two]),
    }


def test_bytes_in_columns_of_every_type_are_read_and_reread(tmp_path: Path) -> None:
    """As written by polars, pandas, DuckDB, Spark and `datasets`. Each image of a list has a key."""
    other = pa.array([{"a": [1]}] * 3, pa.struct([("a", pa.list_(pa.int8()))]))
    rows = {}
    for kind, stores_schema, shape in product(BYTES, (True, False), _shapes(pa.binary())):
        column, row = _shapes(BYTES[kind])[shape]
        table = pa.table({"tags": other, "image": pa.array([row, None, row], column), "n": [1, 2, 3]})
        name = f"{kind} {shape} {stores_schema}"
        size = 2 if kind != "binary_view" else None  # pyarrow can't slice its structs
        with contextlib.suppress(pa.ArrowNotImplementedError):  # it can't write all types
            pq.write_table(table, tmp_path / name, row_group_size=size, store_schema=stores_schema)
            rows[name] = row
    shards = {shard.name: shard for shard in open_sources([tmp_path])}

    assert len(rows) >= 70
    assert rows.keys() == shards.keys()
    for name, row in rows.items():
        files = list(shards[name].files())
        places = ["0/0", "0/1", "1/0", "2/0", "2/1"] if isinstance(row, list) else ["0", "1", "2"]
        if len(files) == 6:  # a list of fixed length has as many values if it is null
            places.insert(3, "1/1")

        assert [f"{name}/{place}" for place in places] == [file.key for file in files]
        assert {jpeg(1), jpeg(2)} >= {file.content for file in files if file.unreadable is None}
        assert [True] * (4 if isinstance(row, list) else 2) == read_again(shards[name])


def test_lists_of_numbers_that_are_bytes_are_read_as_images(tmp_path: Path) -> None:
    """One list per row, in a column or in a struct's field."""
    numbers = pa.list_(pa.uint8())
    rows = [list(jpeg(1)), None, list(jpeg(2))]
    write_parquet(tmp_path / "a.parquet", {"image": pa.array(rows, numbers)}, rows_a_group=2)
    structs = pa.array([{"data": row} for row in rows], pa.struct([("data", numbers)]))
    write_parquet(tmp_path / "b.parquet", {"tags": pa.array([[1], [], [2]], numbers), "x": structs})
    shards = open_sources([tmp_path])

    assert ["a/0", "a/2", "b/0", "b/2"] == keys(tmp_path)
    assert {"a/1": "no image", "b/1": "no image"} == reasons(tmp_path)
    assert [3, 3] == [shard.file_count for shard in shards]
    assert all(all(read_again(shard)) for shard in shards)


def test_a_list_of_numbers_with_a_null_is_recorded_alone(tmp_path: Path) -> None:
    """It affects neither the rows after it nor the choice of the column."""
    gap, *others = [None, *jpeg(1)[1:]], list(jpeg(2)), list(jpeg(3))
    images = pa.array([gap, *others], pa.list_(pa.uint8()))
    write_parquet(tmp_path / "a.parquet", {"image": images})
    write_parquet(tmp_path / "b.parquet", {"x": images, "y": pa.array([[None, 1]] * 3, pa.list_(pa.uint8()))})

    assert ["a/1", "a/2", "b/1", "b/2"] == keys(tmp_path)
    assert {"a/0": "no image", "b/0": "no image"} == reasons(tmp_path)
    assert all(all(read_again(shard)) for shard in open_sources([tmp_path]))


def test_lists_of_images_that_datasets_declares_are_read(tmp_path: Path) -> None:
    """An empty list has a record."""
    views = {"_type": "List", "feature": {"_type": "Image"}}
    declared = json.dumps({"info": {"features": {"image": {"_type": "Value"}, "views": views}}})
    structs = [[{"bytes": jpeg(1)}, {"bytes": None}], [], [{"bytes": jpeg(2)}]]
    source = write_parquet(
        tmp_path / "a.parquet", {"image": [jpeg(9)] * 3, "views": structs}, huggingface=declared
    )

    assert ["a/0/0", "a/2/0"] == keys(source)
    assert {"a/0/1": "no image", "a/1/0": "no image"} == reasons(source)


def test_a_file_without_images_is_recorded_beside_others_and_an_error_alone(tmp_path: Path) -> None:
    """`metadata.parquet` beside a folder's images isn't a mistake."""
    source = write_parquet(tmp_path / "metadata.parquet", {"file_name": ["x.jpg"]})
    with pytest.raises(UsageError, match=r"no images in .*no column of images, found file_name \(string\)"):
        open_sources([source])
    write_file(tmp_path / "x.jpg")

    assert ["x.jpg"] == keys(tmp_path)
    assert {"metadata.parquet": "not an image"} == reasons(tmp_path)


def test_a_long_file_is_divided_into_shards_of_whole_row_groups(tmp_path: Path) -> None:
    """Keys don't depend on the shards."""
    count = 2 * FILES_PER_SHARD + 100
    source = write_parquet(tmp_path / "a.parquet", {"image": [b"x"] * count}, rows_a_group=1000)
    shards = open_sources([source])

    assert [4000, 4000, 292] == [shard.file_count for shard in shards]
    assert [f"a/{row}" for row in range(count)] == keys(source)
    assert all(shards[1].read(f"a/{row}", None, 1) == b"x" for row in (4000, 7999))


def test_images_of_a_large_row_group_are_copied_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So one image can be reread without the others. A removed copy is made again."""
    contents = [jpeg(n) if n % 4 else None for n in range(30)]
    source = write_parquet(tmp_path / "a.parquet", {"image": image_structs(contents)}, rows_a_group=10)
    plain = [list(shard.files()) for shard in open_sources([source])]
    monkeypatch.setattr("triptych.sources.parquet.MAX_ROW_GROUP_BYTES", 100)
    (shard,) = open_sources([source], unpack_to=tmp_path / "unpacked")

    assert [[(f.key, f.content, f.unreadable) for f in files] for files in plain] == [
        [(f.key, f.content, f.unreadable) for f in shard.files()]
    ]
    assert [True] * 22 == read_again(shard)

    (copy,) = (tmp_path / "unpacked").glob("*.images")
    copy.unlink()

    assert [True] * 22 == read_again(shard)
    with pytest.raises(OSError, match="has no image a/99 any more"):
        shard.read("a/99", 10**9, 10)


def test_the_copy_of_another_column_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both copies are of the same file."""
    monkeypatch.setattr("triptych.sources.parquet.MAX_ROW_GROUP_BYTES", 100)
    columns = {name: [jpeg(n) for n in shades] for name, shades in (("a", (1, 2)), ("b", (3, 4)))}
    source = write_parquet(tmp_path / "t.parquet", dict(columns))

    for name, contents in columns.items():
        config = InputConfig(parquet=ParquetConfig(image_column=name))
        (shard,) = open_sources([source], config, unpack_to=tmp_path / "unpacked")
        found = [(file.key, file.offset_bytes, len(file.content)) for file in shard.files()]

        assert contents == [shard.read(*each) for each in found]
