"""Grouping of stored embeddings, which Triptych didn't make."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from tests.support.made_up import as_unit
from triptych.cli import cli
from triptych.errors import UsageError
from triptych.grouping.embedding.stored_embeddings import (
    have_direction,
    open_stored,
    read_keys,
    unit_float16,
)
from triptych.runs.folder import RunFolder


def _rows() -> NDArray[np.float32]:
    """Five themes of four rows each, and a copy of the first row. Their lengths aren't 1."""
    rng = np.random.default_rng(9)
    themes = np.repeat(rng.normal(size=(5, 32)), 4, axis=0)
    rows = as_unit(themes + rng.normal(0, 0.5, themes.shape))
    return 3 * np.concatenate([rows, rows[:1]])


def _group(*arguments: object) -> Result:
    bounds = ["--set", "sets.related_cosine_similarity=0.6", "--set", "sets.duplicate_cosine_similarity=0.98"]
    return CliRunner().invoke(cli, ["group", *map(str, arguments), *bounds])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", ">f8"])
def test_stored_embeddings_are_grouped_without_images(dtype: type | str, tmp_path: Path) -> None:
    """Keys are the file's stem and the row number; no set mixes themes; the copy is a duplicate."""
    np.save(tmp_path / "img_emb_0.npy", _rows().astype(dtype))

    outcome = _group("--embeddings", tmp_path / "img_emb_0.npy", "--out", tmp_path / "run")

    assert 0 == outcome.exit_code, outcome.output
    run = RunFolder.open(tmp_path / "run")
    assert [("img_emb_0/20", "img_emb_0/0")] == [(d.key, d.of) for d in run.duplicates()]
    themes = [{int(key.partition("/")[2]) // 4 for key in each.keys} for each in run.sets()]
    assert len(themes) >= 5
    assert all(len(theme) == 1 for theme in themes)


def test_keys_from_a_file_go_to_the_rows_of_all_files_in_name_order(tmp_path: Path) -> None:
    """A folder of two files, and a file of keys."""
    (tmp_path / "stored").mkdir()
    np.save(tmp_path / "stored" / "b.npy", _rows()[9:])
    np.save(tmp_path / "stored" / "a.npy", _rows()[:9])
    (tmp_path / "keys.txt").write_text("".join(f"photo {n}.jpg\n" for n in range(21)))

    outcome = _group(
        "--embeddings", tmp_path / "stored", "--keys", tmp_path / "keys.txt", "--out", tmp_path / "run"
    )

    assert 0 == outcome.exit_code, outcome.output
    run = RunFolder.open(tmp_path / "run")
    assert [f"photo {n}.jpg" for n in range(21)] == [record.key for record in run.all_images()]
    assert [("photo 20.jpg", "photo 0.jpg")] == [(d.key, d.of) for d in run.duplicates()]


def test_a_row_without_a_direction_is_recorded_as_unreadable(tmp_path: Path) -> None:
    """Zeros or NaN: its record has a reason, and the other rows are grouped."""
    rows = _rows()
    rows[3], rows[7, 2] = 0, np.nan
    np.save(tmp_path / "e.npy", rows)

    outcome = _group("--embeddings", tmp_path / "e.npy", "--out", tmp_path / "run")

    assert 0 == outcome.exit_code, outcome.output
    records = list(RunFolder.open(tmp_path / "run").all_images())
    assert ["e/3", "e/7"] == [record.key for record in records if record.unreadable]
    assert 19 == len(np.load(tmp_path / "run" / "embeddings" / "e.npy"))


@pytest.mark.parametrize("length", [2e-7, 1e-200, 1e18, 1e300])
def test_a_row_of_any_length_has_a_direction(length: float) -> None:
    """The unit vector is the same to the last bit."""
    rows = _rows().astype(np.float64)
    scaled = np.ldexp(rows, int(np.log2(length)))

    assert have_direction(scaled).all()
    assert np.array_equal(unit_float16(rows), unit_float16(scaled))
    assert [False, False, False, True] == have_direction(
        np.array([[0, 0], [np.nan, 1], [-np.inf, 1], [0, 5e-324]])
    ).tolist()


def test_a_second_run_does_nothing_and_other_embeddings_are_refused(tmp_path: Path) -> None:
    """The same as for images."""
    path = tmp_path / "e.npy"
    np.save(path, _rows())
    first = _group("--embeddings", path, "--out", tmp_path / "run")
    again = _group("--embeddings", path, "--out", tmp_path / "run")
    np.save(path, _rows()[::-1])
    other = _group("--embeddings", path, "--out", tmp_path / "run")

    assert (0, 0, 1) == (first.exit_code, again.exit_code, other.exit_code)
    assert "Nothing to do" in again.output
    assert "embeddings" in str(other.exception)


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (np.zeros((3, 4), np.int64), "holds int64[3, 4]; expected float16, float32 or float64"),
        (np.zeros(3, np.float32), "holds float32[3]; expected"),
        (b"no array", "can't be read as embeddings"),
    ],
    ids=["integers", "one dimension", "not an array"],
)
def test_a_file_that_is_not_a_matrix_of_floats_is_refused(
    saved: NDArray[np.generic] | bytes, message: str, tmp_path: Path
) -> None:
    """The error says what was found and what is expected; no run folder is created."""
    path = tmp_path / "e.npy"
    if isinstance(saved, bytes):
        path.write_bytes(saved)
    else:
        np.save(path, saved)

    outcome = _group("--embeddings", path, "--out", tmp_path / "run")

    assert message in str(outcome.exception)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a", "b"], "has 2 keys, the embeddings 21 rows"),
        (["a"] * 21, "line 2: the key comes twice: a"),
        ([*map(str, range(20)), ""], "line 21: the key is empty"),
    ],
    ids=["too few", "twice", "empty"],
)
def test_keys_that_do_not_fit_are_refused(lines: list[str], message: str, tmp_path: Path) -> None:
    """The error gives the line, or both counts."""
    np.save(tmp_path / "e.npy", _rows())
    (tmp_path / "keys.txt").write_text("".join(f"{line}\n" for line in lines))

    outcome = _group(
        "--embeddings", tmp_path / "e.npy", "--keys", tmp_path / "keys.txt", "--out", tmp_path / "run"
    )

    assert message in str(outcome.exception)


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    """Opening it would wait for a writer."""
    os.mkfifo(tmp_path / "e.npy")
    with pytest.raises(UsageError, match=r"e\.npy can't be read as embeddings \(it is no file\)"):
        open_stored(tmp_path, None)


