"""One pass over all captions of a run or file: scores each, then finds duplicates, then gives verdicts.

Comes in: captions in blocks; of several equal captions the first stays. Goes out: one verdict for each
caption, in the same order, whatever the number of processes. Not its job: where captions come from and
verdicts go (see stage, captions_file).

Scores are kept in a scratch folder between the steps, so memory is bounded by a few blocks and twice 8 bytes
per caption.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.errors import SetupError
from triptych.executors import OpenExecutor, PerUnit, in_order
from triptych.executors.processes import core_count
from triptych.filtering.config import FilteringConfig
from triptych.filtering.near_duplicates import NONE, DuplicateIndex
from triptych.filtering.rule import Rule
from triptych.filtering.rule_choice import make_scorer
from triptych.filtering.score_histogram import ScoreBin
from triptych.filtering.scoring import CaptionInput, FilterJob, ScoredBlock, ScoredCaption, Scorer
from triptych.records import Verdict
from triptych.runs.jsonl import make_folder
from triptych.runs.lock import owned

BLOCK_CAPTIONS = 4096

MIN_BLOCKS_FOR_PROCESSES = 4
"""Fewer blocks are done before processes have started."""


def in_blocks(captions: Iterable[CaptionInput]) -> Iterator[list[CaptionInput]]:
    """Split captions into blocks of one job each, in order."""
    for _, of_job in groupby(captions, key=lambda caption: caption.job):
        while block := list(islice(of_job, BLOCK_CAPTIONS)):
            yield block


def _block_scorer(
    config: FilteringConfig, jobs: Sequence[FilterJob], name: str
) -> Callable[[Sequence[CaptionInput]], ScoredBlock]:
    """Set up in each process, the worker ``name``: returns the function that scores a block."""
    return make_scorer(config, jobs).score_block


_PREFIX = ".filter-"
"""Of scratch folders. Each is locked by its process."""


def remove_abandoned_scratch(folder: Path) -> None:
    """Remove the scratch folders in ``folder`` whose process was killed."""
    for scratch in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, SetupError), owned(scratch):  # fails if a process still uses it
            shutil.rmtree(scratch, ignore_errors=True)


class FilterPass(contextlib.AbstractContextManager["FilterPass"]):
    """Judges the captions of one run or file. Leaving its context removes its scratch folder."""

    def __init__(
        self,
        config: FilteringConfig,
        jobs: Sequence[FilterJob],
        scratch_in: Path,
        open_executor: OpenExecutor,
        rules: Sequence[Rule] | None = None,
    ) -> None:
        """``rules`` replace those that the config names, and run in this process only."""
        self.scorer = make_scorer(config, jobs) if rules is None else Scorer(config, jobs, rules)
        self._needs_this_process = rules is not None
        self._config, self._jobs, self._open_executor = config, tuple(jobs), open_executor
        make_folder(scratch_in)
        parent = scratch_in if os.access(scratch_in, os.W_OK) else None  # None: the system's folder
        self._stack = contextlib.ExitStack()
        scratch = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent)
        self._folder = Path(self._stack.enter_context(scratch))
        self._stack.enter_context(owned(self._folder))
        self._index = self._stack.enter_context(contextlib.closing(DuplicateIndex(self._folder)))
        self._rules = frozenset(rule.name for rule in self.scorer.rules)
        self.bins: Counter[ScoreBin] = Counter()
        """Of the scores of all captions."""
        self._exact = np.zeros(0, np.int64)
        self._similarity = np.zeros(0, np.float32)
        self._repeats: dict[int, str] = {}
        """The id of the caption that each duplicate repeats, by the duplicate's index."""

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def score(self, blocks: Iterable[list[CaptionInput]]) -> Iterator[int]:
        """Run every rule. Yields the number of captions of each block when it is done."""
        rejected: list[NDArray[np.bool_]] = [np.zeros(0, np.bool_)]
        min_similarity: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
        with (self._folder / "scored").open("wb") as file:
            for block in self._score_blocks(blocks):
                file.write(block.lines)
                rejected.append(block.is_rejected)
                min_similarity.append(block.min_similarity)
                self._index.add(block.sketches)
                self.bins.update(block.bins)
                yield len(block.is_rejected)
        self._find_duplicates(np.concatenate(rejected), np.concatenate(min_similarity))

    def scored(self) -> Iterator[ScoredCaption]:
        """Every caption with the scores of the rules that it violates, in order. Can be called again."""
        for at, scored in enumerate(self._read_scored()):
            if self._exact[at] != NONE:
                scored.scores["exact_duplicate"] = 1.0
            if self._similarity[at] > 0:
                scored.scores["near_duplicate"] = round(float(self._similarity[at]), 4)
            yield scored._replace(repeats=self._repeats[at]) if at in self._repeats else scored

    def verdicts(self) -> Iterator[Verdict]:
        """Every caption's verdict, in order."""
        return map(self.scorer.verdict, self.scored())

    def _score_blocks(self, blocks: Iterable[list[CaptionInput]]) -> Iterator[ScoredBlock]:
        """Each block scored, in order, by as many processes as the config says."""
        blocks = iter(blocks)
        first = list(islice(blocks, MIN_BLOCKS_FOR_PROCESSES))
        workers = self._config.workers or core_count()
        if len(first) < MIN_BLOCKS_FOR_PROCESSES or workers == 1 or self._needs_this_process:
            yield from map(self.scorer.score_block, chain(first, blocks))
            return
        names = [f"filter {number}" for number in range(workers)]
        set_up = PerUnit(partial(_block_scorer, self._config, self._jobs))
        with self._open_executor(names, set_up, purpose="scores captions") as executor:
            yield from in_order(executor, chain(first, blocks))

    def _find_duplicates(self, rejected: NDArray[np.bool_], min_similarity: NDArray[np.float32]) -> None:
        repeated = np.full(len(rejected), NONE, np.int64)
        if "exact_duplicate" in self._rules:
            repeated = self._index.exact(rejected)
        self._exact, self._similarity = repeated, np.zeros(len(rejected), np.float32)
        if "near_duplicate" in self._rules:
            is_exact = repeated != NONE
            self._similarity, near = self._index.near(rejected | is_exact, min_similarity)
            repeated = np.where(is_exact, repeated, near)
        wanted = set(repeated[repeated != NONE].tolist())
        ids = {at: scored.id for at, scored in enumerate(self._read_scored()) if at in wanted}
        self._repeats = {int(at): ids[int(repeated[at])] for at in np.flatnonzero(repeated != NONE)}

    def _read_scored(self) -> Iterator[ScoredCaption]:
        """Every caption with its scores of rules that look at one caption."""
        decoder = msgspec.json.Decoder(ScoredCaption)
        with (self._folder / "scored").open("rb") as file:
            yield from map(decoder.decode, file)
