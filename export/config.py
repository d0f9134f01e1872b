"""The export's settings: row format, file type, file names, and content of the card.

Not its job: which captions are kept (see filtering), prompts (see captioning).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from triptych.errors import UsageError, expect_fields
from triptych.export.containers import CONTAINERS
from triptych.export.formats import FORMATS

_FILE_NAME_START = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MAX_PREFIX_CHARS = 150
"""File systems allow 255 in a name."""


class ExportConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the kept captions are exported."""

    format: str = "internvl"
    """Row format: ``internvl``, ``llava``, ``ms-swift``, ``llama-factory``, ``chat-parts`` (TRL, Axolotl,
    chat templates of Hugging Face), ``label-studio``, ``fiftyone``, ``capevalkit``, ``preference`` (pairs for
    DPO in TRL), or ``preference-llama-factory``."""
    file_type: str = "jsonl"
    """File type: ``jsonl``, ``jsonl.zst`` (compressed), ``parquet``, or with the images inside
    ``images.parquet`` and ``tar`` (WebDataset). Only ``jsonl`` comes with a trainer's configuration files.
    zstd and Parquet need pyarrow. ``label-studio`` rows need ``json``, ``fiftyone`` rows ``csv``."""
    rows_per_file: int = 0
    """Split files after so many rows. 0: one file, but parts of 10,000 rows, like img2dataset, for
    ``images.parquet`` and ``tar``."""
    prefix: str = "triptych_caption"
    """Beginning of every file name: letters, digits, dots, dashes and underscores."""
    image_root: str = ""
    """Folder of the images on the trainer's machine, which paths in rows are relative to. Written to the
    trainer's configuration files and to the card. Empty: the folder that the trainer is started in."""
    image_source: Literal["own", "sa-1b"] = "own"
    """Whose images they are: ``sa-1b`` puts SA-1B's research licence into the card."""
    captions_licence: str | None = None
    """The licence of the captions, by its id on the Hub (``mit``, ``cc-by-4.0``). Without one, the card says
    that it has not been chosen yet."""
    card_note: str = ""
    """A paragraph for the top of the card."""

    def __post_init__(self) -> None:
        """Raises UsageError for an invalid value."""
        expect_fields(self, "export")
        _check_known("format", self.format, FORMATS)
        _check_known("file_type", self.file_type, CONTAINERS)
        file_types = FORMATS[self.format].file_types
        if self.file_type not in file_types:
            raise UsageError(
                f"export.file_type is {self.file_type!r}; rows of {self.format} can be written to"
                f" {' or '.join(file_types)}: add --file-type {file_types[0]}",
                key="export.file_type",
            )
        if self.rows_per_file < 0:
            raise UsageError(f"export.rows_per_file is {self.rows_per_file}; expected 0 or more")
        if not _FILE_NAME_START.fullmatch(self.prefix):
            raise UsageError(
                f"export.prefix is {self.prefix!r}; expected letters, digits, dots, dashes and"
                " underscores, beginning with a letter or digit"
            )
        if len(self.prefix) > MAX_PREFIX_CHARS:
            raise UsageError(
                f"export.prefix has {len(self.prefix)} characters; expected at most {MAX_PREFIX_CHARS}, as"
                " file names begin with it"
            )


def _check_known(setting: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise UsageError(f"export.{setting} is {name!r}; expected one of {', '.join(known)}")
