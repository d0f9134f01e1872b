"""The page's content for an open run, with warnings about what is missing, stale or unfinished.

Comes in: an open run. Goes out: the page's Content. Not its job: reading samples (see write_report).
"""

from __future__ import annotations

from collections.abc import Iterator

from triptych.api import Run
from triptych.errors import TriptychError
from triptych.filtering.rule_choice import make_scorer
from triptych.filtering.scoring import Scorer
from triptych.filtering.stage import filter_jobs
from triptych.models import CAUTION, is_embedded
from triptych.report.content import Content, Similarity, Throughput
from triptych.report.identity import identity_of, jobs_shown
from triptych.report.write_report import read_content
from triptych.runs.folder import STAGE_NAMES
from triptych.runs.ledger import ledger_of
from triptych.runs.ledger.captions import JobCounts
from triptych.runs.ledger.images import ImageCounts
from triptych.runs.stage_record import with_verb
from triptych.runs.staleness import makes_again, stale_stages
from triptych.sources.shard import Shard


def content_of_run(run: Run) -> Content:
    """Everything, with the samples. Raises SetupError if there are no finished sets."""
    sources, lost = sources_still_there(run)
    return read_content(run.context, sources, [*cautions_of(run), *lost], scorer_of(run))


def content_without_samples(run: Run, why: str) -> Content:
    """The content for a run that has nothing to sample yet; ``why`` is shown at the top."""
    context = run.context
    ledger = run.noted_ledger() or ledger_of(
        run.folder, ImageCounts(), {job.name: JobCounts() for job in context.jobs}, ()
    )
    return Content(
        identity=identity_of(run.folder, [why, *cautions_of(run)]),
        jobs=jobs_shown(context),
        ledger=ledger,
        similarity=Similarity(related=None, duplicate=None, why="", histograms=[]),
        throughput=Throughput(stages=[], points=[], note=""),
        has_samples=False,
    )


def sources_still_there(run: Run) -> tuple[list[Shard], list[str]]:
    """The shards of the sources; none, and a caution, if the sources can't be opened any more."""
    try:
        return run.shards, []
    except TriptychError as error:
        return [], [f"pictures are missing, as the sources can't be opened: {error}"]


def scorer_of(run: Run) -> Scorer:
    """The rules with the run's current settings."""
    return make_scorer(run.config.filtering, filter_jobs(run.context))


def cautions_of(run: Run) -> Iterator[str]:
    """Warnings for the top of the page."""
    if is_embedded(run.config.captioning.model):
        yield CAUTION
    elif is_embedded(run.config.embedding.model):
        yield "the embedded nano encoder knows only the demo's drawn scenes: its sets of others mean little"
    for stage, why in stale_stages(run.folder).items():
        yield f"{with_verb(stage, 'are')} stale: {why}; {makes_again(stage, run.path)}"
    unfinished = [name for name in STAGE_NAMES if not run.folder.is_finished(name)]
    if unfinished:
        yield f"the run is not finished: {', '.join(unfinished)} still to do"
