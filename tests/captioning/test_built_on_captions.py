"""Captions of sets that build on captions of their images count while these say what they said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import counting_engine
from tests.support.contexts import context_of
from tests.support.counting_engine import Server
from tests.support.small_run import PLANNED, SmallRun
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.generation_choice import refuse_other_prompts
from triptych.captioning.job_notes import JobNotes
from triptych.jobs import SEED_JOBS, Job
from triptych.runs.ledger import recount
from triptych.runs.plan import JobPlan

SINGLE = SEED_JOBS[0]
ONE, SETS = PLANNED["single_en"], PLANNED["multi_en"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """The engine's other end, whose every answer is another."""
    server = Server()
    monkeypatch.setattr(counting_engine, "SERVER", server)
    return server


@pytest.fixture
def multi(tmp_path: Path) -> Job:
    """A job on sets whose prompt builds on captions."""
    file = tmp_path / "compare.toml"
    file.write_text('version = 1\ntext = "Compare {count} images. {captions}"\nquestion = "Compare."\n')
    return Job(name="multi_en", subject="set", language="en", prompt=str(file))


def caption(small_run: SmallRun, multi: Job, *jobs: str, fresh: bool = False, retry: bool = False) -> None:
    """The jobs of that name, or both; that on sets comes first in the config."""
    config = CaptioningConfig(
        engine=counting_engine.NAME, ask_again=0, tile_px=112, max_tiles=1, jobs=jobs, retry_failed=retry
    )
    small_run.caption_jobs([multi, SINGLE], config, fresh=fresh)


def missing(small_run: SmallRun, multi: Job) -> int:
    """Sets without a caption that counts."""
    plan = JobPlan(small_run.run, multi)
    return sum(each.caption is None for _, planned in plan.read_all() for each in planned)


def test_other_captions_of_images_are_followed_by_others_of_sets(
    small_run: SmallRun, multi: Job, server: Server
) -> None:
    """In the same command and in one of its own; those on the former count again when these come back."""
    caption(small_run, multi)
    first = small_run.run.run_file.generations["single_en"]
    assert ONE + SETS == len(server.asked)
    caption(small_run, multi)
    assert ONE + SETS == len(server.asked)

    caption(small_run, multi, "single_en", fresh=True)
    assert 2 * ONE + SETS == len(server.asked)
    assert not small_run.run.is_finished("captions")
    assert SETS == missing(small_run, multi)
    caption(small_run, multi)
    assert 2 * (ONE + SETS) == len(server.asked)
    assert small_run.run.is_finished("captions")

    notes = JobNotes(small_run.run)
    notes.begin()
    notes.use({"single_en": first})
    assert 0 == missing(small_run, multi)
    caption(small_run, multi)
    assert 2 * (ONE + SETS) == len(server.asked)
    caption(small_run, multi, "single_en", "multi_en", fresh=True)
    assert 3 * (ONE + SETS) == len(server.asked)
    assert small_run.run.is_finished("captions")


def test_what_is_noted_is_what_counts(small_run: SmallRun, multi: Job, server: Server) -> None:
    """Also of a job that was not named, whose captions count no more."""
    caption(small_run, multi)
    caption(small_run, multi, "single_en", fresh=True)

    counted = recount(small_run.run, [SINGLE, multi]).jobs["multi_en"]
    notes = small_run.run.run_file.stages["captions"].notes
    assert (0, SETS) == (counted.captioned, counted.pending)
    assert "multi_en.captioned" not in notes


def test_the_same_words_again_change_nothing(small_run: SmallRun, multi: Job, server: Server) -> None:
    """What images say counts, not who said it when."""
    caption(small_run, multi)
    texts = {row.id: row.text for row in small_run.rows().values()}
    server.says = lambda request: texts[request.id]

    caption(small_run, multi, "single_en", fresh=True)
    caption(small_run, multi)

    assert 2 * ONE + SETS == len(server.asked)
    assert small_run.run.is_finished("captions")


def test_a_set_is_asked_again_where_one_of_its_images_failed_before(
    small_run: SmallRun, multi: Job, server: Server
) -> None:
    """And no other set."""
    server.fails = {"single_en:loose/p1.png"}
    caption(small_run, multi)
    server.fails = set()

    caption(small_run, multi, retry=True)

    assert ONE + SETS + 1 + 1 == len(server.asked)
    assert 0 == missing(small_run, multi)


def test_its_prompt_is_the_one_that_was_asked(small_run: SmallRun, multi: Job, server: Server) -> None:
    """So that verdicts and exports can be made."""
    caption(small_run, multi)

    refuse_other_prompts(context_of(small_run.run, SINGLE, multi))
