"""Optional packages: only some commands need them, and a light installation lacks them.

Comes in: names of modules and of the extra that installs them. Goes out: a one-line error before any work
starts, if they are missing. Not its job: importing them.
"""

from __future__ import annotations

from triptych.errors import SetupError


def require(extra: str, *modules: str, what: str, instead: str = "") -> None:
    """Raise SetupError if one of ``modules``, which ``what`` needs and ``extra`` installs, is missing.

    ``instead`` is what a user could do without them.
    """
    missing = [name for name in modules if not is_installed(name)]
    if missing:
        raise SetupError(missing_message(extra, *missing, what=what, instead=instead))


def missing_message(extra: str, *missing: str, what: str, instead: str = "") -> str:
    """A line that says what is missing and how to install it."""
    verb = "isn't" if len(missing) == 1 else "aren't"
    otherwise = f", or {instead}" if instead else ""
    names = " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
    return f"{what} needs {names}, which {verb} installed; {install_command(extra)}{otherwise}"


def install_command(extra: str) -> str:
    """The command that installs an extra.

    >>> print(install_command("local"))
    `uv pip install "triptych[local]"`
    """
    return f'`uv pip install "triptych[{extra}]"`'


def is_installed(module: str) -> bool:
    """Whether ``module`` is installed. Doesn't import it."""
    from importlib.util import find_spec

    return find_spec(module) is not None
