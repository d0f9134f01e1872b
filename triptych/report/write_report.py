"""Writes the report of a run: reads its content, and renders the page.

Comes in: a run with finished sets, which may still be at work. Goes out: ``report/index.html``, written
atomically. Memory is bounded by a shard, the keys of images that are left out and of sets, and the samples.
Not its job: the page as HTML (see render), anything that a trainer reads (see export).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from triptych.errors import SetupError
from triptych.filtering.scoring import Scorer
from triptych.report.beside import pairs_of
from triptych.report.cards import Cards, Thresholds
from triptych.report.content import Content, FailureShown, Similarity
from triptych.report.identity import beside_of, identity_of, jobs_shown
from triptych.report.neighbours import Nearness, locate, measure
from triptych.report.rejected import Repeated, repeated_captions
from triptych.report.render import render
from triptych.report.samples import SampledCaptions, SampledSets, sample_sets
from triptych.report.screens import ScreenExamples
from triptych.report.throughput import throughput_of
from triptych.report.thumbnails import Thumbnails
from triptych.runs.checks import check_outcome, outcome_lines
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import written_whole
from triptych.runs.ledger import Ledger, recount
from triptych.sources.shard import Shard


class ReportWritten(msgspec.Struct, frozen=True, kw_only=True):
    """Where the page is, how large it is, and how much it shows."""

    path: Path
    size_bytes: int
    pictures: int
    missing_pictures: int


def report_file(run: RunFolder) -> Path:
    """Where the page of ``run`` is written."""
    return run.path / "report" / "index.html"


def write_report(
    context: RunContext,
    sources: Sequence[Shard],
    cautions: Sequence[str],
    scorer: Scorer | None = None,
    other: RunContext | None = None,
) -> ReportWritten:
    """Write the page. If ``sources`` lack shards, the page shows their pictures as missing. ``scorer`` has
    the rules whose objections are marked in captions; ``other`` is a run to compare captions with.

    Raises SetupError if there are no finished sets, or if a file of the run can't be read.
    """
    run = context.folder
    if not run.is_finished("sets"):
        raise SetupError(
            f"{run.path} has no finished sets to report on;"
            f" run `triptych group SOURCE... --out {run.path}` first"
        )
    content = read_content(context, sources, cautions, scorer, other)
    page = render(content)
    path = report_file(run)
    with written_whole(path) as file:
        file.write(page)
    missing = sum(picture.url is None for picture in content.pictures)
    return ReportWritten(
        path=path, size_bytes=len(page), pictures=len(content.pictures) - missing, missing_pictures=missing
    )


def read_content(
    context: RunContext,
    sources: Sequence[Shard],
    cautions: Sequence[str],
    scorer: Scorer | None,
    other: RunContext | None = None,
) -> Content:
    """Everything on the page, read from the run's files."""
    run, jobs, progress = context.folder, context.jobs, context.progress
    ledger = recount(run, jobs)
    thresholds = _thresholds(run)
    sampled = sample_sets(context, *thresholds)
    captions = SampledCaptions(context, {each.item.id for each in sampled.sets})
    if not ledger.contradictions:  # with contradictions there is no plan
        captions.read(ledger)
    rules = captions.rule_counts.rules()
    rejected = [each.item for rule in rules for each in captions.rejected(rule)]
    repeated = repeated_captions(
        run, jobs, {each.verdict.repeats for each in rejected if each.verdict.repeats}
    )
    pairs = [] if other is None else pairs_of(context, other)
    keys = _keys_shown(sampled, captions, rules, repeated)
    keys |= {image.key for pair in pairs for image in pair.target.images}
    screens = ScreenExamples(run)
    left_out = sampled.duplicate_keys | screens.keys
    located = locate(run, keys, left_out, progress, screens.offer)
    # All of them, except in a damaged run; the page then lists the ledger's violations.
    drawn = [each for each in sampled.sets if all(key in located.of_key for key in each.item.keys)]
    images_of_sets = [[located.of_key[key] for key in each.item.keys] for each in drawn]
    nearness = measure(run, images_of_sets, located.sample, left_out, progress)
    thumbnails = Thumbnails({shard.name: shard for shard in sources})
    keys |= {outsider.image.record.key for outsider in nearness.outsiders if outsider is not None}
    set_of = {key: each.id for each in run.sets() for key in each.keys if key in keys}
    cards = Cards(context, captions, located.of_key, thumbnails, set_of, scorer)
    return Content(
        identity=identity_of(run, cautions),
        jobs=jobs_shown(context),
        ledger=ledger,
        checks={job.name: _checks(run, job.name) for job in jobs},
        violations=ledger.violations(),
        set_sizes={str(size): sampled.sizes[size] for size in sorted(sampled.sizes)},
        similarity=_similarity(run, thresholds, nearness, sampled),
        sets=cards.sets(drawn, nearness, [job for job in jobs if job.is_multi], thresholds),
        singles=cards.singles([job for job in jobs if not job.is_multi]),
        rules=cards.rules(rules, jobs, repeated),
        screens=screens.shown(thumbnails),
        duplicates=cards.duplicates(sampled.duplicates),
        beside=None if other is None else beside_of(context, other, cards.pairs(pairs)),
        failures=_failures(ledger, captions, located.unreadable),
        throughput=throughput_of(run, captions.made),
        pictures=thumbnails.pictures(progress),
        map=thumbnails.map_of(
            run, {"in-set": set_of, "duplicate": sampled.duplicate_keys, "screened": screens.keys}
        ),
    )


