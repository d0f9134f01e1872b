"""What can be set about checking captions.

Comes in: a table of a config file, or keywords. Goes out: a checked CheckingConfig. Not its job: what follows
from checks (see filtering).
"""

from __future__ import annotations

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engines import check_setting
from triptych.errors import UsageError


class CheckingConfig(CaptioningConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model is asked about statements: as for captions, but for what is named here."""

    captions: int = 2000
    """Of every job so many captions are checked, always the same ones; 0: all."""
    max_tokens_single: int = 8
    max_tokens_multi: int = 8
    """An answer is one word."""
    ask_again: int = 0
    """An answer that is no word that was asked for counts as unclear."""

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
            check_setting(self.samples == 1, "samples", self.samples, "1: an answer is one word")
            check_setting(self.captions >= 0, "captions", self.captions, "0 or more")
        except UsageError as error:
            words, key = str(error), error.key
            key = key and key.replace("captioning.", "checking.")
            raise UsageError(words.replace("captioning.", "checking."), key=key) from None
