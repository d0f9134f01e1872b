"""Several answers per request: the one that agrees most with the others is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from tests.support import counting_engine
from tests.support.contexts import context_of
from tests.support.counting_engine import Server
from tests.support.small_run import make_small_run
from triptych.captioning.answer_check import AnswerCheck
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import CaptionRequest, Completion, Sampling
from triptych.captioning.regenerate import Answer, agreements, ask
from triptych.captioning.stage import caption_run
from triptych.errors import SetupError, UsageError
from triptych.languages import LANGUAGES
from triptych.records import Caption

RED = "A red kite flies over a sandy beach, and two people look up at it."
RED_TOO = "A red kite flies over a beach, and two people in coats look up at it."
CAR = "An old car is parked in front of a brick house with green shutters."
REFUSAL = "I'm sorry, but I can't help with images of people."


class ScriptedEngine:
    """An engine that gives these texts in order."""

    concurrency = slots = 1

    def __init__(self, *texts: str, group_size: int = 1) -> None:
        self._texts = list(texts)
        self.group_size = group_size
        self.asked: list[list[CaptionRequest]] = []
        self.identity: dict[str, str] = {}

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        self.asked.append(list(requests))
        return [
            Completion(
                id=each.id, text=text, finish_reason="stop", prompt_tokens=100, completion_tokens=10,
                failure=None if text else "timeout: none came",
            )
            for each, text in zip(requests, [self._texts.pop(0) for _ in requests], strict=True)
        ]  # fmt: skip

    def slot_s(self) -> float:
        return 0.0

    def describe(self) -> str:
        return "answering"

    def close(self) -> None:
        pass


def request(name: str = "single_en:a", **sampling: float) -> CaptionRequest:
    return CaptionRequest(
        id=name, prompt="Describe.", images=(b"x",), max_tokens=9, sampling=Sampling(**sampling)
    )


def answers(engine: ScriptedEngine, *requests: CaptionRequest, samples: int, again: int = 0) -> list[Answer]:
    check = AnswerCheck(language=LANGUAGES["en"])
    return ask(engine, requests, check, again, lambda _: None, samples)


def test_the_answer_most_similar_to_the_others_is_kept() -> None:
    """It has the tokens of all samples, and the id of the request."""
    (answer,) = answers(ScriptedEngine(CAR, RED, RED), request(), samples=3)
    made = answer.completion

    assert (RED, "single_en:a", 300, 30, 3) == (
        made.text,
        made.id,
        made.prompt_tokens,
        made.completion_tokens,
        made.attempts,
    )
    expected = agreements([CAR, RED, RED])[1]
    assert answer.agreement == round(expected, 4) and 0.5 < expected < 0.9


def test_equal_answers_agree_completely() -> None:
    (answer,) = answers(ScriptedEngine(RED, RED, RED), request(), samples=3)

    assert (RED, 1.0) == (answer.completion.text, answer.agreement)


@pytest.mark.parametrize(
    ("texts", "kept", "agreement"),
    [
        ((REFUSAL, REFUSAL, RED), RED, None),
        ((REFUSAL, RED, RED), RED, 1.0),
        (("", RED, RED_TOO), RED, agreements([RED, RED_TOO])[0]),
        (("", "", ""), "", None),
    ],
)
def test_unusable_answers_are_kept_only_if_there_is_no_other(
    texts: tuple[str, ...], kept: str, agreement: float | None
) -> None:
    """However much they agree. A failure is kept only if all samples failed."""
    (answer,) = answers(ScriptedEngine(*texts), request(), samples=3)

    assert kept == answer.completion.text
    assert (agreement is None) == (answer.agreement is None)
    assert agreement is None or answer.agreement == pytest.approx(agreement, abs=5e-5)
    assert bool(kept) == (answer.completion.failure is None)


@pytest.mark.parametrize("group_size", [1, 2])
def test_the_first_sample_is_as_configured_and_the_others_are_random(
    group_size: int,
) -> None:
    """With fixed seeds of their own. An engine that takes one request at a time gets all samples at once."""
    engines = [ScriptedEngine(*6 * [RED], group_size=group_size) for _ in range(2)]
    for engine in engines:
        answers(engine, request(), request("single_en:b"), samples=3)
    calls = [[each for call in engine.asked for each in call] for engine in engines]

    assert calls[0] == calls[1]
    assert (1 if group_size == 1 else 3) == len(engines[0].asked)
    assert [request(), request("single_en:b")] == calls[0][:2]
    drawn = [each.sampling for each in calls[0][2:]]
    assert 4 == len({each.seed for each in drawn})
    assert {0.7} == {each.temperature for each in drawn}


def test_a_sampling_set_by_the_user_applies_to_all_samples() -> None:
    """Except for its seed."""
    engine = ScriptedEngine(RED, RED)
    answers(engine, request(temperature=0.3, top_k=20, seed=5), samples=2)
    ((one, other),) = engine.asked

    assert (0.3, 20) == (other.sampling.temperature, other.sampling.top_k)
    assert one.sampling.seed == 5 != other.sampling.seed


def test_a_single_sample_has_no_agreement() -> None:
    (answer,) = answers(ScriptedEngine(RED), request(), samples=1)

    assert Answer(completion=answer.completion) == answer
    assert b"agreement" not in msgspec.json.encode(Caption(id="a", job="b", agreement=answer.agreement))


def test_each_unusable_sample_is_asked_for_again_with_its_own_seed() -> None:
    """Both samples are refusals at first."""
    engine = ScriptedEngine(REFUSAL, REFUSAL, RED, RED_TOO)
    (answer,) = answers(engine, request(), samples=2, again=1)
    again = [each for call in engine.asked[1:] for each in call]

    assert ("refusal", "refusal") == answer.asked_again
    assert 2 == len({each.sampling.seed for each in again})
    assert answer.completion.attempts == 4


@pytest.mark.parametrize(
    "texts", [("一只红色的风筝。", "一只红色的风筝在飞。", "一辆旧车。"), ("红狗", "红狗儿", "车")]
)
def test_agreement_works_in_any_language(texts: tuple[str, ...]) -> None:
    found = agreements(texts)

    assert found[2] < min(found[:2])
    assert all(0 <= each <= 1 for each in found)
    assert [0.0, 0.0] == agreements(["abc", "xyz"]) and [1.0, 1.0] == agreements(["", ""])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server whose answer depends only on the seed of the request."""
    server = Server(says=lambda asked: f"{RED} It is seen from place {asked.sampling.seed or 0} of many.")
    monkeypatch.setattr(counting_engine, "SERVER", server)
    return server


