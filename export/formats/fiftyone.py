"""Captions with the paths of their images, for FiftyOne's CSV importer (``fo.types.CSVDataset``).

Source: "CSVDataset" in FiftyOne's documentation of imports. A sample has one image, so the images of a set
become samples with the same ``caption_id``, ordered by ``position`` (see containers.csv_table).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from triptych.export.formats.row_format import RowFormat, root_or_here
from triptych.records import ImageRecord


class FiftyOneRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A caption of one image or of a set."""

    filepath: list[str]
    caption_id: str
    """Not ``id``, which FiftyOne's samples have themselves."""
    caption: str


class FiftyOne(RowFormat):
    """``--format fiftyone --file-type csv``."""

    file_types = ("csv",)
    trains = False

    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        return FiftyOneRow

    def row(self, identifier: str, prompt: str, images: Sequence[ImageRecord], caption: str) -> FiftyOneRow:
        return FiftyOneRow(filepath=[image.key for image in images], caption_id=identifier, caption=caption)

    def hint(self, prefix: str, image_root: str) -> str:
        return (
            "CSV for FiftyOne: `fo.Dataset.from_dir(dataset_type=fo.types.CSVDataset, labels_path=FILE,"
            ' data_path=ROOT, fields={"caption_id": str, "position": int, "caption": str})`,'
            f" where ROOT is {root_or_here(image_root)}."
            ' Images of a set share a `caption_id`: `dataset.group_by("caption_id", order_by="position")`.'
        )
