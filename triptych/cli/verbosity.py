"""``--quiet`` and ``--verbose``, which every command has.

Goes out: two options. Not its job: printing (see progress and terminal).
"""

from __future__ import annotations

import logging
import sys
import traceback

import click

from triptych import progress

_LOG_FORMAT = "%(levelname)s %(name)s: %(message)s"

_is_verbose = False
"""Whether the running command was given --verbose."""


def _set_quiet(_: click.Context, __: click.Parameter, quiet: bool) -> None:
    progress.set_quiet(quiet)


def _be_verbose(_: click.Context, __: click.Parameter, verbose: bool) -> None:
    global _is_verbose
    _is_verbose = verbose
    if verbose:
        logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stderr)


def show_traceback() -> None:
    """Print the traceback of the error that is being handled, with --verbose."""
    if _is_verbose:
        traceback.print_exc()


def add_to(command: click.Command) -> None:
    """Add both options to ``command``."""
    command.params += [
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_set_quiet,
            help="Print no progress and no notes: results and errors only.",
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=_be_verbose,
            help="Print the log of libraries, and the traceback of an error.",
        ),
    ]
