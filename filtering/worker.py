"""What a process makes of a block of captions: scores, sketches, counts.

Comes in: rows. Goes out: all that can be said of each by itself, the same whatever process says it. Not its
job: what captions say against each other (see court).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.executors.pool import process_pool
from triptych.filtering.block import chunks_of
from triptych.filtering.candidate import Candidate
from triptych.filtering.config import FilteringConfig
from triptych.filtering.judge import Judge, Judged, Row
from triptych.filtering.score_counts import Key, ScoreCounter
from triptych.filtering.sketches import Sketches, no_sketches, sketch
from triptych.records import language_of

POOL_FROM_BLOCKS = 4
"""Fewer blocks are done before a pool of processes has started."""
SNIPPET_CHARACTERS = 90
"""Kept of each text until the verdicts are out, to show examples from."""


class JudgedBlock(NamedTuple):
    """What a worker makes of n captions."""

    lines: bytes
    """A Judged in JSON a line."""
    dropped: NDArray[np.bool_]
    near_from: NDArray[np.float32]
    """The similarity from which each is a near duplicate."""
    sketches: Sketches
    score_counts: Counter[Key]


class Worker:
    """Judges blocks of captions in one process."""

    def __init__(self, config: FilteringConfig) -> None:
        self._config = config
        self._judge = Judge(config)

    def judge(self, rows: Sequence[Row]) -> JudgedBlock:
        """All that can be said of captions by themselves, in their order."""
        config, judge = self._config, self._judge
        counter = ScoreCounter(config)
        encoder = msgspec.json.Encoder()
        lines: list[bytes] = [b""] * len(rows)
        dropped = np.zeros(len(rows), np.bool_)
        sketches = no_sketches(len(rows))
        candidates = [row.candidate() for row in rows]
        for places in chunks_of(candidates):
            chosen = [candidates[at] for at in places]
            block = judge.block(chosen)
            for at, scores in zip(places, judge.scores_of_block(block, chosen, counter), strict=True):
                row, dropped[at] = rows[at], judge.drops(scores)
                lines[at] = encoder.encode(Judged(row.id, row.job, scores, row.text[:SNIPPET_CHARACTERS]))
            made = sketch(
                [_salt(rows[at], candidates[at]) for at in places], block.arrays.hashes, block.unit_counts
            )
            sketches.exact[places], sketches.bands[places], sketches.minhash[places] = made
        bounds = {
            "en": config.min_near_duplicate_similarity_en,
            "zh": config.min_near_duplicate_similarity_zh,
        }
        return JudgedBlock(
            lines=b"".join(line + b"\n" for line in lines),
            dropped=dropped,
            near_from=np.array([bounds[language_of(row.job)] for row in rows], np.float32),
            sketches=sketches,
            score_counts=counter.counts,
        )


def judged_blocks(config: FilteringConfig, blocks: Iterable[list[Row]]) -> Iterator[JudgedBlock]:
    """Each block judged, in order, by as many processes as the config says."""
    blocks = iter(blocks)
    first = list(islice(blocks, POOL_FROM_BLOCKS))
    workers = config.workers or os.cpu_count() or 1
    if len(first) < POOL_FROM_BLOCKS or workers == 1:
        yield from map(Worker(config).judge, chain(first, blocks))
        return
    with process_pool(workers, "judges captions", _begin, config) as pool:
        yield from pool.map(_judge, chain(first, blocks))


_worker: Worker
"""Of this process, where it is one of a pool."""


def _begin(config: FilteringConfig) -> None:
    global _worker
    _worker = Worker(config)


def _judge(rows: list[Row]) -> JudgedBlock:
    return _worker.judge(rows)


def _salt(row: Row, candidate: Candidate) -> str:
    """Without units there is nothing to repeat: an id of its own keeps such captions apart."""
    return row.job if candidate.unit_count else f"{row.job} {row.id}"
