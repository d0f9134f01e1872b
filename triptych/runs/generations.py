"""Generations of a job's captions: captions made with other settings are stored beside the earlier ones.

    RUN/captions/<job>/<generation>/generation.json    the settings behind its texts, and when it was begun
    RUN/captions/<job>/<generation>/<shard>.jsonl      its captions

Comes in: a run folder, a job, settings. Goes out: its generations; a new one. A generation's name is a hash
of its settings, with a number if there are several with the same settings. run.json names the current one, so
switching is a single write that moves no files. Not its job: which settings decide a text (see captioning).
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
    """Captions of one job that were made with the same settings."""

    job: str
    name: str
    settings: dict[str, Setting]
    """The settings that a text depends on."""
    engine: dict[str, str] = {}
    """What the engine reported: its precision, the model that a server names."""
    begun: str
    """When it was begun, in UTC."""
    fresh: bool = False
    """Whether it was begun by ``--fresh``, although there were captions."""

    def belongs_in(self, job: str, name: str) -> bool:
        """Whether ``captions/<job>/<name>`` is its folder: the name has a digest of its settings."""
        digest = digest_of_settings(self.settings, self.engine)
        return (self.job, self.name) == (job, name) and name.partition("-")[0] == digest

    def fits(self, settings: Mapping[str, Setting], engine: Mapping[str, str] | None = None) -> bool:
        """Whether captions with these settings, and ``engine`` if it is known already, belong to it."""
        return self.settings == settings and (engine is None or not self.differences({}, engine))

    def differences(
        self, settings: Mapping[str, Setting], engine: Mapping[str, str] | None = None
    ) -> dict[str, tuple[Setting, Setting]]:
        """The given settings that differ from its own: ``(its own, the given one)`` by name."""
        pairs = {key: (self.settings.get(key), value) for key, value in settings.items()}
        pairs |= {key: (self.engine.get(key, value), value) for key, value in (engine or {}).items()}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def current_generation(folder: RunFolder, job: str) -> Generation | None:
    """The current generation; None if none was begun. Raises SetupError if it is damaged."""
    name = folder.run_file.generations.get(job)
    if name is None or not folder.captions_folder(job).is_dir():
        return None
    return read_generation(folder, job, name)


def generations(folder: RunFolder, job: str) -> list[Generation]:
    """The generations of ``job`` that can be read, the oldest first."""
    found = []
    for name in generation_names(folder, job):
        try:
            found.append(read_generation(folder, job, name))
        except SetupError:
            continue
    return sorted(found, key=lambda each: (each.begun, each.name))


def generation_names(folder: RunFolder, job: str) -> list[str]:
    """The names of all generations of ``job``, also of damaged ones. Leaves out folders with neither settings
    nor captions, which a crash can leave."""
    root = folder.captions_root / job
    there = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    return [name for name in there if (root / name / FILE_NAME).exists() or _has_captions(folder, job, name)]


def captioned_jobs(folder: RunFolder) -> list[str]:
    """The jobs that have a folder of captions."""
    root = folder.captions_root
    return sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def read_generation(folder: RunFolder, job: str, name: str) -> Generation:
    """Read one generation. Raises SetupError if it is missing, damaged or another one's."""
    path = folder.captions_root / job / name / FILE_NAME
    found = read_twice_written(path, Generation, folder.path)
    if not found.belongs_in(job, name):
        raise SetupError(
            f"{path} belongs to other captions than those beside it; `triptych repair {folder.path}` restores"
            f" it from its copy, or make new captions with --fresh captions --job {job}",
            path=path,
        )
    return found


def begin_generation(
    folder: RunFolder, job: str, settings: Mapping[str, Setting], engine: Mapping[str, str], *, fresh: bool
) -> Generation:
    """Make the folder of a new generation. The caller makes it current in ``folder.run_file.generations``.

    Reuses one with the same settings that has no captions yet.
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
    """The generation whose name begins with ``name``. Raises UsageError if there is none or several."""
    found = [each for each in generation_names(folder, job) if each.startswith(name)]
    exact = [each for each in found if each == name] or found
    if len(exact) != 1:
        there = ", ".join(found or generation_names(folder, job)) or "none"
        what = "several generations begin with" if found else "no generation is called"
        raise UsageError(f"{folder.path}: {what} {name!r} for {job}; there are {there}")
    return read_generation(folder, job, exact[0])


def superseded(folder: RunFolder) -> Iterator[tuple[str, str]]:
    """``(job, generation)`` of all generations that aren't current."""
    for job in captioned_jobs(folder):
        for name in generation_names(folder, job):
            if name != folder.run_file.generations.get(job):
                yield job, name


def put_aside(folder: RunFolder, generations: Mapping[str, str]) -> None:
    """Note digests of the current generations, before ``generations``, by job, replace them."""
    noted = folder.run_file.put_aside
    for job, name in generations.items():
        before = folder.run_file.generations.get(job, name)
        if before != name:
            noted[f"{job}/{before}"] = _digest_of_journals(folder, f"{job}/{before}")
        noted.pop(f"{job}/{name}", None)


def changed_since_put_aside(folder: RunFolder) -> list[str]:
    """The generations, as ``<job>/<generation>``, that have changed since they were put aside. Reads them."""
    noted = folder.run_file.put_aside
    return [name for name, digest in noted.items() if _digest_of_journals(folder, name) != digest]


def accept_change(folder: RunFolder, name: str) -> None:
    """Accept what ``<job>/<generation>`` has now, if it was put aside."""
    if name in folder.run_file.put_aside:
        folder.run_file.put_aside[name] = _digest_of_journals(folder, name)
        folder.save()


def remove_generation(folder: RunFolder, job: str, name: str) -> None:
    """Remove a generation's captions. Raises UsageError for the current one."""
    if name == folder.run_file.generations.get(job):
        raise UsageError(f"{name} is the current generation of {job} in {folder.path}; it can't be removed")
    folder.run_file.put_aside.pop(f"{job}/{name}", None)
    folder.save()
    root = folder.captions_root / job / name
    for file in (root / FILE_NAME, copy_of(root / FILE_NAME)):
        file.unlink(missing_ok=True)  # first, so that half a generation is never used again
    shutil.rmtree(root)


def _digest_of_journals(folder: RunFolder, name: str) -> str:
    return digest_of_files(folder.path, (folder.captions_root / name).rglob("*.jsonl"))


def _has_captions(folder: RunFolder, job: str, name: str) -> bool:
    return next((folder.captions_root / job / name).rglob("*.jsonl"), None) is not None


def digest_of_settings(*settings: Mapping[str, Setting]) -> str:
    """8 hex digits that name the folder of what was made with ``settings``."""
    content = msgspec.json.encode(tuple(map(dict, settings)), order="deterministic")
    return hashlib.sha256(content).hexdigest()[:8]
