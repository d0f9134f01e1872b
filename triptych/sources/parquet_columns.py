"""Finds the image column of a Parquet file.

Comes in: a pyarrow file, and the column that the user set, if any. Goes out: the column, or why there is none
or more than one. It may be any type of bytes, also nested in structs and lists, as `datasets`, polars,
pandas, Spark and DuckDB write them, or a list of uint8. Not its job: reading the images (see parquet).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from triptych.errors import SetupError
from triptych.sources.image_format import HEAD_BYTES, image_format

LIST = "[]"
"""A step into the items of a list."""

NAMES = frozenset(
    {"image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "jpg", "jpeg", "png", "webp"}
    | {"gif", "bmp", "tif", "tiff", "avif", "bytes", "content", "image_bytes", "img_bytes", "image_data"}
    | {"image_content", "jpg_bytes", "jpeg_bytes", "png_bytes"}
)
"""Usual names of image columns."""

SAMPLED_ROWS, SAMPLED_GROUPS = 32, 3
"""How many rows of how many row groups are read to see whether a column holds images."""

SHOWN_COLUMNS = 8


class ImageColumn(msgspec.Struct, frozen=True):
    """Where a file's images are."""

    steps: tuple[str, ...]
    """The path from a row to its bytes: the column's name, names of fields, and LIST."""
    leaf: str
    """Path of the Parquet leaf column that is read."""
    number: int
    """Its index among the file's leaf columns."""

    @property
    def name(self) -> str:
        """Name for users: without LIST and the field ``bytes`` of a struct."""
        steps = [step for step in self.steps if step != LIST]
        return ".".join(steps[:-1] if len(steps) > 1 and steps[-1] == "bytes" else steps)

    @property
    def is_list(self) -> bool:
        """Whether a row may hold several images."""
        return LIST in self.steps

    @property
    def has_image_name(self) -> bool:
        """Whether its name is usual for images."""
        return self.name.rpartition(".")[2].lower() in NAMES

    def contents(self, value: Any) -> list[bytes | None]:
        """The images of a row, given the column's value as Python objects."""
        return _contents(value, self.steps[1:])


def _contents(value: Any, steps: Sequence[str]) -> list[bytes | None]:
    for at, step in enumerate(steps):
        if value is None:
            return [None]
        if step == LIST:
            return [each for item in value for each in _contents(item, steps[at + 1 :])] or [None]
        value = value[step]
    if isinstance(value, list):  # of numbers; with a null among them it is not an image
        return [None if None in value else bytes(value)]
    return [value]


def find_image_column(file: Any, wanted: str | None) -> ImageColumn | str:
    """The column ``wanted``, or else the image column; a message if there is none, or more than one.

    A single column of bytes with a usual name is taken. Otherwise those with images in their first rows are;
    of several, the one that the metadata of `datasets` declares, or that has a usual name.
    """
    schema = file.schema_arrow
    columns = list(_columns_of_bytes(file, schema))
    if wanted is not None:
        named = [column for column in columns if wanted in (column.name, column.leaf)]
        return named[0] if len(named) == 1 else f"no column {wanted} of bytes, found {_described(schema)}"
    if columns and all(_is_empty(file, column) for column in columns):
        return f"no images: {_listed([column.name for column in columns])} without a value in any row"
    if len(columns) != 1 or not columns[0].has_image_name:
        with_images = [column for column in columns if _holds_images(file, column)]
        columns = with_images or [column for column in columns if column.has_image_name]
    if not columns:
        return f"no column of images, found {_described(schema)}"
    if len(columns) > 1:
        declared = _declared(schema)
        columns = [column for column in columns if column.steps[0] in declared] or columns
    if len(columns) > 1:
        columns = [column for column in columns if column.has_image_name] or columns
    if len(columns) > 1:
        names = _listed([column.name for column in columns])
        return (
            f"{len(columns)} columns that may hold images: {names}; name one with --image-column NAME, or"
            " PATTERN=NAME for these files"
        )
    return columns[0]


def _columns_of_bytes(file: Any, schema: Any) -> Iterator[ImageColumn]:
    """pyarrow's columns flattened to leaves are Parquet's leaf columns, in the same order."""
    leaves = [leaf for field in schema for leaf in _leaves((field.name,), field.type)]
    for number, (steps, holds_bytes) in enumerate(leaves):
        if holds_bytes:
            yield ImageColumn(steps, file.schema.column(number).path, number)


def _leaves(steps: tuple[str, ...], kind: Any) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The steps to each leaf of a column, and whether it holds bytes."""
    from pyarrow import types

    if str(getattr(kind, "extension_name", "")) == "arrow.uuid":  # 16 bytes, not an image
        yield steps, False
        return
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
        if types.is_uint8(kind.value_type) and LIST not in steps:
            yield steps, True
        else:
            yield from _leaves((*steps, LIST), kind.value_type)
    else:
        tests = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
        yield steps, any(is_bytes(kind) for is_bytes in tests)


def _declared(schema: Any) -> set[str]:
    """The columns that the metadata of `datasets` declares as images."""
    try:
        about = msgspec.json.decode((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = about["info"]["features"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()
    return {name for name, feature in features if b'"_type":"Image"' in msgspec.json.encode(feature)}


def _is_empty(file: Any, column: ImageColumn) -> bool:
    """Whether all values are null by the file's statistics: a table may list images without holding them."""
    of_groups = [file.metadata.row_group(n).column(column.number) for n in range(file.num_row_groups)]
    stats = [(each.num_values, each.statistics) for each in of_groups if each.num_values]
    return bool(stats) and all(
        known is not None and known.has_null_count and known.null_count == values for values, known in stats
    )


def _holds_images(file: Any, column: ImageColumn) -> bool:
    """Whether any of the first rows holds an image."""
    groups = [group for group in range(file.num_row_groups) if file.metadata.row_group(group).num_rows]
    for group in groups[:SAMPLED_GROUPS]:
        try:
            batches = file.iter_batches(SAMPLED_ROWS, [group], [column.leaf], use_threads=False)
            values = next(iter(batches)).column(0)
        except SetupError:  # the storage
            raise
        except Exception:  # damaged: other row groups decide
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
