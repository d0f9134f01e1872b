"""Recognising answers that are plainly unusable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from triptych.captioning.answer_check import AnswerCheck, Defect
from triptych.jobs import SEED_JOBS
from triptych.languages import LANGUAGES, Language
from triptych.prompts import Naming

GOOD = {
    "en": "A red kite flies over a sandy beach, and two people in coats look up at it.",
    "zh": "一只红色的风筝在沙滩上空飞翔，两个穿外套的人抬头看着它。",
    "ja": "砂浜の上を赤い凧が飛び、コートを着た二人がそれを見上げている。",
    "ko": "모래사장 위로 빨간 연이 날고, 코트를 입은 두 사람이 그것을 올려다본다.",
    "fr": "Un cerf-volant rouge vole au-dessus d'une plage, et deux personnes le regardent.",
    "ru": "Красный воздушный змей летит над песчаным пляжем, и два человека смотрят на него.",
    "ar": "طائرة ورقية حمراء تحلق فوق شاطئ رملي، وينظر إليها شخصان يرتديان معطفين.",
}
LABELLED = Path(__file__).parents[1] / "filtering" / "labelled" / "captions.jsonl"
JAPANESE_NAMES = Naming(label="画像{number}", pattern=r"画像\d+")


def defect(text: str, language: str, finish_reason: str = "stop") -> Defect | None:
    """The defect of an answer about one image."""
    return AnswerCheck(language=LANGUAGES[language]).defect(text, finish_reason)


@pytest.mark.parametrize("language", GOOD)
def test_a_good_caption_has_no_defect(language: str) -> None:
    """In any language."""
    assert defect(GOOD[language], language) is None


@pytest.mark.parametrize(
    ("text", "finish_reason", "language", "expected"),
    [
        (GOOD["en"], "length", "en", "cut"),
        (GOOD["ja"], "length", "ja", "cut"),
        (" \n.", "stop", "en", "empty"),
        ("……？", "stop", "ja", "empty"),
        ("I'm sorry, but I can't help with that.", "stop", "en", "refusal"),
        ("I'm sorry, but I can't help with that.", "stop", "ja", "refusal"),
        ("很抱歉，我无法描述这张图片。", "stop", "zh", "refusal"),
        ("A beach with" + " a red kite and" * 30, "length", "en", "loop"),
        ("沙滩上有红色的风筝，" * 12, "length", "zh", "loop"),
        ("砂浜の上に赤い凧があり、" * 12, "length", "ja", "loop"),
        ("A red kite flies over the beach. " * 3 + "People look.", "stop", "en", "loop"),
    ],
)
def test_the_worst_defect_is_named(text: str, finish_reason: str, language: str, expected: Defect) -> None:
    """Refusals in languages whose phrases are known; loops and cuts in any language."""
    assert expected == defect(text, language, finish_reason)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("zh", "en"), ("en", "zh"), ("ru", "en"), ("en", "ja"), ("zh", "ja"), ("ja", "zh"), ("zh", "ko"),
     ("en", "ru"), ("ar", "fr"), ("ko", "ja")],
)  # fmt: skip
def test_another_script_is_the_wrong_language(written: str, wanted: str) -> None:
    """Including Chinese instead of Japanese, which always has kana."""
    assert "wrong language" == defect(GOOD[written], wanted)


@pytest.mark.parametrize(("written", "wanted"), [("fr", "en"), ("en", "fr"), ("zh", "yue"), ("ar", "fa")])
def test_languages_in_the_same_script_are_accepted(written: str, wanted: str) -> None:
    """Whether Latin letters are French is for the filter to decide."""
    assert defect(GOOD[written], wanted) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("A shop with a sign that says 大吉 hangs over the street.", "en"),
        ("街上挂着一块写着 Grand Hotel Continental 的招牌，行人从下面走过。", "zh"),
        ("通りには Grand Hotel と書かれた看板が掛かっている。", "ja"),
        ("거리에 Grand Hotel Continental 이라고 적힌 간판이 걸려 있고 사람들이 지나간다.", "ko"),
        ("看板に「東京都庁」とある。", "ja"),
    ],
)
def test_an_inscription_in_another_script_is_accepted(text: str, language: str) -> None:
    """Signs and brands are quoted as they are."""
    assert defect(text, language) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The photo shows a man in a safety helmet who does not look at the camera.", "en"),
        ("图片中不同颜色的纱巾展示在木架上，没有打开的雨伞靠在墙边。", "zh"),
    ],
)
def test_a_negation_about_the_picture_is_not_a_refusal(text: str, language: str) -> None:
    """A false alarm would waste a request."""
    assert defect(text, language) is None


def test_a_language_from_the_config_is_checked_by_its_scripts() -> None:
    """Nothing depends on its code."""
    check = AnswerCheck(language=Language(code="xx", scripts=("GREEK",)))

    assert check.defect("Ένας κόκκινος χαρταετός πετά πάνω από την παραλία.", "stop") is None
    assert "wrong language" == check.defect(GOOD["en"], "stop")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("画像1：赤い凧が砂浜の上を飛ぶ。画像2：白い帆船が海に浮かぶ。どちらも海辺である。", None),
        ("画像1：赤い凧が砂浜の上を飛ぶ。もう一枚には白い帆船が浮かぶ。", "wrong image names"),
        ("画像1：赤い凧が飛ぶ。画像2：白い帆船が浮かぶ。画像3：灯台が立っている。", "wrong image names"),
    ],
)
def test_the_images_of_a_set_must_be_named_as_the_prompt_asks(text: str, expected: Defect | None) -> None:
    """Each image is named, and no other."""
    check = AnswerCheck(language=LANGUAGES["ja"], naming=JAPANESE_NAMES)

    assert expected == check.defect(text, "stop", image_count=2)


def test_a_prompt_without_naming_requires_no_names() -> None:
    """Images may be named in any way."""
    check = AnswerCheck(language=LANGUAGES["en"])

    assert check.defect("The first shows a pier at dawn, the second a boat.", "stop", image_count=2) is None


def test_missing_image_names_are_worse_than_a_cut() -> None:
    """A cut caption that names its images is kept rather than one that doesn't."""
    check = AnswerCheck(language=LANGUAGES["ja"], naming=JAPANESE_NAMES)

    assert "cut" == check.defect("画像1：赤い凧が飛ぶ。画像2：白い帆", "length", image_count=2)
    assert "wrong image names" == check.defect("画像1：赤い凧が砂浜の上を", "length", image_count=2)


def test_good_labelled_captions_have_no_defects() -> None:
    """These are the filter's labelled captions that should be kept."""
    rows = [json.loads(line) for line in LABELLED.read_text("utf-8").splitlines()]
    good = [row for row in rows if row["id"].startswith("good-")]
    language_of = {job.name: job.language for job in SEED_JOBS}

    found = [row["text"] for row in good if defect(row["text"], language_of[row["job"]]) is not None]

    assert len(good) > 50
    assert [] == found
