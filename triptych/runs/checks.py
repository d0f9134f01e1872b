"""Checks of captions in a run folder: a checker's answers on whether statements are true of their images.

    RUN/checks/<job>/<checker>/<shard>.jsonl    journals, one line per statement and image
    RUN/checks/<job>/<checker>/checker.json     the checker's settings and prompt

Comes in: a run folder. Goes out: checks by caption. Each checker has its own folder. run.json names the
current one, which changes when all of its questions are answered, and the sizes of its journals then: a
smaller one is an error. A check counts only for the caption text and the images that it was made with. Not
its job: making checks (see captioning.checking).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from triptych.errors import SetupError
from triptych.records import Caption, StatementCheck, content_of
from triptych.runs.folder import RunFolder
from triptych.runs.journal import read_journal
from triptych.runs.jsonl import make_folder, written_whole
from triptych.runs.plan import Target
from triptych.runs.sampling import in_words
from triptych.runs.stage_record import JobChecks, Setting

FOLDER = "checks"
FILE_NAME = "checker.json"


class Checker(msgspec.Struct, frozen=True, kw_only=True):
    """The model that checks captions, and its settings."""

    settings: dict[str, Setting]
    """Engine, model, image sizes and sampling (see captioning.fingerprint)."""
    identity: dict[str, str]
    """What the engine reported about its model."""
    prompt: str
    """The hash of the question."""

    @property
    def name(self) -> str:
        """The name of its folder: a readable part of the model's name, and a digest of everything."""
        settings = self.settings
        model = str(settings.get("model") or self.identity.get("served_model") or settings["engine"])
        model = model.partition(", sha256 ")[0].rstrip("/").rpartition("/")[2]
        digest = hashlib.blake2b(msgspec.json.encode(self, order="deterministic"), digest_size=4).hexdigest()
        return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', model)[:40]}-{digest}"


def checks_file(run: RunFolder, job: str, checker: str, shard: str) -> Path:
    """The path of a shard's journal."""
    return run.path / FOLDER / job / checker / f"{shard}.jsonl"


def begin_checks(run: RunFolder, job: str, checker: Checker) -> None:
    """Make the folder for this checker's checks of ``job``. It becomes current if there is no other."""
    folder = run.path / FOLDER / job / checker.name
    if not (folder / FILE_NAME).exists():
        make_folder(folder)
        with written_whole(folder / FILE_NAME) as file:
            file.write(msgspec.json.format(msgspec.json.encode(checker)))
    if job not in run.run_file.checks:
        use_checks(run, job, checker)


def use_checks(run: RunFolder, job: str, checker: Checker) -> None:
    """Make this checker the current one of ``job``. The checks of the one before stay on disk."""
    if run.run_file.checks.get(job) != checker.name:
        run.run_file.checks[job] = checker.name
        forget_outcome(run, job)


def note_outcome(run: RunFolder, job: str, found: JobChecks) -> None:
    """Store the outcome of the current checks of ``job``, and the sizes of their journals."""
    run.run_file.checked[job] = found
    run.run_file.answers_left[job] = _journal_sizes(run, job)
    run.save()


def forget_outcome(run: RunFolder, job: str) -> None:
    """Forget the outcome of the checks of ``job``, as the checker has changed or answers were set aside."""
    run.run_file.checked.pop(job, None)
    run.run_file.answers_left.pop(job, None)
    run.save()


def refuse_lost_answers(run: RunFolder, jobs: Iterable[str]) -> None:
    """Raise SetupError if answers are missing: captions that they denied would be kept."""
    for line in lost_answer_lines(run, jobs):
        raise SetupError(f"{run.path}: {line}", path=run.path)


def lost_answer_lines(run: RunFolder, jobs: Iterable[str]) -> list[str]:
    """A line for each of ``jobs`` with missing answers, with what to do."""
    return [
        f"{each}; restore them, or run `triptych check {run.path}` to ask again;"
        f" `triptych repair {run.path}` accepts the loss"
        for each in lost_answers(run, jobs).values()
    ]


def lost_answers(run: RunFolder, jobs: Iterable[str]) -> dict[str, str]:
    """The jobs that have lost answers since their last check, with a message. Compares sizes of journals."""
    lost: dict[str, str] = {}
    for job in jobs:
        left, now = run.run_file.answers_left.get(job, {}), _journal_sizes(run, job)
        if shorter := [name for name, size in left.items() if now.get(name, 0) < size]:
            lost[job] = (
                f"checks of {job}: answers are missing from {len(shorter):,} of {len(left):,} journals, first"
                f" from {_folder(run, job)}/{shorter[0]}"
            )
    return lost


