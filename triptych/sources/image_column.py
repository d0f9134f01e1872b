"""Which column of a table holds the images.

Comes in: the schema of a Parquet file. Goes out: one column, or one line that says why it isn't clear.
Not its job: reading it (see parquet).
"""

from __future__ import annotations

from typing import Any

import msgspec

from triptych.errors import SetupError, UsageError


class ImageColumn(msgspec.Struct, frozen=True):
    """Where a file's images are. ``in_struct``: in the field ``bytes``, as `datasets` writes them."""

    name: str
    in_struct: bool

    @property
    def leaf(self) -> str:
        """The one column of bytes that is read."""
        return f"{self.name}.bytes" if self.in_struct else self.name


def import_parquet(path: str) -> tuple[Any, Any]:
    """pyarrow and pyarrow.parquet. Raises SetupError where they aren't installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise SetupError(
            f"{path} is read with pyarrow, which isn't installed; install triptych[arrow], or leave it out"
        ) from None
    return pyarrow, pyarrow.parquet


def find_image_column(schema: Any, path: str, wanted: str | None) -> ImageColumn | str:
    """The column ``wanted``; else the only one that `datasets` declares as images; else the only struct
    with ``bytes``; else the only one of bytes. Where there is none, what there is.

    Raises UsageError where there is more than one.
    """
    structs = [field.name for field in schema if _is_image_struct(field.type)]
    binaries = [field.name for field in schema if _is_bytes(field.type)]
    holding_bytes = structs + binaries
    if wanted is not None:
        if wanted in holding_bytes:
            return ImageColumn(wanted, wanted in structs)
        return f"no column {wanted} of bytes, found {_described(schema)}"
    declared = [name for name in _declared(schema) if name in holding_bytes]
    for candidates in (declared, structs, binaries):
        if len(candidates) == 1:
            return ImageColumn(candidates[0], candidates[0] in structs)
        if candidates:
            raise UsageError(
                f"{path} has {len(candidates)} columns that may hold images: {_listed(candidates)};"
                " name one with --image-column"
            )
    return f"no column of bytes, found {_described(schema)}"


def _declared(schema: Any) -> list[str]:
    """The columns that the metadata of `datasets` calls images."""
    try:
        declaration = msgspec.json.decode((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = declaration["info"]["features"]
        return [name for name, feature in features.items() if feature.get("_type") == "Image"]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return []


def _is_image_struct(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_struct(kind)) and any(
        field.name == "bytes" and _is_bytes(field.type) for field in kind.fields
    )


def _is_bytes(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _described(schema: Any) -> str:
    return _listed([f"{field.name} ({field.type})" for field in schema]) or "no columns"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
