"""Which row formats there are.

To add one: a file with a class that has the methods of ``row_format.RowFormat``, its name in
``config.FormatName``, and a line here. The tests of formats take it from here.
"""

from __future__ import annotations

from collections.abc import Mapping

from triptych.export.config import FormatName
from triptych.export.formats.internvl import InternVL
from triptych.export.formats.llava import Llava
from triptych.export.formats.messages import LlamaFactory, MsSwift
from triptych.export.formats.row_format import Layout, RowFormat
from triptych.records import JobName, is_multi

FORMATS: Mapping[FormatName, RowFormat] = {
    "internvl": InternVL(),
    "llava": Llava(),
    "ms-swift": MsSwift(),
    "llama-factory": LlamaFactory(),
}


def layout_of(job: JobName) -> Layout:
    """Whether the rows of ``job`` have one image or a list."""
    return "several images" if is_multi(job) else "one image"
