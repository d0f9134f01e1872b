"""Packages that only some commands need, and that a light installation lacks.

Comes in: names of modules, of the extra that brings them. Goes out: one line where they aren't installed,
before any work. Not its job: importing them.
"""

from __future__ import annotations

from triptych.errors import SetupError


def require(extra: str, *modules: str, what: str, instead: str = "") -> None:
    """Raise SetupError where one of ``modules`` can't be imported: ``what`` needs them, ``extra`` has them.

    ``instead`` is what a user could do without them.
    """
    missing = [name for name in modules if not is_installed(name)]
    if missing:
        raise SetupError(missing_line(extra, *missing, what=what, instead=instead))


def missing_line(extra: str, *missing: str, what: str, instead: str = "") -> str:
    """What is missing, and how to get it."""
    verb = "isn't" if len(missing) == 1 else "aren't"
    otherwise = f", or {instead}" if instead else ""
    names = " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
    return f"{what} needs {names}, which {verb} installed; {install(extra)}{otherwise}"


def install(extra: str) -> str:
    """The command that brings an extra.

    >>> print(install("local"))
    `uv pip install "triptych[local]"`
    """
    return f'`uv pip install "triptych[{extra}]"`'


def is_installed(module: str) -> bool:
    """Whether ``module`` could be imported. Doesn't import it."""
    from importlib.util import find_spec

    return find_spec(module) is not None
