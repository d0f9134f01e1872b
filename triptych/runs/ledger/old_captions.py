"""Counting as export did it before it read plans; goes with its last use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import compress
from typing import Generic, Protocol, TypeVar

import msgspec

from triptych.records import JobName
from triptych.runs.folder import RunFolder
from triptych.runs.ledger.captions import JobCounts
from triptych.runs.ledger.images import reason_class


class ShardCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of what a job plans in one shard, and what contradicts itself there."""

    planned: int
    captioned: int
    pending: int
    kept: int
    failed: dict[str, int]
    rejected: dict[str, int]
    offences: list[str]


class Identified(Protocol):
    """A record of a journal."""

    @property
    def id(self) -> str: ...


class Outcome(Identified, Protocol):
    """Of a Caption, what is counted."""

    @property
    def failure(self) -> str | None: ...


class Judgement(Identified, Protocol):
    """Of a Verdict, what is counted."""

    @property
    def keep(self) -> bool: ...

    @property
    def reason(self) -> str | None: ...


_I = TypeVar("_I", bound=Identified)
_C = TypeVar("_C", bound=Outcome)


class ShardRecount(Generic[_C]):
    """One shard of a job, counted."""

    def __init__(
        self,
        shard: str,
        planned: Sequence[str],
        captions: Sequence[_C],
        verdicts: Sequence[Judgement],
        *,
        all_judged: bool,
    ) -> None:
        """``planned`` are caption ids. ``all_judged``: every caption is to have a verdict."""
        offences: list[str] = []
        by_id = {caption.id: caption for caption in captions}
        offences += _repeated(captions, by_id.keys(), "captioned", shard)
        outcomes = list(map(by_id.get, planned))
        captioned = [one.id for one in outcomes if one is not None and one.failure is None]
        failures = [one.failure for one in outcomes if one is not None and one.failure is not None]
        # As the filter writes them. Comparing lists is several times cheaper than looking up each.
        is_one_to_one = [verdict.id for verdict in verdicts] == captioned
        if not is_one_to_one:
            verdicts = self._reconciled(verdicts, captioned, offences, shard, all_judged=all_judged)
        keeps = [verdict.keep and verdict.reason is None for verdict in verdicts]
        if not is_one_to_one or len(captioned) != len(planned):
            kept = {verdict.id for verdict in compress(verdicts, keeps)}
            keeps = [identifier in kept for identifier in planned]
        self.is_kept = keeps
        """Of each that is planned."""
        self.kept = [one for one in compress(outcomes, keeps) if one is not None]
        """The captions that are kept, in plan order; of several with one id the last."""
        reasons = [verdict.reason for verdict in verdicts if not verdict.keep and verdict.reason is not None]
        if len(self.kept) + len(reasons) != len(verdicts):
            offences += [
                f"verdict on {verdict.id}: keep is {verdict.keep}, reason {verdict.reason}"
                for verdict in verdicts
                if verdict.keep == (verdict.reason is not None)
            ]
        self.counts = ShardCounts(
            planned=len(planned),
            captioned=len(captioned),
            pending=outcomes.count(None),
            kept=len(self.kept),
            failed=Counter(map(reason_class, failures)),
            rejected=Counter(reasons),
            offences=offences,
        )

    def _reconciled(
        self,
        verdicts: Sequence[Judgement],
        captioned: Sequence[str],
        offences: list[str],
        shard: str,
        *,
        all_judged: bool,
    ) -> list[Judgement]:
        """The verdicts on captions of the plan, each once. Adds an offence for everything else."""
        by_id = {verdict.id: verdict for verdict in verdicts}
        offences += _repeated(verdicts, by_id.keys(), "judged", shard)
        strays = by_id.keys() - set(captioned)
        offences += [f"verdict on {i}, which has no caption in the plan" for i in sorted(strays)]
        if all_judged:
            offences += [f"no verdict on {i}" for i in sorted(set(captioned) - by_id.keys())]
        return [verdict for identifier, verdict in by_id.items() if identifier not in strays]


class JobRecount:
    """One job, added up shard by shard."""

    def __init__(self, run: RunFolder, job: JobName) -> None:
        self._run, self._job = run, job
        self._planned = self._captioned = self._pending = self._kept = 0
        self._failed: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._shards: set[str] = set()
        self._offences: list[str] = []

    def add(self, shard: str, counts: ShardCounts) -> None:
        self._shards.add(shard)
        self._planned += counts.planned
        self._captioned += counts.captioned
        self._pending += counts.pending
        self._kept += counts.kept
        self._failed.update(counts.failed)
        self._rejected.update(counts.rejected)
        self._offences += counts.offences

    def counts(self) -> JobCounts:
        judged = self._run.is_finished("verdicts")
        return JobCounts(
            planned=self._planned,
            captioned=self._captioned,
            failed=dict(sorted(self._failed.items())),
            pending=self._pending,
            kept=self._kept if judged else None,
            rejected=dict(sorted(self._rejected.items())) if judged else None,
        )

    def offences(self) -> list[str]:
        """Those of the shards, and verdicts filed under a shard that plans nothing for this job."""
        root = self._run.path / "verdicts" / self._job
        filed = ((path, path.relative_to(root).as_posix()) for path in sorted(root.rglob("*.jsonl")))
        return self._offences + [
            f"{path}: verdicts of a shard that plans nothing for {self._job}"
            for path, name in filed
            if name.removesuffix(".jsonl") not in self._shards
        ]


def _repeated(records: Sequence[_I], ids: Collection[str], what: str, shard: str) -> list[str]:
    """An offence for each record whose id came before."""
    if len(records) == len(ids):
        return []
    times = Counter(record.id for record in records)
    return [f"{i} is {what} twice in shard {shard}" for i, n in times.items() for _ in range(n - 1)]
