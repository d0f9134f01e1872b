"""What a user can set about sources.

Comes in: values from presets, a TOML file, flags. Goes out: one Struct. Not its job: reading (see sources).
"""

from __future__ import annotations

import msgspec


class InputConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How sources are read."""

    image_column: str | None = None
    """Of Parquet files, where more than one could hold the images."""
