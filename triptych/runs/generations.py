"""Generations of a job's captions: what other settings gave, or the same ones again, lies beside the first.

    RUN/captions/<job>/<generation>/generation.json    what decided its texts, and when it was begun
    RUN/captions/<job>/<generation>/<shard>.jsonl      its captions

Comes in: a run folder, a job, settings. Goes out: its generations; a new one. A generation is named after
its settings, with a number where there are several of the same. Which one counts is said in run.json: to
change that is one write, and no file is moved or removed. Not its job: which settings decide a text (see
captioning).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from triptych.errors import SetupError, UsageError
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.jsonl import digest_of_files
from triptych.runs.run_file import copy_of, read_twice_written, write_twice

FILE_NAME = "generation.json"


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """Captions of one job that belong together."""

    job: str
    name: str
    settings: dict[str, Setting]
    """What was set of what a text depends on."""
    engine: dict[str, str] = {}
    """What the engine turned out to run: its precision, the model that a server names."""
    begun: str
    """In UTC."""
    fresh: bool = False
    """Whether it was asked for although there were captions."""

    def lies_in(self, job: str, name: str) -> bool:
        """Whether ``captions/<job>/<name>`` is its folder, whose name is a digest of what it says."""
        digest = digest_of_settings(self.settings, self.engine)
        return (self.job, self.name) == (job, name) and name.partition("-")[0] == digest

    def fits(self, settings: Mapping[str, Setting], engine: Mapping[str, str] | None = None) -> bool:
        """Whether captions with these settings belong to it; ``engine``: where that is known already."""
        return self.settings == settings and (engine is None or not self.differences({}, engine))

    def differences(
        self, settings: Mapping[str, Setting], engine: Mapping[str, str] | None = None
    ) -> dict[str, tuple[Setting, Setting]]:
        """Of what is given here, what it was made with otherwise: ``(its own, the one given)`` by name."""
        pairs = {key: (self.settings.get(key), value) for key, value in settings.items()}
        pairs |= {key: (self.engine.get(key, value), value) for key, value in (engine or {}).items()}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def current_generation(folder: RunFolder, job: str) -> Generation | None:
    """The one that counts; None where none was begun. Raises SetupError where it is damaged."""
    name = folder.run_file.generations.get(job)
    if name is None or not folder.captions_folder(job).is_dir():
        return None
    return read_generation(folder, job, name)


def generations(folder: RunFolder, job: str) -> list[Generation]:
    """Those that can be read, the oldest first."""
    found = []
    for name in generation_names(folder, job):
        try:
            found.append(read_generation(folder, job, name))
        except SetupError:
            continue
    return sorted(found, key=lambda each: (each.begun, each.name))


def generation_names(folder: RunFolder, job: str) -> list[str]:
    """Also of those that can't be read; not of what was left before its settings were written."""
    root = folder.captions_root / job
    there = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    return [name for name in there if (root / name / FILE_NAME).exists() or _has_captions(folder, job, name)]


def captioned_jobs(folder: RunFolder) -> list[str]:
    """The jobs that have a folder of captions."""
    root = folder.captions_root
    return sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def read_generation(folder: RunFolder, job: str, name: str) -> Generation:
    """Raises SetupError where it isn't there or is damaged: its name is a digest of what it says."""
    path = folder.captions_root / job / name / FILE_NAME
    found = read_twice_written(path, Generation, folder.path)
    if not found.lies_in(job, name):
        raise SetupError(
            f"{path} is of other captions than those beside it; `triptych repair {folder.path}` puts its copy"
            f" in its place, or make new captions with --fresh captions --job {job}",
            path=path,
        )
    return found


def begin_generation(
    folder: RunFolder, job: str, settings: Mapping[str, Setting], engine: Mapping[str, str], *, fresh: bool
) -> Generation:
    """Make the folder of a new one. It doesn't count yet: ``folder.run_file.generations`` says which does.

    One that was begun, and left before a caption came, is taken for it.
    """
    digest, number = digest_of_settings(settings, engine), 1
    while _has_captions(folder, job, name := digest if number == 1 else f"{digest}-{number}"):
        number += 1
    generation = Generation(
        job=job,
        name=name,
        settings=dict(settings),
        engine=dict(engine),
        begun=datetime.now(UTC).isoformat(timespec="microseconds"),
        fresh=fresh,
    )
    write_twice(folder.captions_root / job / name / FILE_NAME, generation)
    return generation


def chosen_generation(folder: RunFolder, job: str, name: str) -> Generation:
    """The one whose name begins so. Raises UsageError where that is none or several."""
    found = [each for each in generation_names(folder, job) if each.startswith(name)]
    exact = [each for each in found if each == name] or found
    if len(exact) != 1:
        there = ", ".join(found or generation_names(folder, job)) or "none"
        what = "several generations begin with" if found else "no generation is called"
        raise UsageError(f"{folder.path}: {what} {name!r} for {job}; there are {there}")
    return read_generation(folder, job, exact[0])


def superseded(folder: RunFolder) -> Iterator[tuple[str, str]]:
    """``(job, generation)`` of all that don't count."""
    for job in captioned_jobs(folder):
        for name in generation_names(folder, job):
            if name != folder.run_file.generations.get(job):
                yield job, name


def put_aside(folder: RunFolder, generations: Mapping[str, str]) -> None:
    """Note what there is of what counts now, before ``generations``, by job, count."""
    noted = folder.run_file.put_aside
    for job, name in generations.items():
        before = folder.run_file.generations.get(job, name)
        if before != name:
            noted[f"{job}/{before}"] = _digest_of_journals(folder, f"{job}/{before}")
        noted.pop(f"{job}/{name}", None)


def changed_since_put_aside(folder: RunFolder) -> list[str]:
    """The generations, as ``<job>/<generation>``, whose journals are not as they were then. Reads them."""
    noted = folder.run_file.put_aside
    return [name for name, digest in noted.items() if _digest_of_journals(folder, name) != digest]


def accept_change(folder: RunFolder, name: str) -> None:
    """What is there of ``<job>/<generation>`` is all that there is."""
    if name in folder.run_file.put_aside:
        folder.run_file.put_aside[name] = _digest_of_journals(folder, name)
        folder.save()


def remove_generation(folder: RunFolder, job: str, name: str) -> None:
    """Remove its captions. Raises UsageError for the one that counts."""
    if name == folder.run_file.generations.get(job):
        raise UsageError(f"{name} is what {job} has in {folder.path}; it can't be removed")
    folder.run_file.put_aside.pop(f"{job}/{name}", None)
    folder.save()
    root = folder.captions_root / job / name
    for file in (root / FILE_NAME, copy_of(root / FILE_NAME)):
        file.unlink(missing_ok=True)  # first: half of one is never taken up again
    shutil.rmtree(root)


def _digest_of_journals(folder: RunFolder, name: str) -> str:
    return digest_of_files(folder.path, (folder.captions_root / name).rglob("*.jsonl"))


def _has_captions(folder: RunFolder, job: str, name: str) -> bool:
    return next((folder.captions_root / job / name).rglob("*.jsonl"), None) is not None


def digest_of_settings(*settings: Mapping[str, Setting]) -> str:
    """What a folder of what they made is named after."""
    content = msgspec.json.encode(tuple(map(dict, settings)), order="deterministic")
    return hashlib.sha256(content).hexdigest()[:8]
