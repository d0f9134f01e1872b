"""The commands that only look: status, verify, doctor, and the report for a person to read and to judge."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from triptych.cli import options
from triptych.errors import TriptychError
from triptych.progress import for_stderr
from triptych.terminal import echo, echo_json

if TYPE_CHECKING:
    from triptych.api import Run
    from triptych.report.precision import Precision
    from triptych.sources.shard import Shard


@click.command(epilog=options.example("triptych status run --json"))
@click.argument("folder", metavar="RUN", type=options.FOLDER)
@options.as_json
def status(folder: Path, as_json: bool) -> None:
    """Show progress, time left, and what limits the throughput.

    Its counts, failures by class, the captions' pace. Works while it runs. After `triptych caption RUN
    --sample N` it says how long all of it would take.
    """
    from triptych.opening import open_run
    from triptych.status import ledger_lines, pace_lines, pace_of, stage_lines

    opened = open_run(folder, read_only=True)
    ledger = opened.noted_ledger() or opened.ledger()
    paces = pace_of(opened, ledger)
    if as_json:
        echo_json({"stages": opened.folder.run_file.stages, "ledger": ledger, "pace": paces})
        return
    for line in (
        *ledger_lines(ledger),
        "",
        *pace_lines(paces),
        *([""] if paces else []),
        *stage_lines(opened),
    ):
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

    Reloads and recounts the ledger, the embeddings, the exported files against their checksums, every
    exported row against its format, its caption and its images, and the images themselves.
    """
    from triptych.opening import open_run
    from triptych.verify.images import ImageCheck
    from triptych.verify.run import verify_run

    options.remember_moves(folder, moved)
    result = verify_run(
        open_run(folder, progress=for_stderr(), read_only=True), ImageCheck(count=images, root=image_root)
    )
    if as_json:
        echo_json(result)
    else:
        for check in result.checks:
            echo(f"ok   {check}")
        for violation in result.violations:
            echo(f"BAD  {violation}")
        echo(f"{len(result.checks)} checks passed, {len(result.violations)} violations")
    if result.violations:
        sys.exit(1)


@click.command(epilog=options.example("triptych doctor --model OpenGVLab/InternVL3-8B-hf --tp 2"))
@options.preset
@options.config
@options.serving
@options.as_json
def doctor(
    preset: str | None,
    config_file: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Check this machine: packages, memory, models, endpoints.

    With a model or endpoints also whether captioning could begin: GPU memory, the model's folder, the
    context against tiles and prompt, and one small image to each endpoint. Exit 1 where anything failed.
    """
    from triptych.doctor import examine, examine_captioning
    from triptych.settings import load_config

    config = load_config(preset, config_file, options.flags_of(**given))
    findings = [*examine(), *examine_captioning(config)]
    if as_json:
        echo_json(findings)
    else:
        for finding in findings:
            advice = f"  -> {finding.advice}" if finding.advice else ""
            echo(f"{finding.level:<8} {finding.name:<22} {finding.found}{advice}")
    if any(finding.level == "failed" for finding in findings):
        sys.exit(1)


@click.command(epilog=options.example("triptych report run --verdicts verdicts-run.jsonl"))
@click.argument("folder", metavar="RUN", type=options.FOLDER)
@click.option(
    "--verdicts",
    "verdicts_file",
    type=options.FILE,
    metavar="FILE",
    help="Instead of a page: the precision from votes downloaded from it.",
)
@options.moved
def report(folder: Path, verdicts_file: Path | None, moved: tuple[str, ...]) -> None:
    """Make an HTML page: sets, captions, rejects, failures.

    To read and to judge. The page opens from a file and needs no network. Keys in it: j and k for the
    next and the previous item, g and b for good and bad; a button downloads the verdicts.
    """
    from triptych.opening import open_run
    from triptych.report.identity import report_id
    from triptych.report.precision import precisions, read_verdicts
    from triptych.report.stage import write_report

    options.remember_moves(folder, moved)
    progress = for_stderr()
    opened = open_run(folder, progress=progress, read_only=True)
    if verdicts_file is not None:
        for line in _precision_lines(precisions(read_verdicts(verdicts_file, report_id(opened.folder)))):
            echo(line)
        return
    sources, lost = _sources_still_there(opened)
    cautions = [*_cautions(opened), *lost]
    written = write_report(opened.context, sources, cautions)
    for line in lost:
        progress.say(f"note: {line}")
    missing = f", {written.missing_pictures:,} missing" if written.missing_pictures else ""
    echo(f"{written.path}  {written.size_bytes:,} bytes, {written.pictures:,} pictures{missing}")


def _sources_still_there(opened: Run) -> tuple[list[Shard], list[str]]:
    """The shards of the sources, and a caution where they can't be opened any more."""
    try:
        return opened.shards, []
    except TriptychError as error:
        return [], [f"pictures are missing, as the sources can't be opened: {error}"]


def _cautions(opened: Run) -> Iterator[str]:
    from triptych.models import CAUTION, is_embedded
    from triptych.runs.folder import STAGE_NAMES
    from triptych.runs.staleness import stale_stages

    if is_embedded(opened.config.captioning.model) or is_embedded(opened.config.embedding.model):
        yield CAUTION
    for stage, why in stale_stages(opened.folder).items():
        yield f"{stage} are stale: {why}; `triptych run` does them again"
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