def read_checks(
    run: RunFolder, job: str, shard: str, checker: str | None = None
) -> Mapping[str, list[StatementCheck]]:
    """The checks of ``checker``, or of the current one, by caption. Of several answers to one question about
    the same text, the last one counts."""
    checker = checker or run.run_file.checks.get(job)
    if checker is None:
        return {}
    journal = read_journal(checks_file(run, job, checker, shard), StatementCheck)
    rows = {(each.id, each.content): each for each in journal}
    found: dict[str, list[StatementCheck]] = {}
    for each in rows.values():
        found.setdefault(each.caption, []).append(each)
    return found


def checked_content(caption: Caption, target: Target) -> str:
    """A digest of a caption's text and its target's content, which a check refers to."""
    return content_of([hashlib.blake2b(caption.text.encode(), digest_size=16).hexdigest(), target.content])


def checks_of_caption(
    checks: Sequence[StatementCheck], caption: Caption, target: Target
) -> list[StatementCheck]:
    """The ``checks`` that refer to the caption's current text and images."""
    content = checked_content(caption, target)
    return [each for each in checks if each.content == content]


def untruths(
    checks: Sequence[StatementCheck], caption: Caption, target: Target
) -> dict[tuple[int, int], float]:
    """The probability that each answered statement of a caption is untrue, by its place in the text. Of
    several images, the one that it fits least counts.

    An answer without a probability counts as certain, and an unclear one isn't counted.
    """
    found: dict[tuple[int, int], float] = {}
    for each in checks_of_caption(checks, caption, target):
        if (chance := _untruth(each)) is not None:
            found[each.start, each.end] = max(chance, found.get((each.start, each.end), 0.0))
    return found


def worst_answer(checks: Sequence[StatementCheck]) -> float:
    """The highest probability that a statement is untrue; 0 if none was answered."""
    return max((chance for each in checks if (chance := _untruth(each)) is not None), default=0.0)


def _untruth(check: StatementCheck) -> float | None:
    """The probability that a statement is untrue; None if the answer is unclear or about another image."""
    if check.answer not in ("yes", "no") or check.is_swapped:
        return None
    return float(check.answer == "no") if check.yes_probability is None else 1 - check.yes_probability


def untruth_of(
    checks: Sequence[StatementCheck], caption: Caption, target: Target, removed: Sequence[str] = ()
) -> float | None:
    """The highest probability that a statement of a caption is untrue, ignoring the sentences ``removed``;
    None if none was answered."""
    found = untruths(checks, caption, target).items()
    return max((each for (start, end), each in found if caption.text[start:end] not in removed), default=None)


def denied_of(checks: Sequence[StatementCheck], caption: Caption, target: Target) -> list[StatementCheck]:
    """The statements of a caption that are more likely untrue than true, in the order of the text."""
    found = checks_of_caption(checks, caption, target)
    return sorted((each for each in found if (_untruth(each) or 0) > 0.5), key=lambda each: each.start)


def check_outcome(run: RunFolder, job: str) -> JobChecks | None:
    """The outcome of the checks of a job's current captions; None if there is none or answers are missing."""
    found = run.run_file.checked.get(job)
    is_known = found is not None and found.made_of == run.captions_mark(job)
    return found if is_known and not lost_answers(run, [job]) else None


def check_outcomes(run: RunFolder, jobs: Sequence[str]) -> dict[str, JobChecks]:
    """The outcome for each of ``jobs`` that has one."""
    found = {job: check_outcome(run, job) for job in jobs}
    return {job: each for job, each in found.items() if each is not None}


def outcome_lines(found: JobChecks) -> Iterator[str]:
    """The outcome of checks in words."""
    if found.captions:
        denied = in_words(found.denied, found.captions)
        yield f"{found.captions:,} captions checked, {found.denied:,} with a statement denied: {denied}"
    if found.swapped:
        elsewhere = in_words(found.hold_elsewhere, found.swapped)
        yield f"of {found.swapped:,} statements on one image {elsewhere} hold for another of its set as well"


def check_folders(run: RunFolder, jobs: Sequence[str]) -> list[str]:
    """The folders of current checks, as paths below the run folder."""
    chosen = [_folder(run, job) for job in jobs if job in run.run_file.checks]
    return [name for name in chosen if (run.path / name).is_dir()]


def _folder(run: RunFolder, job: str) -> str:
    return f"{FOLDER}/{job}/{run.run_file.checks.get(job, 'none')}"


def _journal_sizes(run: RunFolder, job: str) -> dict[str, int]:
    """The sizes of the journals with the current answers, by their paths in the checker's folder."""
    root = run.path / _folder(run, job)
    return {path.relative_to(root).as_posix(): path.stat().st_size for path in sorted(root.rglob("*.jsonl"))}