@pytest.mark.parametrize("name", ["\udcff/e.npy", "e\udcff.npy"])
def test_a_path_that_is_not_utf_8_is_refused(tmp_path: Path, name: str) -> None:
    """Shards in a run have the names of their files."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    np.save(tmp_path / name, _rows())
    for embeddings in (tmp_path / name, (tmp_path / name).parent):
        with pytest.raises(
            UsageError, match=r"\\xff.*: its path is not UTF-8; rename it, or name a link to it"
        ):
            open_stored(embeddings, None)


@pytest.mark.parametrize("cut_bytes", [0, 30])
def test_an_archive_of_arrays_is_refused(tmp_path: Path, cut_bytes: int) -> None:
    """Intact or truncated, though its name ends in .npy."""
    np.savez(tmp_path / "e.npz", rows=np.zeros((3, 4), np.float32))
    content = (tmp_path / "e.npz").read_bytes()
    (tmp_path / "e.npy").write_bytes(content[: len(content) - cut_bytes])

    with pytest.raises(UsageError, match=r"expected a \.npy matrix"):
        open_stored(tmp_path / "e.npy", None)


@pytest.mark.parametrize(
    "content",
    [
        "{}\n{}\n{}\n",
        "{}\n{}\n{}",
        "\ufeff{}\n{}\n{}\n",
        "{}\r\n{}\r\n{}\r\n",
        "\ufeff{}\r\n{}\r\n{}",
    ],
)
def test_only_line_feeds_end_a_key(content: str, tmp_path: Path) -> None:
    """Other line separators are part of a key; a byte order mark isn't."""
    keys = ["a\u2028b.jpg", "c\x85\x0bd.jpg", "\x0c\x1ce \u2029.jpg"]
    (tmp_path / "keys.txt").write_bytes(content.format(*keys).encode())

    assert keys == read_keys(tmp_path / "keys.txt", 3)


