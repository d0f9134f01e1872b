"""The commands that only read a run: status, explain, verify, report; and doctor."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from triptych.cli import options
from triptych.cli.flags import flags_of, remember_moves
from triptych.errors import UsageError
from triptych.progress import Progress, for_stderr
from triptych.terminal import echo, echo_json

if TYPE_CHECKING:
    from triptych.api import Run
    from triptych.report.precision import Corrected, Precision

WANTED_HALF_WIDTH = 0.02
"""The report says how many verdicts an interval of this half width needs."""


@click.command(epilog=options.example("triptych status run --json"))
@click.argument("folder", metavar="RUN", type=options.FOLDER)
@options.as_json
def status(folder: Path, as_json: bool) -> None:
    """Show progress, time left, and what limits the throughput.

    Shows counts, failures by class and captions per second; while it runs also each worker's speed, and why
    one is slow. After `triptych caption RUN --sample N` it estimates how long all captions would take.
    """
    from triptych.opening import open_run
    from triptych.runs.checks import check_outcomes, lost_answer_lines
    from triptych.status import check_lines, job_paces, ledger_lines, pace_lines, stage_lines
    from triptych.workers import worker_lines, worker_states

    opened = open_run(folder, read_only=True)
    ledger = opened.noted_ledger() or opened.ledger()
    paces = job_paces(opened, ledger)
    names = [job.name for job in opened.jobs]
    workers, checks = worker_states(opened.path), check_outcomes(opened.folder, names)
    lost = lost_answer_lines(opened.folder, names)
    if as_json:
        echo_json(
            {
                "stages": opened.folder.run_file.stages,
                "ledger": ledger,
                "checks": checks,
                "lost_checks": lost,
                "pace": paces,
                "workers": workers,
            }
        )
        return
    blocks = [*ledger_lines(ledger), *check_lines(checks), *lost], pace_lines(paces), worker_lines(workers)
    for lines in map(list, blocks):
        echo(*lines, *([""] if lines else []))
    echo(*stage_lines(opened))


@click.command(epilog=options.example("triptych explain run sa_000000/sa_1.jpg"))
@click.argument("folder", metavar="RUN", type=options.FOLDER)
@click.argument("wanted", metavar="KEY|SET|CAPTION")
def explain(folder: Path, wanted: str) -> None:
    """Explain what happened to an image, a set or a caption, and why.

    KEY is an image's key, as in RUN/images, SET a set's id, CAPTION a caption's id, such as single_en:KEY.
    Prints where an image comes from, its set or the image it duplicates, its nearest neighbours, its
    captions, the words that a rule objects to, and its row of the export, or why it has none.
    """
    from triptych.explain import explain as lines_on
    from triptych.opening import open_run

    for line in lines_on(open_run(folder, read_only=True), wanted):
        echo(line)


class _HowMany(click.ParamType[int | None]):
    """A number, or ``all``."""

    name = "N|all"

    def convert(
        self, value: object, param: click.Parameter | None, context: click.Context | None
    ) -> int | None:
        text = str(value)
        if text == "all":
            return None
        if not text.isdecimal():
            self.fail(f"{text!r} is neither a number nor all", param, context)
        return int(text)


@click.command(epilog=options.example("triptych verify run --images all && echo all there"))
@click.argument("folder", metavar="RUN", type=options.FOLDER)
@click.option(
    "--images",
    type=_HowMany(),
    metavar="N|all",
    default="100",
    show_default=True,
    help="How many images to read again, spread over the run.",
)
@click.option(
    "--image-root",
    type=options.FOLDER,
    metavar="FOLDER",
    help="Look for the images below FOLDER, as a trainer would. [default: where the run found them]",
)
@options.moved
@options.as_json
def verify(
    folder: Path, images: int | None, image_root: Path | None, moved: tuple[str, ...], as_json: bool
) -> None:
    """Check everything that a run wrote; exit 1 on any problem.

    Recounts the ledger, and checks the embeddings, the exported files against their checksums, every exported
    row against its format, its caption and its images, and the images themselves.
    """
    from triptych.opening import open_run
    from triptych.verify.images import ImageCheck
    from triptych.verify.run import verify_run

    remember_moves(folder, moved)
    result = verify_run(
        open_run(folder, progress=for_stderr(), read_only=True), ImageCheck(count=images, root=image_root)
    )
    if as_json:
        echo_json(result)
    else:
        echo(*(f"ok   {check}" for check in result.checks))
        echo(*(f"BAD  {violation}" for violation in result.violations))
        echo(f"{len(result.checks)} checks passed, {len(result.violations)} violations")
    if result.violations:
        sys.exit(1)


@click.command(epilog=options.example("triptych doctor --model OpenGVLab/InternVL3-8B-hf --tp 2"))
@click.argument("folder", metavar="[FOLDER]", type=options.FOLDER, required=False)
@options.preset
@options.config
@options.serving
@options.cluster
@options.as_json
def doctor(
    folder: Path | None,
    preset: str | None,
    config_file: Path | None,
    cluster: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Check this machine: packages, memory, models, endpoints.

    With a model or endpoints, also checks whether captioning could start: GPU memory, the model's folder,
    whether tiles and prompt fit the context, and one small image to each endpoint. With FOLDER, a run or the
    folder that will contain it, also checks that its file system does what runs rely on: between two
    processes, or with --cluster between all nodes. Exit 1 if anything failed.
    """
    from triptych.doctor import examine, examine_captioning
    from triptych.settings import load_config
    from triptych.shared_folder.examine import every_node, examine_folder, second_process

    if cluster is not None and folder is None:
        raise click.UsageError("--cluster: name the FOLDER that all nodes share and that will contain runs")
    config = load_config(preset, config_file, flags_of(cluster=cluster, **given))
    findings = [*examine(), *examine_captioning(config)]
    if folder is not None:
        with every_node(config.cluster, folder) if cluster is not None else second_process() as elsewhere:
            findings += examine_folder(folder, elsewhere)
    if as_json:
        echo_json(findings)
    else:
        for finding in findings:
            advice = f"  -> {finding.advice}" if finding.advice else ""
            echo(f"{finding.level:<8} {finding.name:<22} {finding.found}{advice}")
    if any(finding.level == "failed" for finding in findings):
        sys.exit(1)


@click.command(epilog=options.example("triptych report run --verdicts verdicts-8ea88d6adb81.jsonl"))
@click.argument("folder", metavar="RUN", type=options.FOLDER)
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
    type=options.FOLDER,
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
    yield f"{'kind':<28} {'good':>6} {'judged':>7} {'precision':>10}   {'95 % interval':<16} {wanted:>15}"
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
