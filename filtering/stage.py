"""The stage ``verdicts``: every caption of a run is kept or dropped, with the reason.

Comes in: the captions of a run. Goes out: ``verdicts/<job>/<shard>.jsonl``, one verdict a caption, in
plan order. A failed caption gets none: it is counted as failed. Nothing is written before the guard
has seen what every rule drops. Not its job: the rules themselves.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence

import msgspec

from triptych.errors import SetupError
from triptych.filtering.config import FilteringConfig
from triptych.filtering.court import BLOCK_CAPTIONS, Court
from triptych.filtering.grounding import Grounding
from triptych.filtering.guard import check_shares
from triptych.filtering.judge import Row
from triptych.filtering.phrase_vectors import LoadTextEncoder
from triptych.filtering.score_counts import rule_scores
from triptych.filtering.tally import JobTally, tally
from triptych.records import JOB_NAMES, Caption, JobName, Verdict, is_multi, target_of
from triptych.runs.captioned import captioned_targets, captions_digest
from triptych.runs.context import RunContext
from triptych.runs.folder import Setting
from triptych.runs.jsonl import write_jsonl
from triptych.runs.plan import Target

DATA_VERSION = 6
"""Raise it when the same captions and bounds would get other verdicts."""

_NO_PART_OF_VERDICTS = ("max_dropped_share", "guarded_from", "accepted", "workers")
"""Settings that say whether verdicts are written and how fast, not what they are."""


class Session:
    """One pass over the captions of a run: what is judged, with what."""

    def __init__(
        self,
        context: RunContext,
        config: FilteringConfig,
        load_text_encoder: LoadTextEncoder | None = None,
    ) -> None:
        run = context.folder
        unknown = [job.name for job in context.jobs if job.name not in JOB_NAMES]
        if unknown:
            raise SetupError(
                f"the filter can't judge the captions of {', '.join(unknown)} yet: its rules read those of"
                f" {', '.join(JOB_NAMES)}; filter a run without them, or read them from {run.path}/captions"
            )
        if not run.is_finished("captions"):
            raise SetupError(
                f"the captions of {run.path} are not finished, so they can't be filtered;"
                f" run `triptych caption {run.path}` first"
            )
        self._run, self._config = run, config
        self._jobs, self._progress = context.jobs, context.progress
        self._load_text_encoder = load_text_encoder
        self._shards: list[tuple[JobName, str, int]] = []
        self._told: tuple[tuple[JobName, str] | None, dict[str, str]] = None, {}

    def write_verdicts(self) -> bool:
        """Judge everything and write it. Returns False if that was done already.

        Raises SetupError where the verdicts were made with other bounds, or a rule drops too much.
        """
        config, run = self._config, self._run
        inputs = {
            "captions": captions_digest(run, self._jobs),
            "jobs": ",".join(job.name for job in self._jobs),
        }
        if config.grounding:
            inputs["embeddings"] = run.digest("embeddings")
        if not run.begin_stage("verdicts", _settings(config), inputs):
            return False
        with self._heard() as court:
            check_shares(config, tally(court.judge, court.judged()), str(run.path))
            verdicts = court.verdicts()
            for job, shard, count in self._shards:
                write_jsonl(run.verdicts_file(job, shard), _next(verdicts, count))
            write_jsonl(
                run.rule_scores_file,
                rule_scores(config, court.score_counts, [job.name for job in self._jobs]),
            )
        run.finish_stage("verdicts")
        return True

    def funnel(self) -> dict[JobName, JobTally]:
        """Judge everything and write nothing."""
        with self._heard() as court:
            return tally(court.judge, court.judged())

    def find(self, identifier: str) -> tuple[Row, Verdict | None]:
        """One caption as the rules see it, and its verdict where there is one.

        Raises SetupError where no planned caption has this id.
        """
        job = next((job for job in self._jobs if identifier.startswith(f"{job.name}:")), None)
        for shard, pairs in captioned_targets(self._run, job) if job else ():
            chosen = [(target, caption) for target, caption in pairs if caption.id == identifier]
            if job is not None and chosen and chosen[0][1].failure is None:
                (row,) = self._rows(job.name, shard, chosen, self._grounding())
                verdicts = (v for v in self._run.verdicts(job.name, shard) if v.id == identifier)
                return row, next(verdicts, None)
        raise SetupError(
            f"no caption {identifier} in {self._run.path};"
            f" expected an id such as single_en:sa_000000/sa_1.jpg, as in {self._run.path}/captions"
        )

    @contextlib.contextmanager
    def _heard(self) -> Iterator[Court]:
        for left_behind in self._run.path.glob(".filter-*"):  # by a run that was killed
            shutil.rmtree(left_behind)
        with (
            Court(self._config, self._run.path) as court,
            self._progress.task("filter", None, "captions") as task,
        ):
            for count in court.hear(self._blocks()):
                task.advance(count)
            yield court

    def _blocks(self) -> Iterator[list[Row]]:
        """The captions in plan order, job by job; notes how many each shard has."""
        grounding = self._grounding()
        self._shards.clear()
        for job in self._jobs:
            for shard, pairs in captioned_targets(self._run, job):
                made = [(target, caption) for target, caption in pairs if caption.failure is None]
                self._shards.append((job.name, shard, len(made)))
                for start in range(0, len(made), BLOCK_CAPTIONS):
                    yield self._rows(job.name, shard, made[start : start + BLOCK_CAPTIONS], grounding)

    def _rows(
        self,
        job: JobName,
        shard: str,
        made: Sequence[tuple[Target, Caption]],
        grounding: Grounding | None,
    ) -> list[Row]:
        told = self._told_by_counterparts(job, shard)
        ranks: Sequence[float | None] = [None] * len(made)
        if grounding is not None:
            ranks = grounding.ranks(
                job, shard, [([image.key for image in t.images], caption.text) for t, caption in made]
            )
        return [
            Row(
                id=caption.id,
                job=job,
                text=caption.text,
                image_count=len(target.images),
                finish_reason=caption.finish_reason,
                counterpart=told.get(target_of(caption.id)),
                grounding_rank=rank,
            )
            for (target, caption), rank in zip(made, ranks, strict=True)
        ]

    def _told_by_counterparts(self, job: JobName, shard: str) -> dict[str, str]:
        """What the other language says, by image key or set id."""
        other: JobName = ("multi_" if is_multi(job) else "single_") + ("en" if job.endswith("zh") else "zh")
        if "disagreement" not in self._config.rules or other not in [job.name for job in self._jobs]:
            return {}
        if self._told[0] != (other, shard):
            made = (c for c in self._run.captions(other, shard) if c.failure is None)
            self._told = (other, shard), {target_of(caption.id): caption.text for caption in made}
        return self._told[1]

    def _grounding(self) -> Grounding | None:
        if not self._config.grounding or "ungrounded" not in self._config.rules:
            return None
        if self._load_text_encoder is None:
            raise SetupError(
                "filtering.grounding is on, but no text encoder was handed to the filter;"
                " expected load_text_encoder, or filtering.grounding=false"
            )
        return Grounding(
            self._run,
            self._load_text_encoder(),
            self._config.grounding_images,
            self._jobs,
            self._progress,
        )


def _next(verdicts: Iterator[Verdict], count: int) -> Iterator[Verdict]:
    for _ in range(count):
        yield next(verdicts)


def _settings(config: FilteringConfig) -> dict[str, Setting]:
    settings: dict[str, Setting] = {"data_version": DATA_VERSION}
    for name, value in msgspec.structs.asdict(config).items():
        if name not in _NO_PART_OF_VERDICTS:
            settings[name] = ",".join(value) if isinstance(value, tuple) else value
    return settings