def _clip_retrieval_folder(folder: Path, **columns: list[object]) -> NDArray[np.float32]:
    """Twelve files of three rows, numbered without padding, beside text embeddings and macOS's ._ files."""
    rows = np.random.default_rng(0).normal(size=(36, 16)).astype(np.float32)
    for name in ("img_emb", "text_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    for number in range(12):
        part = slice(3 * number, 3 * number + 3)
        np.save(folder / "img_emb" / f"img_emb_{number}.npy", rows[part])
        np.save(folder / "text_emb" / f"text_emb_{number}.npy", -rows[part])
        (folder / "img_emb" / f"._img_emb_{number}.npy").write_bytes(b"Mac OS X")
        table = pa.table({name: values[part] for name, values in columns.items()})
        pq.write_table(table, folder / "metadata" / f"metadata_{number}.parquet")
    return rows


@pytest.mark.parametrize("folder", ["", "img_emb"])
@pytest.mark.parametrize("keys", ["", "metadata"])
def test_clip_retrieval_files_are_read_in_numeric_order(folder: str, keys: str, tmp_path: Path) -> None:
    """From clip-retrieval's folder or the one below; each row gets its key from the metadata."""
    names: list[object] = [f"in/{row}.jpg" for row in range(36)]
    rows = _clip_retrieval_folder(tmp_path / "out", caption=names[::-1], image_path=names)
    shards = open_stored(tmp_path / "out" / folder, tmp_path / "out" / keys)

    assert [f"img_emb_{number}" for number in range(12)] == [shard.name for shard in shards]
    assert np.array_equal(rows, np.concatenate([shard.rows() for shard in shards]))
    assert names == [shard.key_of(row) for shard in shards for row in range(3)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"url": ["x"] * 36}, r"metadata_0\.parquet, row 1: the key comes twice: x"),
        ({"image_path": [None] * 36}, r"metadata_0\.parquet, row 0: the key is empty"),
        ({"caption": ["x"] * 36}, r"has none of the columns image_path, .* found caption"),
    ],
)
def test_metadata_without_usable_keys_is_refused(
    columns: dict[str, list[object]], message: str, tmp_path: Path
) -> None:
    """The error names the file, and the row or the columns."""
    _clip_retrieval_folder(tmp_path / "out", **columns)
    with pytest.raises(UsageError, match=message):
        open_stored(tmp_path / "out", tmp_path / "out" / "metadata")


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.binary())])
def test_keys_that_are_bytes_are_read_as_utf_8(kind: pa.DataType, tmp_path: Path) -> None:
    """Spark and older writers store text like this. Bytes that aren't UTF-8 are refused."""
    names = ["in/0.jpg", "in/\u56fe.jpg"]
    pq.write_table(pa.table({"key": pa.array([n.encode() for n in names], kind)}), tmp_path / "k.parquet")
    pq.write_table(pa.table({"key": pa.array([b"in/\xff.jpg"], kind)}), tmp_path / "odd.parquet")

    assert names == read_keys(tmp_path / "k.parquet", 2)
    with pytest.raises(UsageError, match=r"odd\.parquet can't be read \(.*utf-8"):
        read_keys(tmp_path / "odd.parquet", 1)


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1" * 9])
def test_damaged_metadata_is_refused(content: bytes, tmp_path: Path) -> None:
    """Empty, not Parquet, or Parquet's marks alone."""
    (tmp_path / "m.parquet").write_bytes(content)
    with pytest.raises(UsageError, match=r"m\.parquet can't be read"):
        read_keys(tmp_path / "m.parquet", 1)


