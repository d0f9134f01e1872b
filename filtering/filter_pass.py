"""One pass over all captions of a run or file: first each by itself, then beside each other.

Comes in: captions in blocks, in the order that decides which of several equal ones stays. Goes out: a
verdict each, in the same order, whatever the number of processes. Not its job: where captions come from and
verdicts go (see stage, captions_file).

What the first step leaves for the next one lies in a scratch folder, so memory is bounded by a few blocks
and 8 bytes a caption, twice.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.errors import SetupError
from triptych.executors import Each, OpenExecutor, in_order
from triptych.executors.processes import core_count
from triptych.filtering.config import FilteringConfig
from triptych.filtering.near_duplicates import NONE, DuplicateIndex
from triptych.filtering.rule import Rule
from triptych.filtering.rule_choice import make_scorer
from triptych.filtering.score_histogram import Bins
from triptych.filtering.scoring import CaptionInput, FilterJob, ScoredBlock, ScoredCaption, Scorer
from triptych.records import Verdict
from triptych.runs.jsonl import make_folder
from triptych.runs.lock import owned

BLOCK_CAPTIONS = 4096

MIN_BLOCKS_FOR_PROCESSES = 4
"""Fewer are done before processes have started."""


def in_blocks(captions: Iterable[CaptionInput]) -> Iterator[list[CaptionInput]]:
    """Captions in their order, in blocks of one job each."""
    for _, of_job in groupby(captions, key=lambda caption: caption.job):
        while block := list(islice(of_job, BLOCK_CAPTIONS)):
            yield block


class MakeScorer(msgspec.Struct, frozen=True):
    """Set up in each process: gives the function from a block of captions to what is left of it."""

    config: FilteringConfig
    jobs: tuple[FilterJob, ...]

    def __call__(self, name: str) -> Callable[[Sequence[CaptionInput]], ScoredBlock]:
        return make_scorer(self.config, self.jobs).score_block


_PREFIX = ".filter-"
"""Of scratch folders, which their process owns."""


def remove_left_behind(folder: Path) -> None:
    """Scratch folders in ``folder`` whose process was killed."""
    for scratch in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, SetupError), owned(scratch):  # else another process is in it
            shutil.rmtree(scratch, ignore_errors=True)


class FilterPass:
    """Scores one run or file. Use it as a context: its scratch folder goes with it."""

    def __init__(
        self,
        config: FilteringConfig,
        jobs: Sequence[FilterJob],
        scratch_in: Path,
        open_executor: OpenExecutor,
        rules: Sequence[Rule] | None = None,
    ) -> None:
        """``rules`` are used in place of those that the config names, in this process alone."""
        self.scorer = make_scorer(config, jobs) if rules is None else Scorer(config, jobs, rules)
        self._is_alone = rules is not None
        self._config, self._jobs, self._open_executor = config, tuple(jobs), open_executor
        make_folder(scratch_in)
        there = scratch_in if os.access(scratch_in, os.W_OK) else None  # else where the system has its own
        self._scratch = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=there)
        self._folder = Path(self._scratch.name)
        self._owned = contextlib.ExitStack()
        self._owned.enter_context(owned(self._folder))
        self._index = DuplicateIndex(self._folder)
        self._rules = frozenset(rule.name for rule in self.scorer.rules)
        self.bins: Counter[Bins] = Counter()
        """Of the scores of all captions."""
        self._exact: NDArray[np.int64] | None = None
        self._similarity: NDArray[np.float32] | None = None
        self._repeats: dict[int, str] = {}
        """By the place of each duplicate, the id of the caption that it repeats."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._index.close()
        self._owned.close()
        self._scratch.cleanup()

    def score(self, blocks: Iterable[list[CaptionInput]]) -> Iterator[int]:
        """Run every rule; yields how many captions each block had, as they get done."""
        rejected: list[NDArray[np.bool_]] = [np.zeros(0, np.bool_)]
        near_from: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
        with (self._folder / "scored").open("wb") as file:
            for block in self._scored(blocks):
                file.write(block.lines)
                rejected.append(block.is_rejected)
                near_from.append(block.near_from)
                self._index.add(block.sketches)
                self.bins.update(block.bins)
                yield len(block.is_rejected)
        self._compare(np.concatenate(rejected), np.concatenate(near_from))

    def scored(self) -> Iterator[ScoredCaption]:
        """Every caption with the scores of the rules that it violates, in order; as often as wanted."""
        for at, scored in enumerate(self._scored_alone()):
            if self._exact is not None and self._exact[at] != NONE:
                scored.scores["exact_duplicate"] = 1.0
            if self._similarity is not None and self._similarity[at] > 0:
                scored.scores["near_duplicate"] = round(float(self._similarity[at]), 4)
            yield scored._replace(repeats=self._repeats[at]) if at in self._repeats else scored

    def verdicts(self) -> Iterator[Verdict]:
        """Every caption's verdict, in order."""
        return map(self.scorer.verdict, self.scored())

    def _scored(self, blocks: Iterable[list[CaptionInput]]) -> Iterator[ScoredBlock]:
        """Each block scored, in order, by as many processes as the config says."""
        blocks = iter(blocks)
        first = list(islice(blocks, MIN_BLOCKS_FOR_PROCESSES))
        workers = self._config.workers or core_count()
        if len(first) < MIN_BLOCKS_FOR_PROCESSES or workers == 1 or self._is_alone:
            yield from map(self.scorer.score_block, chain(first, blocks))
            return
        names = [f"filter {number}" for number in range(workers)]
        set_up = Each(MakeScorer(self._config, self._jobs))
        with self._open_executor(names, set_up, purpose="scores captions") as executor:
            yield from in_order(executor, chain(first, blocks))

    def _compare(self, rejected: NDArray[np.bool_], near_from: NDArray[np.float32]) -> None:
        """Look for captions that repeat earlier ones, exactly and nearly."""
        repeated = np.full(len(rejected), NONE, np.int64)
        if "exact_duplicate" in self._rules:
            repeated = self._exact = self._index.exact(rejected)
        if "near_duplicate" in self._rules:
            gone = rejected | (repeated != NONE)
            self._similarity, near = self._index.near(gone, near_from)
            repeated = np.where(repeated == NONE, near, repeated)
        wanted = set(repeated[repeated != NONE].tolist())
        ids = {at: scored.id for at, scored in enumerate(self._scored_alone()) if at in wanted}
        self._repeats = {int(at): ids[int(repeated[at])] for at in np.flatnonzero(repeated != NONE)}

    def _scored_alone(self) -> Iterator[ScoredCaption]:
        decoder = msgspec.json.Decoder(ScoredCaption)
        with (self._folder / "scored").open("rb") as file:
            yield from map(decoder.decode, file)
