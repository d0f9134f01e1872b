"""The check stage: a model is asked about each statement of a caption, with the statement's image alone."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from tests.support.checked_run import Checked, answer, denies_red, statement, words
from tests.support.contexts import JOBS
from tests.support.scripted_endpoint import Asked, Reply, ScriptedEndpoint, refuse, say
from tests.support.small_run import SETS, make_small_run
from triptych.captioning.checking.config import CheckingConfig
from triptych.captioning.request_builder import RequestBuilder
from triptych.errors import SetupError, UsageError
from triptych.prompts import Prompt
from triptych.repair import find_damage, repair
from triptych.runs.checks import (
    check_outcome,
    checks_file,
    denied_of,
    lost_answers,
    outcome_lines,
    read_checks,
    untruths,
)
from triptych.runs.folder import RunFolder
from triptych.runs.image_reader import reader_of

SINGLE = "A dog stands on a lawn. Its collar is red. A ball lies beside it."
OF_SET = "Image-1: A dog. It is brown. Image-2: A cat. Both images are warm."


@pytest.fixture
def checked(tmp_path: Path) -> Checked:
    return Checked(make_small_run(tmp_path), {"single_en": SINGLE})


def test_each_statement_is_asked_about_once_and_answers_are_kept(checked: Checked) -> None:
    """13 captions of three statements each."""
    with ScriptedEndpoint(denies_red) as endpoint:
        found = checked.check(endpoint)["single_en"]
        assert (13, 39, 0, 13) == (found.captions, found.statements, found.missing, found.denied)
        assert {"yes": 26, "no": 13} == found.answers
        asked = len(endpoint.asked)
        checked.check(endpoint)

    assert 39 == asked == len(endpoint.asked)
    denied = [row for row in checked.rows("single_en") if row.answer == "no"]
    assert {"Its collar is red."} == {SINGLE[row.start : row.end] for row in denied}


def test_statements_of_one_caption_are_not_asked_about_in_a_row(checked: Checked) -> None:
    """Questions are ordered by their hashes."""
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint, max_in_flight=1)

    firsts = [statement(asked) for asked in endpoint.asked[:9]]
    assert firsts != 3 * [*map(str.strip, re.findall(r"[^.]+\.", SINGLE))]


def test_a_statement_about_an_image_of_a_set_is_shown_with_that_image_alone(tmp_path: Path) -> None:
    """Statements about all images are asked about each of them."""
    small = make_small_run(tmp_path)
    checked = Checked(small, {"multi_en": OF_SET})
    with ScriptedEndpoint(lambda asked: answer("yes")) as endpoint:
        checked.check(endpoint)

    assert {1} == {asked.images for asked in endpoint.asked}
    rows = [row for row in checked.rows("multi_en") if not row.is_swapped]
    of_set = [row for row in rows if set(SETS[0]) & {row.image}]
    shown = {(OF_SET[row.start : row.end], row.image) for row in of_set}
    first, second = SETS[0]
    assert {
        ("Image-1: A dog.", first),
        ("It is brown.", first),
        ("Image-2: A cat.", second),
        ("Both images are warm.", first),
        ("Both images are warm.", second),
    } == shown
    colours = {(statement(asked), _mean_colour(asked)) for asked in endpoint.asked}
    firsts = _colours_of(checked, 0)
    assert firsts <= {colour for text, colour in colours if text == "Image-1: A dog."}
    assert firsts <= {colour for text, colour in colours if text == "It is brown."}
    assert "It is about Image-2, which" in words(next(a for a in endpoint.asked if "A cat" in words(a)))


def test_the_probability_of_yes_is_kept_if_the_server_returns_it(checked: Checked) -> None:
    """It is that of the first token."""
    with ScriptedEndpoint(lambda asked: answer("yes", 0.75)) as endpoint:
        checked.check(endpoint)

    assert {0.75} == {row.yes_probability for row in checked.rows("single_en")}


def test_an_endpoint_that_refuses_probabilities_is_asked_without_them(checked: Checked) -> None:
    """It names the field that it refuses."""

    def strict(asked: Asked) -> Reply:
        for field in ("top_logprobs", "logprobs"):
            if field in asked.body:
                return refuse(400, f"Unknown parameter: '{field}'")
        return answer("yes")

    with ScriptedEndpoint(strict) as endpoint:
        assert 0 == checked.check(endpoint)["single_en"].missing
    assert {None} == {row.yes_probability for row in checked.rows("single_en")}


@pytest.mark.parametrize(
    ("text", "meant"),
    [("Yes.", "yes"), ("**No**, it is blue.", "no"), ("Unclear", "unclear"), ("A dog.", "unclear")],
)
def test_the_beginning_of_an_answer_decides(checked: Checked, text: str, meant: str) -> None:
    """Any other beginning counts as unclear."""
    with ScriptedEndpoint(lambda asked: say(text)) as endpoint:
        checked.check(endpoint)

    assert {meant} == {row.answer for row in checked.rows("single_en")}


def test_failed_questions_are_asked_again_by_the_next_command(checked: Checked) -> None:
    """Answered ones are not."""
    with ScriptedEndpoint(lambda a: refuse(400, "no") if "ball" in words(a) else answer("yes")) as endpoint:
        found = checked.check(endpoint)["single_en"]
        assert (13, {"yes": 26}) == (found.missing, found.answers)
        endpoint.chat = denies_red
        endpoint.asked.clear()
        assert 0 == checked.check(endpoint)["single_en"].missing

    assert {"A ball lies beside it."} == {statement(asked) for asked in endpoint.asked}


@pytest.mark.parametrize("reply", [say(""), refuse(413, "too large")])
def test_a_checker_with_useless_answers_ends_the_command(checked: Checked, reply: Reply) -> None:
    """Even after good ones. The same command asks the missing questions."""
    with ScriptedEndpoint() as endpoint:
        endpoint.chat = lambda asked: answer("yes") if len(endpoint.asked) <= 7 else reply
        with pytest.raises(SetupError, match=r"^checks single_en: not one of \d+ answers .* same command"):
            checked.check(endpoint, max_in_flight=1)
        # A failure that was in flight with the last good answer may be written too.
        assert 7 == sum(row.failure is None for row in checked.rows("single_en"))
        endpoint.chat = denies_red
        assert 0 == checked.check(endpoint)["single_en"].missing


def test_repeated_refusals_do_not_end_the_command(tmp_path: Path) -> None:
    """Even if there are enough of them to end a command, and nothing else to ask."""
    checked = Checked(make_small_run(tmp_path), {"single_en": "A dog. It is red. It is red too. A ball."})
    with ScriptedEndpoint(lambda a: refuse(413, "no") if "red" in words(a) else answer("yes")) as endpoint:
        first, again = (checked.check(endpoint, max_in_flight=1)["single_en"] for _ in range(2))

    assert 26 == first.missing == again.missing


def test_a_new_caption_is_checked_anew(checked: Checked) -> None:
    """Answers about the previous one don't count for it."""
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
        checked.caption({"single_en": "A horse."})
        found = checked.check(endpoint)["single_en"]

    assert (13, 13, 0, 0) == (found.captions, found.statements, found.missing, found.denied)