def _checks(run: RunFolder, job: str) -> list[str]:
    found = check_outcome(run, job)
    return [] if found is None else list(outcome_lines(found))


def _keys_shown(
    sampled: SampledSets, captions: SampledCaptions, rules: Sequence[str], repeated: Mapping[str, Repeated]
) -> set[str]:
    """The keys of all images on the page, except those that screens left out."""
    keys = {key for each in sampled.sets for key in each.item.keys}
    keys |= {key for each in sampled.duplicates for key in (each.item.key, each.item.of)}
    keys |= {each.item.key for each in captions.singles}
    keys |= {
        image.key for rule in rules for each in captions.rejected(rule) for image in each.item.target.images
    }
    return keys | {key for each in repeated.values() for key in each.keys}


def _failures(
    ledger: Ledger, captions: SampledCaptions, unreadable: Mapping[str, list[tuple[str, str]]]
) -> list[FailureShown]:
    found = [
        FailureShown(where="images", name=name, count=count, examples=unreadable.get(name, []))
        for name, count in (ledger.images.unreadable or {}).items()
    ]
    examples = captions.failures()
    for job, counts in ledger.jobs.items():
        found += [
            FailureShown(where=job, name=name, count=count, examples=examples.get((job, name), []))
            for name, count in (counts.failed or {}).items()
        ]
    return found


def _similarity(
    run: RunFolder, thresholds: Thresholds, nearness: Nearness, sampled: SampledSets
) -> Similarity:
    state = run.run_file.stages.get("sets")
    why = state.notes.get("thresholds_why") if state is not None else None
    return Similarity(
        related=thresholds.related,
        duplicate=thresholds.duplicate,
        why=str(why or ""),
        histograms=[
            each.shown()
            for each in (
                nearness.by_chance,
                nearness.nearest,
                sampled.mean_cosines,
                sampled.min_cosines,
                sampled.duplicate_cosines,
            )
        ],
    )


def _thresholds(run: RunFolder) -> Thresholds:
    """The thresholds that sets were made with: those that grouping chose and noted, or the settings."""
    state = run.run_file.stages.get("sets")
    found: list[float | None] = []
    for name in ("related_cosine_similarity", "duplicate_cosine_similarity"):
        value = state.notes.get(name, state.settings.get(name)) if state is not None else None
        found.append(float(value) if isinstance(value, int | float) else None)
    return Thresholds(*found)
