"""Reads the keys of embeddings made elsewhere.

Comes in: a text file with one key per line, a Parquet file, or a folder of them as clip-retrieval writes
beside its embeddings. Goes out: unique keys, one per row. Not its job: the embeddings.
"""

from __future__ import annotations

import re
from pathlib import Path

from triptych.errors import UsageError
from triptych.sources.file_names import FileKind, kind_by_name
from triptych.sources.unpacking import import_pyarrow

KEY_COLUMNS = ("image_path", "key", "url", "image_url", "file_name", "path")
"""Parquet columns, by precedence: how clip-retrieval and img2dataset name images."""

METADATA_FOLDER = "metadata"
"""Subfolder of clip-retrieval's output with the Parquet files."""


def files_in(folder: Path, suffix: str) -> list[Path]:
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
        files = files_in(path, ".parquet") or files_in(path / METADATA_FOLDER, ".parquet")
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