def test_answers_count_again_when_their_text_is_restored(checked: Checked) -> None:
    """Whatever was checked in between."""
    with ScriptedEndpoint(denies_red) as endpoint:
        first = checked.check(endpoint)["single_en"]
        checked.caption({"single_en": SINGLE.replace("dog", "horse")})
        checked.check(endpoint)
        checked.caption({"single_en": SINGLE})
        endpoint.asked.clear()
        again = checked.check(endpoint)["single_en"]

    assert [] == endpoint.asked
    assert (39, 0, first.denied) == (again.statements, again.missing, again.denied)


def test_a_sample_is_the_same_each_time_and_part_of_a_larger_one(checked: Checked) -> None:
    """The captions' ids decide."""
    with ScriptedEndpoint(denies_red) as endpoint:
        assert 4 == checked.check(endpoint, captions=4)["single_en"].captions
        few = {row.caption for row in checked.rows("single_en")}
        assert 9 == checked.check(endpoint, captions=9)["single_en"].captions

    assert few < {row.caption for row in checked.rows("single_en")}
    assert 27 == len(endpoint.asked)


def test_rejected_captions_are_not_checked_unless_rejected_as_untrue(checked: Checked) -> None:
    """Otherwise the next verdicts would lack their checks."""
    ids = [each.id for _, targets in checked.context.plan(JOBS["single_en"]).shards() for each in targets]
    checked.caption({"single_en": SINGLE}, reject=ids[0])
    with ScriptedEndpoint(denies_red) as endpoint:
        assert 12 == checked.check(endpoint)["single_en"].captions


