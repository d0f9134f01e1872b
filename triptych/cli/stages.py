"""The commands run, group, caption and demo."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from triptych.cli import options
from triptych.cli.flags import define_jobs, flags_of, moved_sources, remember_moves
from triptych.errors import UsageError
from triptych.progress import for_stderr, hint
from triptych.runs.stage_record import STAGE_NAMES
from triptych.terminal import echo

if TYPE_CHECKING:
    from triptych.api import Run
    from triptych.results import StageResult
    from triptych.runs.folder import StageName


@click.command(
    epilog=options.example("triptych run sa1b/ --preset sa1b --out run --server http://gpu1:23333/v1")
)
@options.sources(required=True)
@options.preset_and_out
@options.grouping
@options.captioning
@options.exporting
@options.moved
@options.metrics
@options.settings(*STAGE_NAMES)
def run(
    sources: tuple[str, ...],
    moved: tuple[str, ...],
    out: Path,
    preset: str | None,
    metrics: str | None,
    config_file: Path | None,
    fresh: tuple[StageName, ...],
    jobs: tuple[str, ...],
    languages: tuple[str, ...],
    **given: Any,
) -> None:
    """Run the whole pipeline, from images to dataset files.

    SOURCE is a folder of images, tars, zips and Parquet files, at any depth; a single file of these kinds;
    a .txt or .lst file with one path per line; or a quoted pattern such as 'photos/**/*.jpg'; on disk or at
    a URL such as s3://bucket/photos. Run the command again to continue where it stopped; a finished run does
    nothing. Settings are stored in RUN and stay until they are changed (triptych config RUN).
    """
    from triptych.metrics_server import serve_metrics

    flags = flags_of(**given)
    found = moved_sources(sources, moved)
    with serve_metrics(metrics, out):
        run_pipeline(found, out, preset, config_file, flags, fresh, define_jobs(jobs, flags), languages)
    _say_next(out, "report")


@click.command(epilog=options.example("triptych group photos/ --out run"))
@options.sources(required=False)
@options.preset_and_out
@options.grouping
@options.stored_embeddings
@click.option(
    "--regroup",
    is_flag=True,
    help="Make all sets again. By default, sets whose images are unchanged are kept.",
)
@options.moved
@options.settings("embeddings", "sets")
def group(
    sources: tuple[str, ...],
    moved: tuple[str, ...],
    out: Path,
    preset: str | None,
    embeddings: Path | None,
    keys_file: Path | None,
    regroup: bool,
    config_file: Path | None,
    fresh: tuple[StageName, ...],
    **given: Any,
) -> None:
    """Group related images into sets; find duplicates.

    SOURCE is as for `triptych run`; or give stored --embeddings instead of images. If images were added, only
    those are embedded; they form sets with each other and with single images. If the images have moved, give
    their new location as SOURCE.
    """
    from triptych.opening import open_run

    if bool(sources) == (embeddings is not None):
        raise click.UsageError("give either SOURCE... or --embeddings PATH")
    if keys_file is not None and embeddings is None:
        raise click.UsageError("--keys names the rows of --embeddings PATH; images have keys of their own")
    with open_run(
        out,
        moved_sources(sources, moved),
        preset=preset,
        config_file=config_file,
        settings=flags_of(**given),
        embeddings=embeddings,
        keys_file=keys_file,
        progress=for_stderr(),
    ) as opened:
        opened.make_again((*fresh, "sets") if regroup and "sets" not in fresh else fresh)
        print_result(opened, opened.group(), "caption" if sources else "")
    if not sources:
        hint(f"Next: triptych explain {shlex.quote(str(out))} KEY")


@click.command(epilog=options.example("triptych caption run --sample 20 --server http://gpu1:23333/v1"))
@click.argument("folder", metavar="RUN", type=options.RUN)
@options.captioning
@options.moved
@options.metrics
@options.settings("captions")
def caption(
    folder: Path,
    moved: tuple[str, ...],
    metrics: str | None,
    config_file: Path | None,
    fresh: tuple[StageName, ...],
    jobs: tuple[str, ...],
    languages: tuple[str, ...],
    **given: Any,
) -> None:
    """Caption the sets and single images of a run.

    Jobs on single images caption all images, also those in sets; duplicates are left out. No caption is
    deleted: captions made with other settings stay (triptych captions).
    """
    from triptych.metrics_server import serve_metrics
    from triptych.opening import open_run

    remember_moves(folder, moved)
    flags = flags_of(**given)
    names = define_jobs(jobs, flags)
    with (
        serve_metrics(metrics, folder),
        open_run(folder, config_file=config_file, settings=flags, progress=for_stderr()) as opened,
    ):
        opened.make_again(fresh)
        print_result(opened, opened.caption(jobs_in_languages(opened, names, languages)), "filter")


@click.command(epilog=options.example("triptych demo my-demo"))
@click.argument("folder", type=options.FOLDER, default="triptych-demo")
def demo(folder: Path) -> None:
    """Run the whole pipeline offline, on drawn images.

    Draws scenes into FOLDER/images, then does the same as `triptych run FOLDER/images --preset demo --out
    FOLDER/run`, with the nano models that are part of Triptych. [default: triptych-demo]
    """
    from triptych.demo.archive import draw_archive
    from triptych.extras import require

    require("demo", "torch", "open_clip", "transformers", what="the demo")
    progress = for_stderr()
    draw_archive(folder, progress)
    run_pipeline([folder / "images"], folder / "run", "demo", None, {}, ())
    echo("", "Three captions to read:")
    for images, text in _three_captions(folder / "run"):
        echo("", images, f"  {text}")
    _say_next(folder / "run", "report")


def _three_captions(run_folder: Path) -> Iterator[tuple[str, str]]:
    """The image names and the caption of the first exported row of three jobs."""
    from triptych.opening import open_run

    run = open_run(run_folder, read_only=True)
    for job in ("single_en", "single_zh", "multi_en"):
        for row in islice(run.rows(job), 1):
            images = row["image"] if isinstance(row["image"], list) else [row["image"]]
            yield ", ".join(images), row["conversations"][1]["value"]


def run_pipeline(
    sources: Sequence[str | Path],
    out: Path,
    preset: str | None,
    config_file: Path | None,
    flags: dict[str, object],
    fresh: Sequence[StageName],
    jobs: Sequence[str] = (),
    languages: Sequence[str] = (),
) -> None:
    """Run all stages, then print the counts and the exported files."""
    from triptych.opening import open_run

    with open_run(
        out, sources, preset=preset, config_file=config_file, settings=flags, progress=for_stderr()
    ) as opened:
        opened.make_again(fresh)
        print_result(opened, opened.run(jobs_in_languages(opened, jobs, languages)))
        echo("", f"Files in {opened.folder.export_folder}:")
        for path in sorted(opened.folder.export_folder.iterdir()):
            echo(f"  {path.name:<56} {path.stat().st_size:>12,} bytes")


def jobs_in_languages(opened: Run, names: Sequence[str], languages: Sequence[str]) -> list[str]:
    """The names of the chosen jobs; empty means all."""
    from triptych.jobs import select_jobs

    if not languages:
        return list(names)
    jobs = select_jobs(opened.config.all_jobs(), names or opened.config.captioning.jobs)
    for language in languages:
        if language not in (known := sorted({job.language for job in jobs})):
            raise UsageError(
                f"--language {language}: no job has it, only {', '.join(known)}; add one with --job"
                f" name=single_{language},subject=image,language={language},prompt=FILE"
            )
    return [job.name for job in jobs if job.language in languages]


def print_result(opened: Run, result: StageResult, then: str = "") -> None:
    """Print a run's counts, whether there was nothing to do, and the next command."""
    from triptych.status import ledger_lines

    if not result.did_work:
        hint("Nothing to do: everything was done already.")
    echo(*ledger_lines(result.ledger))
    if then:
        _say_next(opened.path, then)


def _say_next(run: Path, command: str) -> None:
    hint(f"Next: triptych {command} {shlex.quote(str(run))}")
