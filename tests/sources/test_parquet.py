"""Parquet files: images from their column, by row, in bounded memory."""

import base64
import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from itertools import product
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
    """With both names; naming one settles it, for all files or for some."""
    source = _write(tmp_path / "a.parquet", {"left": [jpeg(1)], "right": [jpeg(2)]})
    with pytest.raises(UsageError, match=r"2 columns that may hold images: left, right; .*--image-column"):
        open_sources([source])
    (shard,) = open_sources([source], InputConfig(parquet=ParquetConfig(image_column="right")))

    assert [jpeg(2)] == [file.content for file in shard.files()]

    _write(tmp_path / "b.parquet", {"left": [jpeg(3)], "right": [jpeg(4)]})
    _write(tmp_path / "c.parquet", {"left": [jpeg(5)], "right": [jpeg(6)]})
    named = ParquetConfig(image_column="left", image_columns={"b.*": "right", "[ab].parquet": "none"})
    shards = open_sources([tmp_path], InputConfig(parquet=named))
    files = [file for shard in shards for file in shard.files()]

    assert {"b/0": jpeg(4), "c/0": jpeg(5)} == {f.key: f.content for f in files if f.unreadable is None}
    assert [("a.parquet", "not an image: no column none of bytes")] == [
        (f.key, (f.unreadable or "").partition(",")[0]) for f in files if f.unreadable is not None
    ]


def test_a_table_that_is_not_clear_costs_itself(tmp_path: Path) -> None:
    """The run goes on with the others."""
    _write(tmp_path / "a.parquet", {"left": [jpeg(1)], "right": [jpeg(2)]})
    _write(tmp_path / "b.parquet", {"image": [jpeg(3)]})

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
        _write(folder / f"{number}.parquet", {"id": [7, 8], **rows})


def test_the_column_that_holds_images_is_taken(tmp_path: Path) -> None:
    """Seen by the first rows; of several, the one that is called so."""
    _write_all(tmp_path, CLEAR)
    contents = [file.content for shard in open_sources([tmp_path]) for file in shard.files()]

    assert [jpeg(1)] * 2 * len(CLEAR) == contents


def test_a_table_without_such_a_column_has_its_columns_in_its_record(tmp_path: Path) -> None:
    """Bytes that are no images are no column of images."""
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
    """Types around bytes, with a row that holds images 1 and 2, or 1 alone."""
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


def test_bytes_of_every_type_are_found_and_found_again(tmp_path: Path) -> None:
    """As polars, pandas, DuckDB, Spark and `datasets` write them; each image of a list has a key."""
    other = pa.array([{"a": [1]}] * 3, pa.struct([("a", pa.list_(pa.int8()))]))
    rows = {}
    for kind, stores_schema, shape in product(BYTES, (True, False), _shapes(pa.binary())):
        column, row = _shapes(BYTES[kind])[shape]
        table = pa.table({"tags": other, "image": pa.array([row, None, row], column), "n": [1, 2, 3]})
        name = f"{kind} {shape} {stores_schema}"
        size = 2 if kind != "binary_view" else None  # whose structs pyarrow can't cut
        with contextlib.suppress(pa.ArrowNotImplementedError):  # nor write all of them
            pq.write_table(table, tmp_path / name, row_group_size=size, store_schema=stores_schema)
            rows[name] = row
    shards = {shard.name: shard for shard in open_sources([tmp_path])}

    assert len(rows) >= 70
    assert rows.keys() == shards.keys()
    for name, row in rows.items():
        files = list(shards[name].files())
        places = ["0/0", "0/1", "1/0", "2/0", "2/1"] if isinstance(row, list) else ["0", "1", "2"]
        if len(files) == 6:  # a list of a fixed length has as many values where it is null
            places.insert(3, "1/1")

        assert [f"{name}/{place}" for place in places] == [file.key for file in files]
        assert {jpeg(1), jpeg(2)} >= {file.content for file in files if file.unreadable is None}
        assert [True] * (4 if isinstance(row, list) else 2) == read_again(shards[name])


def test_lists_of_numbers_that_are_bytes_are_images(tmp_path: Path) -> None:
    """One a row, in a column or in a field."""
    numbers = pa.list_(pa.uint8())
    rows = [list(jpeg(1)), None, list(jpeg(2))]
    _write(tmp_path / "a.parquet", {"image": pa.array(rows, numbers)}, rows_a_group=2)
    structs = pa.array([{"data": row} for row in rows], pa.struct([("data", numbers)]))
    _write(tmp_path / "b.parquet", {"tags": pa.array([[1], [], [2]], numbers), "x": structs})
    shards = open_sources([tmp_path])

    assert ["a/0", "a/2", "b/0", "b/2"] == keys(tmp_path)
    assert {"a/1": "no image", "b/1": "no image"} == reasons(tmp_path)
    assert [3, 3] == [shard.file_count for shard in shards]
    assert all(all(read_again(shard)) for shard in shards)


