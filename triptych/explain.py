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
from triptych.filtering.stage import changed_setting, filter_jobs
from triptych.grouping.sets.explain import explain as explain_grouping
from triptych.jobs import Job
from triptych.records import ImageRecord, ImageSet, caption_id
from triptych.runs.checks import denied_of, read_checks
from triptych.runs.plan import Planned
from triptych.runs.stage_record import is_export
from triptych.runs.staleness import stale_reason


def explain(run: Run, name: str) -> Iterator[str]:
    """Lines on ``name``, a key or an id. Raises UsageError if the run has no such image, set or caption."""
    job_name, _, target = name.partition(":")
    job = next((each for each in run.jobs if each.name == job_name), None) if target else None
    wanted = name if job is None else target
    has_sets = run.folder.is_finished("sets")
    sets = run.sets() if has_sets else ()
    image_set = next((each for each in sets if wanted == each.id or wanted in each.keys), None)
    if job is not None:
        yield from _caption_lines(run, job, wanted, image_set)
        return
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
    """The image and its shard: the newer record if its file has changed.

    Raises UsageError if there is none.
    """
    shards, gone = run.folder.shards(), None
    encoded = msgspec.json.encode(key)
    for shard in shards:
        if encoded in run.folder.images_file(shard).read_bytes():  # decoding every record would be slow
            for image in run.folder.images(shard):
                if image.key == key and not image.is_gone:
                    return shard, image
                if image.key == key:
                    gone = shard, image
    if gone is not None:
        return gone
    near = did_you_mean(key, (image.key for shard in shards[:1] for image in run.folder.images(shard)))
    raise UsageError(
        f"no image {key} in {run.path}{near}; keys are listed in {run.path / 'images'}; expected"
        " one, the id of a set (set_...) or of a caption (JOB:KEY)",
        path=run.path,
    )


def _source_lines(run: Run, shard: str, image: ImageRecord) -> Iterator[str]:
    if image.unreadable is None and not image.size_bytes:
        yield f"source: an embedding of {shard}, without an image"
        return
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
            yield from (f"  {line}" for line in _caption_lines(run, job, target, image_set))


def _caption_lines(run: Run, job: Job, target: str, image_set: ImageSet | None) -> Iterator[str]:
    """What became of the caption of ``target``, an image key or a set id."""
    identifier = caption_id(job.name, target)
    if not run.folder.is_finished("sets"):
        yield f"{identifier} is not planned: sets are not finished"
        return
    first = target
    if job.is_multi:
        if image_set is None or image_set.id != target:
            raise UsageError(f"no set {target} in {run.path}; sets are listed in {run.folder.sets_file}")
        first = image_set.keys[0]
    shard, image = _find_image(run, first)
    in_shard = run.context.plan(job).read(shard, verdicts=True)
    planned = next((each for each in in_shard if each.target.id == identifier), None)
    if planned is None:
        yield f"{identifier} is not planned: {_why_not_planned(run, job, image)}"
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
    if key := changed_setting(run.folder, run.config.filtering):
        yield f"  {key} has changed since: the thresholds shown are the current ones"
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


def _why_not_planned(run: Run, job: Job, image: ImageRecord) -> str:
    if image.unreadable is not None:
        return f"the image can't be read: {image.unreadable}"
    for screened in run.screened():
        if screened.key == image.key:
            return f"the image is screened out: {screened.reason}"
    for duplicate in run.duplicates():
        if duplicate.key == image.key:
            return f"the image is a duplicate of {duplicate.of}"
    return (
        f"it isn't among the {job.limit:,} that {job.name} is limited to" if job.limit else "it was left out"
    )


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