@pytest.mark.parametrize("arguments", [[], ["photos", "--embeddings", "."], ["photos", "--keys", "k.txt"]])
def test_sources_and_embeddings_exclude_each_other(arguments: list[str], tmp_path: Path) -> None:
    """Neither, both, or keys for images: each is a usage error."""
    outcome = _group(*arguments, "--out", tmp_path / "run")

    assert 2 == outcome.exit_code
    assert "Usage" in outcome.output


def test_a_run_without_images_cannot_be_captioned(tmp_path: Path) -> None:
    """One error says why, instead of one error per image."""
    np.save(tmp_path / "e.npy", _rows())
    _group("--embeddings", tmp_path / "e.npy", "--out", tmp_path / "run")

    outcome = CliRunner().invoke(cli, ["caption", str(tmp_path / "run"), "--model", "builtin:nano-internvl"])

    assert "was grouped from stored embeddings" in str(outcome.exception)


def test_explain_says_why_an_image_is_in_its_set_or_in_none(tmp_path: Path) -> None:
    """For a member of a set, a duplicate and an unrelated image; nearest neighbours are listed."""
    rows = np.concatenate([_rows(), -_rows()[:1]])
    np.save(tmp_path / "e.npy", rows)
    _group("--embeddings", tmp_path / "e.npy", "--out", tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    member = next(run.sets())

    def explain(key: str) -> list[str]:
        outcome = CliRunner().invoke(cli, ["explain", str(tmp_path / "run"), key])
        assert 0 == outcome.exit_code, outcome.output
        return outcome.stdout.splitlines()

    of_member, copy, unrelated = explain(member.keys[0]), explain("e/20"), explain("e/21")
    assert f"{member.keys[0]} is in {member.id} of {len(member.keys)} images" in of_member[0]
    assert member.keys[1] in of_member[1]
    assert "e/20 is a duplicate of e/0: near duplicate (cosine 1.0)" == copy[0]
    assert "  1.0000  e/0" in "\n".join(copy)
    assert "e/21 is in no set: no other image is related" in unrelated[0]


def test_explain_refuses_an_unknown_key(tmp_path: Path) -> None:
    """The error names the key."""
    np.save(tmp_path / "e.npy", _rows())
    _group("--embeddings", tmp_path / "e.npy", "--out", tmp_path / "run")

    outcome = CliRunner().invoke(cli, ["explain", str(tmp_path / "run"), "e/99"])

    assert "no image e/99" in str(outcome.exception)


def test_lost_rows_are_imported_again(tmp_path: Path) -> None:
    """As with images, missing files of a finished stage are made again."""
    np.save(tmp_path / "rows.npy", _rows())
    arguments = ("--embeddings", tmp_path / "rows.npy", "--out", tmp_path / "run")
    _group(*arguments)
    sets = (tmp_path / "run" / "sets.jsonl").read_bytes()
    (tmp_path / "run" / "embeddings" / "rows.npy").unlink()

    outcome = _group(*arguments)

    assert 0 == outcome.exit_code, outcome.output
    assert (tmp_path / "run" / "embeddings" / "rows.npy").exists()
    assert sets == (tmp_path / "run" / "sets.jsonl").read_bytes()


def test_files_with_the_same_shard_name_are_refused(tmp_path: Path) -> None:
    """The rows of one would be mistaken for those of the other."""
    for name in ("a.npy", "a.NPY"):
        with (tmp_path / name).open("wb") as file:
            np.save(file, _rows())
    with pytest.raises(UsageError, match="would both be shard a; rename one"):
        open_stored(tmp_path, None)
