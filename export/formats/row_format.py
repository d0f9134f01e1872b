"""What every row format offers, and what a row of any format says.

Not its job: which formats there are (see formats), the words in them (see wording).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar, cast

import msgspec

from triptych.export.config import ExportConfig
from triptych.export.manifest import FileEntry
from triptych.records import JobName

Layout = Literal["one image", "several images"]

_P = TypeVar("_P", bound=msgspec.Struct)


class RowFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a row says, whatever its format."""

    id: str
    images: list[str]
    sizes_px: list[tuple[int, int]] | None
    """Width and height of each image; None where the format has no place for them."""
    speakers: tuple[str, str]
    question: str
    answer: str


class ShownImage(Protocol):
    """Of an ImageRecord, what a row says."""

    @property
    def key(self) -> str: ...

    @property
    def width_px(self) -> int: ...

    @property
    def height_px(self) -> int: ...


class RowFormat(Protocol):
    """A trainer's own JSON Lines. A new one is a file with such a class, and a line in ``formats``."""

    @property
    def speakers(self) -> tuple[str, str]:
        """What the one who asks and the one who answers are called."""

    def row_type(self, layout: Layout) -> type[msgspec.Struct]:
        """A row as its loader documents it: these fields in this order, no others."""

    def asked(self, question: str) -> Any:
        """The asking side of a row, ``encoded_once``."""

    def single_row(self, identifier: str, image: ShownImage, asked: Any, answer: str) -> msgspec.Struct:
        """A row of the first layout."""

    def multi_row(
        self, identifier: str, images: Sequence[ShownImage], asked: Any, answer: str
    ) -> msgspec.Struct:
        """A row of the second, images in the order of the tags."""

    def facts(self, row: msgspec.Struct) -> RowFacts:
        """What a decoded row says. A row whose lists differ in length raises ValueError."""

    def companions(
        self, config: ExportConfig, files: Mapping[str, FileEntry]
    ) -> Mapping[str, Mapping[str, object]]:
        """Files that the trainer is started with, by name, as JSON. ``files`` are those with rows."""

    def hint(self, config: ExportConfig) -> str:
        """For the card: how the trainer is told where the images are."""


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One side's words, as InternVL and LLaVA have them."""

    speaker: str = msgspec.field(name="from")
    value: str


def encoded_once(part: _P) -> _P:
    """What stands in many rows, as JSON already: an encoder puts it where ``part`` would stand."""
    return cast(_P, msgspec.Raw(msgspec.json.encode(part)))


def root_or_here(config: ExportConfig) -> str:
    """The image root for prose."""
    return config.image_root or "the folder that the trainer is started in"


def entry_name(config: ExportConfig, job: JobName) -> str:
    """What a companion file calls the rows of ``job``."""
    return f"{config.prefix}_{job}"
