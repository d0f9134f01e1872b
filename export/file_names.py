"""What the files are called.

Comes in: prefix, job, row count. Goes out: a name as the seed has it, such as
``internvl_sa1b_caption_11m_single_image_en.jsonl``.
"""

from __future__ import annotations

from triptych.export.config import FileType
from triptych.records import JobName, is_multi, language_of

MANIFEST_NAME = "manifest.json"
CARD_NAME = "README.md"
CROISSANT_NAME = "croissant.json"


def rows_file_name(prefix: str, job: JobName, count: int, file_type: FileType) -> str:
    """``<prefix>_<count>_<single|multi>_image_<en|zh>.jsonl``, or ``.jsonl.zst``, ``.parquet``."""
    kind = "multi" if is_multi(job) else "single"
    return f"{prefix}_{short_count(count)}_{kind}_image_{language_of(job)}.{file_type}"


def short_count(count: int) -> str:
    """The plain number below 1,000, else whole thousands (``77k``), else whole millions (``11m``).

    Rounded down, so that a name never promises more rows than there are: 11,185,362 is ``11m``,
    1,999 is ``1k``. The manifest has the exact number.
    """
    if count < 1_000:
        return str(count)
    if count < 1_000_000:
        return f"{count // 1_000}k"
    return f"{count // 1_000_000}m"
