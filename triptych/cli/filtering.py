"""The command filter: judges captions of a run, or of a plain file from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from triptych.cli import options
from triptych.cli.flags import flags_of
from triptych.cli.stages import print_result
from triptych.errors import SetupError, UsageError
from triptych.progress import for_stderr
from triptych.terminal import echo

if TYPE_CHECKING:
    from triptych.filtering.scoring import CaptionInput, Scorer
    from triptych.records import Verdict
    from triptych.runs.folder import StageName


@click.command(
    name="filter",
    epilog=options.example("triptych filter run --dry-run --set filtering.thresholds.too_short=25"),
)
@click.argument("source", metavar="RUN|FILE.jsonl", type=click.Path(path_type=Path))
@click.option(
    "--out", type=options.FILE, metavar="VERDICTS.jsonl", help="Where to write the verdicts on FILE.jsonl."
)
@click.option("--dry-run", is_flag=True, help="Write nothing; print what each rule would reject.")
@click.option("--explain", metavar="ID", help="Write nothing; print every rule's score on this caption.")
@click.option(
    "--accept",
    multiple=True,
    metavar="RULE",
    help="Don't stop when this rule rejects a large share. Repeatable.",
)
@click.option(
    "--verdicts",
    "verdicts_file",
    type=options.FILE,
    metavar="FILE",
    help="People's verdicts, from the report; they override the rules. RUN remembers the file's location.",
)
@options.settings("verdicts")
def filter_(
    source: Path,
    out: Path | None,
    dry_run: bool,
    explain: str | None,
    accept: tuple[str, ...],
    verdicts_file: Path | None,
    config_file: Path | None,
    assignments: tuple[str, ...],
    cluster: str | None,
    fresh: tuple[StageName, ...],
) -> None:
    """Judge captions: those of a run, or of a JSON Lines file.

    A row of FILE.jsonl is {"id", "job", "text", "images", "finish_reason"}; images is their number (1 if left
    out). The file may be gzip, or one JSON array. Its verdicts {"id", "keep", "reason", "scores"} go to
    --out, in the same order; those on duplicates also have "repeats", the id of the earlier caption. Rows
    that aren't captions are not kept.
    """
    flags = flags_of(assignments, cluster=cluster)
    if accept:
        flags["filtering.accepted"] = list(accept)
    if verdicts_file is not None:
        if source.is_file():
            raise UsageError(f"--verdicts {verdicts_file} needs a run, and {source} is a file; leave it out")
        flags["filtering.verdicts"] = str(verdicts_file.absolute())
    if not source.exists():
        raise SetupError(f"{source}: no such file or run folder", path=source)
    if source.is_file():
        _filter_file(source, out, dry_run, explain, config_file, flags, fresh)
        return
    if out is not None:
        raise UsageError(f"--out {out} needs a file of captions, and {source} is a run; leave it out")
    _filter_run(source, dry_run, explain, config_file, flags, fresh)


def _filter_run(
    folder: Path,
    dry_run: bool,
    explain: str | None,
    config_file: Path | None,
    flags: dict[str, object],
    fresh: Sequence[StageName],
) -> None:
    from triptych.opening import open_run

    read_only = dry_run or explain is not None
    with open_run(
        folder, config_file=config_file, settings=flags, progress=for_stderr(), read_only=read_only
    ) as opened:
        if explain is not None:
            stage = opened.filter_stage()
            _explain(stage.scorer, *stage.find(explain))
        elif dry_run:
            echo(*opened.filter_stage().count_lines())
        else:
            opened.make_again(fresh)
            print_result(opened, opened.filter(), "export")


def _filter_file(
    source: Path,
    out: Path | None,
    dry_run: bool,
    explain: str | None,
    config_file: Path | None,
    flags: Mapping[str, object],
    fresh: Sequence[StageName],
) -> None:
    from triptych.filtering.captions_file import CaptionsFile
    from triptych.filtering.rule_choice import make_scorer
    from triptych.filtering.scoring import FilterJob
    from triptych.languages import language_of
    from triptych.settings import load_config

    if fresh:
        raise UsageError(f"--fresh {fresh[0]} needs a run, and {source} is a file; leave it out")
    config = load_config(None, config_file, flags)
    jobs = [FilterJob(job, language_of(job.language, config.languages)) for job in config.all_jobs()]
    captions = CaptionsFile(source, jobs)
    if explain is not None:
        _explain(make_scorer(config.filtering, jobs), captions.find(explain), None)
        return
    if out is None and not dry_run:
        raise UsageError(f"verdicts on {source} go to a file; name it with --out, or add --dry-run")
    echo(*captions.filter(None if dry_run else out, config.filtering, for_stderr()))


def _explain(scorer: Scorer, given: CaptionInput, verdict: Verdict | None) -> None:
    scores = scorer.all_scores(given)
    violated = scorer.violations(given.job, scores)
    echo(given.id, given.text, "")
    for rule, threshold, action in scorer.job_rules(given.job):
        name = rule.name
        if name in scores:
            effect = f"{action}s" if name in violated else "keeps"
            echo(f"{name:<20} {effect:<7} {scores[name]:>10.4g}   threshold {threshold:g}")
        elif verdict is None:
            echo(f"{name:<20} -       needs all captions: `triptych filter`, or --dry-run, compares them")
        else:
            effect = f"{action}s" if name in verdict.scores else "keeps"
            of = f": repeats {verdict.repeats}" if name in verdict.scores and verdict.repeats else ""
            score = verdict.scores.get(name, 0.0)
            echo(f"{name:<20} {effect:<7} {score:>10.4g}   as last filtered{of}")
