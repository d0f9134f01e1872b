"""Stops a job whose answers are useless, before hours are spent on it.

Comes in: finished groups, how answers are checked. Goes out: the same groups. Failures are held back until
the next caption comes. If none comes, the endpoint may have broken after thousands of good answers, or it may
refuse a whole folder of images: the failures are then written such that the same command asks for them again,
and continues if they fail again. Until a job has its first caption, useless texts are held back too; if none
comes, they are written as failures. Checks are treated alike. Not its job: faults of single answers (see
regenerate).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Set

import msgspec

from triptych.captioning.answer_check import USELESS, AnswerCheck
from triptych.captioning.backlog import as_retryable, is_of_image
from triptych.captioning.scheduler import FinishedGroup
from triptych.errors import SetupError
from triptych.records import Caption

MIN_USELESS = 20
"""A job is stopped after this many useless answers in a row, and at least as many as are in flight: refusals
come back fast, and may overtake the captions of other images."""


class Streak:
    """The useless answers since a job's last usable one, over all of its units on one engine."""

    def __init__(self, *, has_captions: bool = True) -> None:
        """Once a job ``has_captions``, any text is usable."""
        self.has_captions = has_captions
        self.useless, self.last = 0, ""


def stop_where_useless(
    batches: Iterator[list[FinishedGroup]],
    job: str,
    stopping: threading.Event,
    check: AnswerCheck | None = None,
    *,
    at_a_time: int = 1,
    streak: Streak | None = None,
    is_part: bool = False,
    failed_before: Set[str] = frozenset(),
    stage: str = "captions",
) -> Iterator[list[FinishedGroup]]:
    """Pass on ``batches`` of a job that has ``at_a_time`` requests in flight.

    Without ``check`` any text is usable. Ids that ``failed_before`` and fail again are ignored once the job
    has captions. ``is_part``: other units have more of its answers. Raises SetupError, naming the ``stage``,
    after MIN_USELESS useless answers in a row, and at the end of a whole job without a single usable answer.
    """
    streak, is_over, held = streak or Streak(), False, list[FinishedGroup]()
    error: Exception | None = None
    try:
        for batch in batches:
            passed: list[FinishedGroup] = []
            for finished in batch:
                any_text = streak.has_captions
                faults = _faults(finished, None, failed_before) if any_text else _faults(finished, check)
                if is_over:  # it was in flight
                    held.append(finished)
                elif None in faults:
                    passed += [*held, finished]
                    held, streak.useless, streak.has_captions = [], 0, True
                elif useless := [fault for fault in faults if fault]:
                    held.append(finished)
                    streak.useless, streak.last = streak.useless + len(useless), useless[-1]
                else:
                    passed.append(finished)
            yield passed
            if streak.useless >= max(MIN_USELESS, at_a_time):
                is_over = True
                stopping.set()
    except Exception as raised:
        error = raised
    had_captions = streak.has_captions
    streak.has_captions |= is_over and any(None in _faults(each, check) for each in held)
    if not streak.has_captions:
        held = [_as_failures(each, check) for each in held]
    elif is_over:
        held = [_with_retryable_failures(each) for each in held]
    elif error is not None or stopping.is_set():
        held = [each for each in held if any(row.failure is None for row in each.rows)]
    yield held
    if error is not None:
        raise error
    if is_over or (streak.useless and not (streak.has_captions or is_part or stopping.is_set())):
        raise useless_answers_error(job, streak.useless, streak.last, stage, had_captions=had_captions)


def useless_answers_error(
    job: str, answers: int, last: str, stage: str = "captions", *, had_captions: bool = False
) -> SetupError:
    """The error of a job that has no caption, or whose last answers were all useless."""
    hint = ""
    if had_captions:
        hint = ", which asks for them again and goes on where they fail again"
    elif stage == "captions":
        hint = " (captioning.ask_again=0 takes any text)"
    return SetupError(
        f"{stage} {job}: not one of {answers} answers is of use; the last one: {last[:150]}; mend that"
        f" and run the same command{hint}"
    )


def _with_retryable_failures(finished: FinishedGroup) -> FinishedGroup:
    """The group with failures that the same command asks for again."""
    rows = [
        msgspec.structs.replace(row, failure=as_retryable(row.failure)) if row.failure else row
        for row in finished.rows
    ]
    return msgspec.structs.replace(finished, rows=rows)


def _as_failures(finished: FinishedGroup, check: AnswerCheck | None) -> FinishedGroup:
    """The group with its texts turned into failures that quote them."""
    rows = [
        msgspec.structs.replace(row, text="", failure=fault) if fault else row
        for row, fault in zip(finished.rows, _faults(finished, check), strict=True)
    ]
    return msgspec.structs.replace(finished, rows=rows)


def _faults(
    finished: FinishedGroup, check: AnswerCheck | None, known: Set[str] = frozenset()
) -> list[str | None]:
    return ["" if row.failure and row.id in known else _fault(row, finished, check) for row in finished.rows]


def _fault(row: Caption, finished: FinishedGroup, check: AnswerCheck | None) -> str | None:
    """What is wrong with an answer. Empty: a failure of the image. None: the answer is usable."""
    if row.failure is not None:
        return "" if is_of_image(row.failure) else row.failure
    if check is None:
        return None
    images = next(len(target.images) for target in finished.group.targets if target.id == row.id)
    defect = check.defect_of_text(row.text, row.finish_reason, images)
    return f"{defect}: {row.text!r}" if defect in USELESS else None
