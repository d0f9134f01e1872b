"""The history of one image, set or caption, from its source to its exports.

Comes in: a run; the key of an image, or the id of a set or of a caption. Goes out: lines for a terminal: why
an image is in its set or in none, its captions, the words that rules object to, its rows in exports or why it
has none. Not its job: why images are grouped (see grouping.sets.explain), finding the words (see
filtering.objections).
"""

from __future__ import annotations

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


def explain(run: Run, name: str) -> Iterator[str]:
    """Lines on ``name``, a key or an id. Raises UsageError if the run has no such image, set or caption."""
    jobs = {job.name: job for job in run.jobs}
    job = jobs.get(name.partition(":")[0])
    if job is not None and ":" in name:
        yield from _caption_lines(run, job, target_of(name))
        return
    has_sets = run.folder.is_finished("sets")
    sets = run.sets() if has_sets else ()
    image_set = next((each for each in sets if name == each.id or name in each.keys), None)
    if image_set is not None and name == image_set.id:
        yield f"{name} has {len(image_set.keys)} images: lowest cosine {image_set.min_cosine_similarity}"
        yield from (f"  {key}" for key in image_set.keys)
        yield from _all_captions(run, [], image_set)
        return
    shard, image = _find_image(run, name)
    yield from explain_grouping(run.folder, name) if has_sets else ()
    yield from _source_lines(run, shard, image)
    if image.unreadable is None:
        yield from _all_captions(run, [name], image_set)


def _find_image(run: Run, key: str) -> tuple[str, ImageRecord]:
    """The image and its shard. Raises UsageError if there is none."""
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


def _source_lines(run: Run, shard: str, image: ImageRecord) -> Iterator[str]:
    sources = run.folder.run_file.config.get("sources")
    where = f" at byte {image.offset_bytes:,}" if image.offset_bytes is not None else ""
    size = f"{image.width_px} x {image.height_px} pixels, " if image.unreadable is None else ""
    yield f"source: {size}{image.size_bytes:,} bytes, shard {shard}{where}"
    if isinstance(sources, list) and sources:
        yield f"  in {', '.join(map(str, sources))}"


def _all_captions(run: Run, keys: list[str], image_set: ImageSet | None) -> Iterator[str]:
    """The captions of these images and of this set, in all jobs."""
    set_ids = [] if image_set is None else [image_set.id]
    yield "captions:"
    for job in run.jobs:
        for target in set_ids if job.is_multi else keys:
            yield from (f"  {line}" for line in _caption_lines(run, job, target))


def _caption_lines(run: Run, job: Job, target: str) -> Iterator[str]:
    """What became of the caption of ``target``, an image key or a set id."""
    identifier = caption_id(job.name, target)
    shard, planned = _find_planned(run, job, target)
    if planned is None:
        yield f"{identifier} is not planned: {_why_not_planned(run, job, target)}"
        return
    caption, verdict = planned.caption, planned.verdict
    if caption is None:
        yield f"{identifier} is not captioned yet"
        return
    if caption.failure is not None:
        yield f"{identifier} failed after {caption.attempts} attempts: {caption.failure}"
        return
    yield f"{identifier}: {caption.text}"
    if caption.asked_again:
        yield f"  asked again, because answers were: {', '.join(caption.asked_again)}"
    if verdict is None:
        yield "  not judged yet: run `triptych filter`"
        return
    kept = "kept" if verdict.keep else f"rejected, by {verdict.reason}"
    by = "without sentences that a checker denied" if verdict.removed else "as edited by a person"
    yield f"  {kept}{f', {by}: {verdict.text}' if verdict.text else ''}"
    scorer = make_scorer(run.config.filtering, filter_jobs(run.context))
    given = CaptionInput(
        caption.id, job.name, caption.text, len(planned.target.images), caption.finish_reason
    )
    for rule, score in verdict.scores.items():
        yield f"  {rule} {score:.4g}{_threshold_and_words(scorer, given, rule)}"
    if verdict_settings(run.config.filtering) != run.folder.run_file.stages["verdicts"].settings:
        yield "  the filter's settings have changed since: the thresholds shown are the current ones"
    checks = read_checks(run.folder, job.name, shard).get(caption.id, ())
    for each in denied_of(checks, caption, planned.target):
        yield f"  a checker denied of {each.image}: {caption.text[each.start : each.end]!r}"
    if verdict.unfit:
        yield f"  fits its images least: {verdict.unfit!r}"
    if verdict.repeats:
        yield f"  repeats {verdict.repeats}"
    yield from (f"  {line}" for line in _export_lines(run, job, planned))


def _threshold_and_words(scorer: Scorer, given: CaptionInput, rule: str) -> str:
    """The threshold of a rule, and the words of the caption that it objects to."""
    threshold = next((each.threshold for each in scorer.job_rules(given.job) if each.rule.name == rule), None)
    limit = "" if threshold is None else f", threshold {threshold:g}"
    words = [given.text[start:end] for start, end in objections(scorer, given, rule)]
    return limit + (f": {', '.join(map(repr, words))}" if words else "")


def _find_planned(run: Run, job: Job, target: str) -> tuple[str, Planned | None]:
    """The plan's entry of a target and its shard; for a set, the shard of its first image."""
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
        return f"it isn't among the {job.limit:,} that {job.name} is limited to, or doesn't exist"
    if job.is_multi:
        return "there is no such set"
    return "it is a duplicate, screened out or unreadable, or doesn't exist"


def _export_lines(run: Run, job: Job, planned: Planned) -> Iterator[str]:
    """The row of a caption in each export, or why it has none."""
    if not planned.is_kept:
        return
    for stage in filter(is_export, run.folder.every_stage):
        folder = run.folder.with_export(stage).export_folder
        if not run.folder.is_finished(stage) or not (folder / MANIFEST_NAME).exists():
            yield f"not exported: {stage} is not finished"
        elif why := stale_reason(run.folder, stage):
            yield f"{stage} is stale: {why}"
        else:
            names = [name for name, entry in read_manifest(folder).files.items() if entry.job == job.name]
            yield _row_line(folder, names, planned.target.id) or f"not in {stage}: it has no {job.name}"


def _row_line(folder: Path, names: list[str], identifier: str) -> str:
    """The file and the number of the row that has the caption; without the row unless it is JSON Lines."""
    for name in names:
        path = folder / name
        if path.suffix != ".jsonl":
            others = f" or another of its {len(names)} parts" if len(names) > 1 else ""
            return f"exported to {path}{others}"
        needle = b'"id":' + msgspec.json.encode(identifier)
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if needle in line:
                    return f"exported to {path}, row {number:,}"
    return ""
