"""Settings of sources.

Comes in: values from presets, a TOML file, flags. Goes out: one Struct, with a nested one for Parquet. Not
its job: reading the sources (see opening).
"""

from __future__ import annotations

import msgspec

from triptych.errors import expect_fields
from triptych.sources.image_cache import ImageCache, opened_cache, size_in_bytes


class ParquetConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How Parquet files are read."""

    image_column: str | None = None
    """Column that holds the images, if more than one could. A nested field is written with a dot:
    ``sample.image``."""

    image_columns: dict[str, str] = {}
    """Image columns of some files only, by a pattern of their name or path below the source."""


class InputConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How sources are read."""

    parquet: ParquetConfig = ParquetConfig()
    """How Parquet files are read."""

    text: str = ""
    """Where prompts get ``{text}`` from: ``txt`` for the .txt beside an image, else the name of a key in the
    .json beside it, or of a Parquet column."""

    image_cache: str = ""
    """Size limit of the local cache of images read for captioning, such as ``500GB``, so that later jobs
    don't fetch them again. It is in $XDG_CACHE_HOME/triptych. Empty: no cache."""

    include: tuple[str, ...] = ()
    """Patterns such as ``*.jpg`` or ``train/*``: only files are read whose path below the source, name, or
    parent folder matches one. None: all."""

    exclude: tuple[str, ...] = ()
    """Patterns of files and folders to leave out, even if ``include`` matches them."""

    def __post_init__(self) -> None:
        expect_fields(self, "input")
        if self.image_cache:
            size_in_bytes(self.image_cache)

    def opened_cache(self) -> ImageCache | None:
        """The image cache; None if ``image_cache`` is empty or 0."""
        return opened_cache(size_in_bytes(self.image_cache or "0"))
