"""The command captions: lists the generations of a run's captions, switches between them, removes old
ones."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from triptych.cli import options
from triptych.errors import UsageError
from triptych.progress import for_stderr, hint
from triptych.terminal import echo, echo_json

if TYPE_CHECKING:
    from triptych.runs.generation_table import GenerationRow


@click.command(epilog=options.example("triptych captions run --use single_en=3fab01c2"))
@click.argument("folder", metavar="RUN", type=options.RUN)
@click.option(
    "--use", "uses", multiple=True, metavar="JOB=GENERATION", help="Use this generation. Repeatable."
)
@click.option("--prune", is_flag=True, help="Remove what isn't in use, after asking.")
@click.option("--yes", is_flag=True, help="With --prune: don't ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def captions(folder: Path, uses: tuple[str, ...], prune: bool, yes: bool, as_json: bool) -> None:
    """List generations of captions, switch, remove old ones.

    When a job is captioned again, with another prompt or --fresh captions, the new generation is used and the
    old one is kept. --prune removes generations that aren't in use, and embeddings by other encoders.
    """
    from triptych.opening import open_run
    from triptych.runs.generation_table import generation_rows

    if prune + bool(uses) + as_json > 1:
        raise UsageError("--prune, --use and --json exclude each other; give one of them")
    if yes and not prune:
        raise UsageError("--yes only goes with --prune; leave it out")
    if prune:
        _prune(folder, yes=yes)
    elif uses:
        with open_run(folder, progress=for_stderr()) as opened:
            for job, name in map(_job_and_name, uses):
                echo(f"{job} uses {opened.use_captions(job, name)} now")
            hint(f"Next: triptych filter {shlex.quote(str(folder))}")
    else:
        rows = generation_rows(open_run(folder, read_only=True).folder)
        if as_json:
            echo_json(rows)
        else:
            echo(*_lines(rows))


def _job_and_name(text: str) -> tuple[str, str]:
    job, equals, name = text.partition("=")
    if not (job and equals and name):
        raise UsageError(f"--use {text!r}: expected JOB=GENERATION, such as single_en=3fab01c2")
    return job, name


def _lines(rows: Sequence[GenerationRow]) -> Iterator[str]:
    """A line per generation, and below it how an unused one differs from the one in use."""
    if not rows:
        yield "No captions yet."
    else:
        columns = f"{'captions':>12} {'failed':>9} {'bytes':>15}"
        yield f"{'job':<14} {'generation':<12} {'begun (UTC)':<17} {columns}"
    for row in rows:
        yield (
            f"{row.job:<14} {row.generation:<12} {row.begun[:16].replace('T', ' '):<17} {row.captions:>12,}"
            f" {row.failures:>9,} {row.size_bytes:>15,}{'  in use' if row.counts else ''}"
        )
        yield f"{'':<14} {row.what}"
        for line in row.differences:
            yield f"{'':<14} differs: {line}"


def _prune(folder: Path, *, yes: bool) -> None:
    from triptych.opening import open_run
    from triptych.runs.generation_table import generation_rows
    from triptych.runs.generations import remove_generation
    from triptych.runs.other_embeddings import other_folders, remove_other

    with open_run(folder) as opened:
        old = [row for row in generation_rows(opened.folder) if not row.counts]
        others = other_folders(opened.folder)
        if not old and not others:
            echo("Nothing to remove: all captions and embeddings are in use.")
            return
        echo(*(_lines(old) if old else ()), *map(_embeddings_line, others))
        if not yes:
            total, damaged = sum(row.captions for row in old), sum(row.damaged for row in old)
            lines = f" ({damaged:,} more lines are damaged)" if damaged else ""
            options.confirm(f"Remove these {total:,} captions{lines} and {len(others)} embeddings for good?")
        for row in old:
            remove_generation(opened.folder, row.job, row.generation)
        for other in others:
            remove_other(other)
    echo(f"Removed {len(old) + len(others)}.")


def _embeddings_line(path: Path) -> str:
    from triptych.errors import SetupError
    from triptych.runs.folder import RunFolder

    size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    try:
        encoder = RunFolder.open(path).run_file.stages["embeddings"].settings["encoder"]
    except SetupError as error:
        encoder = f"an unknown encoder: {error}"
    return f"embeddings by {encoder}, {size_bytes:,} bytes in {path}"
