"""The row formats, by name.

To add one: a file with a subclass of ``row_format.RowFormat``, a line here, and the row
that its trainer documents in tests/export/formats/test_formats.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from triptych.export.formats.capevalkit import CapEvalKit
from triptych.export.formats.chat_parts import ChatParts
from triptych.export.formats.fiftyone import FiftyOne
from triptych.export.formats.internvl import InternVL
from triptych.export.formats.label_studio import LabelStudio
from triptych.export.formats.llava import Llava
from triptych.export.formats.messages import LlamaFactory, MsSwift
from triptych.export.formats.preference import Preference, PreferenceLlamaFactory
from triptych.export.formats.row_format import RowFormat

FORMATS: Mapping[str, RowFormat] = {
    "internvl": InternVL(),
    "llava": Llava(),
    "ms-swift": MsSwift(),
    "llama-factory": LlamaFactory(),
    "chat-parts": ChatParts(),
    "label-studio": LabelStudio(),
    "fiftyone": FiftyOne(),
    "capevalkit": CapEvalKit(),
    "preference": Preference(),
    "preference-llama-factory": PreferenceLlamaFactory(),
}
