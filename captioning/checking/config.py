"""What can be set about checking captions.

Comes in: a table of a config file, or keywords. Goes out: a checked CheckingConfig. Not its job: what follows
from checks (see filtering).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engines import check_setting
from triptych.errors import TriptychError

_SETTING = re.compile(r"(?<![\w./:@-])captioning\.(?=[a-z_])")


def in_own_words(text: str) -> str:
    """With the settings of ``checking`` that it names as captioning's, since engines are shared."""
    return _SETTING.sub("checking.", text)


@contextlib.contextmanager
def own_words() -> Iterator[None]:
    """The same of errors."""
    try:
        yield
    except TriptychError as error:
        error.args = (in_own_words(str(error)),)
        error.key = error.key and in_own_words(error.key)
        raise


class CheckingConfig(CaptioningConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model is asked about statements: as for captions, but for what is named here."""

    captions: int = 2000
    """Of every job so many captions are checked, always the same ones; 0: all."""
    max_tokens_single: int = 8
    """Of an answer, which is one word: tokens at most."""
    max_tokens_multi: int = 8
    """The same, on captions of sets."""
    jobs: tuple[str, ...] = ()
    """Not for checks: name jobs with --job."""
    sample: int | None = None
    """Not for checks: checking.captions says how many."""
    samples: int = 1
    """Not for checks: an answer is one word."""
    retry_failed: bool = False
    """Not for checks: each asks again what failed."""
    ask_again: int = 0
    """An answer that is no word that was asked for counts as unclear."""

    def __post_init__(self) -> None:
        with own_words():
            super().__post_init__()
            check_setting(self.samples == 1, "samples", self.samples, "1: an answer is one word")
            check_setting(self.captions >= 0, "captions", self.captions, "0 or more")
            check_setting(not self.jobs, "jobs", list(self.jobs), "none: name jobs with --job")
            check_setting(self.sample is None, "sample", self.sample, "none: checking.captions says how many")
            what_failed = "false: what failed is asked again by every check"
            check_setting(not self.retry_failed, "retry_failed", self.retry_failed, what_failed)
