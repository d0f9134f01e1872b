"""What became of one image, set or caption, from where it came from to where it went.

Comes in: a run, opened to look at; the key of an image, the id of a set or of a caption. Goes out: lines for
a person: why it is in its set or in none, its captions, the words that rules object to, its rows in exports
or why it has none. Not its job: why images are grouped (see grouping.sets.explain), finding the words (see
filtering.objections).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import msgspec

from triptych.api import Run
from triptych.errors import UsageError, did_you_mean
from triptych.export.manifest import MANIFEST_NAME, read_manifest
from triptych.filtering.objections import objections
from triptych.filtering.rule_choice import make_scorer
from triptych.filtering.scoring import CaptionInput, Scorer
from triptych.filtering.stage import filter_jobs, verdict_settings
from triptych.grouping.sets.explain import explain as explain_grouping
from triptych.jobs import Job
from triptych.records import ImageRecord, ImageSet, caption_id, target_of
from triptych.runs.checks import denied_of, read_checks
from triptych.runs.plan import Planned
from triptych.runs.stage_record import is_export
from triptych.runs.staleness import stale_reason

COUNTED_BYTES = 16 * 1024**2
"""Of a file whose lines are counted, that are held at once."""


def explain(run: Run, wanted: str) -> Iterator[str]:
    """Lines on ``wanted``. Raises UsageError where the run has no such image, set or caption."""
    jobs = {job.name: job for job in run.jobs}
    job = jobs.get(wanted.partition(":")[0])
    if job is not None and ":" in wanted:
        yield from _of_caption(run, job, target_of(wanted))
        return
    has_sets = run.folder.is_finished("sets")
    sets = run.sets() if has_sets else ()
    own = next((each for each in sets if wanted == each.id or wanted in each.keys), None)
    if own is not None and wanted == own.id:
        yield f"{own.id} has {len(own.keys)} images: lowest cosine {own.min_cosine_similarity}"
        yield from (f"  {key}" for key in own.keys)
        yield from _captions(run, [], own)
        return
    shard, image = _found(run, wanted)
    yield from explain_grouping(run.folder, wanted) if has_sets else ()
    yield from _source(run, shard, image)
    if image.unreadable is None:
        yield from _captions(run, [wanted], own)


def _found(run: Run, key: str) -> tuple[str, ImageRecord]:
    shards = run.folder.shards()
    for shard in shards:
        for image in run.folder.images(shard):
            if image.key == key:
                return shard, image
    near = did_you_mean(key, (image.key for shard in shards[:1] for image in run.folder.images(shard)))
    raise UsageError(
        f"no image {key} in {run.path}{near}; keys are listed in {run.path / 'images'}; a set is set_...,"
        " a caption's JOB:KEY",
        path=run.path,
    )


def _source(run: Run, shard: str, image: ImageRecord) -> Iterator[str]:
    sources = run.folder.run_file.config.get("sources")
    where = f" at byte {image.offset_bytes:,}" if image.offset_bytes is not None else ""
    size = f"{image.width_px} x {image.height_px} pixels, " if image.unreadable is None else ""
    yield f"source: {size}{image.size_bytes:,} bytes, shard {shard}{where}"
    if isinstance(sources, list) and sources:
        yield f"  in {', '.join(map(str, sources))}"


def _captions(run: Run, keys: list[str], own: ImageSet | None) -> Iterator[str]:
    """Of an image, and of the set that it is in."""
    yield "captions:"
    for job in run.jobs:
        for target in [own.id] if job.is_multi and own is not None else [] if job.is_multi else keys:
            yield from (f"  {line}" for line in _of_caption(run, job, target))


def _of_caption(run: Run, job: Job, target: str) -> Iterator[str]:
    """What became of the caption of ``target``, an image key or a set id."""
    identifier = caption_id(job.name, target)
    shard, planned = _planned(run, job, target)
    if planned is None:
        yield f"{identifier} is not planned: {_why_not_planned(run, job, target)}"
        return
    caption, verdict = planned.caption, planned.verdict
    if caption is None:
        yield f"{identifier} is still to be captioned"
        return
    if caption.failure is not None:
        yield f"{identifier} failed after {caption.attempts} attempts: {caption.failure}"
        return
    yield f"{identifier}: {caption.text}"
    if caption.asked_again:
        yield f"  asked again, as answers were: {', '.join(caption.asked_again)}"
    if verdict is None:
        yield "  not judged: `triptych filter` does that"
        return
    kept = "kept" if verdict.keep else f"rejected, by {verdict.reason}"
    by = "without sentences that a checker denied" if verdict.removed else "in the words of a person"
    yield f"  {kept}{f', {by}: {verdict.text}' if verdict.text else ''}"
    scorer = make_scorer(run.config.filtering, filter_jobs(run.context))
    given = CaptionInput(
        caption.id, job.name, caption.text, len(planned.target.images), caption.finish_reason
    )
    for rule, score in verdict.scores.items():
        yield f"  {rule} {score:.4g}{_objection(scorer, given, rule)}"
    if verdict_settings(run.config.filtering) != run.folder.run_file.stages["verdicts"].settings:
        yield "  the filter's settings have changed since: thresholds are as they are now"
    checks = read_checks(run.folder, job.name, shard).get(caption.id, ())
    for each in denied_of(checks, caption, planned.target):
        yield f"  a checker denied of {each.image}: {caption.text[each.start : each.end]!r}"
    if verdict.unfit:
        yield f"  fits its images least: {verdict.unfit!r}"
    if verdict.repeats:
        yield f"  repeats {verdict.repeats}"
    yield from (f"  {line}" for line in _exported(run, job, planned))


def _objection(scorer: Scorer, given: CaptionInput, rule: str) -> str:
    """The words, and the threshold."""
    threshold = next((each.threshold for each in scorer.job_rules(given.job) if each.rule.name == rule), None)
    limit = "" if threshold is None else f", threshold {threshold:g}"
    said = [given.text[start:end] for start, end in objections(scorer, given, rule)]
    return limit + (f": {', '.join(map(repr, said))}" if said else "")


def _planned(run: Run, job: Job, target: str) -> tuple[str, Planned | None]:
    """What the plan has of a target, and its shard. A set is filed under the shard of its first image."""
    if not run.folder.is_finished("sets"):
        return "", None
    for shard, all_planned in run.context.plan(job).read_all(verdicts=True):
        for each in all_planned:
            if target_of(each.target.id) == target:
                return shard, each
    return "", None


def _why_not_planned(run: Run, job: Job, target: str) -> str:
    if not run.folder.is_finished("sets"):
        return "sets are not finished"
    if job.limit is not None:
        return f"it isn't among the {job.limit:,} that {job.name} is limited to, or isn't there"
    return (
        "there is no such set"
        if job.is_multi
        else "it is a duplicate or screened out, can't be read, or isn't there"
    )


def _exported(run: Run, job: Job, planned: Planned) -> Iterator[str]:
    """Its row in each export, or why it has none."""
    if not planned.is_kept:
        return
    stages = [each for each in run.folder.every_stage if is_export(each)]
    for stage in stages:
        folder = run.folder.with_export(stage).export_folder
        if not run.folder.is_finished(stage) or not (folder / MANIFEST_NAME).exists():
            yield f"not exported: {stage} is not finished"
        elif why := stale_reason(run.folder, stage):
            yield f"{stage} is stale: {why}"
        else:
            names = [name for name, entry in read_manifest(folder).files.items() if entry.job == job.name]
            yield _row_in(folder, names, planned.target.id) or f"not in {stage}: it has no {job.name}"


def _row_in(folder: Path, names: list[str], identifier: str) -> str:
    """The file and the row that has the caption; of a file that isn't lines of JSON the file alone."""
    for name in names:
        path = folder / name
        if path.suffix != ".jsonl":
            others = f" or another of its {len(names)} parts" if len(names) > 1 else ""
            return f"exported to {path}{others}"
        needle = b'"id":' + msgspec.json.encode(identifier)
        if path.stat().st_size == 0:
            continue
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
            if (at := lines.find(needle)) >= 0:
                parts = range(0, at, COUNTED_BYTES)
                rows_before = sum(lines[each : min(each + COUNTED_BYTES, at)].count(b"\n") for each in parts)
                return f"exported to {path}, row {rows_before + 1:,}"
    return ""
