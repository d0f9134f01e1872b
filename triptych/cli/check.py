"""The command check: a second model checks captions."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from triptych.cli import options
from triptych.cli.flags import flags_of, remember_moves
from triptych.progress import for_stderr, hint
from triptych.runs.checks import outcome_lines
from triptych.terminal import echo, echo_json

if TYPE_CHECKING:
    from triptych.runs.stage_record import JobChecks


@click.command(epilog=options.example("triptych check run --server http://gpu2:23333/v1 --sample 500"))
@click.argument("folder", metavar="RUN", type=options.RUN)
@options.serving
@click.option(
    "--sample",
    "captions",
    type=click.IntRange(min=1),
    metavar="N",
    help="Check N captions of each job, always the same ones. [default: 2000]",
)
@click.option("--all", "everything", is_flag=True, help="Check every caption that the filter kept.")
@click.option("--job", "jobs", metavar="JOB", multiple=True, help="Only this job. Repeatable. [default: all]")
@options.moved
@options.config
@options.cluster
@options.as_json
def check(
    folder: Path,
    captions: int | None,
    everything: bool,
    jobs: tuple[str, ...],
    moved: tuple[str, ...],
    config_file: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Ask a second model whether each statement of captions is true.

    Captions that the filter kept are split into sentences. For each, the model sees the image that it is
    about and answers yes, no or unclear. A model from another family than the captioner's finds the most
    errors. The next `triptych filter RUN` uses the answers (rule untrue).
    """
    from triptych.opening import open_run

    if captions is not None and everything:
        raise click.UsageError("--sample and --all exclude each other; give one of them")
    remember_moves(folder, moved)
    flags = {key.replace("captioning.", "checking.", 1): value for key, value in flags_of(**given).items()}
    if captions is not None or everything:
        flags["checking.captions"] = captions or 0
    with open_run(folder, config_file=config_file, settings=flags, progress=for_stderr()) as opened:
        found = opened.check(jobs)
    if as_json:
        echo_json(found)
    else:
        echo(*_lines(found))
        hint(f"Next: triptych filter {shlex.quote(str(folder))}")


def _lines(found: Mapping[str, JobChecks]) -> Iterator[str]:
    for job, checks in found.items():
        answers = ", ".join(f"{checks.answers.get(word, 0):,} {word}" for word in ("yes", "no", "unclear"))
        left = f", {checks.missing:,} without an answer" if checks.missing else ""
        yield f"{job:<30} answers: {answers}{left}"
        yield from (f"  {line}" for line in outcome_lines(checks))
