"""Which setting a rule's score is held against.

Comes in: a rule, a job, the settings that the verdicts were made with. Goes out: the bound, or None for
a rule that has none or that this file doesn't know: its scores are then shown without one. The names
are those of the run's own config. Not its job: judging (see filtering).
"""

from __future__ import annotations

from collections.abc import Mapping

from corpus.records import JobName, is_multi, language_of
from corpus.runfolder import Setting
from export.report.content import Bound

_DROPS = {"too_short": "below", "too_long": "above", "repeated": "above", "wrong_language": "below"}


def bound_of(rule: str, job: JobName, settings: Mapping[str, Setting]) -> Bound | None:
    """The bound of ``rule`` for the captions of ``job``."""
    name = _setting_of(rule, job)
    value = settings.get(name)
    if not isinstance(value, int | float):
        return None
    return Bound(setting=name, value=float(value), drops=_DROPS[rule])


def _setting_of(rule: str, job: JobName) -> str:
    chinese = language_of(job) == "zh"
    length = f"{'han' if chinese else 'words'}_{'multi' if is_multi(job) else 'single'}"
    return {
        "too_short": f"min_{length}",
        "too_long": f"max_{length}",
        "repeated": "max_repeated_share",
        "wrong_language": "min_han_share" if chinese else "min_latin_share",
    }.get(rule, "")
