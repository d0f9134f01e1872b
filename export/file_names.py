"""What the files are called.

Comes in: prefix, job, row count. Goes out: a name as the seed has it, such as
``internvl_sa1b_caption_11m_single_image_en.jsonl``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from triptych.jobs import Job

MANIFEST_NAME = "manifest.json"
CARD_NAME = "README.md"


def rows_file_name(prefix: str, label: str, count: int, file_type: str) -> str:
    """``<prefix>_<count>_<label>.jsonl``, or ``.jsonl.zst``, ``.parquet``. For ``label`` see ``labels``."""
    return f"{prefix}_{short_count(count)}_{label}.{file_type}"


def labels(jobs: Sequence[Job]) -> dict[str, str]:
    """What the file of each job is named by, by the job's name.

    ``<single|multi>_image_<language>``, as in the seed; the job's name where two of ``jobs`` would be named
    the same.

    >>> short = Job(name="short_en", subject="image", language="en")
    >>> long = Job(name="long_en", subject="image", language="en")
    >>> labels([short, long, Job(name="sets_ja", subject="set", language="ja")])
    {'short_en': 'short_en', 'long_en': 'long_en', 'sets_ja': 'multi_image_ja'}
    """
    found = {job.name: f"{'multi' if job.is_multi else 'single'}_image_{job.language}" for job in jobs}
    times = Counter(found.values())
    found = {name: name if times[label] > 1 else label for name, label in found.items()}
    # A job may have the very name that another is labelled with.
    return found if len(set(found.values())) == len(found) else {name: name for name in found}


def short_count(count: int) -> str:
    """The plain number below 1,000, else whole thousands (``77k``), else whole millions (``11m``).

    Rounded down, so that a name never promises more rows than there are. The manifest has the exact number.

    >>> short_count(11_185_362), short_count(1_999)
    ('11m', '1k')
    """
    if count < 1_000:
        return str(count)
    if count < 1_000_000:
        return f"{count // 1_000}k"
    return f"{count // 1_000_000}m"
