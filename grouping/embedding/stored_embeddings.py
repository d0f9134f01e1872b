"""Imports embeddings made elsewhere, from ``.npy`` files as clip-retrieval writes them.

Comes in: a ``.npy`` file or a folder of them, and optionally keys: a text file with one per line, a Parquet
file, or a folder of them as clip-retrieval writes beside its embeddings. Goes out: the same files in the run
folder that the embedding pipeline writes, so that later stages see no difference. Rows are vectors of floats,
of any dimension and length. Not its job: grouping them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.errors import UsageError
from triptych.records import ImageRecord
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import sha256_of, write_jsonl, written_whole
from triptych.sources.file_names import FileKind, kind_by_name
from triptych.sources.locations import refuse_unless_utf_8
from triptych.sources.unpacking import import_pyarrow

ROWS_AT_ONCE = 16_384

IMAGES_OF_CLIP_RETRIEVAL = "img_emb"
"""Its folder of image embeddings, and the prefix of the files in it; other files embed texts."""

KEY_COLUMNS = ("image_path", "key", "url", "image_url", "file_name", "path")
"""Parquet columns, by precedence: how clip-retrieval and img2dataset name images."""

METADATA_FOLDER = "metadata"
"""Subfolder of clip-retrieval's output with the Parquet files."""


class StoredShard(msgspec.Struct, frozen=True, kw_only=True):
    """One ``.npy`` file. If ``keys`` is None, rows are named by their number."""

    name: str
    path: Path
    keys: Sequence[str] | None

    def rows(self) -> NDArray[np.floating]:
        """``float[n, dim]``, memory-mapped."""
        rows: NDArray[np.floating] = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return rows

    def fingerprint(self) -> str:
        """A digest that changes with any byte of the file or its keys."""
        keys = hashlib.sha256(msgspec.json.encode(self.keys)).hexdigest()
        return f"{self.name}\t{sha256_of(self.path)}\t{keys}"

    def key_of(self, row: int) -> str:
        """The given key, or ``<file stem>/<row>`` without keys."""
        return self.keys[row] if self.keys is not None else f"{self.name}/{row}"


def adopt(run: RunFolder, shard: StoredShard) -> None:
    """Write ``shard`` as the pipeline would: unit vectors in float16, then one record per row.

    A row that is zero or not finite is recorded as unreadable.
    """
    rows = shard.rows()
    sound = np.concatenate([*(have_direction(block) for block in _blocks(rows)), np.zeros(0, bool)])
    header = {"descr": "<f2", "fortran_order": False, "shape": (int(sound.sum()), rows.shape[1])}
    with written_whole(run.embeddings_file(shard.name)) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in _blocks(rows):
            file.write(unit_float16(block[have_direction(block)]).tobytes())
    reason = "not embeddable: the stored embedding is zero or not finite"
    write_jsonl(
        run.images_file(shard.name),
        (
            ImageRecord(key=shard.key_of(row), unreadable=None if ok else reason)
            for row, ok in enumerate(sound.tolist())
        ),
    )


def _blocks(rows: NDArray[np.floating]) -> Iterator[NDArray[np.floating]]:
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE]


def have_direction(rows: NDArray[np.floating]) -> NDArray[np.bool_]:
    """``bool[n]``: whether each row is finite and not all zero."""
    sound: NDArray[np.bool_] = np.isfinite(rows).all(axis=1) & rows.any(axis=1)
    return sound


def unit_float16(rows: NDArray[np.floating]) -> NDArray[np.float16]:
    """``float16[n, dim]``: rows that have a direction, scaled to length 1, as run folders store them.

    Scaling by a power of two first keeps squares within the range of float32, and doesn't change the result.
    """
    wide = rows.astype(np.promote_types(rows.dtype, np.float32))
    _, exponents = np.frexp(np.abs(wide).max(axis=1, initial=0))
    units: NDArray[np.float32] = np.ldexp(wide, -exponents[:, None]).astype(np.float32)
    units /= np.sqrt(np.einsum("ij,ij->i", units, units))[:, None]
    return units.astype("<f2")


