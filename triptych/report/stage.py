"""The report of a run: everything that is read, and the page that is written.

Comes in: a run with finished sets, at any later point of its life. Goes out: ``report/index.html``,
whole or not at all. It only looks at the run, so the run may be at work; it is made anew every time.
Memory is bounded by a shard, the keys of duplicates and sets, and the samples. Not its job: anything
that a trainer reads (see the rest of export).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from triptych.errors import SetupError
from triptych.report.assembly import Assembly, Band
from triptych.report.captions import CaptionReader
from triptych.report.content import Content, FailureShown, Similarity
from triptych.report.groups import read_groups
from triptych.report.histogram import CosineHistogram
from triptych.report.identity import identity_of
from triptych.report.nearness import measure
from triptych.report.pace import pace_of
from triptych.report.page import render
from triptych.report.places import find_places
from triptych.report.thumbnails import Thumbnails
from triptych.report.twins import keys_of
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import written_whole
from triptych.runs.ledger import Ledger, recount
from triptych.sources import Shard


class ReportWritten(msgspec.Struct, frozen=True, kw_only=True):
    """Where the page is, how large it is, and how much it shows."""

    path: Path
    size_bytes: int
    pictures: int
    missing_pictures: int


def report_file(run: RunFolder) -> Path:
    """Where the page of ``run`` is written."""
    return run.path / "report" / "index.html"


def write_report(context: RunContext, sources: Sequence[Shard], cautions: Sequence[str]) -> ReportWritten:
    """Write the page. ``sources`` may lack shards: their pictures are then missing, and say so.

    Raises SetupError where there are no finished sets, or a file of the run can't be read.
    """
    run = context.folder
    if not run.is_finished("sets"):
        raise SetupError(
            f"{run.path} has no finished sets to report on;"
            f" run `triptych group SOURCE... --out {run.path}` first"
        )
    content = read_content(context, sources, cautions)
    page = render(content)
    path = report_file(run)
    with written_whole(path) as file:
        file.write(page)
    missing = sum(picture.url is None for picture in content.pictures)
    return ReportWritten(
        path=path, size_bytes=len(page), pictures=len(content.pictures) - missing, missing_pictures=missing
    )


def read_content(context: RunContext, sources: Sequence[Shard], cautions: Sequence[str]) -> Content:
    """Everything on the page, read from the run's files."""
    run, jobs, progress = context.folder, context.jobs, context.progress
    ledger = recount(run, jobs)
    band = _band(run)
    groups = read_groups(run, *band)
    reader = CaptionReader(run, {each.item.id for each in groups.sets}, progress)
    if not ledger.contradictions:  # else there is no plan
        reader.read(jobs, ledger)
    rules = reader.tallies.rules()
    keys = {key for each in groups.sets for key in each.item.keys}
    keys |= {key for each in groups.duplicates for key in (each.item.key, each.item.of)}
    keys |= {each.item.key for each in reader.singles}
    keys |= {
        image.key for rule in rules for each in reader.rejected(rule) for image in each.item.target.images
    }
    repeated = (each.item.verdict.repeats for rule in rules for each in reader.rejected(rule))
    twins = keys_of(run, {identifier for identifier in repeated if identifier is not None})
    keys |= {key for of_twin in twins.values() for key in of_twin}
    places = find_places(run, keys, groups.set_aside, progress)
    # All of them, but in a damaged run: the ledger's violations, on the page, then name the others.
    drawn_sets = [each for each in groups.sets if all(key in places.of_key for key in each.item.keys)]
    sets = [[places.of_key[key] for key in each.item.keys] for each in drawn_sets]
    nearness = measure(run, sets, places.sample, groups.set_aside, progress)
    thumbnails = Thumbnails({shard.name: shard for shard in sources})
    shown = Assembly(run, reader, places.of_key, thumbnails)
    multi = [job for job in jobs if job.is_multi]
    histograms = (
        nearness.by_chance,
        nearness.nearest,
        groups.mean_cosines,
        groups.min_cosines,
        groups.duplicate_cosines,
    )
    return Content(
        identity=identity_of(run, {job.name: context.prompts[job.name].text for job in jobs}, cautions),
        ledger=ledger,
        offences=ledger.violations(),
        set_sizes={str(size): groups.sizes[size] for size in sorted(groups.sizes)},
        similarity=_similarity(run, histograms),
        sets=shown.sets(drawn_sets, sets, nearness, multi, band),
        singles=shown.singles([job for job in jobs if not job.is_multi]),
        rules=shown.rules(rules, jobs, twins),
        duplicates=shown.duplicates(groups.duplicates),
        failures=_failures(ledger, reader, places.unreadable),
        pace=pace_of(run, reader.made),
        pictures=thumbnails.pictures(progress),
    )


def _failures(
    ledger: Ledger, reader: CaptionReader, unreadable: Mapping[str, list[tuple[str, str]]]
) -> list[FailureShown]:
    found = [
        FailureShown(where="images", name=name, count=count, examples=unreadable.get(name, []))
        for name, count in (ledger.images.unreadable or {}).items()
    ]
    examples = reader.failures()
    for job, counts in ledger.jobs.items():
        found += [
            FailureShown(where=job, name=name, count=count, examples=examples.get((job, name), []))
            for name, count in (counts.failed or {}).items()
        ]
    return found


def _similarity(run: RunFolder, histograms: Sequence[CosineHistogram]) -> Similarity:
    related, duplicate = _band(run)
    state = run.run_file.stages.get("sets")
    why = state.notes.get("thresholds_why") if state is not None else None
    return Similarity(
        related=related,
        duplicate=duplicate,
        why=str(why or ""),
        histograms=[each.shown() for each in histograms],
    )


def _band(run: RunFolder) -> Band:
    """What sets were made between: read off the corpus and noted, or as it was set."""
    state = run.run_file.stages.get("sets")
    found: list[float | None] = []
    for name in ("related_cosine_similarity", "duplicate_cosine_similarity"):
        value = state.notes.get(name, state.settings.get(name)) if state is not None else None
        found.append(float(value) if isinstance(value, int | float) else None)
    return found[0], found[1]
