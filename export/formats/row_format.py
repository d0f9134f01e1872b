"""What every row format offers, and what a row of any format says.

Not its job: which formats there are (see formats), where rows are written (see containers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class RowFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a row says, whatever its format."""

    id: str
    images: list[str]
    sizes_px: list[tuple[int, int]] | None
    """Width and height of each image; None where the format has no place for them."""
    speakers: tuple[str, str] | None
    """None where the format names none."""
    question: tuple[str | None, ...] | None
    """Its parts in order: words, or None where an image stands. None where the format has no place for it."""
    answer: str


class ShownImage(Protocol):
    """Of an ImageRecord, what a row says."""

    @property
    def key(self) -> str: ...

    @property
    def width_px(self) -> int: ...

    @property
    def height_px(self) -> int: ...


class FilledFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an export that has rows, as a trainer's own configuration names it."""

    name: str
    entry: str
    """What the configuration calls it: the export's prefix and the job."""
    rows: int


class RowFormat(Protocol):
    """A trainer's own JSON Lines. A new one is a file with such a class, and a line in ``formats``."""

    @property
    def speakers(self) -> tuple[str, str] | None:
        """What the one who asks and the one who answers are called; None where they aren't."""

    @property
    def file_types(self) -> tuple[str, ...]:
        """What its rows can lie in (see containers)."""

    @property
    def states_sizes(self) -> bool:
        """Whether a row states the width and height of each image."""

    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        """A row as its loader documents it: these fields in this order, no others.

        Parquet files get their columns from it. A row may be a Struct of text, numbers, lists, tuples of one
        kind, optional fields and such Structs.
        """

    def row(self, identifier: str, prompt: str, images: Sequence[ShownImage], caption: str) -> msgspec.Struct:
        """The row of a caption. Reserved words are gone from ``prompt`` and ``caption`` already."""

    def facts(self, row: msgspec.Struct) -> RowFacts:
        """What a decoded row says. A row whose lists differ in length raises ValueError."""

    def companions(
        self, prefix: str, image_root: str, files: Sequence[FilledFile]
    ) -> Mapping[str, Mapping[str, object]]:
        """Files that the trainer is started with, by name, as JSON. ``prefix`` begins all file names."""

    def hint(self, prefix: str, image_root: str) -> str:
        """For the card: where the trainer finds the path of the images."""


TRAINER_FILES = ("jsonl", "jsonl.zst", "parquet", "images.parquet", "tar")
"""What rows of trainers can lie in."""


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One side's words, as InternVL and LLaVA have them."""

    speaker: str = msgspec.field(name="from")
    value: str


def root_or_here(image_root: str) -> str:
    """The image root for prose."""
    return image_root or "the folder that the trainer is started in"


class WithoutCompanions:
    """A format whose files say all that their reader is started with."""

    def companions(
        self, prefix: str, image_root: str, files: Sequence[FilledFile]
    ) -> Mapping[str, Mapping[str, object]]:
        return {}
