"""Every error that Triptych raises on purpose.

    TriptychError            the base class; its message is the one line that a user reads
    ├── UsageError           the request is invalid: an option, a config key, a source     exit 2
    ├── SetupError           the set-up can't serve it: model, endpoint, run folder, space exit 1
    └── UnreadableImageError one image can't be decoded; becomes a record, never an exit

A message is one line: what was found, where, what was expected, and what to do next. ``key`` and ``path``
tell programs what it is about.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import ClassVar, get_args

import msgspec


class TriptychError(Exception):
    """The base class. ``exit_code`` is the exit status of the command line."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, key: str | None = None, path: str | Path | None = None) -> None:
        super().__init__(message)
        self.key = key
        """The config key that the error is about, such as ``sets.max_sets``, or None."""
        self.path = None if path is None else Path(path)
        """The file or folder that the error is about, or None."""


class UsageError(TriptychError):
    """The request itself is wrong: an unknown option or key, a missing source."""

    exit_code: ClassVar[int] = 2


class SetupError(TriptychError):
    """The request is fine, but this machine, model, endpoint or run folder can't serve it."""


class UnreadableImageError(TriptychError):
    """One image can't be decoded. ``args[0]`` is the reason that its record stores."""


def expect(value: object, kind: type | UnionType, what: str) -> None:
    """Raise UsageError if the argument ``what`` of a library function is of another type than ``kind``."""
    if not isinstance(value, kind):
        names = " or ".join(each.__name__ for each in get_args(kind) or (kind,)).replace("NoneType", "None")
        raise UsageError(f"{what}: found {type(value).__name__}; expected {names}")


def expect_fields(struct: msgspec.Struct, where: str) -> None:
    """Raise UsageError if a field has another type than declared, which only happens in Python: msgspec
    checks what it reads. Numbers may be numpy's. Prints no value, as it may be a secret."""
    for field in _fields(type(struct)):
        value = getattr(struct, field.name)
        try:
            msgspec.convert(value.item() if hasattr(value, "item") else value, field.type)
        except msgspec.ValidationError as error:
            key = f"{where}.{field.name}"
            found = str(error).replace("Expected", "expected").replace(", got", "; found")
            raise UsageError(f"{key}: {found}", key=key) from None


_fields = lru_cache(msgspec.structs.fields)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The entry of ``known`` closest to ``word``, as a hint in brackets; empty if none is close."""
    close = closest(word, known)
    return f" (did you mean {close}?)" if close is not None else ""


def closest(word: str, known: Iterable[str]) -> str | None:
    """The entry of ``known`` that ``word`` probably meant, in any case; None if none is close."""
    import difflib  # only needed for error messages

    lower = {each.lower(): each for each in known}
    return next(
        (lower[each] for each in difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.5)), None
    )
