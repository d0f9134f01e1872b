"""Every setting as a row: value, default, where it is from, unit, what it means.

Comes in: Settings. Goes out: rows in the order of the config, for `triptych config`. What a setting means is
the docstring behind its field: it is written once. Not its job: merging settings (see settings).
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec

from triptych.config import Config
from triptych.settings import Settings, leaves

UNITS = {
    "_s": "seconds",
    "_px": "pixels",
    "_mib": "MiB",
    "_bytes": "bytes",
    "_share": "share",
    "_cosine_similarity": "cosine",
    "_threads": "threads",
    "workers": "processes",
    "max_tokens_single": "tokens",
    "max_tokens_multi": "tokens",
    "session_len": "tokens",
}
"""By the end of a name."""


class SettingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One setting."""

    key: str
    """With dots, as ``--set`` takes it."""
    value: Any
    default: Any
    origin: str
    """``default``, or where the value is from."""
    unit: str = ""
    help: str = ""


def setting_rows(settings: Settings) -> Iterator[SettingRow]:
    """Every setting, a table after the other."""
    yield from _rows(settings.config, Config(), settings.origins, "")


def as_words(value: object) -> str:
    """A value as ``--set`` takes it.

    >>> as_words(("single_en",)), as_words(None), as_words(0.5)
    ('["single_en"]', 'none', '0.5')
    """
    if value is None:
        return "none"
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()


def _rows(
    table: msgspec.Struct, default: msgspec.Struct, origins: Mapping[str, str], prefix: str
) -> Iterator[SettingRow]:
    texts = _docstrings(type(table))
    for name in table.__struct_fields__:
        value, usual, key = getattr(table, name), getattr(default, name), f"{prefix}{name}"
        if isinstance(value, msgspec.Struct):
            yield from _rows(value, usual, origins, f"{key}.")
            continue
        of_default = dict(leaves({key: msgspec.to_builtins(usual)}))
        for leaf, found in leaves({key: msgspec.to_builtins(value)}):
            yield SettingRow(
                key=leaf,
                value=found,
                default=of_default.get(leaf),
                origin=origins.get(leaf, "default"),
                unit=next((unit for end, unit in UNITS.items() if name.endswith(end)), ""),
                help=texts.get(name, ""),
            )


@cache
def _docstrings(kind: type) -> dict[str, str]:
    """The docstring behind each field, in one line."""
    texts: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if not issubclass(owner, msgspec.Struct) or owner is msgspec.Struct:
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        assert isinstance(definition, ast.ClassDef)
        for field, text in pairwise(definition.body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                doc = text.value if isinstance(text, ast.Expr) else None
                if isinstance(doc, ast.Constant) and isinstance(doc.value, str):
                    texts[field.target.id] = " ".join(doc.value.replace("``", "").split())
    return texts
