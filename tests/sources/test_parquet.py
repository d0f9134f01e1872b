"""Parquet files: images from their column, by row, in bounded memory."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.pile import jpeg, keys, read_again, reasons, write_file
from triptych.errors import UsageError
from triptych.sources.config import InputConfig, ParquetConfig
from triptych.sources.loose_files import FILES_PER_SHARD
from triptych.sources.opening import open_sources


def _write(path: Path, columns: dict[str, object], rows_a_group: int = 100, **metadata: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if metadata:
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, path, row_group_size=rows_a_group)
    return path


def _structs(contents: Sequence[bytes | None]) -> pa.Array:
    return pa.array(
        [{"bytes": content, "path": f"{n}.jpg"} for n, content in enumerate(contents)],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )


def test_what_datasets_writes_is_read(tmp_path: Path) -> None:
    """By the library itself, with its own metadata."""
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
    """Nested in folders, beside images; over the borders of row groups."""
    images = pa.array([jpeg(n) for n in range(25)], kind)
    _write(tmp_path / "sub" / "a.parquet", {"jpg": images, "caption": ["x"] * 25}, rows_a_group=10)
    write_file(tmp_path / "loose.jpg")

    assert ["loose.jpg", *(f"sub/a/{row}" for row in range(25))] == keys(tmp_path)
    assert all(all(read_again(shard)) for shard in open_sources([tmp_path]))


def test_a_row_without_bytes_is_a_record(tmp_path: Path) -> None:
    """Rows keep their numbers."""
    source = _write(tmp_path / "a.parquet", {"image": _structs([jpeg(), None, jpeg()])})

    assert ["a/0", "a/2"] == keys(source)
    assert {"a/1": "no image"} == reasons(source)


def test_the_column_is_found_by_declaration_then_by_type(tmp_path: Path) -> None:
    """What `datasets` declares comes first, then structs with bytes, then bytes."""
    declared = json.dumps({"info": {"features": {"photo": {"_type": "Image"}, "mask": {"_type": "Value"}}}})
    images, other = _structs([jpeg(1)]), _structs([b"other"])
    for name, columns, metadata in (
        ("declared", {"mask": other, "photo": images}, {"huggingface": declared}),
        ("struct", {"raw": [b"other"], "photo": images}, {}),
        ("binary", {"text": ["x"], "photo": [jpeg(1)]}, {}),
    ):
        (shard,) = open_sources([_write(tmp_path / f"{name}.parquet", columns, **metadata)])

        assert [jpeg(1)] == [file.content for file in shard.files()]


def test_two_columns_that_could_be_it_are_asked_about(tmp_path: Path) -> None:
    """With both names; naming one settles it."""
    source = _write(tmp_path / "a.parquet", {"left": [jpeg(1)], "right": [jpeg(2)]})
    with pytest.raises(UsageError, match=r"2 columns that may hold images: left, right; .*--image-column"):
        open_sources([source])
    (shard,) = open_sources([source], InputConfig(parquet=ParquetConfig(image_column="right")))

    assert [jpeg(2)] == [file.content for file in shard.files()]


def test_a_file_without_images_is_a_record_beside_others_and_an_error_alone(tmp_path: Path) -> None:
    """As `metadata.parquet` beside a folder's images is no mistake."""
    source = _write(tmp_path / "metadata.parquet", {"file_name": ["x.jpg"]})
    with pytest.raises(UsageError, match=r"no images in .*no column of bytes, found file_name \(string\)"):
        open_sources([source])
    write_file(tmp_path / "x.jpg")

    assert ["x.jpg"] == keys(tmp_path)
    assert {"metadata.parquet": "not an image"} == reasons(tmp_path)


def test_a_long_file_is_cut_into_shards_of_whole_row_groups(tmp_path: Path) -> None:
    """Keys don't depend on where."""
    count = 2 * FILES_PER_SHARD + 100
    source = _write(tmp_path / "a.parquet", {"image": [b"x"] * count}, rows_a_group=1000)
    shards = open_sources([source])

    assert [4000, 4000, 292] == [shard.file_count for shard in shards]
    assert [f"a/{row}" for row in range(count)] == keys(source)
    assert all(shards[1].read(f"a/{row}", None, 1) == b"x" for row in (4000, 7999))


def test_a_row_group_that_memory_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before work starts, with how to write it anew."""

    source = _write(tmp_path / "a.parquet", {"image": [jpeg()] * 10})
    monkeypatch.setattr("triptych.sources.parquet.MAX_ROW_GROUP_BYTES", 100)
    with pytest.raises(UsageError, match="row_group_size=100"):
        open_sources([source])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: b"", "empty archive"),
        (lambda content: content[: len(content) // 2], "damaged archive"),
        (lambda content: content[:200] + b"\xff" * 900 + content[1100:], "damaged archive"),
    ],
)
def test_a_damaged_file_is_a_record(tmp_path: Path, damage: object, reason: str) -> None:
    """Empty, cut, or spoilt in its middle."""
    source = _write(tmp_path / "a.parquet", {"image": _structs([jpeg(n) * 3 for n in range(50)])}, 10)
    source.write_bytes(damage(source.read_bytes()))  # type: ignore[operator]
    found = {key.partition("#")[0]: why for key, why in reasons(source).items()}

    assert {"a.parquet": reason} == found


def test_the_row_groups_around_a_damaged_one_are_read(tmp_path: Path) -> None:
    """What is lost is counted in its record."""
    source = _write(tmp_path / "a.parquet", {"image": _structs([jpeg(n) for n in range(30)])}, 10)
    chunk = pq.ParquetFile(source).metadata.row_group(1).column(0)
    content = bytearray(source.read_bytes())
    begin = chunk.data_page_offset
    content[begin : begin + 100] = b"\xff" * 100
    source.write_bytes(content)

    assert [f"a/{row}" for row in (*range(10), *range(20, 30))] == keys(source)
    assert {"a.parquet#10": "damaged archive"} == reasons(source)


def test_a_file_that_has_gone_is_a_record(tmp_path: Path) -> None:
    """Between listing and reading."""
    (shard,) = open_sources([_write(tmp_path / "a.parquet", {"image": [jpeg()]})])
    (tmp_path / "a.parquet").unlink()
    (lost,) = shard.files()

    assert lost.unreadable is not None and lost.unreadable.startswith("read error: ")
    with pytest.raises(OSError, match="No such file"):
        shard.read("a/0", None, 10)


def test_without_pyarrow_one_line_says_what_to_install(tmp_path: Path) -> None:
    """In a process in which it can't be imported."""
    source = _write(tmp_path / "a.parquet", {"image": [jpeg()]})
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path; from triptych.errors import SetupError\n"
        "from triptych.sources.opening import open_sources\n"
        "try: open_sources([Path(sys.argv[1])])\n"
        "except SetupError as error: print(error)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(source)], capture_output=True, text=True, check=True
    )

    assert "a.parquet is read with pyarrow" in answer.stdout
    assert "triptych[arrow]" in answer.stdout
