"""Runs whose endpoints are asked the canary."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.checked_run import Checked, Said
from tests.support.scripted_endpoint import CAPTION, Asked, Reply, ScriptedEndpoint, refuse, say
from tests.support.seeing_model import BLANK, OfTheRequestBefore, SeeingModel, blank, dropped, swapped
from tests.support.small_run import PLANNED, SmallRun, changed, make_small_run
from triptych.captioning.canary import watched_engine
from triptych.captioning.canary.captions import caption_canary, caption_questions
from triptych.captioning.canary.statements import statement_questions
from triptych.captioning.canary.watched_engine import WatchedEngine
from triptych.captioning.config import CanaryConfig, CaptioningConfig
from triptych.captioning.engine import CaptionRequest
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.engines.openai_server import ServerEngine
from triptych.errors import SetupError, UsageError
from triptych.jobs import SEED_JOBS
from triptych.records import Caption
from triptych.runs.canaries import DOUBTED, canary_lines, read_canaries
from triptych.runs.journal import read_journal

SIDE_PX = 56
ALWAYS_S = 1e-6
"""An interval that puts a canary before every request."""


@pytest.fixture(autouse=True)
def canaries_in_small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints of small runs are asked the canary too."""
    monkeypatch.setattr(watched_engine, "MIN_REQUESTS", 1)


@pytest.fixture(scope="module")
def captioner() -> SeeingModel:
    return SeeingModel(caption_questions(SEED_JOBS, SIDE_PX), SIDE_PX)


@pytest.fixture(scope="module")
def checker() -> SeeingModel:
    return SeeingModel(statement_questions(SIDE_PX), SIDE_PX)


@pytest.fixture
def seeing(captioner: SeeingModel, checker: SeeingModel) -> Iterator[ScriptedEndpoint]:
    """An endpoint that sees the canary's pictures, and gives standard captions for all others."""
    captioner.fault = checker.fault = lambda images: images

    def chat(asked: Asked) -> Reply:
        words = asked.body["messages"][0]["content"][-1]["text"]
        if "Statement: " in words or "陈述" in words:
            return checker(asked)
        reply = captioner(asked)
        return (
            say(asked.caption)
            if b"grey stone" in b"".join(map(bytes, reply.pieces)) and not _is_canary(asked)
            else reply
        )

    def _is_canary(asked: Asked) -> bool:
        return asked.body["max_tokens"] in (160, 320)

    with ScriptedEndpoint(chat) as endpoint:
        yield endpoint


def config_of(endpoint: ScriptedEndpoint, every_s: float = 1800.0) -> CaptioningConfig:
    return CaptioningConfig(
        server=ServerConfig(urls=(endpoint.url,)),
        jobs=("single_en", "multi_en"),
        tile_px=SIDE_PX,
        max_tiles=1,
        ask_again=0,
        max_in_flight=4,
        canary=CanaryConfig(every_s=every_s),
    )


def is_canary(asked: Asked) -> bool:
    return asked.body["max_tokens"] in (160, 320)


def test_a_sound_endpoint_is_asked_once_at_the_start(small_run: SmallRun, seeing: ScriptedEndpoint) -> None:
    """Before anything else. Captions have the id of that canary."""
    small_run.caption(config_of(seeing))

    assert [True] * 40 + [False] * 17 == [is_canary(asked) for asked in seeing.asked]
    (record,) = read_canaries(small_run.run.path)
    assert (40, 40, "", 1, 40) == (
        record.right,
        record.answered,
        record.wrong,
        record.asked,
        record.requests,
    )
    assert {record.passed} == {row.canary for row in small_run.rows().values()}
    (line,) = canary_lines(small_run.run.path)
    assert line.startswith(f"{seeing.url} on ") and "40 of 40 captions right at 20" in line


@pytest.mark.parametrize("fault", [dropped, blank, swapped, OfTheRequestBefore()])
def test_a_faulty_endpoint_stops_a_run_before_its_first_caption(
    small_run: SmallRun,
    seeing: ScriptedEndpoint,
    captioner: SeeingModel,
    fault: Callable[..., tuple[bytes, ...]],
) -> None:
    """One line names the endpoint, the question, the answer and what was expected."""
    captioner.fault = fault
    with pytest.raises(
        SetupError, match=rf"^canary: {seeing.url} on \S+ is wrong .* it said .*, expected these"
    ) as raised:
        small_run.caption(config_of(seeing))

    assert "\n" not in str(raised.value)
    assert all(map(is_canary, seeing.asked))
    assert {} == small_run.rows()


def test_captions_since_the_last_good_canary_are_made_again(
    small_run: SmallRun, seeing: ScriptedEndpoint, captioner: SeeingModel
) -> None:
    """They are set aside. Earlier captions stay."""
    small_run.caption(changed(config_of(seeing), sample=3))
    before, model = small_run.rows(), seeing.chat

    def turns_blank(asked: Asked) -> Reply:
        if sum(not is_canary(each) for each in seeing.asked) > len(before):
            captioner.fault = blank
        return model(asked)

    seeing.chat = turns_blank
    with pytest.raises(SetupError, match="is wrong about pictures with known contents"):
        small_run.caption(config_of(seeing, every_s=ALWAYS_S))
    kept = small_run.rows()
    doubted = [
        row
        for path in (small_run.run.path / DOUBTED / "captions").rglob("*.jsonl")
        for row in read_journal(path, Caption)
    ]
    assert kept and doubted and not kept.keys() & {row.id for row in doubted}
    assert len({row.canary for row in doubted}) == 1
    assert not {row.canary for row in doubted} & {row.canary for row in kept.values()}
    assert not small_run.run.open(small_run.run.path).is_finished("captions")

    assert before.items() <= kept.items()
    captioner.fault, seeing.chat = lambda images: images, model
    asked_before = len(seeing.asked)
    small_run.caption(config_of(seeing))
    rows = small_run.rows()
    assert PLANNED["single_en"] + PLANNED["multi_en"] == len(rows)
    assert kept.items() <= rows.items()
    again = sum(not is_canary(asked) for asked in seeing.asked[asked_before:])
    assert len(rows) - len(kept) == again
    assert small_run.run.open(small_run.run.path).is_finished("captions")


