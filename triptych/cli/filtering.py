"""The command filter: a run, or a plain file of captions from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from triptych.cli import options
from triptych.cli.stages import report
from triptych.errors import UsageError
from triptych.progress import for_stderr

if TYPE_CHECKING:
    from triptych.filtering.config import FilteringConfig
    from triptych.filtering.judge import Row
    from triptych.records import Verdict
    from triptych.runs.folder import StageName


@click.command(
    name="filter", epilog=options.example("triptych filter run --dry-run --set filtering.min_words_single=25")
)
@click.argument("source", metavar="RUN|FILE.jsonl", type=click.Path(path_type=Path))
@click.option(
    "--out", type=options.FILE, metavar="VERDICTS.jsonl", help="Where the verdicts on FILE.jsonl go."
)
@click.option("--dry-run", is_flag=True, help="Write nothing; print what each rule would drop.")
@click.option("--explain", metavar="ID", help="Write nothing; print every rule's score on this caption.")
@click.option(
    "--accept", multiple=True, metavar="RULE", help="Let this rule drop any share of a job. Repeatable."
)
@options.settings
def filter_(
    source: Path,
    out: Path | None,
    dry_run: bool,
    explain: str | None,
    accept: tuple[str, ...],
    config_file: Path | None,
    assignments: tuple[str, ...],
    fresh: tuple[StageName, ...],
) -> None:
    """Judge captions: those of a run, or of a JSON Lines file.

    A row of FILE.jsonl is {"id", "job", "text", "images", "finish_reason"}; images is their number (1 if
    left out). Its verdicts {"id", "keep", "reason", "scores"} go to --out, in the same order; that on a
    duplicate has "repeats", the id of the earlier caption.
    """
    flags = options.flags_of(assignments)
    if accept:
        flags["filtering.accepted"] = list(accept)
    if source.is_file():
        _filter_file(source, out, dry_run, explain, config_file, flags, fresh)
        return
    if out is not None:
        raise UsageError(f"--out {out} is for verdicts on a file, and {source} is none; leave it out")
    _filter_run(source, dry_run, explain, config_file, flags, fresh)


def _filter_run(
    folder: Path,
    dry_run: bool,
    explain: str | None,
    config_file: Path | None,
    flags: dict[str, object],
    fresh: Sequence[StageName],
) -> None:
    from triptych.filtering.tally import funnel_lines
    from triptych.opening import open_run

    with open_run(folder, config_file=config_file, settings=flags, progress=for_stderr()) as opened:
        config = opened.config.filtering
        if explain is not None:
            row, verdict = opened.filter_session().find(explain)
            _explain(config, row, verdict)
        elif dry_run:
            for line in funnel_lines(opened.filter_session().funnel(), config.rules, config.flags):
                click.echo(line)
        else:
            opened.discard(fresh)
            report(opened, opened.filter())


def _filter_file(
    source: Path,
    out: Path | None,
    dry_run: bool,
    explain: str | None,
    config_file: Path | None,
    flags: Mapping[str, object],
    fresh: Sequence[StageName],
) -> None:
    from triptych.config import load_config
    from triptych.filtering.plain_file import filter_file, find_in_file
    from triptych.filtering.tally import funnel_lines

    if fresh:
        raise UsageError(f"--fresh {fresh[0]} is for runs, and {source} is a file; leave it out")
    config = load_config(None, config_file, flags).filtering
    if explain is not None:
        _explain(config, find_in_file(source, explain), None)
        return
    if out is None and not dry_run:
        raise UsageError(f"verdicts on {source} need a place; name a file with --out, or add --dry-run")
    jobs = filter_file(source, None if dry_run else out, config, for_stderr())
    for line in funnel_lines(jobs, config.rules, config.flags):
        click.echo(line)


def _explain(config: FilteringConfig, row: Row, verdict: Verdict | None) -> None:
    from triptych.filtering.judge import Judge

    judge = Judge(config)
    candidate = row.candidate()
    bounds, against = judge.bounds(row.job), judge.scores(candidate)
    click.echo(f"{row.id}\n{row.text}\n")
    for name, score in judge.all_scores(candidate).items():
        effect = ("flags" if name in config.flags else "drops") if name in against else "keeps"
        click.echo(f"{name:<20} {effect:<6} {score:>10.4g}   bound {bounds[name]:g}")
    for name in ("exact_duplicate", "near_duplicate"):
        if verdict is None:
            click.echo(
                f"{name:<20} -      needs all captions: `triptych filter`, or --dry-run, compares them"
            )
        else:
            effect = "drops" if name in verdict.scores else "keeps"
            of = f": repeats {verdict.repeats}" if name in verdict.scores and verdict.repeats else ""
            click.echo(
                f"{name:<20} {effect:<6} {verdict.scores.get(name, 0.0):>10.4g}   as last filtered{of}"
            )
