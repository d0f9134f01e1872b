"""The command that shows a run to a person, and counts what the person says of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from triptych.cli import options
from triptych.errors import TriptychError
from triptych.progress import for_stderr

if TYPE_CHECKING:
    from triptych.api import Run
    from triptych.report.precision import Precision
    from triptych.sources import Shard


@click.command(epilog=options.example("triptych report run --verdicts verdicts-run.jsonl"))
@click.argument("folder", metavar="RUN", type=options.FOLDER)
@click.option(
    "--verdicts",
    "verdicts_file",
    type=options.FILE,
    metavar="FILE",
    help="Instead of a page: the precision that verdicts downloaded from the page come to.",
)
def report(folder: Path, verdicts_file: Path | None) -> None:
    """Show samples of everything on one page.

    To read and to judge. The page opens from a file and needs no network. Keys in it: j and k for the
    next and the previous item, g and b for good and bad; a button downloads the verdicts.
    """
    from triptych.opening import open_run
    from triptych.report.identity import report_id
    from triptych.report.precision import precisions, read_verdicts
    from triptych.report.stage import write_report

    progress = for_stderr()
    opened = open_run(folder, progress=progress, read_only=True)
    if verdicts_file is not None:
        for line in _precision_lines(precisions(read_verdicts(verdicts_file, report_id(opened.folder)))):
            click.echo(line)
        return
    sources, lost = _sources_still_there(opened)
    cautions = [*_cautions(opened), *lost]
    written = write_report(opened.context, sources, cautions)
    for line in lost:
        progress.say(f"note: {line}")
    missing = f", {written.missing_pictures:,} missing" if written.missing_pictures else ""
    click.echo(f"{written.path}  {written.size_bytes:,} bytes, {written.pictures:,} pictures{missing}")


def _sources_still_there(opened: Run) -> tuple[list[Shard], list[str]]:
    """The shards of the sources, and a caution where they can't be opened any more."""
    try:
        return opened.shards, []
    except TriptychError as error:
        return [], [f"pictures are missing, as the sources can't be opened: {error}"]


def _cautions(opened: Run) -> Iterator[str]:
    from triptych.models import CAUTION, is_embedded
    from triptych.runs.folder import STAGE_NAMES

    if is_embedded(opened.config.captioning.model) or is_embedded(opened.config.embedding.model):
        yield CAUTION
    unfinished = [name for name in STAGE_NAMES if not opened.folder.is_finished(name)]
    if unfinished:
        yield f"the run is not finished: {', '.join(unfinished)} still to do"


def _precision_lines(found: list[Precision]) -> Iterator[str]:
    yield f"{'kind':<28} {'good':>6} {'judged':>7} {'precision':>10}   95 % interval (Wilson)"
    for each in found:
        if each.low is None or each.high is None:
            share, interval = "-", "none: no evenly drawn item was judged"
        else:
            share, interval = f"{each.good / each.judged:.3f}", f"{each.low:.3f} to {each.high:.3f}"
        beside = ""
        if each.rare_judged:
            beside = f"   not counted: {each.rare_good} good of {each.rare_judged} added as rare"
        yield f"{each.kind:<28} {each.good:>6} {each.judged:>7} {share:>10}   {interval}{beside}"