def test_answers_of_another_checker_are_kept_separately(checked: Checked) -> None:
    """The previous checker's answers stay."""
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
        before = checked.run.run_file.checks["single_en"]
        endpoint.models = Reply(200, [b'{"data": [{"id": "acme/other"}]}'])
        checked.check(endpoint)

    assert before != checked.run.run_file.checks["single_en"]
    assert checks_file(checked.run, "single_en", before, "sa_000000").exists()
    assert 78 == len(endpoint.asked)


def test_a_checker_becomes_the_current_one_once_it_has_answered(checked: Checked) -> None:
    """Until then, the previous one stays the current one."""
    with ScriptedEndpoint(denies_red) as endpoint:
        first = checked.check(endpoint)["single_en"]
        before = checked.run.run_file.checks["single_en"]
    with ScriptedEndpoint(lambda _: Reply(401, [b"no key"])) as refusing:
        refusing.models = Reply(200, [b'{"data": [{"id": "acme/other"}]}'])
        with pytest.raises(SetupError):
            checked.check(refusing)

    assert before == checked.run.run_file.checks["single_en"]
    assert first == check_outcome(checked.run, "single_en")
    assert 39 == len(checked.rows("single_en"))


def test_a_checker_without_answers_changes_no_count(checked: Checked) -> None:
    """It refused every question, so the previous checker's answers count."""
    with ScriptedEndpoint(denies_red) as endpoint:
        first = checked.check(endpoint)["single_en"]
    with ScriptedEndpoint(
        lambda asked: refuse(400, "no") if "Statement" in words(asked) else answer("yes")
    ) as refusing:
        refusing.models = Reply(200, [b'{"data": [{"id": "acme/other"}]}'])
        found = checked.check(refusing)["single_en"]

    assert (39, {}) == (found.missing, found.answers)
    assert first == check_outcome(checked.run, "single_en")


def test_other_image_settings_make_another_checker(checked: Checked) -> None:
    """Answers about other tiles don't count."""
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
        before = checked.run.run_file.checks["single_en"]
        checked.check(endpoint, tile_fit=False, max_side_px=300)

    assert before != checked.run.run_file.checks["single_en"]
    assert 78 == len(endpoint.asked)


def test_a_captioner_that_checks_itself_causes_a_warning(checked: Checked) -> None:
    """It doesn't see its own faults."""
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
        assert not any("warning" in line for line in checked.said.lines)
        endpoint.models = Reply(200, [b'{"data": [{"id": "acme/captioner"}]}'])
        checked.check(endpoint)

    assert any("made by the model that checks them" in line for line in checked.said.lines)


