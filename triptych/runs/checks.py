"""Where checks of captions lie, and which of them count.

    RUN/checks/<job>/<checker>/<shard>.jsonl    journals, a line a statement and image
    RUN/checks/<job>/<checker>/checker.json     who was asked, with which prompt

Comes in: a run folder. Goes out: checks by caption. Another checker's lie beside those before; run.json says
which count: the new ones once all were asked, and how many there were then: who reads fewer stops. A check
counts for the caption that it was made of: of another text, or of an image that shows something else now, it
doesn't. Not its job: making checks (see captioning.checking).
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
from triptych.runs.shares import in_words
from triptych.runs.stage_record import AnswersLeft, Extent, JobChecks, Setting

FOLDER = "checks"
FILE_NAME = "checker.json"


class Checker(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked, and what."""

    settings: dict[str, Setting]
    """Engine and model, what they are shown, how answers are drawn (see captioning.fingerprint)."""
    identity: dict[str, str]
    """What the engine turned out to run."""
    prompt: str
    """The hash of the question."""

    @property
    def name(self) -> str:
        """Of its folder: a part of the model's name for people, a digest of all of it."""
        settings = self.settings
        model = str(settings.get("model") or self.identity.get("served_model") or settings["engine"])
        model = model.partition(", sha256 ")[0].rstrip("/").rpartition("/")[2]
        digest = hashlib.blake2b(msgspec.json.encode(self, order="deterministic"), digest_size=4).hexdigest()
        return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', model)[:40]}-{digest}"


def checks_file(run: RunFolder, job: str, checker: str, shard: str) -> Path:
    """The journal of a shard."""
    return run.path / FOLDER / job / checker / f"{shard}.jsonl"


def begin_checks(run: RunFolder, job: str, checker: Checker) -> None:
    """Make room for this checker's checks of ``job``. They count from now on where none did before."""
    folder = run.path / FOLDER / job / checker.name
    if not (folder / FILE_NAME).exists():
        make_folder(folder)
        with written_whole(folder / FILE_NAME) as file:
            file.write(msgspec.json.format(msgspec.json.encode(checker)))
    if job not in run.run_file.checks:
        use_checks(run, job, checker)


def use_checks(run: RunFolder, job: str, checker: Checker) -> None:
    """From now on this checker's checks of ``job`` count; those that there were lie there still."""
    if run.run_file.checks.get(job) != checker.name:
        run.run_file.checks[job] = checker.name
        forget_outcome(run, job)


def note_outcome(run: RunFolder, job: str, found: JobChecks) -> None:
    """Remember what came of the checks of ``job`` that count, and how much there is of them."""
    run.run_file.checked[job] = found
    there = _extent(run, job)
    run.run_file.checks_left[job] = AnswersLeft(there.files, there.size_bytes, _answers(run, job))
    run.save()


def forget_outcome(run: RunFolder, job: str) -> None:
    """Others count now, or fewer on purpose: what came of them isn't known until they are asked for again."""
    run.run_file.checked.pop(job, None)
    run.run_file.checks_left.pop(job, None)
    run.save()


def refuse_lost_answers(run: RunFolder, jobs: Iterable[str]) -> None:
    """Raise SetupError where answers have gone that counted: captions that were denied would be kept."""
    if lost := lost_answers(run, jobs):
        raise SetupError(f"{run.path}: {', '.join(lost.values())}; {_ask_again(run)}", path=run.path)


def lost_lines(run: RunFolder, jobs: Iterable[str]) -> list[str]:
    """The same as lines with what to do."""
    return [f"{each}; {_ask_again(run)}" for each in lost_answers(run, jobs).values()]


def _ask_again(run: RunFolder) -> str:
    return (
        f"put them back, or run `triptych check {run.path}` to ask again; `triptych repair {run.path}` notes"
        " that this is all"
    )


def lost_answers(run: RunFolder, jobs: Iterable[str]) -> dict[str, str]:
    """The jobs of which answers have gone since they were last asked for, with how many are there."""
    there_were = {job: _were_more(run, job) for job in jobs}
    return {
        job: f"checks of {job}: {_answers(run, job):,} of {count:,} answers are there"
        for job, count in there_were.items()
        if count
    }


def _were_more(run: RunFolder, job: str) -> int:
    """How many answers there were, where there are fewer now; else 0. By the sizes of journals: they only
    grow."""
    left, now = run.run_file.checks_left.get(job), _extent(run, job)
    if left is None:
        return 0
    return left.answers if now.files < left.files or now.size_bytes < left.size_bytes else 0


