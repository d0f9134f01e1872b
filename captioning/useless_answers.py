"""Stops a job whose answers are of no use, before hours are spent on it, and lets them be asked again.

Comes in: groups as they are finished, how answers are checked. Goes out: the same groups. What failed is held
back until a caption comes. Where none does, it may be the endpoint, which turned bad after thousands of good
answers, or a folder of pictures that it doesn't like: what is written lets the same command ask again, and go
on where they fail again. Until a job has its first caption, texts that nobody would want are held
back too; where none comes, they are written as failures. Answers to a check's questions likewise. Not its
job: faults of single answers (see regenerate).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Set

import msgspec

from triptych.captioning.answer_check import USELESS, AnswerCheck
from triptych.captioning.backlog import is_of_image, to_ask_again
from triptych.captioning.scheduler import FinishedGroup
from triptych.errors import SetupError
from triptych.records import Caption

ENOUGH = 20
"""So many answers without a usable one between, and at least as many as are asked for at a time: the fault
isn't theirs. Fewer could be refusals that came fast, while captions of the others are on their way."""


class Streak:
    """The answers of a job since the last usable one, of all units of it that an engine is given.

    Where it ``has_captions`` any text is usable.
    """

    def __init__(self, *, has_captions: bool = True) -> None:
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
    """``batches`` of a job, of which ``at_a_time`` are asked for together. Without a ``check`` any text is
    usable.

    What ``failed_before``, by id, and fails again beside captions of others, doesn't count and isn't held.
    Raises SetupError, in the name of a ``stage``, at ENOUGH answers of which none is; at the end of a job
    where not one was, unless this is a part of it.
    """
    streak = streak or Streak()
    held: list[FinishedGroup] = []
    is_over = False
    error: Exception | None = None
    try:
        for batch in batches:
            passed: list[FinishedGroup] = []
            for finished in batch:
                known = failed_before if streak.has_captions else frozenset()
                faults = _faults(finished, None if streak.has_captions else check, known)
                if is_over:  # it was in flight
                    held.append(finished)
                elif None in faults:
                    passed += [*held, finished]
                    held, streak.useless, streak.has_captions = [], 0, True
                elif found := [fault for fault in faults if fault]:
                    held.append(finished)
                    streak.useless, streak.last = streak.useless + len(found), found[-1]
                else:
                    passed.append(finished)
            yield passed
            if streak.useless >= max(ENOUGH, at_a_time) and not is_over:
                is_over = True
                stopping.set()
    except Exception as raised:
        error = raised
    had_captions = streak.has_captions
    if is_over and not had_captions:
        streak.has_captions = any(None in _faults(each, check) for each in held)
    if not streak.has_captions:
        yield [_as_failures(each, check) for each in held]
    elif is_over:
        yield [_for_the_next(each) for each in held]
    elif error is not None or stopping.is_set():
        yield [each for each in held if not _has_failed(each)]
    else:
        yield held
    if error is not None:
        raise error
    ended = not (is_part or stopping.is_set())
    if is_over or (ended and streak.useless and not streak.has_captions):
        raise none_is_of_use(job, streak.useless, streak.last, stage, had_captions=had_captions)


def none_is_of_use(
    job: str, answers: int, last: str, stage: str = "captions", *, had_captions: bool = False
) -> SetupError:
    """What a job ends with that has no caption, or whose answers are of no use any more."""
    hint = ""
    if had_captions:
        hint = ", which asks for them again and goes on where they fail again"
    elif stage == "captions":
        hint = " (captioning.ask_again=0 takes any text)"
    return SetupError(
        f"{stage} {job}: not one of {answers} answers is of use; the last one: {last[:150]}; mend that"
        f" and run the same command{hint}"
    )


def _has_failed(finished: FinishedGroup) -> bool:
    return all(row.failure is not None for row in finished.rows)


def _for_the_next(finished: FinishedGroup) -> FinishedGroup:
    """With failures that the same command asks for again."""
    rows = [
        msgspec.structs.replace(row, failure=to_ask_again(row.failure)) if row.failure else row
        for row in finished.rows
    ]
    return msgspec.structs.replace(finished, rows=rows)


def _as_failures(finished: FinishedGroup, check: AnswerCheck | None) -> FinishedGroup:
    """With what is wrong with a text, and the text, in place of it."""
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
    """What is wrong with an answer; empty where an image is to blame; None where it can be used."""
    if row.failure is not None:
        return "" if is_of_image(row.failure) else row.failure
    if check is None:
        return None
    images = next(len(target.images) for target in finished.group.targets if target.id == row.id)
    defect = check.defect_of_text(row.text, row.finish_reason, images)
    return f"{defect}: {row.text!r}" if defect in USELESS else None