def test_a_damaged_answer_is_named_set_aside_and_asked_again(checked: Checked) -> None:
    """Nothing is asked before the repair, and only the missing question after it."""
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
        checker = checked.run.run_file.checks["single_en"]
        journal = checks_file(checked.run, "single_en", checker, "sa_000000")
        journal.write_bytes(journal.read_bytes().replace(b'"no"', b'"ye"', 1))
        endpoint.asked.clear()
        with pytest.raises(SetupError, match=re.escape(str(journal))):
            checked.check(endpoint)
        assert [] == endpoint.asked

        (damage,) = find_damage(checked.run.path)
        assert f"{journal}: lines that are set aside" in damage.what
        repair(checked.run.path, [damage])
        assert 0 == checked.check(endpoint)["single_en"].missing

    assert ["Its collar is red."] == [statement(asked) for asked in endpoint.asked]


def test_a_lost_answer_is_reported_and_asked_for_again(checked: Checked) -> None:
    """A whole line is missing, which no checksum detects. More answers than expected are no loss."""
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint, captions=4)
        more = checked.check(endpoint)["single_en"]
        assert {} == lost_answers(checked.run, ["single_en"])
        checker = checked.run.run_file.checks["single_en"]
        journal = checks_file(checked.run, "single_en", checker, "sa_000000")
        journal.write_bytes(journal.read_bytes().partition(b"\n")[2])

        lost = lost_answers(RunFolder.open(checked.run.path), ["single_en"])
        where = journal.relative_to(checked.run.path)
        missing = f"checks of single_en: answers are missing from 1 of 2 journals, first from {where}"
        assert {"single_en": missing} == lost
        assert check_outcome(checked.run, "single_en") is None
        endpoint.asked.clear()
        assert more == checked.check(endpoint)["single_en"]

    assert 1 == len(endpoint.asked)
    assert f"note: {missing}; what is missing is asked for again" in checked.said.lines
    assert {} == lost_answers(checked.run, ["single_en"])


def test_lost_answers_are_noticed_although_another_journal_has_grown(checked: Checked) -> None:
    """Each journal counts by itself."""
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
    checker = checked.run.run_file.checks["single_en"]
    short, long = sorted((checked.run.path / "checks" / "single_en" / checker).glob("*.jsonl"))
    content = short.read_bytes()
    short.write_bytes(content.partition(b"\n")[2])
    long.write_bytes(long.read_bytes() + content)

    (lost,) = lost_answers(checked.run, ["single_en"]).values()

    assert lost.endswith(f"missing from 1 of 2 journals, first from {short.relative_to(checked.run.path)}")


def test_after_a_repair_lost_answers_are_no_longer_expected(checked: Checked) -> None:
    """All of them are lost, with their folder."""
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
    shutil.rmtree(checked.run.path / "checks")

    (damage,) = find_damage(checked.run.path)
    assert "checks of single_en: answers are missing from 2 of 2 journals, first from " in damage.what
    repair(checked.run.path, [damage])
    assert [] == find_damage(checked.run.path)
    assert {} == lost_answers(RunFolder.open(checked.run.path), ["single_en"])


def test_captions_without_verdicts_are_not_checked(checked: Checked) -> None:
    """The error says what to do."""
    del checked.run.run_file.stages["verdicts"]
    with ScriptedEndpoint() as endpoint, pytest.raises(SetupError, match="run `triptych filter"):
        checked.check(endpoint)


def test_errors_name_settings_in_the_checking_table() -> None:
    """Not in captioning's, with which they share the validation."""
    with pytest.raises(UsageError, match=r"checking\.max_tiles is 0") as raised:
        CheckingConfig(max_tiles=0)

    assert "checking.max_tiles" == raised.value.key


@pytest.mark.parametrize("setting", [{"jobs": ("single_en",)}, {"sample": 5}, {"retry_failed": True}])
def test_settings_that_would_do_nothing_are_refused(setting: dict[str, Any]) -> None:
    """Settings of captioning that checking has in another form."""
    with pytest.raises(UsageError, match=f"checking.{next(iter(setting))} is .*; expected (none|false)"):
        CheckingConfig(**setting)


