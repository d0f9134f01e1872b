"""Digests of what a stage leaves before it has finished: damage between a kill and the next run is seen.

Comes in: files that lie there whole. Goes out: a note with their SHA-256; which files are not as noted. Once
a stage has finished, run.json has the digests of its files, and the notes go. Not its job: what is done about
it: checkpoints of sets are made again, embeddings are refused (see grouping), named or set aside (see verify,
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
    """Note, beside it, that a checkpoint is whole."""
    _write_note(_note_of(checkpoint), checkpoint.parent, checkpoint)


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint is there, and as it was when that was noted."""
    return not _not_as_noted(_note_of(checkpoint), checkpoint.parent, checkpoint)


def note_shard(run: RunFolder, shard: str) -> None:
    """Note that ``shard`` is embedded to its end."""
    _write_note(shard_note(run, shard), run.path, run.images_file(shard), run.embeddings_file(shard))


def forget_shard(run: RunFolder, shard: str) -> None:
    """Before its files are written anew."""
    shard_note(run, shard).unlink(missing_ok=True)


def forget_shards(run: RunFolder) -> None:
    """Once run.json has the digests of all."""
    shutil.rmtree(_shard_notes(run), ignore_errors=True)


def damaged_shards(run: RunFolder) -> Iterator[Path]:
    """Files of shards that were embedded by a stage that isn't finished, and are not as it left them."""
    for note in sorted(_shard_notes(run).rglob(f"*{_SUFFIX}")):
        shard = note.relative_to(_shard_notes(run)).as_posix().removesuffix(_SUFFIX)
        files = run.images_file(shard), run.embeddings_file(shard)
        yield from (each for each in _not_as_noted(note, run.path, *files) if each.exists())


def refuse_damaged_shards(run: RunFolder) -> None:
    """Raise SetupError where going on would trust one of them."""
    for path in damaged_shards(run):
        raise SetupError(
            f"{path} was damaged or edited after it had been written; `triptych repair {run.path}` sets it"
            " aside, so that it is made again",
            path=path,
        )


def _shard_notes(run: RunFolder) -> Path:
    return run.scratch_folder / "embedded"


def shard_note(run: RunFolder, shard: str) -> Path:
    """Where it is noted that ``shard`` is embedded to its end."""
    return _shard_notes(run) / f"{shard}{_SUFFIX}"


def _note_of(checkpoint: Path) -> Path:
    return checkpoint.with_name(checkpoint.name + _SUFFIX)


def _write_note(note: Path, root: Path, *files: Path) -> None:
    with written_whole(note) as file:
        file.writelines(_line(root, each) for each in files)


def _not_as_noted(note: Path, root: Path, *files: Path) -> list[Path]:
    """Those of ``files`` that are gone, or others than in ``note``; all where there is none."""
    noted = note.read_bytes().splitlines(keepends=True) if note.is_file() else []
    return [each for each in files if not each.is_file() or _line(root, each) not in noted]


def _line(root: Path, path: Path) -> bytes:
    """As sha256sum writes it."""
    return f"{sha256_of(path)}  {path.relative_to(root).as_posix()}\n".encode()