def open_stored(embeddings: Path, keys_file: Path | None) -> list[StoredShard]:
    """The files of ``embeddings``, in natural order of their names (2 before 10).

    ``keys_file`` has the keys in the order of the files and their rows (see read_keys). Raises UsageError
    if a file isn't a matrix of floats, a path isn't UTF-8, dimensions differ, or keys don't match the rows.
    """
    paths = _files_of(embeddings) if embeddings.is_dir() else [embeddings]
    for path in paths:
        refuse_unless_utf_8(str(path))
    by_name = {path.stem: path for path in paths}
    for path in paths:
        if (other := by_name[path.stem]) is not path:
            raise UsageError(f"{path} and {other} would both be shard {path.stem}; rename one")
    shapes = [_shape(path) for path in paths]
    for path, (_, width) in zip(paths, shapes, strict=True):
        if width != shapes[0][1]:
            raise UsageError(
                f"{path} has {width} dimensions, {paths[0]} has {shapes[0][1]}; group them apart"
            )
    keys = read_keys(keys_file, sum(rows for rows, _ in shapes)) if keys_file is not None else None
    shards, first = [], 0
    for path, (rows, _) in zip(paths, shapes, strict=True):
        own = keys[first : first + rows] if keys is not None else None
        shards.append(StoredShard(name=path.stem, path=path, keys=own))
        first += rows
    return shards


def _files_of(folder: Path) -> list[Path]:
    """The ``.npy`` files in ``folder``; only the image embeddings of clip-retrieval's output."""
    found = _files_in(folder, ".npy") or _files_in(folder / IMAGES_OF_CLIP_RETRIEVAL, ".npy")
    if not found:
        raise UsageError(f"no .npy files in {folder}; expected embeddings, one row per image")
    return [path for path in found if path.name.startswith(IMAGES_OF_CLIP_RETRIEVAL)] or found


def _shape(path: Path) -> tuple[int, int]:
    try:
        if not path.is_file():
            raise OSError("it is no file")  # opening a pipe would block
        rows = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # numpy raises anything on other bytes
        raise UsageError(f"{path} can't be read as embeddings ({error}); expected a .npy matrix") from None
    if rows.ndim != 2 or rows.dtype.kind != "f":
        raise UsageError(
            f"{path} holds {rows.dtype}{list(rows.shape)}; expected float16, float32 or float64, one row per"
            " image: numpy.save(path, rows.astype(numpy.float32)) writes it so"
        )
    return int(rows.shape[0]), int(rows.shape[1])


def _files_in(folder: Path, suffix: str) -> list[Path]:
    """Files with ``suffix`` in ``folder``, without system files such as .DS_Store; none if it doesn't exist.

    In natural order of their names: ``img_emb_2`` comes before ``img_emb_10``.
    """
    if not folder.is_dir():
        return []
    found = [each for each in folder.iterdir() if each.suffix.lower() == suffix]
    return sorted(
        (each for each in found if kind_by_name(each.name) is not FileKind.JUNK),
        key=lambda path: [(int(p) if p.isdecimal() else 0, p) for p in re.split(r"(\d+)", path.name)],
    )


def read_keys(path: Path, expected: int) -> list[str]:
    """The keys in ``path``. Raises UsageError unless they are ``expected`` unique ones."""
    if path.is_dir():
        files = _files_in(path, ".parquet") or _files_in(path / METADATA_FOLDER, ".parquet")
        if not files:
            raise UsageError(f"no .parquet files in {path}; expected some that name the images")
        named = [(f"{file}, row {row}", key) for file in files for row, key in enumerate(_column(file))]
    elif path.suffix.lower() == ".parquet":
        named = [(f"{path}, row {row}", key) for row, key in enumerate(_column(path))]
    else:
        named = [(f"{path}, line {number}", key) for number, key in enumerate(_lines(path), start=1)]
    if len(named) != expected:
        raise UsageError(
            f"{path} has {len(named):,} keys, the embeddings {expected:,} rows; expected one each"
        )
    seen: set[str] = set()
    for place, key in named:
        if not key or key in seen:
            what = "is empty" if not key else f"comes twice: {key}"
            raise UsageError(f"{place}: the key {what}; keys must be unique")
        seen.add(key)
    return [key for _, key in named]


def _lines(path: Path) -> list[str]:
    """Lines end at a line feed only: other line separators may be part of a key."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, MemoryError) as error:
        raise UsageError(
            f"keys file {path} can't be read ({error}); expected one key per line in UTF-8"
        ) from None
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def _column(path: Path) -> list[str]:
    try:
        with import_pyarrow(str(path)).parquet.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            name = next((each for each in KEY_COLUMNS if each in columns), None)
            if name is None:
                raise UsageError(
                    f"{path} has none of the columns {', '.join(KEY_COLUMNS)}, found {', '.join(columns)};"
                    " write the keys to a text file, one per line"
                )
            return [_key(value) for value in file.read([name]).column(0).to_pylist()]
    except UsageError:
        raise
    except Exception as error:  # pyarrow raises anything on damaged bytes
        raise UsageError(f"keys file {path} can't be read ({error}); expected a Parquet file") from None


def _key(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode()
    return "" if value is None else str(value)
