"""Tasks for Label Studio, with the caption as a prediction to edit.

Source: "Label Studio JSON format of annotated tasks" and "Import pre-annotated data" in Label Studio's
documentation. Images are URLs of its storage of local files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from urllib.parse import quote

import msgspec

from triptych.export.formats.row_format import RowFormat, root_or_here
from triptych.records import ImageRecord

LABEL_CONFIG = (
    '<View><Image name="image" valueList="$images"/>'
    '<TextArea name="caption" toName="image" editable="true" rows="8" maxSubmissions="1"/></View>'
)
"""The labelling interface of a project for these tasks."""

_LOCAL_FILES = "/data/local-files/?d="


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What is shown to an annotator."""

    id: str
    images: list[str]
    prompt: str


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The value of a text area."""

    text: tuple[str]


class Region(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The caption, in the text area of LABEL_CONFIG."""

    from_name: Literal["caption"] = "caption"
    to_name: Literal["image"] = "image"
    type: Literal["textarea"] = "textarea"
    value: Text


class Prediction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The caption as a pre-annotation."""

    result: tuple[Region]


class TaskRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A caption of one image or of a set."""

    data: Data
    predictions: tuple[Prediction]


class LabelStudio(RowFormat):
    """``--format label-studio --file-type json``."""

    file_types = ("json",)
    trains = False

    def row_type(self, *, several_images: bool) -> type[msgspec.Struct]:
        return TaskRow

    def row(self, identifier: str, prompt: str, images: Sequence[ImageRecord], caption: str) -> TaskRow:
        return TaskRow(
            data=Data(
                id=identifier,
                images=[_LOCAL_FILES + quote(image.key) for image in images],
                prompt=prompt,
            ),
            predictions=(Prediction(result=(Region(value=Text((caption,))),)),),
        )

    def hint(self, prefix: str, image_root: str) -> str:
        return (
            "Tasks for Label Studio, with each caption as a prediction: import the files into a project whose"
            f" labelling interface is `{LABEL_CONFIG}`. Images are served as local files: set"
            " `LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true` and `LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT` to"
            f" {root_or_here(image_root)}, and give the project a source storage of *Local files* with that"
            " folder or one below it, which needn't be synced: others aren't served."
        )
