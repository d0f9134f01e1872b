"""The captions stage on a small run: what it needs, what it writes, and what it leaves unchanged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.chat_server import ChatServer
from tests.support.contexts import JOBS, limited
from tests.support.small_run import PLANNED, SmallRun, changed, journals
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engines.config import ServerConfig
from triptych.errors import SetupError, UsageError
from triptych.jobs import SEED_JOBS
from triptych.prompts import load_prompts
from triptych.runs.plan import JobPlan

ONLY_FIVE_CHINESE = [job.limited_to(5) if job.name == "single_zh" else job for job in SEED_JOBS]


def test_every_planned_target_gets_one_row_in_the_journal_of_its_shard(
    small_run: SmallRun, config: CaptioningConfig
) -> None:
    """Duplicates get none. A set belongs to the shard of its first image."""
    assert small_run.caption(config) is True

    small_run.rows()
    for job in JOBS:
        for shard, targets in JobPlan(small_run.run, limited(job, None)).shards():
            ids = {caption.id for caption in small_run.run.captions(job, shard)}
            assert {target.id for target in targets} == ids, (job, shard)


def test_captions_have_texts_and_token_counts(small_run: SmallRun, config: CaptioningConfig) -> None:
    """None fails."""
    small_run.caption(config)

    rows = small_run.rows().values()
    assert sum(PLANNED.values()) == len(rows)
    assert all(row.failure is None and row.text == row.text.strip() and row.attempts == 1 for row in rows)
    assert all(row.prompt_tokens > 50 and row.completion_tokens > 0 for row in rows)


def test_each_job_is_asked_with_its_own_prompt(
    small_run: SmallRun, chat_server: ChatServer, served_config: CaptioningConfig
) -> None:
    """Each of the four prompts is sent once per target of its job."""
    small_run.caption(changed(served_config, max_tokens_multi=3))

    asked = [payload["messages"][0]["content"][-1]["text"] for payload in chat_server.payloads]
    prompts = load_prompts(SEED_JOBS)
    assert PLANNED == {job: asked.count(prompts[job].text) for job in JOBS}
    assert {2: 26, 3: 8} == {n: [p["max_tokens"] for p in chat_server.payloads].count(n) for n in (2, 3)}


def test_servers_and_the_in_process_engine_write_the_same_captions(
    small_run: SmallRun, config: CaptioningConfig, chat_server: ChatServer, tmp_path: Path
) -> None:
    """Word for word, through the whole stage, with at most max_in_flight requests at once."""
    shutil.copytree(small_run.run.path, tmp_path / "other")
    small_run.caption(config)
    in_process = small_run.rows()

    over_http = SmallRun(small_run.run.open(tmp_path / "other"), small_run.pile)
    over_http.caption(
        changed(config, model=None, server=ServerConfig(urls=(chat_server.url,)), max_in_flight=3)
    )

    assert in_process == over_http.rows()
    assert 3 >= chat_server.most_at_once


def test_a_finished_stage_does_nothing(small_run: SmallRun, config: CaptioningConfig) -> None:
    """And it returns False."""
    small_run.caption(config)
    before = journals(small_run)

    assert small_run.caption(config) is False
    assert before == journals(small_run)


def test_no_engine_is_opened_if_nothing_is_missing(
    small_run: SmallRun, chat_server: ChatServer, served_config: CaptioningConfig
) -> None:
    """The endpoint, which has stopped, isn't contacted."""
    small_run.caption(served_config)
    chat_server.stop()

    assert small_run.caption(changed(served_config, jobs=("multi_zh",))) is False
    assert small_run.run.is_finished("captions")


def test_jobs_can_be_captioned_one_after_the_other(small_run: SmallRun, config: CaptioningConfig) -> None:
    """Without --fresh, and nothing is asked for twice."""
    assert small_run.caption(changed(config, jobs=("multi_en",))) is True
    first = small_run.rows()
    assert small_run.caption(config) is True

    assert 4 == len(first)
    assert first.items() <= small_run.rows().items()
    assert sum(PLANNED.values()) == len(small_run.rows())


def test_a_higher_limit_continues_where_the_lower_one_ended(
    small_run: SmallRun, config: CaptioningConfig
) -> None:
    """A sample is part of every larger one, and of the whole job."""
    small_run.caption(changed(config, sample=2))
    sample = small_run.rows()
    small_run.caption_jobs(ONLY_FIVE_CHINESE, config)

    rows = small_run.rows()
    assert 8 == len(sample)
    assert sample.items() <= rows.items()
    assert {**PLANNED, "single_zh": 5} == {job: _count(rows, job) for job in JOBS}


def test_the_notes_count_planned_and_made_captions(small_run: SmallRun, config: CaptioningConfig) -> None:
    """Including those of jobs from an earlier call."""
    small_run.caption_jobs(ONLY_FIVE_CHINESE, changed(config, jobs=("single_zh",)))
    small_run.caption_jobs(ONLY_FIVE_CHINESE, changed(config, jobs=("multi_en",)))

    notes = small_run.run.open(small_run.run.path).run_file.stages["captions"].notes
    assert (5, 5, 5, 0) == tuple(notes[f"single_zh.{x}"] for x in ("limit", "planned", "captioned", "failed"))
    assert (None, 4, 4) == tuple(notes[f"multi_en.{x}"] for x in ("limit", "planned", "made"))
    made_with = small_run.run.run_file.stages["captions"].settings
    assert ("transformers", "float32") == (made_with["engine"], made_with["precision"])
    assert "single_en.planned" not in notes


def test_a_missing_source_is_reported_in_one_line(small_run: SmallRun, config: CaptioningConfig) -> None:
    """Instead of a failure for each of its images."""
    (small_run.pile / "sa_000000.tar").unlink()

    with pytest.raises(SetupError, match="lists images of sa_000000, but the sources have no such shard"):
        small_run.caption(config)


def test_sets_must_be_made_first(small_run: SmallRun, config: CaptioningConfig) -> None:
    """The error names the command that makes them."""
    small_run.run.run_file.stages["sets"].finished = False
    small_run.run.save()

    with pytest.raises(SetupError, match="no finished sets to caption; run `triptych group` first"):
        small_run.caption(config)


def test_a_model_must_be_named(small_run: SmallRun) -> None:
    """There is no default model."""
    with pytest.raises(UsageError, match="captioning needs a model; name a folder or a hub id with --model"):
        small_run.caption(CaptioningConfig())


def _count(rows: dict[str, object], job: str) -> int:
    return sum(identifier.startswith(f"{job}:") for identifier in rows)
