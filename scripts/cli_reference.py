"""Generates the command line reference, docs/cli.md, from the texts of `triptych COMMAND --help`.

    python -m scripts.cli_reference [--check]      # with --check: fails if the page is out of date

Comes in: the click commands. Goes out: docs/cli.md. Not its job: explaining settings (see docs/).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from triptych.cli import cli

PATH = Path(__file__).parent.parent / "docs" / "cli.md"
COMMAND = "make reference"
HEAD = f"""# Command line

Made from the commands themselves by `{COMMAND}`; `make check` fails where it is out of date.
"""


def reference() -> str:
    """The page's Markdown."""
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterator[str]:
    widths = {"max_content_width": 100, "terminal_width": 100}
    root = click.Context(cli, info_name="triptych", **{**cli.context_settings, **widths})
    yield _section("triptych", cli.get_help(root))
    for name, command in cli.commands.items():
        context = click.Context(command, info_name=name, parent=root, **widths)
        yield _section(f"triptych {name}", command.get_help(context))


def _section(title: str, text: str) -> str:
    body = "\n".join(line.rstrip() for line in text.splitlines())
    return f"## {title}\n\n```\n{body}\n```\n"


def main() -> int:
    """Write the page, or check that it is up to date."""
    if "--check" not in sys.argv[1:]:
        PATH.write_text(reference(), "utf-8")
        return 0
    if PATH.is_file() and PATH.read_text("utf-8") == reference():
        return 0
    print(f"{PATH} is out of date; run `{COMMAND}`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
