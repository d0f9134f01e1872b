"""Interrupted captioning resumes, duplicates nothing, and ends with the same captions."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.contexts import JOBS, context_of
from tests.support.small_run import SmallRun, changed
from triptych.captioning.answer_check import AnswerCheck
from triptych.captioning.backlog import Backlog, Group
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import CaptionRequest, Completion, Engine
from triptych.captioning.engines.transformers import TransformersEngine
from triptych.captioning.journals import write_captions
from triptych.captioning.request_builder import RequestBuilder
from triptych.captioning.scheduler import JobRequests, Scheduler
from triptych.jobs import SEED_JOBS
from triptych.languages import LANGUAGES
from triptych.prompts import load_prompts
from triptych.records import Caption
from triptych.runs.image_reader import reader_of
from triptych.runs.plan import Target


@pytest.fixture
def config(config: CaptioningConfig) -> CaptioningConfig:
    """The config of conftest, with fewer tokens."""
    return changed(config, max_tokens_single=10, max_tokens_multi=10)


class RecordingEngine:
    """Wraps an engine, and records the groups that it is asked for."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.group_size = engine.group_size
        self.concurrency = self.slots = 1
        self.identity = engine.identity
        self.groups: list[tuple[str, ...]] = []

    def describe(self) -> str:
        return self.engine.describe()

    def slot_s(self) -> float:
        return self.engine.slot_s()

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        self.groups.append(tuple(request.id for request in requests))
        return self.engine.caption(requests)

    def close(self) -> None:
        pass


def caption_singles(
    small_run: SmallRun,
    config: CaptioningConfig,
    engine: Engine,
    on_rows: Callable[[list[Caption]], None] = lambda rows: None,
    stopping: threading.Event | None = None,
) -> None:
    """Make the missing captions of single_en."""
    run = context_of(small_run.run, "single_en")
    builder = RequestBuilder(reader_of(run, small_run.sources), config)
    prompt = load_prompts(SEED_JOBS)["single_en"]
    stopping = stopping or threading.Event()

    def request(group: Group, target: Target) -> CaptionRequest:
        return builder.request(group.job, group.shard, target, prompt)

    scheduler = Scheduler(
        Backlog(run.plan(JOBS["single_en"])).groups(engine.group_size),
        JobRequests(request=request, smaller=request, check=AnswerCheck(language=LANGUAGES["en"])),
        engine,
        stopping,
    )
    write_captions(
        lambda finished: run.folder.captions_file("single_en", finished.group.shard),
        scheduler.finished(),
        lambda finished: on_rows(finished.rows),
        stopping,
    )


def test_a_run_whose_journals_were_cut_at_any_byte_ends_with_the_same_captions(
    small_run: SmallRun, config: CaptioningConfig, tmp_path: Path
) -> None:
    """For each of twelve seeds, some journals of a copy of the run are cut, and the copy is resumed."""
    small_run.caption(config)
    undisturbed = small_run.rows()
    for seed in range(12):
        copy = SmallRun(small_run.run, small_run.pile)
        folder = tmp_path / f"cut-{seed}"
        shutil.copytree(small_run.run.path, folder)
        copy.run = small_run.run.open(folder)
        _cut_journals(copy, random.Random(seed))

        assert copy.caption(config) is True

        assert undisturbed == copy.rows(), f"seed {seed}"
        shutil.rmtree(folder)


def _cut_journals(copy: SmallRun, rng: random.Random) -> None:
    """Keep a random number of bytes of some journals, and mark the stage as interrupted."""
    journals = sorted((copy.run.path / "captions").rglob("*.jsonl"))
    for journal in rng.sample(journals, rng.randint(1, len(journals))):
        content = journal.read_bytes()
        journal.write_bytes(content[: rng.randrange(len(content))])
    copy.run.reopen_stage("captions")


def test_a_group_with_one_caption_missing_is_asked_again_as_a_whole(
    small_run: SmallRun, config: CaptioningConfig, tiny_engine: TransformersEngine
) -> None:
    """So that the batch rounds as before. Only the missing row is written."""
    first = RecordingEngine(tiny_engine)
    caption_singles(small_run, config, first)
    rows = small_run.rows()
    journal = small_run.run.captions_file("single_en", "sa_000000")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))
    again, written = RecordingEngine(tiny_engine), []

    caption_singles(small_run, config, again, written.extend)

    assert [group for group in first.groups if written[0].id in group] == again.groups
    assert 1 == len(written)
    assert rows == small_run.rows()


def test_an_interruption_finishes_the_engines_groups_and_drops_waiting_ones(
    small_run: SmallRun, config: CaptioningConfig, tiny_engine: TransformersEngine
) -> None:
    """The journals stay valid, and the next command makes the missing captions."""
    interrupted, stopping = threading.Event(), threading.Event()
    commits = []

    class SlowEngine(RecordingEngine):
        def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
            if self.groups:
                interrupted.wait()
            return super().caption(requests)

    def interrupt(rows: list[Caption]) -> None:
        commits.append(len(rows))
        if len(commits) == 1:
            stopping.set()
            threading.Timer(0.2, interrupted.set).start()

    engine = SlowEngine(tiny_engine)
    caption_singles(small_run, config, engine, interrupt, stopping)
    after_interruption = small_run.rows()
    groups_with_the_engine = list(engine.groups)
    caption_singles(small_run, config, engine)

    assert 2 == len(groups_with_the_engine)
    assert sum(commits) == sum(map(len, groups_with_the_engine)) == len(after_interruption)
    assert after_interruption.items() <= small_run.rows().items()
    assert 13 == len(small_run.rows())


def test_an_engine_error_is_raised_after_finished_groups_were_written(
    small_run: SmallRun, config: CaptioningConfig, tiny_engine: TransformersEngine
) -> None:
    """The second group fails; the first is on disk."""

    class BreakingEngine(RecordingEngine):
        def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
            if len(self.groups) == 1:
                raise RuntimeError("the engine broke")
            return super().caption(requests)

    engine = BreakingEngine(tiny_engine)
    with pytest.raises(RuntimeError, match="the engine broke"):
        caption_singles(small_run, config, engine)

    assert set(engine.groups[0]) == set(small_run.rows())
