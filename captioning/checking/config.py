"""The settings of checking captions.

Comes in: a table of a config file, or keywords. Goes out: a validated CheckingConfig. Not its job: rejecting
captions by their checks (see filtering).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engines import check_setting
from triptych.errors import TriptychError

_SETTING = re.compile(r"(?<![\w./:@-])captioning\.(?=[a-z_])")


def with_checking_keys(text: str) -> str:
    """``text`` with keys of ``captioning`` renamed to ``checking``: engines, which both share, name the
    former."""
    return _SETTING.sub("checking.", text)


@contextlib.contextmanager
def errors_with_checking_keys() -> Iterator[None]:
    """Rename the keys in errors as ``with_checking_keys`` does."""
    try:
        yield
    except TriptychError as error:
        error.args = (with_checking_keys(str(error)),)
        error.key = error.key and with_checking_keys(error.key)
        raise


class CheckingConfig(CaptioningConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model is asked about statements, and how. All other settings are those of captioning."""

    captions: int = 2000
    """Captions to check per job, always the same ones. 0: all."""
    max_tokens_single: int = 8
    """Maximum tokens of an answer, which is one word."""
    max_tokens_multi: int = 8
    """Maximum tokens of an answer about a set's caption."""
    jobs: tuple[str, ...] = ()
    """Not for checks: name jobs with --job."""
    sample: int | None = None
    """Not for checks: set checking.captions."""
    samples: int = 1
    """Not for checks: an answer is one word."""
    retry_failed: bool = False
    """Not for checks: what failed is always asked again."""
    ask_again: int = 0
    """Not for checks: any answer other than yes or no counts as unclear."""

    def __post_init__(self) -> None:
        with errors_with_checking_keys():
            super().__post_init__()
            check_setting(self.samples == 1, "samples", self.samples, "1: an answer is one word")
            check_setting(self.captions >= 0, "captions", self.captions, "0 or more")
            check_setting(not self.jobs, "jobs", list(self.jobs), "none: name jobs with --job")
            check_setting(self.sample is None, "sample", self.sample, "none: checking.captions says how many")
            what_failed = "false: what failed is asked again by every check"
            check_setting(not self.retry_failed, "retry_failed", self.retry_failed, what_failed)
