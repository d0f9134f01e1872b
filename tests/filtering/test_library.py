"""triptych.judge: verdicts on captions that don't belong to a run."""

import pytest

import triptych
from tests.filtering.test_rule_counts import GOOD
from triptych.filtering.caption import CaptionText

JAPANESE = (
    "木製の桟橋に赤いボートが停まっており、青い空の下で二人の人物がその横に立っている。背景には白い家々が"
    "並ぶ緑の丘が広がり、手前の水面には雲が映っている。桟橋の端には白い鳥が一羽とまっている。"
)


def test_texts_get_verdicts_in_their_order() -> None:
    """Duplicates among them are found. Ids are numbers from 0."""
    verdicts = triptych.judge([GOOD[0], "Boat.", GOOD[0], GOOD[1]])

    assert [("0", None), ("1", "too_short"), ("2", "exact_duplicate"), ("3", None)] == [
        (verdict.id, verdict.reason) for verdict in verdicts
    ]
    assert "0" == verdicts[2].repeats


def test_a_caption_can_be_a_mapping_with_more_facts() -> None:
    """It can have an id, the number of images, and the finish reason."""
    (verdict,) = triptych.judge([{"id": "a", "text": GOOD[0], "finish_reason": "length"}])

    assert ("a", "truncated") == (verdict.id, verdict.reason)


def test_with_a_contract_the_caption_of_a_set_must_name_each_image() -> None:
    """The prompt's naming is the contract."""
    naming = triptych.Naming(label="Image-{number}", pattern=r"Image-\d+")
    prompt = triptych.Prompt(version=1, text="Describe the images.", naming=naming)
    text = f"Image-1: {GOOD[0]} Image-2: {GOOD[1]}"

    both, missing = (
        triptych.judge([text, text + " It is late."], subject="set", prompt=prompt),
        triptych.judge([{"text": text, "images": 3}], subject="set", prompt=prompt),
    )

    assert [None, "near_duplicate"] == [verdict.reason for verdict in both]
    assert "missing_image" == missing[0].reason


def test_any_language_can_be_judged() -> None:
    """With the rules that can read it."""
    good, english = triptych.judge([JAPANESE, GOOD[0]], language="ja")

    assert (None, "wrong_language") == (good.reason, english.reason)


def test_a_users_rule_can_be_a_function() -> None:
    """A score above 0 rejects the caption."""

    def has_tea(caption: object) -> float:
        return float("tea" in caption.units)  # type: ignore[attr-defined]

    verdicts = triptych.judge([GOOD[0], JAPANESE.replace("鳥", "tea")], rules=[has_tea])

    assert "has_tea" == verdicts[0].reason


def test_an_unknown_key_is_a_usage_error() -> None:
    """The message lists the known keys."""
    with pytest.raises(triptych.UsageError, match=r"caption 0: .*`image`.*text and any of id, images"):
        triptych.judge([{"text": "A boat.", "image": 2}])


def test_a_users_rule_can_be_configured() -> None:
    """Like the built-in ones."""

    def has_tea(caption: CaptionText) -> float:
        return float("tea" in caption.units)

    config = triptych.FilteringConfig(thresholds={"has_tea": 2}, flags=("has_tea",))

    assert [True] == [each.keep for each in triptych.judge([GOOD[0]], rules=[has_tea], config=config)]


@pytest.mark.parametrize("images", [0, -1, 10**9])
def test_an_impossible_number_of_images_is_a_usage_error(images: int) -> None:
    """A field called `images` may have another meaning in the caller's data."""
    with pytest.raises(triptych.UsageError, match=r"caption 0: Expected `int` [<>]= 1"):
        triptych.judge([{"text": GOOD[0], "images": images}], subject="set")


def test_a_caption_with_a_lone_surrogate_is_rejected() -> None:
    """JSON can contain one. It is half of a lost character."""
    (verdict,) = triptych.judge(["A boat \ud83d lies" + GOOD[0]])

    assert not verdict.keep


@pytest.mark.parametrize("captions", ["A boat.", {"text": "A boat."}])
def test_a_single_caption_instead_of_a_list_is_a_usage_error(captions: object) -> None:
    """The message shows how to pass one."""
    with pytest.raises(triptych.UsageError, match=r"judge\(\[caption\]\)"):
        triptych.judge(captions)  # type: ignore[arg-type]
