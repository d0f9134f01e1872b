"""What a user can set about sources.

Comes in: values from presets, a TOML file, flags. Goes out: one Struct, with one inside for each kind of
source that has settings. Not its job: reading (see sources).
"""

from __future__ import annotations

import msgspec


class ParquetConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How Parquet files are read."""

    image_column: str | None = None
    """Where the images are, if more than one column could hold them."""


class InputConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How sources are read."""

    parquet: ParquetConfig = ParquetConfig()
    """How Parquet files are read."""