def test_captions_of_an_earlier_command_are_doubted_if_the_next_canary_fails(
    small_run: SmallRun, seeing: ScriptedEndpoint, captioner: SeeingModel
) -> None:
    """They have the id of the last good canary of the endpoint, which now fails at the start."""
    small_run.caption(changed(config_of(seeing), sample=5))
    made = len(small_run.rows())
    captioner.fault = blank
    with pytest.raises(SetupError, match="answers on images are right"):
        small_run.caption(config_of(seeing))

    assert (9, {}) == (made, small_run.rows())
    captioner.fault = lambda images: images
    small_run.caption(config_of(seeing))
    assert 17 == len(small_run.rows())


def test_the_canary_of_a_checker_asks_about_statements(
    tmp_path: Path, seeing: ScriptedEndpoint, checker: SeeingModel
) -> None:
    """A fault stops it too, and questions that were answered since the last good canary are asked again."""
    checked = Checked(make_small_run(tmp_path), {"single_en": CAPTION})
    canary = CanaryConfig(every_s=1800.0)
    found = checked.check(seeing, canary=canary)["single_en"]
    assert (13, 0) == (found.statements, found.missing)
    assert 40 + 13 == len(seeing.asked)
    assert any(line.startswith("canary: 40 of 40 right on ") for line in checked.said.lines)
    assert all(row.canary for row in checked.rows("single_en"))

    checked.caption({"single_en": "A dog."})
    checker.fault = blank
    with pytest.raises(
        SetupError, match=r"answers on true statements are right; of '.* it said 'No\.', expected yes"
    ):
        checked.check(seeing, canary=canary)
    assert [] == checked.rows("single_en")
    checker.fault = lambda images: images
    assert 0 == checked.check(seeing, canary=canary)["single_en"].missing


@pytest.mark.parametrize("least", [1, 100])
def test_no_canary_is_asked_if_it_is_off_or_the_command_is_small(
    small_run: SmallRun, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    """Then an endpoint that sees nothing isn't noticed."""
    monkeypatch.setattr(watched_engine, "MIN_REQUESTS", least)
    with ScriptedEndpoint() as endpoint:
        small_run.caption(config_of(endpoint, every_s=0 if least == 1 else 1800.0))
        assert 17 == len(endpoint.asked)

    assert {""} == {row.canary for row in small_run.rows().values()}
    assert [] == read_canaries(small_run.run.path)


def test_an_endpoint_that_does_not_answer_has_not_failed_the_canary(
    small_run: SmallRun, captioner: SeeingModel
) -> None:
    """A message says so, and the run continues."""
    messages = Said()

    def busy(asked: Asked) -> Reply:
        return refuse(503, "busy") if is_canary(asked) else captioner(asked)

    with ScriptedEndpoint(busy) as endpoint:
        engine = ServerEngine(ServerConfig(urls=(endpoint.url,)))
        watched = WatchedEngine(
            engine, caption_canary(SEED_JOBS, SIDE_PX), 1800.0, small_run.run.path, messages.say
        )
        try:
            assert 1 == len(endpoint.asked)
            assert watched.caption([caption_request()])[0].text
        finally:
            watched.close()

    (line,) = messages.lines
    assert "can't be judged: no answer: " in line and "busy" in line


def test_only_one_of_the_processes_that_share_an_endpoint_asks_it(
    small_run: SmallRun, seeing: ScriptedEndpoint, captioner: SeeingModel
) -> None:
    """The others adopt the outcome: the canary's id, or its failure."""
    began_at, messages = time.time(), Said()

    def join() -> WatchedEngine:
        engine = ServerEngine(ServerConfig(urls=(seeing.url,)))
        run = small_run.run.path
        return WatchedEngine(
            engine, caption_canary(SEED_JOBS, SIDE_PX), 1800.0, run, messages.say, since=began_at
        )

    first, second = join(), join()
    try:
        assert 40 == len(seeing.asked)
        assert (
            first.caption([caption_request()])[0].canary
            == second.caption([caption_request()])[0].canary
            != ""
        )
    finally:
        first.close()
        second.close()
    assert 1 == len(messages.lines)


def test_an_old_canary_is_repeated_at_the_end(
    small_run: SmallRun, seeing: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the captions made since are known to be sound."""
    monkeypatch.setattr(watched_engine, "FINAL_CANARY_AFTER_S", 0.0)
    small_run.caption(config_of(seeing))

    assert [True] * 40 + [False] * 17 + [True] * 40 == [is_canary(asked) for asked in seeing.asked]
    (record,) = read_canaries(small_run.run.path)
    assert (2, 80) == (record.asked, record.requests)


def test_a_negative_interval_is_refused() -> None:
    with pytest.raises(UsageError, match=r"captioning\.canary\.every_s is -1"):
        CanaryConfig(every_s=-1)


def caption_request() -> CaptionRequest:
    return CaptionRequest(id="x", prompt="Describe.", images=(BLANK,), max_tokens=9)
