"""The table of `triptych captions`: all generations of a run's captions, with counts.

Comes in: a run folder. Goes out: a row for each generation, even if its files are damaged. Not its job: what
a generation is (see generations).
"""

from __future__ import annotations

import msgspec

from triptych.errors import SetupError
from triptych.records import Caption
from triptych.runs.folder import RunFolder
from triptych.runs.generations import Generation, captioned_jobs, generation_names, read_generation
from triptych.runs.journal import journal_lines, read_journal


class GenerationRow(msgspec.Struct, frozen=True, kw_only=True):
    """One generation."""

    job: str
    generation: str
    counts: bool
    """Whether it is the current one."""
    begun: str
    what: str
    """Model, prompt and sampling in words; for a damaged one, what is wrong."""
    damaged: int
    """Lines that can't be decoded; each was a caption or a failure."""
    captions: int
    failures: int
    size_bytes: int
    differences: list[str]
    """How it differs from the current one."""


def generation_rows(folder: RunFolder) -> list[GenerationRow]:
    """A row per generation, by job, the oldest first."""
    rows = []
    for job in captioned_jobs(folder):
        current = _read(folder, job, folder.run_file.generations.get(job, ""))
        found = [_row(folder, job, name, current) for name in generation_names(folder, job)]
        rows += sorted(found, key=lambda row: (row.begun, row.generation))
    return rows


def _read(folder: RunFolder, job: str, name: str) -> Generation | str:
    """The generation, or the message of the error if it can't be read."""
    try:
        return read_generation(folder, job, name)
    except SetupError as error:
        return str(error)


def _row(folder: RunFolder, job: str, name: str, current: Generation | str) -> GenerationRow:
    captions = failures = damaged = size_bytes = 0
    generation = _read(folder, job, name)
    what = generation if isinstance(generation, str) else _in_words(generation)
    for path in (folder.captions_root / job / name).rglob("*.jsonl"):
        size_bytes += path.stat().st_size
        try:
            rows = read_journal(path, Caption)
        except SetupError as error:
            what = str(error)
            lines = list(journal_lines(path, Caption))
            rows = [line.record for line in lines if line.record is not None]
            damaged += len(lines) - len(rows)
        failed = sum(row.failure is not None for row in rows)
        captions, failures = captions + len(rows) - failed, failures + failed
    return GenerationRow(
        job=job,
        generation=name,
        counts=folder.run_file.generations.get(job) == name,
        begun="unknown" if isinstance(generation, str) else generation.begun,
        what=what,
        damaged=damaged,
        captions=captions,
        failures=failures,
        size_bytes=size_bytes,
        differences=_differences(generation, current),
    )


def _in_words(generation: Generation) -> str:
    settings = generation.settings
    model = generation.engine.get("served_model") or settings.get("model") or "a model without a name"
    return (
        f"{model} by {settings.get('engine')}; prompt {settings.get('prompt')}; {settings.get('sampling')},"
        f" {settings.get('max_tokens')} tokens at most"
    )


def _differences(generation: Generation | str, current: Generation | str) -> list[str]:
    if isinstance(generation, str) or isinstance(current, str) or generation.name == current.name:
        return []
    found = generation.differences(current.settings, current.engine)
    lines = [f"{key} = {own!r}, not {other!r}" for key, (own, other) in found.items()]
    return lines or ["only in when it was begun"]
