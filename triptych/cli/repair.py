"""The command repair: sets damaged files of a run aside."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from triptych.cli import options
from triptych.errors import UsageError
from triptych.terminal import echo


@click.command(epilog=options.example("triptych repair run --dry-run"))
@click.argument("folder", metavar="RUN", type=options.FOLDER)
@click.option("--dry-run", is_flag=True, help="List what is damaged; change nothing.")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
def repair(folder: Path, dry_run: bool, yes: bool) -> None:
    """Set damaged files aside, so that only they are made again.

    Damaged files, and damaged lines of caption journals, are moved to RUN/damaged, never deleted. `triptych
    run` then makes what is missing; everything else stays. `triptych verify` finds other problems.
    """
    from triptych.repair import find_damage
    from triptych.repair import repair as set_aside
    from triptych.runs.lock import owned

    damage = find_damage(folder)
    for each in damage:
        echo(each.what)
    if not damage:
        echo("Nothing to set aside.")
    if not damage or dry_run:
        return
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("there is no terminal to confirm on: add --yes to set it aside, or --dry-run")
        click.confirm("Set it aside?", abort=True)
    with owned(folder):
        damage = find_damage(folder)
        aside = set_aside(folder, damage)
    makers = " and ".join(dict.fromkeys(each.made_by for each in damage))
    echo(f"Set aside in {aside}. What is missing is made again by {makers}.")
