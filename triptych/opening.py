"""Opening a run folder: the way into the Python API.

    with open_run(Path("run"), load_config(preset="demo"), [Path("images")]) as pipeline:
        pipeline.run()

Comes in: a folder, and a config and sources, given or stored in it. Goes out: a Pipeline on it. Not its
job: the stages (see pipeline).
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from triptych.config import RunConfig, as_tree, load_config
from triptych.errors import SetupError, UsageError
from triptych.pipeline import Pipeline
from triptych.progress import Progress, Silent
from triptych.runs.folder import RunFolder
from triptych.runs.lock import owned

if TYPE_CHECKING:
    from triptych.grouping.embedding.stored_embeddings import StoredShard

MIN_FREE_BYTES = 64 * 1024 * 1024
"""A run doesn't start on less: run.json, one shard's embeddings and one journal have to fit."""


@contextlib.contextmanager
def open_run(
    path: Path,
    config: RunConfig,
    sources: Sequence[Path],
    progress: Progress | None = None,
    stored: Sequence[StoredShard] = (),
) -> Iterator[Pipeline]:
    """Own the run folder ``path``, begun here if it is new, for the length of the block.

    ``stored`` are embeddings in place of ``sources``; such a run can be grouped, not captioned.

    Raises UsageError where the sources can't be, before anything is written, and SetupError where
    the folder can't serve: in use, of another version, not a run, no space.
    """
    from triptych.sources import open_sources

    _refuse_inside(path, sources)
    shards = (
        [] if stored else open_sources([source.absolute() for source in sources], config.input.image_column)
    )
    for above in (path, *path.absolute().parents):
        if above.is_file():
            raise SetupError(f"--out {path}: {above} is a file, expected a folder; name another with --out")
    path.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path).free
    if free < MIN_FREE_BYTES:
        raise SetupError(
            f"{path}: {free // 1024**2} MiB free, at least {MIN_FREE_BYTES // 1024**2} MiB needed to begin;"
            " free some space or name a folder on another disk with --out"
        )
    with owned(path):
        run = RunFolder.create_or_open(path)
        yield Pipeline(run, config, sources, progress or Silent(), stored, shards)


def _refuse_inside(path: Path, sources: Sequence[Path]) -> None:
    """Raise UsageError where the run's own files would be among its sources."""
    for source in sources:
        if path.resolve().is_relative_to(source.resolve()):
            raise UsageError(
                f"the run folder {path} lies in the source {source}, so its files would be taken for images;"
                " name a folder elsewhere with --out"
            )


@contextlib.contextmanager
def reopen_run(
    path: Path,
    progress: Progress | None = None,
    file: Path | None = None,
    flags: dict[str, object] | None = None,
) -> Iterator[Pipeline]:
    """Own an existing run with the config it was made with, under ``file`` and ``flags``."""
    RunFolder.open(path)
    with owned(path):
        run = RunFolder.open(path)
        yield Pipeline(run, *_config_under(run, file, flags), progress or Silent())


def look_into(
    path: Path,
    progress: Progress | None = None,
    file: Path | None = None,
    flags: dict[str, object] | None = None,
) -> Pipeline:
    """A run to look at, not to work on: no lock is taken, so another process may be at it."""
    run = RunFolder.open(path)
    return Pipeline(run, *_config_under(run, file, flags), progress or Silent())


def _config_under(
    run: RunFolder, file: Path | None, flags: dict[str, object] | None
) -> tuple[RunConfig, list[Path]]:
    """The stored config with ``file`` and ``flags`` over it, and the sources."""
    config, sources = stored_config(run)
    if file is not None or flags:
        config = load_config(base=as_tree(config), file=file, flags=flags)
    return config, sources


def stored_config(run: RunFolder) -> tuple[RunConfig, list[Path]]:
    """The config and sources that a run folder was made with."""
    tree = dict(run.run_file.config)
    try:
        sources = msgspec.convert(tree.pop("sources", []), list[str])
        return load_config(base=tree), [Path(source) for source in sources]
    except (msgspec.ValidationError, UsageError) as error:
        raise SetupError(
            f"{run.path / 'run.json'} has a config that this Triptych can't read ({error}); restore the file,"
            " use the Triptych that made it, or start in another folder"
        ) from None
