"""Captions of sets that build on captions of their images are valid as long as these don't change."""

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
    """The engine's server, which gives each request a different answer."""
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
    """Caption ``jobs``, or both if none is named. The job on sets is listed first."""
    config = CaptioningConfig(
        engine=counting_engine.NAME, ask_again=0, tile_px=112, max_tiles=1, jobs=jobs, retry_failed=retry
    )
    small_run.caption_jobs([multi, SINGLE], config, fresh=fresh)


def missing(small_run: SmallRun, multi: Job) -> int:
    """The number of sets without a valid caption."""
    plan = JobPlan(small_run.run, multi)
    return sum(each.caption is None for _, planned in plan.read_all() for each in planned)


def test_new_captions_of_images_require_new_captions_of_sets(
    small_run: SmallRun, multi: Job, server: Server
) -> None:
    """In the same command or a later one. Old captions of sets count again when the images' old ones do."""
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


def test_the_notes_drop_the_counts_of_outdated_captions(
    small_run: SmallRun, multi: Job, server: Server
) -> None:
    """Even of a job that the command didn't name."""
    caption(small_run, multi)
    caption(small_run, multi, "single_en", fresh=True)

    counted = recount(small_run.run, [SINGLE, multi]).jobs["multi_en"]
    notes = small_run.run.run_file.stages["captions"].notes
    assert (0, SETS) == (counted.captioned, counted.pending)
    assert "multi_en.captioned" not in notes


def test_new_captions_with_the_same_text_change_nothing(
    small_run: SmallRun, multi: Job, server: Server
) -> None:
    """Only the texts of the images' captions matter, not when they were made."""
    caption(small_run, multi)
    texts = {row.id: row.text for row in small_run.rows().values()}
    server.says = lambda request: texts[request.id]

    caption(small_run, multi, "single_en", fresh=True)
    caption(small_run, multi)

    assert 2 * ONE + SETS == len(server.asked)
    assert small_run.run.is_finished("captions")


def test_a_set_is_captioned_again_once_a_failed_image_has_a_caption(
    small_run: SmallRun, multi: Job, server: Server
) -> None:
    """No other set is."""
    server.fails = {"single_en:loose/p1.png"}
    caption(small_run, multi)
    server.fails = set()

    caption(small_run, multi, retry=True)

    assert ONE + SETS + 1 + 1 == len(server.asked)
    assert 0 == missing(small_run, multi)


def test_a_prompt_that_builds_on_captions_counts_as_unchanged(
    small_run: SmallRun, multi: Job, server: Server
) -> None:
    """Verdicts and exports would be refused otherwise."""
    caption(small_run, multi)

    refuse_other_prompts(context_of(small_run.run, SINGLE, multi))
