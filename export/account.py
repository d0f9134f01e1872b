"""What an export adds to the ledger's counts of captions: those of images, and the refusal.

Comes in: a run folder. Goes out: counts of images, made in another process while rows are made here. Not its
job: counting (see corpus.recount_images, and kept for captions).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from triptych.errors import SetupError
from triptych.executors.pool import process_pool
from triptych.runs.folder import RunFolder
from triptych.runs.ledger.images import ImageCounts, recount_images

MIN_BYTES_FOR_A_PROCESS = 32 * 1024 * 1024
"""Of images' records, about 100,000. Below, counting takes less time than starting a process."""

Recounted = tuple[ImageCounts, list[str]]


@contextmanager
def images_recounted(run: RunFolder) -> Iterator[Callable[[], Recounted]]:
    """A function that gives the counts and contradictions, and waits for them where it must."""
    if sum(path.stat().st_size for path in run.files_of("images")) < MIN_BYTES_FOR_A_PROCESS:
        counted = recount_images(run)
        yield lambda: counted
        return
    with process_pool(1, "counts images") as pool:
        counting = pool.map(_recount, [run.path])
        yield functools.cache(lambda: next(counting))


def _recount(path: Path) -> Recounted:
    return recount_images(RunFolder.open(path))


def refuse_open(run: RunFolder, offences: Sequence[str]) -> None:
    """Raise SetupError where there are any."""
    if offences:
        raise SetupError(
            f"the counts of {run.path} don't add up, so nothing was exported: {offences[0]}"
            f" ({len(offences)} in all; `triptych verify {run.path}` lists them)"
        )
