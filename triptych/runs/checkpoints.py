"""Digests of the files of an unfinished stage, so that damage to them is noticed when it resumes.

Comes in: complete files. Goes out: a note with their SHA-256; the files that differ from it. Once a stage has
finished, run.json has the digests of its files, and the notes are removed. Not its job: handling damage:
checkpoints of sets are made again, embeddings are refused (see grouping), named or set aside (see verify,
repair).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from triptych.errors import SetupError
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import sha256_of, written_whole

_SUFFIX = ".sha256"


def note_whole(checkpoint: Path) -> None:
    """Write the digest of a complete checkpoint beside it."""
    _write_note(_note_of(checkpoint), checkpoint.parent, checkpoint)


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint exists and matches its digest."""
    return not _not_as_noted(_note_of(checkpoint), checkpoint.parent, checkpoint)


def note_shard(run: RunFolder, shard: str) -> None:
    """Note the digests of ``shard``, which is completely embedded."""
    _write_note(shard_note(run, shard), run.path, run.images_file(shard), run.embeddings_file(shard))


def forget_shard(run: RunFolder, shard: str) -> None:
    """Remove the note of ``shard``, before its files are rewritten."""
    shard_note(run, shard).unlink(missing_ok=True)


def forget_shards(run: RunFolder) -> None:
    """Remove all notes of shards, once run.json has the digests."""
    shutil.rmtree(_shard_notes(run), ignore_errors=True)


def damaged_shards(run: RunFolder) -> Iterator[Path]:
    """The files of embedded shards that differ from their notes."""
    for note in sorted(_shard_notes(run).rglob(f"*{_SUFFIX}")):
        shard = note.relative_to(_shard_notes(run)).as_posix().removesuffix(_SUFFIX)
        files = run.images_file(shard), run.embeddings_file(shard)
        yield from (each for each in _not_as_noted(note, run.path, *files) if each.exists())


def refuse_damaged_shards(run: RunFolder) -> None:
    """Raise SetupError if a file of an embedded shard is damaged."""
    for path in damaged_shards(run):
        raise SetupError(
            f"{path} was damaged or edited after it was written; `triptych repair {run.path}` sets it"
            " aside, so that it is made again",
            path=path,
        )


def _shard_notes(run: RunFolder) -> Path:
    return run.scratch_folder / "embedded"


def shard_note(run: RunFolder, shard: str) -> Path:
    """The path of the note of ``shard``."""
    return _shard_notes(run) / f"{shard}{_SUFFIX}"


def _note_of(checkpoint: Path) -> Path:
    return checkpoint.with_name(checkpoint.name + _SUFFIX)


def _write_note(note: Path, root: Path, *files: Path) -> None:
    with written_whole(note) as file:
        file.writelines(_line(root, each) for each in files)


def _not_as_noted(note: Path, root: Path, *files: Path) -> list[Path]:
    """The ``files`` that are missing or differ from ``note``; all of them if there is no note."""
    noted = note.read_bytes().splitlines(keepends=True) if note.is_file() else []
    return [each for each in files if not each.is_file() or _line(root, each) not in noted]


def _line(root: Path, path: Path) -> bytes:
    """A line of sha256sum's format."""
    return f"{sha256_of(path)}  {path.relative_to(root).as_posix()}\n".encode()
