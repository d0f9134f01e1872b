"""The base class of row formats.

Not its job: which formats there are (see formats), where rows are written (see containers).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import msgspec

from triptych.records import ImageRecord

Companions = Mapping[str, Mapping[str, object]]
"""Configuration files for a trainer: their content as JSON, by name."""


class FilledFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an export that has rows, for a trainer's configuration."""

    name: str
    entry: str
    """Its name in the configuration: the export's prefix and the job."""
    rows: int


class RowFormat(ABC):
    """The rows that a trainer or tool reads."""

    trains = True
    """Whether its rows are for training: they get extra columns (see extra_columns)."""
    file_types: tuple[str, ...] = ("jsonl", "jsonl.zst", "parquet", "images.parquet", "tar")
    """The file types that its rows can be written to (see containers)."""
    states_sizes = False
    """Whether a row states the width and height of each image."""

    @abstractmethod
    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        """The type of a row: the fields that its loader documents, in this order.

        The columns of Parquet files follow from it. A row may have text, numbers, lists, tuples of one kind,
        optional fields and Structs of these.
        """

    @abstractmethod
    def row(
        self, identifier: str, prompt: str, images: Sequence[ImageRecord], caption: str
    ) -> msgspec.Struct:
        """The row of a caption. ``prompt`` and ``caption`` have no reserved words any more."""

    def companions(self, prefix: str, image_root: str, files: Sequence[FilledFile]) -> Companions:
        """Configuration files for the trainer. All file names begin with ``prefix``."""
        return {}

    @abstractmethod
    def hint(self, prefix: str, image_root: str) -> str:
        """For the card: how to use the rows, and where the image root goes."""


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One turn of a conversation, as in InternVL and LLaVA."""

    speaker: str = msgspec.field(name="from")
    value: str


def root_or_here(image_root: str) -> str:
    """The image root in prose."""
    return image_root or "the folder that the trainer is started in"