def captions_of(
    tmp_path: Path, name: str, caption: Callable[[Callable[[], object]], object]
) -> list[Caption]:
    small = make_small_run(tmp_path / name)
    context = context_of(small.run, "single_en")
    config = CaptioningConfig(engine=counting_engine.NAME, samples=3, tile_px=112, max_tiles=1)
    caption(lambda: caption_run(context, small.sources, config))
    shards = small.run.shards()
    rows = [row for shard in shards for row in small.run.captions("single_en", shard)]
    assert 13 == len(rows) == len({row.id for row in rows})
    return sorted(rows, key=lambda row: row.id)


def test_a_run_killed_between_samples_ends_with_the_same_captions(tmp_path: Path, server: Server) -> None:
    """Only the samples of the interrupted target are asked for again. The tokens of all samples count."""
    whole = captions_of(tmp_path, "whole", lambda run: run())
    assert (39, 13 * 27) == (len(server.asked), sum(row.completion_tokens for row in whole))
    server.asked.clear()

    def killed_twice(run: Callable[[], object]) -> None:
        for dies_after in (8, 13):  # in the third target, and in a later one
            server.dies_after = dies_after
            with pytest.raises(SetupError, match="died"):
                run()
        server.dies_after = None
        run()

    assert whole == captions_of(tmp_path, "killed", killed_twice)
    assert 39 + 2 + 1 == len(server.asked)
    assert all(row.agreement is not None and row.agreement > 0.5 for row in whole)


@pytest.mark.parametrize("samples", [0, -1])
def test_less_than_one_sample_is_refused(samples: int) -> None:
    with pytest.raises(UsageError, match=r"captioning\.samples is"):
        CaptioningConfig(samples=samples)
