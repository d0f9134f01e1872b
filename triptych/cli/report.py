"""The command report: makes or serves the page, or prints the precision that its verdicts show."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from triptych.cli import options
from triptych.cli.flags import remember_moves
from triptych.errors import UsageError
from triptych.progress import Progress, for_stderr, hint
from triptych.terminal import echo

if TYPE_CHECKING:
    from triptych.api import Run
    from triptych.report.precision import Corrected, Precision

WANTED_HALF_WIDTH = 0.02
"""The report says how many verdicts an interval of this half width needs."""


@click.command(epilog=options.example("triptych report run --verdicts verdicts-8ea88d6adb81.jsonl"))
@click.argument("folder", metavar="RUN", type=options.RUN)
@click.option(
    "--verdicts",
    "verdicts_file",
    type=options.FILE,
    metavar="FILE",
    help="Print the precision from verdicts that were downloaded from the page; make no page.",
)
@click.option("--to", metavar="URL", help="Upload the page, too, such as to s3://bucket/report.html.")
@click.option(
    "--beside",
    type=options.RUN,
    metavar="OTHER",
    help="Show captions of RUN and of the run OTHER on the same images side by side, for blind comparison.",
)
@click.option(
    "--serve",
    is_flag=True,
    help="Serve the page live, also while the run is at work: new captions, search, original images.",
)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="With --serve.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=8722,
    show_default=True,
    help="With --serve; 0 for any free port.",
)
@options.moved
@click.pass_context
def report(
    context: click.Context,
    folder: Path,
    verdicts_file: Path | None,
    to: str | None,
    beside: Path | None,
    serve: bool,
    host: str,
    port: int,
    moved: tuple[str, ...],
) -> None:
    """Make an HTML page: sets, captions, rejects, failures.

    The page opens from a file and needs no network. Its keys: j and k for the next and the previous item, g
    and b for good and bad; a button downloads the verdicts. With --serve the address of the page contains a
    secret, and verdicts are stored in RUN.
    """
    from triptych.opening import open_run
    from triptych.report.run_content import cautions_of, scorer_of, sources_still_there
    from triptych.report.write_report import write_report

    if serve:
        _refuse(context, ("beside", "to", "verdicts_file"), "a page in a file; leave out --serve")
    else:
        _refuse(context, ("host", "port"), "a page that is served; add --serve")
    if verdicts_file is not None:
        _refuse(context, ("beside", "to"), "a page; leave out --verdicts")
    remember_moves(folder, moved)
    if serve:
        _serve(folder, host, port)
        return
    progress = for_stderr()
    opened = open_run(folder, progress=progress, read_only=True)
    if verdicts_file is not None:
        _print_precision(opened, verdicts_file, progress)
        return
    sources, lost = sources_still_there(opened)
    other = None if beside is None else open_run(beside, read_only=True).context
    written = write_report(opened.context, sources, [*cautions_of(opened), *lost], scorer_of(opened), other)
    for line in lost:
        progress.say(f"note: {line}")
    missing = f", {written.missing_pictures:,} missing" if written.missing_pictures else ""
    if to is not None:
        from triptych.upload import upload_file

        upload_file(written.path, to)
    echo(f"{written.path}  {written.size_bytes:,} bytes, {written.pictures:,} pictures{missing}")
    hint(f"Next: open it in a browser, or triptych report {shlex.quote(str(folder))} --serve")


def _print_precision(run: Run, verdicts_file: Path, progress: Progress) -> None:
    from triptych.report.identity import report_id
    from triptych.report.precision import corrected_by_checks, precisions
    from triptych.runs.human_verdicts import damage_line, read_verdicts

    verdicts, others, damaged, _ = read_verdicts(verdicts_file, report_id(run.folder))
    if damaged:
        progress.say(f"warning: {damage_line(verdicts_file, damaged)}")
    if others:
        progress.say(f"note: {others:,} verdicts on other reports of this run are not counted")
    echo(*_precision_lines(precisions(verdicts), corrected_by_checks(run.context, verdicts)))


def _refuse(context: click.Context, names: Sequence[str], what_for: str) -> None:
    """Raise UsageError if one of these options was given."""
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"--{name.removesuffix('_file')} is for {what_for}")


def _serve(folder: Path, host: str, port: int) -> None:
    from triptych.report.live.server import serve_report

    def say(address: str) -> None:
        echo(address)
        sys.stdout.flush()
        echo("Anyone with this address can see the run. Stop with Ctrl-C.", to_stderr=True)

    serve_report(folder, host, port, say)


def _precision_lines(found: Sequence[Precision], helped: Mapping[str, Corrected]) -> Iterator[str]:
    from triptych.report.precision import verdicts_for

    wanted = f"more for ±{WANTED_HALF_WIDTH}"
    yield f"{'kind':<28} {'good':>6} {'judged':>7} {'precision':>10}   {'95% interval':<16} {wanted:>15}"
    for each in found:
        beside = f"   not counted: {each.other_good} good of {each.other_judged} not drawn evenly"
        beside = beside if each.other_judged else ""
        counts = f"{each.kind:<28} {each.good:>6} {each.judged:>7}"
        if each.low is None or each.high is None:
            yield f"{counts} {'-':>10}   none: no evenly drawn item was judged{beside}"
            continue
        share = each.good / each.judged
        needed = max(verdicts_for(share, WANTED_HALF_WIDTH) - each.judged, 0)
        interval = f"{each.low:.3f} to {each.high:.3f}"
        yield f"{counts} {share:>10.3f}   {interval:<16} {needed:>15,}{beside}"
        if (better := helped.get(each.kind)) is not None:
            worth = max(better.worth / each.judged, 1.0)
            needed = max(verdicts_for(better.share, WANTED_HALF_WIDTH, worth) - each.judged, 0)
            interval = f"{better.low:.3f} to {better.high:.3f}"
            yield f"{'  with what a checker said':<43} {better.share:>10.3f}   {interval:<16} {needed:>15,}"
