"""Stops a job of which no answer is of any use, before hours are spent on it.

Comes in: groups as they are finished, how answers are checked. Goes out: the same groups. Until one answer is
usable, texts that nobody would want are held back: where none is, they are not written, and the same command
asks again. Failures are written at once. Not its job: faults of single answers (see regenerate).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from triptych.captioning.answer_check import USELESS, AnswerCheck
from triptych.captioning.backlog import is_of_image
from triptych.captioning.scheduler import FinishedGroup
from triptych.errors import SetupError
from triptych.records import Caption

ENOUGH = 20
"""So many answers of a job, none of which is usable, say it of all."""


def stop_if_useless(
    batches: Iterator[list[FinishedGroup]], job: str, check: AnswerCheck | None, stopping: threading.Event
) -> Iterator[list[FinishedGroup]]:
    """``batches`` of a job that has no caption yet. Without a ``check`` any text is usable.

    Raises SetupError at ENOUGH answers of which none is, or at the end of the job.
    """
    held: list[FinishedGroup] = []
    useless, last = 0, ""
    for batch in batches:
        faults = [[_fault(row, finished, check) for row in finished.rows] for finished in batch]
        if any(None in of_group for of_group in faults):
            yield [*held, *batch]
            yield from batches
            return
        found = [fault for of_group in faults for fault in of_group if fault]
        useless, last = useless + len(found), (found or [last])[-1]
        passed = [each for each in batch if all(row.failure is not None for row in each.rows)]
        held += [each for each in batch if each not in passed]
        if passed:
            yield passed
        if useless >= ENOUGH:
            break
    if useless and (useless >= ENOUGH or not stopping.is_set()):
        raise SetupError(
            f"captions {job}: not one of {useless} answers is of use; the last one: {last}; mend that and"
            " run the same command (captioning.ask_again=0 takes any text)"
        )


def _fault(row: Caption, finished: FinishedGroup, check: AnswerCheck | None) -> str | None:
    """What is wrong with an answer; empty where an image is to blame; None where it can be used."""
    if row.failure is not None:
        return "" if is_of_image(row.failure) else row.failure
    if check is None:
        return None
    images = next(len(target.images) for target in finished.group.targets if target.id == row.id)
    defect = check.defect_of_text(row.text, row.finish_reason, images)
    return f"{defect}: {row.text[:120]!r}" if defect in USELESS else None
