"""The commands that look at a run: status, explain, search, verify, repair; and doctor."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from triptych.cli import options
from triptych.cli.flags import flags_of, remember_moves
from triptych.errors import UsageError
from triptych.progress import for_stderr, hint
from triptych.terminal import echo, echo_json


@click.command(epilog=options.example("triptych status run --json"))
@click.argument("folder", metavar="RUN", type=options.RUN)
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
@click.argument("folder", metavar="RUN", type=options.RUN)
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


@click.command(epilog=options.example('triptych search run "two dogs on a beach" --sets'))
@click.argument("folder", metavar="RUN", type=options.RUN)
@click.argument("text", metavar="[TEXT]", default="")
@click.option("--image", type=options.FILE, metavar="FILE", help="Find images like this one.")
@click.option("--sets", is_flag=True, help="Find sets instead, each by its nearest image.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(1),
    metavar="N",
    default=10,
    show_default=True,
    help="How many to show.",
)
@options.as_json
def search(folder: Path, text: str, image: Path | None, sets: bool, count: int, as_json: bool) -> None:
    """Find images or sets of a run by words or by a picture.

    TEXT or FILE is embedded with the model of the run, and compared with all its embeddings. Prints cosine
    and key of the nearest images, nearest first. Words need a model of images and texts, such as CLIP or
    SigLIP.
    """
    from triptych.opening import open_run

    if bool(text.strip()) == (image is not None):
        raise UsageError("name either words or --image FILE to search for")
    run = open_run(folder, progress=for_stderr(), read_only=True)
    run.progress.say(f"loading the encoder {run.config.embedding.model}")
    if sets:
        found_sets = run.search_sets(text, image=image, count=count)
        lines = [f"{each.cosine_similarity:.4f}  {each.id}  {'  '.join(each.keys)}" for each in found_sets]
    else:
        found = run.search(text, image=image, count=count)
        lines = [f"{each.cosine_similarity:.4f}  {each.key}" for each in found]
    if as_json:
        echo_json(found_sets if sets else found)
    else:
        echo(*lines)


@click.command(epilog=options.example("triptych verify run --images all && echo all there"))
@click.argument("folder", metavar="RUN", type=options.RUN)
@click.option(
    "--images",
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
def verify(folder: Path, images: str, image_root: Path | None, moved: tuple[str, ...], as_json: bool) -> None:
    """Check everything that a run wrote; exit 1 on any problem.

    Recounts the ledger, and checks the embeddings, the exported files against their checksums, every exported
    row against its format, its caption and its images, and the images themselves.
    """
    from triptych.opening import open_run
    from triptych.verify.images import ImageCheck
    from triptych.verify.run import verify_run

    if images != "all" and not images.isdecimal():
        raise UsageError(f"--images {images}: expected a number or all")
    remember_moves(folder, moved)
    opened = open_run(folder, progress=for_stderr(), read_only=True)
    count = None if images == "all" else int(images)
    result = verify_run(opened, ImageCheck(count=count, root=image_root))
    if as_json:
        echo_json(result)
    else:
        echo(*(f"ok   {check}" for check in result.checks))
        echo(*(f"BAD  {violation}" for violation in result.violations))
        echo(f"{len(result.checks)} checks passed, {len(result.violations)} violations")
    if result.violations:
        if any("triptych repair" in each for each in result.violations):
            hint(f"Next: triptych repair {shlex.quote(str(folder))} --dry-run")
        sys.exit(1)


@click.command(epilog=options.example("triptych repair run --dry-run"))
@click.argument("folder", metavar="RUN", type=options.RUN)
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
        options.confirm("Set it aside?")
    with owned(folder):
        damage = find_damage(folder)
        aside = set_aside(folder, damage)
    makers = " and ".join(dict.fromkeys(each.made_by for each in damage))
    echo(f"Set aside in {aside}. What is missing is made again by {makers}.")


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
