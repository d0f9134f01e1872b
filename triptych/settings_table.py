"""Every setting as a row: value, default, origin, unit, help.

Comes in: Settings. Goes out: rows in the order of the config, for `triptych config`. The help of a setting is
the docstring below its field. Not its job: merging settings (see settings).
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
"""Units by the end of a setting's name."""


class SettingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One setting."""

    key: str
    """The dotted key, as ``--set`` takes it."""
    value: Any
    default: Any
    origin: str
    """``default``, or where the value comes from."""
    unit: str = ""
    help: str = ""


def setting_rows(settings: Settings) -> Iterator[SettingRow]:
    """Every setting, table by table."""
    yield from _rows(settings.config, Config(), settings.origins, "")


def assignable_text(value: object) -> str:
    """A value in the syntax of ``--set``.

    >>> assignable_text(("single_en",)), assignable_text(None), assignable_text(0.5)
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
        value, default_value, key = getattr(table, name), getattr(default, name), f"{prefix}{name}"
        if isinstance(value, msgspec.Struct):
            yield from _rows(value, default_value, origins, f"{key}.")
            continue
        default_leaves = dict(leaves({key: msgspec.to_builtins(default_value)}))
        for leaf, leaf_value in leaves({key: msgspec.to_builtins(value)}):
            yield SettingRow(
                key=leaf,
                value=leaf_value,
                default=default_leaves.get(leaf),
                origin=origins.get(leaf, "default"),
                unit=next((unit for end, unit in UNITS.items() if name.endswith(end)), ""),
                help=texts.get(name, ""),
            )


@cache
def _docstrings(kind: type) -> dict[str, str]:
    """The docstring below each field, joined to one line."""
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
