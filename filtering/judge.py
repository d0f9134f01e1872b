"""All rules on many captions: first each by itself, then all against each other.

Comes in: captions in blocks, in the order that decides which of several equal ones stays. Goes out: a
verdict each, in the same order, whatever the number of processes. Not its job: where captions come
from and verdicts go (see stage, plain_file).

What a pass leaves for the next one lies in a scratch folder, so memory is bounded by a few blocks and
8 bytes a caption, twice.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from corpus.records import JOB_NAMES, JobName, Verdict, language_of
from filtering.candidate import Candidate
from filtering.config import FilteringConfig, RuleName
from filtering.duplicates import NO_TWIN, DuplicateIndex
from filtering.rules import RULES, Measure
from filtering.score_counts import Key, ScoreCounter
from filtering.sketches import Sketcher, Sketches

BLOCK_CAPTIONS = 4096
POOL_FROM_BLOCKS = 4
"""Fewer blocks are done before a pool of processes has started."""
SNIPPET_CHARACTERS = 90
"""Kept of each text until the verdicts are out, to show examples from."""


class Row(NamedTuple):
    """One caption on its way through the rules."""

    id: str
    job: JobName
    text: str
    image_count: int
    finish_reason: str
    counterpart: str | None = None
    grounding_rank: float | None = None

    def candidate(self) -> Candidate:
        """What the rules see of it."""
        return Candidate(
            text=self.text,
            job=self.job,
            image_count=self.image_count,
            finish_reason=self.finish_reason,
            counterpart=self.counterpart,
            grounding_rank=self.grounding_rank,
        )


class Judged(NamedTuple):
    """A caption with the scores of the rules that speak against it."""

    id: str
    job: JobName
    scores: dict[str, float]
    snippet: str
    repeats: str | None = None
    """The id of the earlier caption that it repeats."""


class Judge:
    """The rules of a config, ready to look at captions one by one."""

    def __init__(self, config: FilteringConfig) -> None:
        self._flags = frozenset(config.flags)
        self._order = config.rules
        self._bounds: dict[JobName, list[tuple[RuleName, Measure, float, bool]]] = {
            job: [
                (name, RULES[name].measure, RULES[name].bound(config, job), RULES[name].drops == "above")
                for name in config.rules
                if name in RULES
            ]
            for job in JOB_NAMES
        }

    def bounds(self, job: JobName) -> Mapping[RuleName, float]:
        """The bound of each rule that looks at one caption, in order."""
        return {name: bound for name, _, bound, _ in self._bounds[job]}

    def scores(self, candidate: Candidate, counter: ScoreCounter | None = None) -> dict[str, float]:
        """The score of every rule that looks at one caption and speaks against this one."""
        found: dict[str, float] = {}
        scores: list[float] = []
        for name, measure, bound, is_above in self._bounds[candidate.job]:
            score = measure(candidate)
            scores.append(score)
            if score > bound if is_above else score < bound:
                found[name] = score
        if counter is not None:
            counter.add(candidate.job, scores, found)
        return found

    def all_scores(self, candidate: Candidate) -> dict[RuleName, float]:
        """The score of every rule that looks at one caption."""
        return {name: measure(candidate) for name, measure, _, _ in self._bounds[candidate.job]}

    def drops(self, scores: Mapping[str, float]) -> bool:
        """Whether any of these rules does more than flag."""
        return not self._flags.issuperset(scores)

    def verdict(self, identifier: str, scores: Mapping[str, float], repeats: str | None = None) -> Verdict:
        """The first of the rules in the config's order that does more than flag is the reason."""
        in_order: dict[str, float] = {name: scores[name] for name in self._order if name in scores}
        reason = next((name for name in in_order if name not in self._flags), None)
        return Verdict(id=identifier, keep=reason is None, reason=reason, scores=in_order, repeats=repeats)


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
            for block in _judged_blocks(self._config, blocks):
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


class _Block(NamedTuple):
    """What a worker makes of n captions."""

    lines: bytes
    """A Judged in JSON a line."""
    dropped: NDArray[np.bool_]
    near_from: NDArray[np.float32]
    """The similarity from which each is a near duplicate."""
    sketches: Sketches
    score_counts: Counter[Key]


def _judged_blocks(config: FilteringConfig, blocks: Iterable[list[Row]]) -> Iterator[_Block]:
    blocks = iter(blocks)
    first = list(islice(blocks, POOL_FROM_BLOCKS))
    workers = config.workers or os.cpu_count() or 1
    if len(first) < POOL_FROM_BLOCKS or workers == 1:
        _begin_worker(config)
        yield from map(_judge_block, chain(first, blocks))
        return
    with ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin_worker, initargs=(config,)
    ) as pool:
        under_way: deque[Future[_Block]] = deque()
        for block in chain(first, blocks):
            under_way.append(pool.submit(_judge_block, block))
            if len(under_way) > 2 * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


_worker: tuple[FilteringConfig, Judge, Sketcher]


def _begin_worker(config: FilteringConfig) -> None:
    global _worker
    _worker = config, Judge(config), Sketcher()


def _judge_block(rows: list[Row]) -> _Block:
    config, judge, sketcher = _worker
    counter = ScoreCounter(config)
    encoder = msgspec.json.Encoder()
    lines: list[bytes] = []
    dropped = np.zeros(len(rows), np.bool_)
    salted_units: list[tuple[str, list[str]]] = []
    for at, row in enumerate(rows):
        candidate = row.candidate()
        scores = judge.scores(candidate, counter)
        dropped[at] = judge.drops(scores)
        lines.append(encoder.encode(Judged(row.id, row.job, scores, row.text[:SNIPPET_CHARACTERS])))
        # Without units there is nothing to repeat: an id of its own keeps such captions apart.
        salted_units.append((row.job if candidate.units else f"{row.job} {row.id}", candidate.units))
    bounds = {"en": config.min_near_duplicate_similarity_en, "zh": config.min_near_duplicate_similarity_zh}
    return _Block(
        lines=b"".join(line + b"\n" for line in lines),
        dropped=dropped,
        near_from=np.array([bounds[language_of(row.job)] for row in rows], np.float32),
        sketches=sketcher.sketch(salted_units),
        score_counts=counter.counts,
    )
