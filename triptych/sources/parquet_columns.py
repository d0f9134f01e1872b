"""Which column of a Parquet file holds its images.

Comes in: an open file, as pyarrow has it, and what the user named. Goes out: the column, or why there is none
or not one. Types are seen through: bytes of every width, in structs and lists, as `datasets`, polars, pandas,
Spark and DuckDB write them. Not its job: reading the images (see parquet).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from triptych.sources.image_format import HEAD_BYTES, image_format

LIST = "[]"
"""The step into a list, on the way to a column's bytes."""

NAMES = frozenset(
    {"image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "jpg", "jpeg", "png", "webp"}
    | {"gif", "bmp", "tif", "tiff", "avif", "bytes", "content", "image_bytes", "img_bytes", "image_data"}
    | {"image_content", "jpg_bytes", "jpeg_bytes", "png_bytes"}
)
"""What columns of images are called."""

LOOKED_AT_ROWS, LOOKED_AT_GROUPS = 32, 3
"""To see whether a column holds images."""

SHOWN_COLUMNS = 8


class ImageColumn(msgspec.Struct, frozen=True):
    """Where a file's images are."""

    steps: tuple[str, ...]
    """From a row to its bytes: names of fields, the column's first, and LIST."""
    leaf: str
    """As Parquet calls it: the one column of bytes that is read."""
    number: int
    """Of that among all of the file."""

    @property
    def name(self) -> str:
        """As users call it: without the field that holds the bytes."""
        steps = [step for step in self.steps if step != LIST]
        return ".".join(steps[:-1] if len(steps) > 1 and steps[-1] == "bytes" else steps)

    @property
    def is_list(self) -> bool:
        """Whether a row may hold several images."""
        return LIST in self.steps

    def contents(self, value: Any) -> list[bytes | None]:
        """The images of a row, given what its column holds as Python objects."""
        return _contents(value, self.steps[1:])


def _contents(value: Any, steps: Sequence[str]) -> list[bytes | None]:
    for at, step in enumerate(steps):
        if value is None:
            return [None]
        if step == LIST:
            return [each for item in value for each in _contents(item, steps[at + 1 :])] or [None]
        value = value[step]
    return [value]


class _Candidate(NamedTuple):
    column: ImageColumn
    rank: int
    """0: `datasets` says that it holds images; 1: the field ``bytes`` of a struct; 2: any other bytes."""

    @property
    def is_called_so(self) -> bool:
        """Whether its name or type says that it holds images."""
        return self.rank < 2 or self.column.name.rpartition(".")[2].lower() in NAMES


def find_image_column(file: Any, wanted: str | None) -> ImageColumn | str:
    """The column ``wanted``; else the one that holds images, by its first rows, where its type or its name
    doesn't say enough. Where there is none or more than one, what there is."""
    schema = file.schema_arrow
    candidates = list(_candidates(file, schema))
    if wanted is not None:
        named = [each.column for each in candidates if wanted in (each.column.name, each.column.leaf)]
        return named[0] if len(named) == 1 else f"no column {wanted} of bytes, found {_described(schema)}"
    if len(candidates) > 1 or not all(each.is_called_so for each in candidates):
        holding = [each for each in candidates if _holds_images(file, each.column)]
        candidates = holding or [each for each in candidates if each.is_called_so]
    if not candidates:
        return f"no column of images, found {_described(schema)}"
    best = min(each.rank for each in candidates)
    candidates = [each for each in candidates if each.rank == best]
    if len(candidates) > 1:
        called = [each for each in candidates if each.column.name.rpartition(".")[2].lower() in NAMES]
        candidates = called if len(called) == 1 else candidates
    if len(candidates) > 1:
        names = _listed([each.column.name for each in candidates])
        return (
            f"{len(candidates)} columns that may hold images: {names}; name one with --image-column NAME, or"
            " PATTERN=NAME for these files"
        )
    return candidates[0].column


def _candidates(file: Any, schema: Any) -> Iterator[_Candidate]:
    """All columns of bytes. pyarrow's columns, taken apart, are those of Parquet in the same order."""
    features = _declared(schema)
    leaves = [leaf for field in schema for leaf in _leaves((field.name,), field.type)]
    for number, (steps, holds_bytes) in enumerate(leaves):
        if holds_bytes:
            column = ImageColumn(steps, file.schema.column(number).path, number)
            in_struct = steps[-1] == "bytes" and len([step for step in steps if step != LIST]) > 1
            yield _Candidate(column, 0 if _is_declared(features, steps) else 1 if in_struct else 2)


def _leaves(steps: tuple[str, ...], kind: Any) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The way to each of the columns that Parquet makes of one, and whether it is one of bytes."""
    from pyarrow import types

    while hasattr(kind, "storage_type"):
        kind = kind.storage_type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_struct(kind):
        for field in kind.fields:
            yield from _leaves((*steps, field.name), field.type)
    elif types.is_map(kind):
        for inner in (kind.key_type, kind.item_type):
            yield from ((steps, False) for _ in _leaves(steps, inner))
    elif hasattr(kind, "value_type"):  # a list of any kind
        yield from _leaves((*steps, LIST), kind.value_type)
    else:
        yield steps, types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _declared(schema: Any) -> Any:
    """What the metadata of `datasets` says of the columns."""
    try:
        return msgspec.json.decode((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return None


def _is_declared(features: Any, steps: Sequence[str]) -> bool:
    try:
        for step in steps:
            features = (
                (features[0] if isinstance(features, list) else features["feature"])
                if step == LIST
                else features[step]
            )
            if isinstance(features, dict) and features.get("_type") == "Image":
                return True
    except (KeyError, TypeError, IndexError):
        pass
    return False


def _holds_images(file: Any, column: ImageColumn) -> bool:
    """Whether any of the first rows holds the beginning of an image."""
    groups = [group for group in range(file.num_row_groups) if file.metadata.row_group(group).num_rows]
    for group in groups[:LOOKED_AT_GROUPS]:
        try:
            batches = file.iter_batches(LOOKED_AT_ROWS, [group], [column.leaf], use_threads=False)
            values = next(iter(batches)).column(0)
        except Exception:  # damaged: what can be read decides
            continue
        contents = (content for value in values for content in column.contents(value.as_py()))
        if any(content and image_format(content[:HEAD_BYTES]) for content in contents):
            return True
    return False


def _described(schema: Any) -> str:
    return _listed([f"{field.name} ({field.type})" for field in schema]) or "no columns"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN_COLUMNS])
    return f"{shown} and {len(names) - SHOWN_COLUMNS} more" if len(names) > SHOWN_COLUMNS else shown
