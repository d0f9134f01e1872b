"""What a user can set about sources.

Comes in: values from presets, a TOML file, flags. Goes out: one Struct, with one inside for each kind of
source that has settings. Not its job: reading (see sources).
"""

from __future__ import annotations

import msgspec

from triptych.sources.image_cache import ImageCache, opened_cache, size_in_bytes


class ParquetConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How Parquet files are read."""

    image_column: str | None = None
    """Where the images are, if more than one column could hold them. A field within one has a dot before it:
    ``sample.image``."""

    image_columns: dict[str, str] = {}
    """The same for some files only, by a pattern of their name or path below the source."""


class InputConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How sources are read."""

    parquet: ParquetConfig = ParquetConfig()
    """How Parquet files are read."""

    text: str = ""
    """Where the text of an image is, for prompts with ``{text}``: ``txt``, a .txt beside it; else the name of
    a key in the .json beside it, or of a Parquet column."""

    image_cache: str = ""
    """How much of a local disk images may take that were read to be captioned, such as ``500GB``: later jobs
    needn't fetch them again. They lie in $XDG_CACHE_HOME/triptych. Empty: none stay."""

    include: tuple[str, ...] = ()
    """Patterns such as ``*.jpg`` or ``train/*``: only files are read whose path below the source matches one,
    or whose name, or that of a folder on the way to it. None: all."""

    exclude: tuple[str, ...] = ()
    """Patterns as above: files and folders that are left out, also where ``include`` names them."""

    def __post_init__(self) -> None:
        if self.image_cache:
            size_in_bytes(self.image_cache)

    def opened_cache(self) -> ImageCache | None:
        """Where images stay; None: nowhere."""
        return opened_cache(size_in_bytes(self.image_cache or "0"))
