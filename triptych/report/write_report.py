"""Writes the report of a run: reads its content, and renders the page.

Comes in: a run with finished sets, which may still be at work. Goes out: ``report/index.html``, written
atomically: template, style and scripts of page/, with the content as JSON, escaped so that it can't end its
element. The page loads nothing, and its Content-Security-Policy allows only the scripts and styles that are
embedded here, by their hashes. Memory is bounded by a shard, the keys of images that are left out and of
sets, and the samples. Not its job: anything that a trainer reads (see export).
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Container, Mapping, Sequence
from importlib import resources
from pathlib import Path

import msgspec

from triptych.errors import SetupError
from triptych.filtering.scoring import Scorer
from triptych.report.beside import pairs_of
from triptych.report.cards import Cards, Thresholds
from triptych.report.content import Content, FailureShown, Similarity, Throughput
from triptych.report.identity import beside_of, identity_of, jobs_shown
from triptych.report.neighbours import CosineHistogram, LocatedImage, locate, map_of, measure, unit_vectors
from triptych.report.samples import Repeated, SampledCaptions, SampledSets, repeated_captions, sample_sets
from triptych.report.screens import ScreenExamples
from triptych.report.throughput import throughput_of
from triptych.report.thumbnails import Thumbnails
from triptych.runs.canaries import canary_lines
from triptych.runs.checks import check_outcome, outcome_lines
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import written_whole
from triptych.runs.ledger import Ledger, recount
from triptych.sources.shard import Shard
from triptych.workers import worker_lines, worker_states

SCRIPTS = (
    "dom.js",
    "charts.js",
    "funnel.js",
    "numbers.js",
    "lightbox.js",
    "units.js",
    "cards.js",
    "screens.js",
    "filters.js",
    "map.js",
    "review.js",
    "beside.js",
    "contact.js",
    "search.js",
    "live.js",
    "main.js",
)
"""In the order of their dependencies."""

_SLOT = re.compile(r"\{\{(\w+)\}\}")
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


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
    repeated = _repeated(context, captions, rules)
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
    histograms = (
        nearness.by_chance,
        nearness.nearest,
        sampled.mean_cosines,
        sampled.min_cosines,
        sampled.duplicate_cosines,
    )
    return Content(
        identity=identity_of(run, cautions),
        jobs=jobs_shown(context),
        ledger=ledger,
        checks={job.name: _checks(run, job.name) for job in jobs},
        violations=ledger.violations(),
        set_sizes={str(size): sampled.sizes[size] for size in sorted(sampled.sizes)},
        similarity=_similarity(run, thresholds, histograms),
        sets=cards.sets(drawn, nearness, [job for job in jobs if job.is_multi], thresholds),
        singles=cards.singles([job for job in jobs if not job.is_multi]),
        rules=cards.rules(rules, jobs, repeated),
        screens=screens.shown(thumbnails),
        duplicates=cards.duplicates(sampled.duplicates),
        beside=None if other is None else beside_of(context, other, cards.pairs(pairs)),
        failures=_failures(ledger, captions, located.unreadable),
        throughput=_throughput(run, captions),
        pictures=thumbnails.pictures(progress),
        map=_map(
            run,
            thumbnails.images,
            [(set_of, "in-set"), (sampled.duplicate_keys, "duplicate"), (screens.keys, "screened")],
        ),
    )


def _map(
    run: RunFolder, images: Sequence[LocatedImage], kinds: Sequence[tuple[Container[str], str]]
) -> list[tuple[float, float, str]]:
    """The position and the first matching kind of each image."""
    places = map_of(unit_vectors(run, images))
    became = (next((kind for keys, kind in kinds if each.record.key in keys), "single") for each in images)
    return [(*place, kind) for place, kind in zip(places, became, strict=True)]


def _checks(run: RunFolder, job: str) -> list[str]:
    found = check_outcome(run, job)
    return [] if found is None else list(outcome_lines(found))


def _throughput(run: RunFolder, captions: SampledCaptions) -> Throughput:
    canaries = (f"canary of {line}" for line in canary_lines(run.path))
    workers = [*worker_lines(worker_states(run.path), ended=True), *canaries]
    return msgspec.structs.replace(throughput_of(run, captions.made), workers=workers)


def _repeated(context: RunContext, captions: SampledCaptions, rules: Sequence[str]) -> dict[str, Repeated]:
    """The captions that the shown rejected captions repeat, by id."""
    ids = {each.item.verdict.repeats for rule in rules for each in captions.rejected(rule)}
    return repeated_captions(context.folder, context.jobs, {each for each in ids if each is not None})


def _keys_shown(
    sampled: SampledSets,
    captions: SampledCaptions,
    rules: Sequence[str],
    repeated: Mapping[str, Repeated],
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


def _similarity(run: RunFolder, thresholds: Thresholds, histograms: Sequence[CosineHistogram]) -> Similarity:
    state = run.run_file.stages.get("sets")
    why = state.notes.get("thresholds_why") if state is not None else None
    return Similarity(
        related=thresholds.related,
        duplicate=thresholds.duplicate,
        why=str(why or ""),
        histograms=[each.shown() for each in histograms],
    )


def _thresholds(run: RunFolder) -> Thresholds:
    """The thresholds that sets were made with: those that grouping chose and noted, or the settings."""
    state = run.run_file.stages.get("sets")
    found: list[float | None] = []
    for name in ("related_cosine_similarity", "duplicate_cosine_similarity"):
        value = state.notes.get(name, state.settings.get(name)) if state is not None else None
        found.append(float(value) if isinstance(value, int | float) else None)
    return Thresholds(*found)


def render(content: Content) -> bytes:
    """The whole page."""
    style = _read("style.css")
    script = '"use strict";\n(() => {\n' + "\n".join(map(_read, SCRIPTS)) + "})();\n"
    filling = {
        "policy": html.escape(policy(style, script, live=content.live)),
        "title": html.escape(content.identity.name),
        "style": style,
        "content": embedded_json(content),
        "script": script,
    }
    # In one pass, so that inserted text is never searched for slots.
    page = _SLOT.sub(lambda slot: filling[slot[1]], _read("page.html"))
    return page.encode("utf-8", "replace")


def embedded_json(value: object) -> str:
    """JSON that is safe in ``<script type="application/json">``, whatever strings it contains."""
    text = msgspec.json.encode(value).decode()
    return re.sub("[<>&\u2028\u2029]", lambda found: _UNSAFE[found[0]], text)


def policy(style: str, script: str, *, live: bool) -> str:
    """The Content-Security-Policy: only this style, this script and embedded pictures; for a served page also
    requests to its own server."""
    pictures, requests = ("'self' data:", " connect-src 'self';") if live else ("data:", "")
    return (
        f"default-src 'none'; img-src {pictures};{requests} style-src '{_source_hash(style)}';"
        f" script-src '{_source_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (resources.files("triptych.report") / "page" / name).read_text("utf-8")
