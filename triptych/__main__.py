"""The ``triptych`` command, also as ``python -m triptych``.

Comes in: the command line. Goes out: an exit code. Not its job: the commands (see cli). Importing them takes
a tenth of a second, in which Ctrl-C may arrive.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> None:
    """Run the command. If it can't be imported, print one line, as the command itself would."""
    try:
        from triptych.cli import main as run
    except BaseException as error:
        _exit_with(error)
    run()


def _exit_with(error: BaseException) -> NoReturn:
    from triptych.machine_errors import machine_error, was_interrupted

    is_interrupted = was_interrupted(error)
    line = "interrupted before anything began" if is_interrupted else machine_error(error)
    if line is None:
        raise error
    print(f"triptych: {line}", file=sys.stderr)
    sys.exit(130 if is_interrupted else 1)


if __name__ == "__main__":
    main()