@pytest.mark.parametrize("plaintext_footer", [False, True])
def test_an_encrypted_file_has_its_true_reason(tmp_path: Path, plaintext_footer: bool) -> None:
    """Also where only its columns are, which ends a process that looks at one."""
    from pyarrow.parquet import encryption

    class Keys(encryption.KmsClient):
        def wrap_key(self, key: bytes, _: str) -> bytes:
            return base64.b64encode(key)

    config = encryption.EncryptionConfiguration(
        footer_key="1", column_keys={"2": ["image"]}, plaintext_footer=plaintext_footer
    )
    properties = encryption.CryptoFactory(lambda _: Keys()).file_encryption_properties(
        encryption.KmsConnectionConfig(), config
    )
    table = pa.table({"image": [jpeg()]})
    with pq.ParquetWriter(tmp_path / "a.parquet", table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    write_file(tmp_path / "x.jpg")

    assert {"a.parquet": "encrypted archive"} == reasons(tmp_path)


def test_lists_of_images_that_datasets_declares_are_read(tmp_path: Path) -> None:
    """Also empty ones, which are a record."""
    views = {"_type": "List", "feature": {"_type": "Image"}}
    declared = json.dumps({"info": {"features": {"image": {"_type": "Value"}, "views": views}}})
    structs = [[{"bytes": jpeg(1)}, {"bytes": None}], [], [{"bytes": jpeg(2)}]]
    source = _write(tmp_path / "a.parquet", {"image": [jpeg(9)] * 3, "views": structs}, huggingface=declared)

    assert ["a/0/0", "a/2/0"] == keys(source)
    assert {"a/0/1": "no image", "a/1/0": "no image"} == reasons(source)


def test_a_footer_that_ends_its_reader_costs_one_file(tmp_path: Path) -> None:
    """As one does whose schema says that a column can't be null, where its statistics count what is."""
    source = _write(tmp_path / "good.parquet", {"image": [jpeg()]})
    content = source.read_bytes()
    footer_at = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for number, at in enumerate(range(footer_at, len(content) - 8)):
        if content[at] == 2:  # OPTIONAL, as it is written
            write_file(tmp_path / f"{number}.parquet", content[:at] + b"\0" + content[at + 1 :])
    why = {file.key: file.unreadable or "" for shard in open_sources([tmp_path]) for file in shard.files()}

    assert any(
        reason.startswith("damaged archive: ") and "ended the process" in reason for reason in why.values()
    )
    assert why["good/0"] == ""
    assert ["good/0"] == [key for key in keys(tmp_path) if key.startswith("good")]


@pytest.mark.parametrize("seed", range(3))
def test_no_damage_ends_a_run(tmp_path: Path, seed: int) -> None:
    """Bytes changed in footers and pages: every image is one that was written, or there is a reason."""
    chance = random.Random(seed)
    contents = [jpeg(n) for n in range(20)]
    sources = []
    for number in range(60):
        path = tmp_path / f"{number}.parquet"
        column = _structs(contents) if number % 2 else pa.array([[each] for each in contents])
        pq.write_table(
            pa.table({"image": column, "n": range(20)}), path, row_group_size=8, compression="none"
        )
        damaged = bytearray(path.read_bytes())
        footer = int.from_bytes(damaged[-8:-4], "little") + 8
        for _ in range(chance.randint(1, 5)):
            at = chance.randrange(len(damaged) - footer if chance.random() < 0.2 else 0, len(damaged))
            damaged[at] = chance.choice(
                [chance.randrange(256), damaged[at] ^ 1 << chance.randrange(8), 0, 255]
            )
        path.write_bytes(damaged[: chance.randrange(len(damaged)) if chance.random() < 0.1 else None])
        sources.append(path)
    for shard in open_sources([write_file(tmp_path / "x.jpg"), *sources]):
        files = list(shard.files())

        assert files
        assert len(files) == len({file.key for file in files})
        for file in files:
            if file.unreadable is None:
                assert file.content == shard.read(file.key, file.offset_bytes, len(file.content))


def test_a_file_without_images_is_a_record_beside_others_and_an_error_alone(tmp_path: Path) -> None:
    """As `metadata.parquet` beside a folder's images is no mistake."""
    source = _write(tmp_path / "metadata.parquet", {"file_name": ["x.jpg"]})
    with pytest.raises(UsageError, match=r"no images in .*no column of images, found file_name \(string\)"):
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


def test_images_of_a_large_row_group_are_copied_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that one of them is read again without the others; a copy that was removed is made again."""
    contents = [jpeg(n) if n % 4 else None for n in range(30)]
    source = _write(tmp_path / "a.parquet", {"image": _structs(contents)}, rows_a_group=10)
    plain = [list(shard.files()) for shard in open_sources([source])]
    monkeypatch.setattr("triptych.sources.parquet.MAX_ROW_GROUP_BYTES", 100)
    (shard,) = open_sources([source], unpack_to=tmp_path / "unpacked")

    assert [[(f.key, f.content, f.unreadable) for f in files] for files in plain] == [
        [(f.key, f.content, f.unreadable) for f in shard.files()]
    ]
    assert [True] * 22 == read_again(shard)

    (copy,) = (tmp_path / "unpacked").iterdir()
    copy.unlink()

    assert [True] * 22 == read_again(shard)
    with pytest.raises(OSError, match="has no image a/99 any more"):
        shard.read("a/99", 10**9, 10)


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
