"""The captions that dropped copies repeat.

Comes in: ids of captions that were drawn for the page. Goes out: the images that each is on, and its text.
Not its job: finding copies (see filtering).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from triptych.records import JOB_NAMES, JobName, is_multi, target_of
from triptych.report.places import Place
from triptych.runs.folder import RunFolder


def keys_of(run: RunFolder, ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The image keys of each caption, in order. One of a set that is not there any more is left out."""
    of_sets = {identifier for identifier in ids if is_multi(job_of(identifier))}
    wanted = {target_of(identifier) for identifier in of_sets}
    sets = {one.id: one.keys for one in (run.sets() if wanted else ()) if one.id in wanted}
    found = {identifier: sets.get(target_of(identifier)) for identifier in of_sets}
    return {identifier: (target_of(identifier),) for identifier in ids if identifier not in of_sets} | {
        identifier: keys for identifier, keys in found.items() if keys is not None
    }


def texts_of(
    run: RunFolder, keys: Mapping[str, tuple[str, ...]], places: Mapping[str, Place]
) -> dict[str, str]:
    """The text of each caption. A caption is filed under the shard of its first image."""
    wanted: dict[tuple[JobName, str], set[str]] = {}
    for identifier, images in keys.items():
        if images[0] in places:
            wanted.setdefault((job_of(identifier), places[images[0]].shard), set()).add(identifier)
    return {
        caption.id: caption.text
        for (job, shard), ids in wanted.items()
        for caption in run.captions(job, shard)
        if caption.id in ids
    }


def job_of(identifier: str) -> JobName:
    """The job of a caption id."""
    return next(job for job in JOB_NAMES if identifier.startswith(f"{job}:"))
