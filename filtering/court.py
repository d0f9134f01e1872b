"""All captions of a run or file: first each by itself, then all against each other.

Comes in: captions in blocks, in the order that decides which of several equal ones stays. Goes out: a
verdict each, in the same order, whatever the number of processes. Not its job: where captions come
from and verdicts go (see stage, plain_file).

What a pass leaves for the next one lies in a scratch folder, so memory is bounded by a few blocks and
8 bytes a caption, twice.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.filtering.config import FilteringConfig
from triptych.filtering.duplicates import NO_TWIN, DuplicateIndex
from triptych.filtering.judge import Judge, Judged, Row
from triptych.filtering.score_counts import Key
from triptych.filtering.worker import judged_blocks
from triptych.records import Verdict

BLOCK_CAPTIONS = 4096


class Court:
    """Judges one run or file. Use it as a context: its scratch folder goes with it."""

    def __init__(self, config: FilteringConfig, scratch_in: Path) -> None:
        self.judge = Judge(config)
        self._config = config
        scratch_in.mkdir(parents=True, exist_ok=True)
        self._scratch = tempfile.TemporaryDirectory(prefix=".filter-", dir=scratch_in)
        self._folder = Path(self._scratch.name)
        self._index = DuplicateIndex(self._folder)
        self._dropped: list[NDArray[np.bool_]] = []
        self._near_from: list[NDArray[np.float32]] = []
        self.score_counts: Counter[Key] = Counter()
        """Of all captions that were heard."""
        self._exact: NDArray[np.int64] | None = None
        self._near: NDArray[np.float32] | None = None
        self._twin: dict[int, str] = {}
        """By the place of each duplicate, the id of the caption that it repeats."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._index.close()
        self._scratch.cleanup()

    def hear(self, blocks: Iterable[list[Row]]) -> Iterator[int]:
        """Run every rule; yields how many captions each block had, as they get done."""
        with (self._folder / "judged").open("wb") as file:
            for block in judged_blocks(self._config, blocks):
                file.write(block.lines)
                self._dropped.append(block.dropped)
                self._near_from.append(block.near_from)
                self._index.add(block.sketches)
                self.score_counts.update(block.score_counts)
                yield len(block.dropped)
        dropped = np.concatenate(self._dropped) if self._dropped else np.zeros(0, np.bool_)
        rules = self._config.rules
        self._exact = self._index.exact(dropped) if "exact_duplicate" in rules else None
        if "near_duplicate" in rules:
            gone = dropped if self._exact is None else dropped | (self._exact != NO_TWIN)
            near_from = np.concatenate([*self._near_from, np.zeros(0, np.float32)])
            self._near, twins = self._index.near(gone, near_from)
        else:
            twins = np.full(len(dropped), NO_TWIN, np.int64)
        self._twin = self._ids_of(
            twins if self._exact is None else np.where(self._exact < 0, twins, self._exact)
        )

    def judged(self) -> Iterator[Judged]:
        """Every caption with its scores, in order. Can be gone through again."""
        decoder = msgspec.json.Decoder(Judged)
        with (self._folder / "judged").open("rb") as file:
            for at, line in enumerate(file):
                judged = decoder.decode(line)
                if self._exact is not None and self._exact[at] != NO_TWIN:
                    judged.scores["exact_duplicate"] = 1.0
                if self._near is not None and self._near[at] > 0:
                    judged.scores["near_duplicate"] = round(float(self._near[at]), 4)
                yield judged._replace(repeats=self._twin[at]) if at in self._twin else judged

    def _ids_of(self, twins: NDArray[np.int64]) -> dict[int, str]:
        wanted = set(twins[twins != NO_TWIN].tolist())
        decoder, ids = msgspec.json.Decoder(Judged), dict[int, str]()
        with (self._folder / "judged").open("rb") as file:
            for at, line in enumerate(file):
                if at in wanted:
                    ids[at] = decoder.decode(line).id
        return {int(at): ids[int(twins[at])] for at in np.flatnonzero(twins != NO_TWIN)}

    def verdicts(self) -> Iterator[Verdict]:
        """Every caption's verdict, in order."""
        for judged in self.judged():
            yield self.judge.verdict(judged.id, judged.scores, judged.repeats)
