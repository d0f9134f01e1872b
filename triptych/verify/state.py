"""What run.json says of the stages, recounted: what each has read, what it noted.

Comes in: a run, its ledger. Goes out: findings. Not its job: the bytes of files (see files).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from triptych.api import Run
from triptych.records import ImageSet, set_id
from triptych.runs.captions_digest import digest_captions
from triptych.runs.folder import RunFolder
from triptych.runs.ledger import Ledger, total_of
from triptych.runs.ledger.noted import as_note
from triptych.runs.stage_record import StageName, with_verb
from triptych.runs.staleness import makes_again, stale_stages
from triptych.verify.findings import Findings

_SETS_AGAIN = "make the sets again with --fresh sets"
_ROUNDED = 1e-6


def check_sets(opened: Run, found: Findings) -> None:
    """The id of each set is that of its images, in their order; what it says of them is as its kind asks."""
    if not opened.folder.is_finished("sets"):
        return
    sets = list(opened.folder.sets())
    other = [each.id for each in sets if each.id != set_id(each.keys)]
    found.violations += [
        f"set {name} has other images, or in another order, than its id says; {_SETS_AGAIN}" for name in other
    ]
    wrong = [
        f"set {each.id}: {why}; {_SETS_AGAIN}" for each in sets if (why := _unlike_its_kind(opened, each))
    ]
    kinds = Counter[str](each.kind for each in sets)
    noted = opened.folder.run_file.stages["sets"].notes.get("sets_by_kind")
    if noted is not None and noted != as_note(kinds):
        wrong.append(f"sets: run.json notes {noted} by kind, the files have {as_note(kinds)}; {_SETS_AGAIN}")
    found.violations += wrong
    if not other and not wrong:
        named = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
        found.checks.append(
            f"{len(sets):,} sets have the ids of their images, and what their kind asks: {named}"
        )


def _unlike_its_kind(opened: Run, image_set: ImageSet) -> str:
    """What a set says that one of its kind can't; empty where nothing."""
    notes = opened.folder.run_file.stages["sets"].notes
    related, unlike = (notes.get(f"{name}_cosine_similarity") for name in ("related", "unlike"))
    lowest, mean = image_set.min_cosine_similarity, image_set.mean_cosine_similarity
    if (image_set.kind == "contrast") != (image_set.odd in image_set.keys):
        return f"a {image_set.kind} set has the odd image {image_set.odd!r}"
    if not isinstance(related, float) or not isinstance(unlike, float):
        return ""  # of before kinds were noted
    if image_set.kind == "related" and lowest < related - _ROUNDED:
        return f"its least alike images have {lowest}, and related ones {related} or more"
    if image_set.kind == "contrast" and lowest >= unlike + _ROUNDED:
        return f"its odd image has {lowest}, and unlike ones less than {unlike}"
    if image_set.kind == "varied" and mean >= unlike + _ROUNDED:
        return f"its images have {mean} on average, and unlike ones less than {unlike}"
    return ""


def check_inputs(opened: Run, found: Findings) -> None:
    """What each stage has read is what the stages before it have left."""
    stale = [
        f"{with_verb(stage, 'are')} stale: {why}; {makes_again(stage, opened.path)}"
        for stage, why in stale_stages(opened.folder).items()
    ]
    stale += [] if stale else _stale_captions(opened)
    found.violations += stale
    if not stale:
        found.checks.append("each stage has read what the stages before it left")


def _stale_captions(opened: Run) -> Iterator[str]:
    """Verdicts and exports, whose input is what captions say."""
    readers = [name for name in opened.folder.every_stage if name.startswith(("verdicts", "export"))]
    noted = {stage: _inputs(opened.folder, stage).get("captions") for stage in readers}
    if not any(noted.values()):
        return
    now = digest_captions(opened.folder, opened.jobs, opened.progress)
    for stage, digest in noted.items():
        if digest is not None and digest != now:
            again = makes_again(stage, opened.path)
            yield f"{with_verb(stage, 'were')} made of other captions than there are now; {again}"


def _inputs(folder: RunFolder, stage: StageName) -> Mapping[str, str]:
    state = folder.run_file.stages.get(stage)
    return state.inputs if state is not None and state.finished else {}


def check_notes(folder: RunFolder, ledger: Ledger) -> Iterator[str]:
    """A line for each count that run.json has otherwise than the files."""
    images = ledger.images
    found, unreadable = images.found, total_of(images.unreadable)
    yield from _other_notes(folder, "embeddings", {"found": found, "unreadable": unreadable})
    duplicates = total_of(images.duplicates)
    screened = total_of(images.screened)
    in_sets = {
        "sets": images.sets,
        "images_in_sets": images.in_sets,
        "duplicates": duplicates,
        "screened": screened,
    }
    yield from _other_notes(folder, "sets", in_sets)
    captions = folder.run_file.stages.get("captions")
    for job, counts in ledger.jobs.items():
        # Of a sample, or before the sets were made again, another number was planned.
        if captions is not None and captions.notes.get(f"{job}.planned") == counts.planned:
            made = {f"{job}.captioned": counts.captioned, f"{job}.failed": total_of(counts.failed)}
            yield from _other_notes(folder, "captions", made)
        yield from _other_notes(folder, "verdicts", {f"{job}.kept": counts.kept})


def _other_notes(folder: RunFolder, stage: StageName, counts: Mapping[str, int | None]) -> Iterator[str]:
    state = folder.run_file.stages.get(stage)
    for name, count in counts.items() if state is not None and state.finished else ():
        noted = state.notes.get(name) if state is not None else None
        if count is not None and noted is not None and noted != count:
            again = makes_again(stage, folder.path)
            yield f"{stage}: run.json notes {name} {noted}, the files have {count:,}; {again}"
