"""Stops a job whose answers are of no use, before hours are spent on it, and lets them be asked again.

Comes in: groups as they are finished, how answers are checked. Goes out: the same groups. What failed is held
back until a caption comes, so that nothing is recorded of an endpoint that turned bad after thousands of good
answers: the same command asks again. Until a job has its first caption, texts that nobody would want are held
back too. Not its job: faults of single answers (see regenerate).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Set

from triptych.captioning.answer_check import USELESS, AnswerCheck
from triptych.captioning.backlog import is_of_image
from triptych.captioning.scheduler import FinishedGroup
from triptych.errors import SetupError
from triptych.records import Caption

ENOUGH = 20
"""So many answers without a usable one between: the fault isn't theirs."""


def stop_where_useless(
    batches: Iterator[list[FinishedGroup]],
    job: str,
    stopping: threading.Event,
    check: AnswerCheck | None = None,
    *,
    has_captions: bool = True,
    failed_before: Set[str] = frozenset(),
) -> Iterator[list[FinishedGroup]]:
    """``batches`` of a job. Where it ``has_captions``, or without a ``check``, any text is usable.

    What ``failed_before``, by id, and fails again beside captions of others, doesn't count and isn't held.
    Raises SetupError at ENOUGH answers of which none is; at the end of a job where not one was.
    """
    held: list[FinishedGroup] = []
    useless, last = 0, ""
    for batch in batches:
        passed: list[FinishedGroup] = []
        for finished in batch:
            known = failed_before if has_captions else ()
            faults = [
                ""
                if row.failure and row.id in known
                else _fault(row, finished, None if has_captions else check)
                for row in finished.rows
            ]
            if None in faults:
                passed += [*held, finished]
                held, useless, has_captions = [], 0, True
            elif found := [fault for fault in faults if fault]:
                held.append(finished)
                useless, last = useless + len(found), found[-1]
            else:
                passed.append(finished)
        yield passed
        if useless >= ENOUGH:
            break
    if useless < ENOUGH and not stopping.is_set():
        yield held if has_captions else [each for each in held if _has_failed(each)]
    elif useless >= ENOUGH and has_captions:
        stopping.set()
        for batch in batches:  # what other endpoints still bring
            yield [each for each in batch if not _has_failed(each)]
    if useless >= ENOUGH or (useless and not has_captions and not stopping.is_set()):
        raise SetupError(
            f"captions {job}: not one of {useless} answers is of use; the last one: {last}; mend that and"
            " run the same command (captioning.ask_again=0 takes any text)"
        )


def _has_failed(finished: FinishedGroup) -> bool:
    return all(row.failure is not None for row in finished.rows)


def _fault(row: Caption, finished: FinishedGroup, check: AnswerCheck | None) -> str | None:
    """What is wrong with an answer; empty where an image is to blame; None where it can be used."""
    if row.failure is not None:
        return "" if is_of_image(row.failure) else row.failure
    if check is None:
        return None
    images = next(len(target.images) for target in finished.group.targets if target.id == row.id)
    defect = check.defect_of_text(row.text, row.finish_reason, images)
    return f"{defect}: {row.text[:120]!r}" if defect in USELESS else None