def read_checks(
    run: RunFolder, job: str, shard: str, checker: str | None = None
) -> Mapping[str, list[StatementCheck]]:
    """Those of ``checker``, or else those that count, by caption; of several answers to one question on one
    text the last."""
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
    """A digest of what a check is about."""
    return content_of([hashlib.blake2b(caption.text.encode(), digest_size=16).hexdigest(), target.content])


def of_caption(checks: Sequence[StatementCheck], caption: Caption, target: Target) -> list[StatementCheck]:
    """Of the checks with a caption's id, those of this text."""
    content = checked_content(caption, target)
    return [each for each in checks if each.content == content]


def untruths(
    checks: Sequence[StatementCheck], caption: Caption, target: Target
) -> dict[tuple[int, int], float]:
    """How likely each statement of a caption is untrue, in [0, 1], by its place in the text; of those that
    were answered. One on several images is as untrue as it is of the image that it fits least.

    An answer whose probability isn't known is certain, and an unclear one says nothing against it.
    """
    found: dict[tuple[int, int], float] = {}
    for each in of_caption(checks, caption, target):
        if (chance := _untruth(each)) is not None:
            found[each.start, each.end] = max(chance, found.get((each.start, each.end), 0.0))
    return found


def worst_answer(checks: Sequence[StatementCheck]) -> float:
    """How likely the least likely statement is untrue of all that were answered; 0 where none was."""
    return max((chance for each in checks if (chance := _untruth(each)) is not None), default=0.0)


def _untruth(check: StatementCheck) -> float | None:
    """None where the answer says nothing against or for the statement."""
    if check.answer not in ("yes", "no") or check.is_swapped:
        return None
    return float(check.answer == "no") if check.yes_probability is None else 1 - check.yes_probability


def untruth_of(
    checks: Sequence[StatementCheck], caption: Caption, target: Target, removed: Sequence[str] = ()
) -> float | None:
    """How likely the least likely statement of a caption is untrue; None where none was answered. Without the
    sentences ``removed``."""
    found = untruths(checks, caption, target).items()
    return max((each for (start, end), each in found if caption.text[start:end] not in removed), default=None)


def denied_of(checks: Sequence[StatementCheck], caption: Caption, target: Target) -> list[StatementCheck]:
    """The statements of a caption that are rather untrue than true, in the order of the text."""
    found = of_caption(checks, caption, target)
    return sorted((each for each in found if (_untruth(each) or 0) > 0.5), key=lambda each: each.start)


def came_of_checks(run: RunFolder, job: str) -> JobChecks | None:
    """What came of the checks of the captions that ``job`` has now, as far as they were asked for; None where
    there are none, or some have gone."""
    found = run.run_file.checked.get(job)
    is_known = found is not None and found.made_of == run.captions_mark(job)
    return found if is_known and not lost_answers(run, [job]) else None


def checked_jobs(run: RunFolder, jobs: Sequence[str]) -> dict[str, JobChecks]:
    """The same of each of ``jobs`` whose captions were checked."""
    found = {job: came_of_checks(run, job) for job in jobs}
    return {job: each for job, each in found.items() if each is not None}


def lines_on(found: JobChecks) -> Iterator[str]:
    """What came of checks, in words."""
    if found.captions:
        denied = in_words(found.denied, found.captions)
        yield f"{found.captions:,} captions checked, {found.denied:,} with a statement denied: {denied}"
    if found.swapped:
        elsewhere = in_words(found.hold_elsewhere, found.swapped)
        yield f"of {found.swapped:,} statements on one image {elsewhere} hold for another of its set as well"


def checks_of(run: RunFolder, jobs: Sequence[str]) -> list[str]:
    """The folders of checks that count, below the run's."""
    chosen = [_folder(run, job) for job in jobs if job in run.run_file.checks]
    return [name for name in chosen if (run.path / name).is_dir()]


def _folder(run: RunFolder, job: str) -> str:
    return f"{FOLDER}/{job}/{run.run_file.checks[job]}"


def _extent(run: RunFolder, job: str) -> Extent:
    """Of the answers that count."""
    return run.journals(_folder(run, job)) if job in run.run_file.checks else Extent(0, 0)


def _answers(run: RunFolder, job: str) -> int:
    """How many there are of those that count, with what failed or was asked again."""
    journals = (run.path / _folder(run, job)).rglob("*.jsonl") if job in run.run_file.checks else ()
    return sum(path.read_bytes().count(b"\n") for path in journals)
