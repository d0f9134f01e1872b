"""Opening a run folder: to begin a run, to resume it, or to read it.

Comes in: a folder, and sources and settings, given or stored in it. Goes out: a Run. Not its job: the stages
(see api).
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from triptych.api import Run
from triptych.config import Config, checked_config
from triptych.errors import SetupError, UsageError, expect
from triptych.progress import Progress, Silent
from triptych.runs.folder import UNPACKED, RunFolder
from triptych.runs.jsonl import make_folder
from triptych.runs.lock import owned
from triptych.runs.run_file import is_run_folder
from triptych.settings import Settings, load_settings
from triptych.sources.listing import is_pattern
from triptych.sources.remote_storage import is_url

if TYPE_CHECKING:
    from triptych.grouping.embedding.stored_embeddings import StoredShard

MIN_FREE_BYTES = 64 * 1024 * 1024
"""The free space a run needs to start: for run.json, one shard's embeddings and one journal."""


def open_run(
    path: str | Path,
    sources: Sequence[str | Path] = (),
    *,
    config: Config | None = None,
    preset: str | None = None,
    config_file: str | Path | None = None,
    settings: Mapping[str, object] | None = None,
    embeddings: str | Path | None = None,
    keys_file: str | Path | None = None,
    progress: Progress | None = None,
    read_only: bool = False,
) -> Run:
    """Open the run folder ``path``. With ``sources`` or ``embeddings``, begin a run there if there is none.

    The config is ``config``, or ``preset`` overridden by ``config_file`` overridden by ``settings`` (dotted
    keys such as ``{"sets.max_sets": 100}``). For an existing run they change its stored settings: values set
    by name outrank a file, which outranks a preset; ``config`` replaces all of them. ``embeddings`` are .npy
    files in place of images: such a run can be grouped, but not captioned. Use the run in a ``with``
    statement: no other process can work on the folder until it is closed. ``read_only`` takes no lock, for
    a run that another process may be working on.

    Raises UsageError for invalid settings and sources, before anything is written, and SetupError if the
    folder can't be used: it is in use, of another version, not a run, or has no space.
    """
    expect(path, str | os.PathLike, "path")
    expect(sources, Iterable, "sources")
    expect(config, Config | None, "config")
    expect(embeddings, str | os.PathLike | None, "embeddings")
    expect(keys_file, str | os.PathLike | None, "keys_file")
    expect(progress, Progress | None, "progress")
    if is_url(str(path).replace(":/", "://", 1)):  # a Path has one slash
        raise UsageError(
            f"{path}: a run folder must be on a file system; only sources and exports may be URLs"
        )
    path = Path(path)
    if isinstance(sources, str | Path):
        raise UsageError(f"open_run takes a list of sources; write open_run(..., [{str(sources)!r}])")
    if read_only and (sources or embeddings is not None):
        raise UsageError("read_only is for an existing run: leave out its sources and embeddings")
    given = [str(source) for source in sources]

    def merged(stored: Settings | None) -> Settings:
        if config is not None:
            return Settings.from_config(config)
        return load_settings(preset, config_file, settings, stored)

    if given or embeddings is not None:
        return _begin(path, merged, given, _open_stored(embeddings, keys_file), progress or Silent())
    return _reopen(path, merged, progress or Silent(), read_only=read_only)


def _open_stored(embeddings: str | Path | None, keys_file: str | Path | None) -> list[StoredShard]:
    if embeddings is None:
        return []
    from triptych.grouping.embedding.stored_embeddings import open_stored

    return open_stored(Path(embeddings), None if keys_file is None else Path(keys_file))


def _begin(
    path: Path,
    merged: Callable[[Settings | None], Settings],
    sources: Sequence[str],
    stored: Sequence[StoredShard],
    progress: Progress,
) -> Run:
    """Open a run with sources, and begin it if the folder is new."""
    from triptych.sources.opening import find_sources

    with contextlib.ExitStack() as lock:
        before: Settings | None = None
        if is_there := is_run_folder(path):
            RunFolder.open(path)  # raises what is wrong with it before it is locked
            lock.enter_context(owned(path))
            before, _ = stored_settings(RunFolder.open(path))
        settings = merged(before)
        _refuse_inside(path, sources)
        if not stored:
            progress.say(f"listing the images of {', '.join(sources)}")
        shards, junk = ([], 0) if stored else find_sources(sources, settings.config.input, path / UNPACKED)
        if junk:
            progress.say(
                f"note: skipped {junk:,} names such as .DS_Store, which systems and editors leave behind"
            )
        if not is_there:
            _make_room(path)
            lock.enter_context(owned(path))
        folder = RunFolder.create_or_open(path)
        return Run(folder, settings, sources, progress, lock=lock.pop_all(), stored=stored, shards=shards)


def _make_room(path: Path) -> None:
    """Create the folder of a new run. Raises SetupError if that is impossible."""
    for above in (path, *path.absolute().parents):
        if above.is_file():
            raise SetupError(f"--out {path}: {above} is a file, expected a folder; name another with --out")
    make_folder(path)
    free = shutil.disk_usage(path).free
    if free < MIN_FREE_BYTES:
        raise SetupError(
            f"{path}: {free // 1024**2} MiB free, at least {MIN_FREE_BYTES // 1024**2} MiB needed to begin;"
            " free some space or name a folder on another disk with --out"
        )


def _reopen(
    path: Path, merged: Callable[[Settings | None], Settings], progress: Progress, *, read_only: bool
) -> Run:
    """Open an existing run, with its stored sources."""
    folder = RunFolder.open(path)
    with contextlib.ExitStack() as lock:
        if not read_only:
            lock.enter_context(owned(path))
            folder = RunFolder.open(path)
        stored, sources = stored_settings(folder)
        settings = merged(stored)
        kept = None if read_only else lock.pop_all()
        return Run(folder, settings, sources, progress, lock=kept)


def _refuse_inside(path: Path, sources: Sequence[str]) -> None:
    """Raise UsageError if the run's own files would be among its sources."""
    for source in sources:
        if not is_url(source) and _is_inside(path.resolve(), Path(source)):
            raise UsageError(
                f"the run folder {path} lies in the source {source}, so its files would be taken for images;"
                " name a folder elsewhere with --out"
            )


def _is_inside(path: Path, source: Path) -> bool:
    """Whether ``path`` is in ``source``, which may be a pattern such as ``photos/*``."""
    if source.exists() or not is_pattern(str(source)):
        return path.is_relative_to(source.resolve())
    pattern = Path(os.path.normpath(Path.cwd() / source)).parts
    within = path.parts[: len(pattern)]
    return len(within) == len(pattern) and all(map(fnmatch.fnmatch, within, pattern))


def stored_settings(run: RunFolder) -> tuple[Settings, list[str]]:
    """The settings and sources of a run folder."""
    tree = dict(run.run_file.config)
    try:
        sources = msgspec.convert(tree.pop("sources", []), list[str])
        return Settings(checked_config(tree), run.run_file.origins), sources
    except (msgspec.ValidationError, UsageError) as error:
        raise SetupError(
            f"{run.path / 'run.json'} has a config that this Triptych can't read ({error}); restore the file,"
            " use the Triptych that made it, or start in another folder"
        ) from None
