"""Every error that Triptych raises on purpose.

    TriptychError            the base; its message is the one line that a user reads
    ├── UsageError           what was asked for can't be: option, config key, source      exit 2
    ├── SetupError           the set-up can't do it: model, endpoint, run folder, space   exit 1
    └── UnreadableImageError one image can't be decoded; becomes a record, never an exit

A message says what was found, where, what was expected, and what to do next, in one line. What a program may
want to know of it stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar


class TriptychError(Exception):
    """The base. ``exit_code`` is what the command line ends with."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, key: str | None = None, path: str | Path | None = None) -> None:
        super().__init__(message)
        self.key = key
        """The config key that it is about, such as ``sets.max_sets``; None where it isn't about one."""
        self.path = None if path is None else Path(path)
        """The file or folder that it is about; None where it isn't about one."""


class UsageError(TriptychError):
    """The request itself is wrong: an unknown option or key, a source that isn't there."""

    exit_code: ClassVar[int] = 2


class SetupError(TriptychError):
    """The request is fine, but this machine, model, endpoint or run folder can't serve it."""


class UnreadableImageError(TriptychError):
    """One image can't be decoded. ``args[0]`` is the reason that its record keeps."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """For a message: the one of ``known`` that is closest to ``word``, in brackets; empty where none is."""
    close = closest(word, known)
    return f" (did you mean {close}?)" if close is not None else ""


def closest(word: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that somebody may have meant."""
    import difflib  # only for a message

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)), None)
