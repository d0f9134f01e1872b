"""`triptych verify`: reads everything that a run wrote, and recounts it.

Comes in: a run. Goes out: the checks that passed, with counts, and the violations. Cached digests are not
trusted: every file is read. Not its job: repairing anything (see triptych.repair).
"""

from __future__ import annotations

from functools import partial

from triptych.api import Run
from triptych.errors import TriptychError
from triptych.runs.ledger import Ledger
from triptych.runs.stage_record import STAGE_NAMES, is_export, with_verb
from triptych.runs.staleness import command_of, stale_stages
from triptych.verify import Findings
from triptych.verify.files import check_embeddings, check_files, check_journals, check_twice_written
from triptych.verify.images import ImageCheck, check_images
from triptych.verify.state import check_inputs, check_notes, check_sets


def verify_run(opened: Run, images: ImageCheck) -> Findings:
    """Check run.json, the ledger, the files of all stages, the images, and the export if there is one.

    Never raises because of damage.
    """
    found = Findings()
    for check in (
        check_twice_written,
        check_files,
        check_journals,
        _check_ledger,
        check_sets,
        check_inputs,
        check_embeddings,
        partial(check_images, asked=images),
        _check_export,
    ):
        try:
            check(opened, found)
        except (OSError, TriptychError) as error:
            found.violations.append(str(error))
        except Exception as error:  # damage may raise anything; the other checks go on
            name = getattr(check, "__name__", "check_images").strip("_").replace("_", " ")
            found.violations.append(
                f"{name} ended with {type(error).__name__}: {error}; is something damaged?"
            )
    found.violations = list(dict.fromkeys(found.violations))
    return found


def _check_ledger(opened: Run, found: Findings) -> None:
    """Every image and every planned caption is accounted for, and run.json has the same counts."""
    ledger, folder = opened.ledger(opened.progress), opened.folder
    violations = [f"{each}; {_remedy(each, opened)}" for each in ledger.violations()]
    violations += [
        f"{with_verb(stage, 'were')} begun and not finished; `{command_of(stage, folder.path)}` resumes"
        for stage in folder.every_stage
        if stage in folder.run_file.stages and not folder.is_finished(stage)
    ]
    violations += check_notes(folder, ledger)
    found.violations += violations
    if not violations:
        found.checks.append(_summary(ledger, opened))


def _summary(ledger: Ledger, opened: Run) -> str:
    planned = sum(counts.planned or 0 for counts in ledger.jobs.values())
    missing = [stage for stage in STAGE_NAMES if stage not in opened.folder.run_file.stages]
    return f"the ledger adds up: {ledger.images.found or 0:,} images, {planned:,} captions planned" + (
        f"; not asked for yet: {', '.join(missing)}" if missing else ""
    )


def _remedy(violation: str, opened: Run) -> str:
    """How to resolve a contradiction in the ledger."""
    if "has other counts" in violation:
        return "remove the file, so that journals are counted again"
    if "is captioned twice" in violation:
        return f"`triptych repair {opened.path}` removes all but the last"
    if "planned, but" in violation or not opened.folder.is_finished("captions"):
        return "`triptych run` makes what is missing"
    if "verdict" in violation or "judged" in violation:
        return "make the verdicts again with --fresh verdicts"
    return "make the sets again with --fresh sets"


def _check_export(opened: Run, found: Findings) -> None:
    """The exported files, where there are any. The rows of a stale export needn't be those of the run."""
    from triptych.export.check.export import check_export

    stale = stale_stages(opened.folder)
    for stage in opened.folder.every_stage:
        if is_export(stage) and opened.folder.is_finished(stage) and stage not in stale:
            passed, violations = check_export(opened.folder.with_export(stage), opened.progress)
            named = stage.partition("/")[2]
            place, to = (f"{stage}: ", f" --to {named}") if named else ("", "")
            found.checks += (f"{place}{each}" for each in passed)
            found.violations += [f"{place}{each}; --fresh export{to} writes it again" for each in violations]
