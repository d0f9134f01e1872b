"""The ``triptych`` command, also as ``python -m triptych``.

Comes in: the command line. Not its job: commands (see cli), which takes a tenth of a second to import:
Ctrl-C may come by then.
"""

import sys


def main() -> None:
    """Run the command; interrupted before it has begun, leave one line as it does."""
    try:
        from triptych.cli import main as run
    except KeyboardInterrupt:
        print("triptych: interrupted before anything began", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
