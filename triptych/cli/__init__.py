"""The ``triptych`` command: a thin layer over the Python API.

Data goes to stdout, progress and notes to stderr. Exit codes: 0 finished, 1 failed, 2 wrong usage,
130 interrupted. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback

import click

from triptych import __version__, progress
from triptych.cli.captions import captions
from triptych.cli.check import check
from triptych.cli.config import config
from triptych.cli.export import export, push
from triptych.cli.filtering import filter_
from triptych.cli.inspect import doctor, explain, repair, search, status, verify
from triptych.cli.report import report
from triptych.cli.stages import caption, demo, group, run
from triptych.errors import TriptychError
from triptych.machine_errors import machine_error, was_interrupted
from triptych.terminal import echo

_LOG_FORMAT = "%(levelname)s %(name)s: %(message)s"

_INTERRUPTED = "interrupted; the same command resumes from here"


class _InOrderOfWork(click.Group):
    """Lists commands in the order they were added, not alphabetically."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrderOfWork, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Turn a pile of images into a caption dataset.

    Related images are grouped into small sets; sets and single images are captioned in English and
    Chinese; bad captions are rejected; four JSONL files come out. Start with: triptych demo
    """


_COMMANDS = (
    run,
    group,
    caption,
    filter_,
    check,
    export,
    push,
    report,
    search,
    explain,
    status,
    verify,
    repair,
    captions,
    config,
    doctor,
    demo,
)


def _set_quiet(_: click.Context, __: click.Parameter, quiet: bool) -> None:
    progress.set_quiet(quiet)


_is_verbose = False


def _set_verbose(_: click.Context, __: click.Parameter, verbose: bool) -> None:
    global _is_verbose
    _is_verbose = verbose
    if verbose:
        logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, stream=sys.stderr)


_QUIET = click.Option(
    ["-q", "--quiet"],
    is_flag=True,
    expose_value=False,
    callback=_set_quiet,
    help="Print no progress and no notes: results and errors only.",
)
_VERBOSE = click.Option(
    ["-v", "--verbose"],
    is_flag=True,
    expose_value=False,
    callback=_set_verbose,
    help="Print the log of libraries, and the traceback of an error.",
)
for command in _COMMANDS:
    command.params += [_QUIET, _VERBOSE]
    cli.add_command(command)


def main() -> None:
    """The console entry point: every expected error becomes one line and an exit code."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _exit_at_once_if_captioning()
        _fail(_INTERRUPTED, 130)
    except TriptychError as error:
        if _is_verbose:
            traceback.print_exc()
        _fail(str(error), error.exit_code)
    except BrokenPipeError:  # `triptych ... | head`: the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if was_interrupted(error):
            _fail(_INTERRUPTED, 130)
        line = machine_error(error)
        if line is None:
            raise
        _fail(line, 1)


def _exit_at_once_if_captioning() -> None:
    """After a second Ctrl-C: a model in the middle of a batch can't be stopped otherwise."""
    if any(thread.name.startswith("caption-") for thread in threading.enumerate()):
        echo(f"triptych: {_INTERRUPTED}", to_stderr=True)
        sys.stdout.flush()
        os._exit(130)


def _fail(line: str, exit_code: int) -> None:
    echo(f"triptych: {line}", to_stderr=True)
    sys.exit(exit_code)
