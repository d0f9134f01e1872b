"""The export's settings: which rows, in which files, what they are called, and what the card says.

Not its job: which captions are kept (see filtering), what was asked for (see captioning).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from triptych.errors import UsageError
from triptych.export.containers import CONTAINERS
from triptych.export.formats import FORMATS

_FILE_NAME_START = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MOST_PREFIX_LETTERS = 150
"""File systems take 255 in a name."""


class ExportConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the kept captions are handed over."""

    format: str = "internvl"
    """Row format: ``internvl``, ``llava``, ``ms-swift``, ``llama-factory``, ``chat-parts`` (TRL, Axolotl,
    chat templates of Hugging Face), ``label-studio``, ``fiftyone``, ``capevalkit``, ``preference`` (pairs for
    DPO in TRL), or ``preference-llama-factory``."""
    file_type: str = "jsonl"
    """File type: ``jsonl`` as trainers read it, ``jsonl.zst``, the same compressed, ``parquet``;
    with the images inside ``images.parquet``, or ``tar``, which is WebDataset's. Only JSON Lines have a
    trainer's start file beside them. zstd and Parquet need pyarrow. ``label-studio`` rows lie in ``json``,
    ``fiftyone`` rows in ``csv``."""
    rows_per_file: int = 0
    """Parts of so many rows, the last of fewer. 0: all in one file; of ``images.parquet`` and ``tar``
    10,000, as img2dataset has."""
    prefix: str = "triptych_caption"
    """What every file name begins with: letters, digits, dots, dashes and underscores."""
    image_root: str = ""
    """Where a trainer finds the images: the path of an image in a row is below it. Written to the files
    that a trainer is started with, and to the card. Empty: the folder that the trainer is started in."""
    image_source: Literal["own", "sa-1b"] = "own"
    """Whose images they are: ``sa-1b`` puts SA-1B's research licence into the card."""
    captions_licence: str | None = None
    """The licence of the captions, as the Hub writes it (``mit``, ``cc-by-4.0``). It is the user's to
    choose; until then the card says that it is open."""
    card_note: str = ""
    """A paragraph for the top of the card."""

    def __post_init__(self) -> None:
        """Raises UsageError where a value can't be."""
        _check_known("format", self.format, FORMATS)
        _check_known("file_type", self.file_type, CONTAINERS)
        file_types = FORMATS[self.format].file_types
        if self.file_type not in file_types:
            raise UsageError(
                f"export.file_type is {self.file_type!r}; rows of {self.format} lie in"
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
        if len(self.prefix) > MOST_PREFIX_LETTERS:
            raise UsageError(
                f"export.prefix has {len(self.prefix)} letters; expected at most {MOST_PREFIX_LETTERS}, as it"
                " begins the names of files"
            )


def _check_known(setting: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise UsageError(f"export.{setting} is {name!r}; expected one of {', '.join(known)}")
