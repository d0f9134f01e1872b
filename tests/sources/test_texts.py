"""Texts that tars, zips, folders and tables have for their images."""

from __future__ import annotations

import codecs
import datetime
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.pile import write_file
from triptych.sources.opening import open_sources
from triptych.sources.texts import Texts

PICTURE = b"\xff\xd8\xff\xe0 no whole picture, but nobody looks"
FILES = {
    "a.jpg": PICTURE,
    "a.json": json.dumps({"caption": "A cat.", "tags": ["cat", "sofa"], "score": 0.5, "more": {}}).encode(),
    "a.txt": "\ufeffA red cat.\n".encode(),
    "sub/b.x.jpg": PICTURE,
    "sub/b.txt": b"A dog.",
    "sub/b.json": b"{no JSON",
    "c.JPG": PICTURE,
    "c.TXT": b"A bird.",
    "d.jpg": PICTURE,
}


def tar(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write ``folder``/pile.tar."""
    with tarfile.open(folder / "pile.tar", "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder / "pile.tar"


def zipped(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write ``folder``/pile.zip, deflated."""
    with zipfile.ZipFile(folder / "pile.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return folder / "pile.zip"


@pytest.mark.parametrize("pack", [tar, zipped])
def test_text_files_beside_images_in_archives_are_read(pack, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """They have the image's name up to the first dot, as in WebDataset, or its whole stem."""
    (shard,) = open_sources([pack(tmp_path, FILES)])

    texts = Texts(shard, "txt")

    found = [texts.of(f"pile/{name}") for name in ("a.jpg", "sub/b.x.jpg", "c.JPG", "d.jpg")]
    assert ["A red cat.", "A dog.", "A bird.", ""] == found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("A caf\u00e9, \u732b.".encode("utf-8-sig"), "A caf\u00e9, \u732b."),
        (codecs.BOM_UTF16_LE + "A caf\u00e9, \u732b.\r\n".encode("utf-16-le"), "A caf\u00e9, \u732b."),
        (codecs.BOM_UTF16_BE + "A caf\u00e9, \u732b.\r\n".encode("utf-16-be"), "A caf\u00e9, \u732b."),
        ("A cat.".encode("utf-16-le"), ""),
        ("A cat.".encode("utf-32"), ""),
        ("A caf\u00e9.".encode("latin-1"), ""),
        ("A caf\ufffd.".encode(), ""),
        (codecs.BOM_UTF16_LE + b"A", ""),
    ],
)
def test_texts_of_an_unknown_encoding_are_ignored(content: bytes, expected: str, tmp_path: Path) -> None:
    """UTF-8 is read, and UTF-16 with a byte order mark. A model would take garbled text seriously."""
    (shard,) = open_sources([tar(tmp_path, {"a.jpg": PICTURE, "a.txt": content})])

    assert expected == Texts(shard, "txt").of("pile/a.jpg")


@pytest.mark.parametrize(
    ("field", "expected"),
    [("caption", "A cat."), ("tags", "cat, sofa"), ("score", "0.5"), ("more", ""), ("x", "")],
)
def test_keys_of_the_json_beside_an_image_are_read(field: str, expected: str, tmp_path: Path) -> None:
    """Lists are joined with commas. Objects, missing keys and invalid JSON give no text."""
    (shard,) = open_sources([tar(tmp_path, FILES)])

    texts = Texts(shard, field)

    assert expected == texts.of("pile/a.jpg")
    assert "" == texts.of("pile/sub/b.x.jpg")


def test_text_files_beside_loose_images_are_read(tmp_path: Path) -> None:
    """With the same names as in archives; the whole stem comes before the name up to the first dot."""
    beside = {
        "a.txt": b"A cat.",
        "b.c.txt": b"A dog.",
        "b.txt": b"?",
        "d.txt": b"A bird.",
        "f.TXT": b"A fish.",
    }
    images = ("a.jpg", "b.c.jpg", "d.e.jpg", "f.JPG", ".g.jpg", "h.jpg")
    for name, content in {**dict.fromkeys(images, PICTURE), **beside, ".txt": b"?"}.items():
        write_file(tmp_path / "in" / name, content)
    (shard,) = open_sources([tmp_path / "in"])

    texts = Texts(shard, "txt")

    assert ["A cat.", "A dog.", "A bird.", "A fish.", "", ""] == [texts.of(name) for name in images]


def test_an_image_does_not_get_the_text_of_an_image_named_like_its_folder(tmp_path: Path) -> None:
    """Only for rows of tables, a text is found by the beginning of a key."""
    for name, content in {"sub.jpg": PICTURE, "sub.txt": b"A cat.", "sub/x.jpg": PICTURE}.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    (shard,) = open_sources([tmp_path / "in"])

    assert ["A cat.", ""] == [Texts(shard, "txt").of(key) for key in ("sub.jpg", "sub/x.jpg")]


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbf{"album": "A?"}',
        b'{"album": "A?", "score": NaN}',
        b'{"album": "A?", "score": Infinity}',
        b'{"album": "A\\ud83d"}',
    ],
)
def test_unusual_json_is_read(content: bytes, tmp_path: Path) -> None:
    """With a byte order mark, half a character, or numbers outside JSON, which give no text."""
    (shard,) = open_sources([tar(tmp_path, {"a.jpg": PICTURE, "a.json": content})])

    assert ["A?", ""] == [Texts(shard, field).of("pile/a.jpg") for field in ("album", "score")]


def test_dates_are_texts_and_missing_values_are_not(tmp_path: Path) -> None:
    """In columns of a Parquet file."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = {
        "image": [PICTURE, PICTURE],
        "day": [datetime.date(2026, 5, 1), None],
        "album": pyarrow.array([7.0, float("nan")]),
    }
    parquet.write_table(pyarrow.table(rows), tmp_path / "t.parquet")
    (shard,) = open_sources([tmp_path])

    assert ["2026-05-01", ""] == [Texts(shard, "day").of(key) for key in ("t/0", "t/1")]
    assert ["7.0", ""] == [Texts(shard, "album").of(key) for key in ("t/0", "t/1")]


def test_columns_of_tables_are_read(tmp_path: Path) -> None:
    """Beside a column of images, or of lists of images, which share their row's text."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = {"image": [PICTURE, PICTURE, PICTURE], "title": ["A cat.", None, "A dog."]}
    parquet.write_table(pyarrow.table(table), tmp_path / "one.parquet", row_group_size=2)
    lists = {"image": [[PICTURE, PICTURE]], "title": ["Two cats."]}
    parquet.write_table(pyarrow.table(lists), tmp_path / "many.parquet")
    shards = open_sources([tmp_path])

    found = {shard.name: Texts(shard, "title") for shard in shards}

    assert ["A cat.", "", "A dog."] == [found["one"].of(f"one/{row}") for row in range(3)]
    assert "Two cats." == found["many"].of("many/0/1")
    assert "" == Texts(shards[0], "none").of("one/0")