def test_one_statement_of_each_set_is_asked_about_another_of_its_images(tmp_path: Path) -> None:
    """This measures how specific captions are, and counts against none. Shared statements aren't used."""
    checked = Checked(make_small_run(tmp_path), {"multi_en": OF_SET})
    with ScriptedEndpoint(lambda asked: answer("no" if "dog" in statement(asked) else "yes")) as endpoint:
        found = checked.check(endpoint)["multi_en"]
        asked = len(endpoint.asked)
        assert found == checked.check(endpoint)["multi_en"]

    rows = checked.rows("multi_en")
    swapped = [row for row in rows if row.is_swapped]
    assert len(SETS) == len(swapped) == len({row.caption for row in swapped})
    assert len(rows) == found.statements == asked == len(endpoint.asked)
    own = {(row.caption, row.start): row for row in rows if not row.is_swapped}
    for row in swapped:
        about, keys = (
            own[row.caption, row.start],
            {each.image for each in rows if each.caption == row.caption},
        )
        assert row.image != about.image and row.image in keys and "Both" not in OF_SET[row.start : row.end]
    holding = [row for row in swapped if own[row.caption, row.start].answer == "yes"]
    assert (len(holding), len(holding)) == (found.swapped, found.hold_elsewhere)
    assert sum(found.answers.values()) == len(rows) - len(swapped)
    for shard, planned in checked.context.plan(JOBS["multi_en"]).read_all():
        by_caption = read_checks(checked.run, "multi_en", shard)
        for each in planned:
            only = [row for row in by_caption[each.target.id] if row.is_swapped]
            assert untruths(only, each.caption, each.target) == {}
            assert [] == denied_of(only, each.caption, each.target)


def test_the_outcome_of_checks_is_noted_until_captions_change(tmp_path: Path) -> None:
    """With confidence intervals, for status, report and card."""
    checked = Checked(make_small_run(tmp_path), {"multi_en": "Image-1: A cat. Image-2: A cat."})
    with ScriptedEndpoint(lambda asked: answer("yes")) as endpoint:
        found = checked.check(endpoint)["multi_en"]

    noted = check_outcome(RunFolder.open(checked.run.path), "multi_en")
    assert noted == found
    assert len(SETS) == noted.swapped == noted.hold_elsewhere
    denied, swapped = outcome_lines(noted)
    assert denied.startswith(
        f"{len(SETS)} captions checked, 0 with a statement denied: 0.0% (95% interval 0.0% to"
    )
    assert "100.0% (95% interval" in swapped and "hold for another of its set as well" in swapped
    checked.caption({"multi_en": "Image-1: A dog. Image-2: A dog."})
    assert check_outcome(checked.run, "multi_en") is None


def _colours_of(checked: Checked, number: int) -> set[tuple[int, ...]]:
    """The mean colours, as sent, of the images at this index in all sets."""
    shown = set()
    builder = RequestBuilder(
        reader_of(checked.context, checked.sources), CheckingConfig(tile_px=56, max_tiles=1)
    )
    for shard, targets in checked.context.plan(JOBS["multi_en"]).shards():
        for target in targets:
            alone = msgspec.structs.replace(target, images=(target.images[number],))
            request = builder.request(JOBS["multi_en"], shard, alone, Prompt(version=1, text="?"))
            shown.add(_mean_of(request.images[0]))
    return shown


def _mean_of(jpeg: bytes) -> tuple[int, ...]:
    picture = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
    return tuple(picture.reshape(-1, 3).mean(axis=0).astype(int).tolist())


def _mean_colour(asked: Asked) -> tuple[int, ...]:
    (url,) = (
        part["image_url"]["url"] for part in asked.body["messages"][0]["content"] if "image_url" in part
    )
    return _mean_of(base64.b64decode(url.partition(",")[2]))
