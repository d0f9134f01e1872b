"""Compares run.json with the files: the inputs and the counts that each stage noted, and the sets.

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
from triptych.verify import Findings

_SETS_AGAIN = "make the sets again with --fresh sets"
_ROUNDED = 1e-6


def check_sets(opened: Run, found: Findings) -> None:
    """Each set has the id of its images, in their order, and meets the conditions of its kind."""
    if not opened.folder.is_finished("sets"):
        return
    sets = list(opened.folder.sets())
    other = [each.id for each in sets if each.id != set_id(each.keys)]
    found.violations += [
        f"set {name} has other images, or in another order, than its id says; {_SETS_AGAIN}" for name in other
    ]
    wrong = [f"set {each.id}: {why}; {_SETS_AGAIN}" for each in sets if (why := _kind_fault(opened, each))]
    kinds = Counter[str](each.kind for each in sets)
    noted = opened.folder.run_file.stages["sets"].notes.get("sets_by_kind")
    if noted is not None and noted != as_note(kinds):
        wrong.append(f"sets: run.json notes {noted} by kind, the files have {as_note(kinds)}; {_SETS_AGAIN}")
    found.violations += wrong
    if not other and not wrong:
        named = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
        found.checks.append(
            f"{len(sets):,} sets have the ids of their images and meet the conditions of their kind: {named}"
        )


def _kind_fault(opened: Run, image_set: ImageSet) -> str:
    """Why a set can't be of its kind; empty if it can."""
    notes = opened.folder.run_file.stages["sets"].notes
    related, unlike = (notes.get(f"{name}_cosine_similarity") for name in ("related", "unlike"))
    lowest, mean = image_set.min_cosine_similarity, image_set.mean_cosine_similarity
    if (image_set.kind == "contrast") != (image_set.odd in image_set.keys):
        return f"a {image_set.kind} set has the odd image {image_set.odd!r}"
    if not isinstance(related, float) or not isinstance(unlike, float):
        return ""  # made before kinds were noted
    if image_set.kind == "related" and lowest < related - _ROUNDED:
        return f"its least alike images have {lowest}, and related ones {related} or more"
    if image_set.kind == "contrast" and lowest >= unlike + _ROUNDED:
        return f"its odd image has {lowest}, and unlike ones less than {unlike}"
    if image_set.kind == "varied" and mean >= unlike + _ROUNDED:
        return f"its images have {mean} on average, and unlike ones less than {unlike}"
    return ""


def check_inputs(opened: Run, found: Findings) -> None:
    """The inputs of each stage are what the stages before it wrote."""
    stale = [
        f"{with_verb(stage, 'are')} stale: {why}; {makes_again(stage, opened.path)}"
        for stage, why in stale_stages(opened.folder).items()
    ]
    stale += [] if stale else _stale_captions(opened)
    found.violations += stale
    if not stale:
        found.checks.append("each stage has read what the stages before it wrote")


def _stale_captions(opened: Run) -> Iterator[str]:
    """A line for each verdicts or export stage that read other captions than there are now."""
    readers = [name for name in opened.folder.every_stage if name.startswith(("verdicts", "export"))]
    noted = {stage: _inputs(opened.folder, stage).get("captions") for stage in readers}
    if not any(noted.values()):
        return
    now = digest_captions(opened.folder, opened.jobs, opened.progress)
    for stage, digest in noted.items():
        if digest is not None and digest != now:
            again = makes_again(stage, opened.path)
            yield f"{with_verb(stage, 'were')} made from other captions than there are now; {again}"


def _inputs(folder: RunFolder, stage: StageName) -> Mapping[str, str]:
    state = folder.run_file.stages.get(stage)
    return state.inputs if state is not None and state.finished else {}


def check_notes(folder: RunFolder, ledger: Ledger) -> Iterator[str]:
    """A line for each count in run.json that differs from the files."""
    images = ledger.images
    embedded = {"found": images.found, "unreadable": total_of(images.unreadable)}
    yield from _other_notes(folder, "embeddings", embedded)
    in_sets = {
        "sets": images.sets,
        "images_in_sets": images.in_sets,
        "duplicates": total_of(images.duplicates),
        "screened": total_of(images.screened),
    }
    yield from _other_notes(folder, "sets", in_sets)
    captions = folder.run_file.stages.get("captions")
    for job, counts in ledger.jobs.items():
        # The number planned differs for a sample, or if the sets were made again since.
        if captions is not None and captions.notes.get(f"{job}.planned") == counts.planned:
            made = {f"{job}.captioned": counts.captioned, f"{job}.failed": total_of(counts.failed)}
            yield from _other_notes(folder, "captions", made)
        yield from _other_notes(folder, "verdicts", {f"{job}.kept": counts.kept})


def _other_notes(folder: RunFolder, stage: StageName, counts: Mapping[str, int | None]) -> Iterator[str]:
    state = folder.run_file.stages.get(stage)
    if state is None or not state.finished:
        return
    for name, count in counts.items():
        noted = state.notes.get(name)
        if count is not None and noted is not None and noted != count:
            again = makes_again(stage, folder.path)
            yield f"{stage}: run.json notes {name} {noted}, the files have {count:,}; {again}"
