"""Captions in another language than requested, or in its other script."""

import py3langid
import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, caption, violations
from tests.support.other_languages import GOOD_CAPTIONS, RELATED
from triptych.filtering.rules.language import foreign_share

CAPTIONS = {code: texts[0] for code, texts in GOOD_CAPTIONS.items()} | RELATED | {"zh": GOOD_ZH}
EVERY_GOOD_CAPTION = [(code, text) for code, texts in GOOD_CAPTIONS.items() for text in texts]


@pytest.mark.parametrize(("language", "text"), EVERY_GOOD_CAPTION)
def test_a_good_caption_in_any_language_violates_no_rule(language: str, text: str) -> None:
    """Each has a normal length and is in a job in its language."""
    assert {} == violations(text, language)


@pytest.mark.parametrize("language", GOOD_CAPTIONS)
def test_an_english_caption_in_another_job_is_in_the_wrong_language(language: str) -> None:
    """And so is a caption in another language in an English or Chinese job."""
    assert 1.0 == violations(GOOD_EN, language)["wrong_language"]
    for other in ("en", "zh"):
        assert "wrong_language" in violations(GOOD_CAPTIONS[language][0], other)


@pytest.mark.parametrize("language", GOOD_CAPTIONS)
def test_a_single_english_sentence_is_the_wrong_language(language: str) -> None:
    """If models write in a wrong language, it is mostly English."""
    text = GOOD_CAPTIONS[language][0] + " A man with a hat stands on the pier and holds a long fishing rod."

    assert "wrong_language" in violations(text, language)


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        tuple(pair.split())
        for pair in ("ja zh", "zh ja", "es pt", "fr es", "ru uk", "hi mr", "ar fa", "de nl")
    ],
)
def test_languages_in_the_same_script_are_distinguished(asked: str, got: str) -> None:
    """A language identifier does that."""
    assert violations(CAPTIONS[got], asked)["wrong_language"] > 0.5


@pytest.mark.parametrize(
    ("asked", "got"), [tuple(pair.split()) for pair in ("no da", "nb da", "da nb", "id ms", "hr sr")]
)
def test_related_languages_are_not_distinguished(asked: str, got: str) -> None:
    """The same sentence may be correct in both."""
    assert "wrong_language" not in violations(CAPTIONS[got], asked)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", GOOD_ZH),
        ("zh", GOOD_EN),
        ("en", GOOD_EN + GOOD_ZH),
        ("zh", "1" * 30 + "。"),
        ("ja", "1" * 40 + "。"),
        ("en", GOOD_EN * 2 + " A собака lies in the лодка beside a 灯塔."),
        ("zh", GOOD_ZH + "一位elderly男子坐在wooden长椅上，手里拿着一本book。"),
    ],
)
def test_another_script_is_the_wrong_language(language: str, text: str) -> None:
    """All or half of a caption, single words in it, or no letters at all."""
    assert "wrong_language" in violations(text, language)


@pytest.mark.parametrize(
    "text",
    [
        GOOD_EN.replace(" ", ""),
        "Theimage showsabrown dogrunning acrossthe fieldof tallgrass withits earsraised, anda lineof trees"
        " standsin thebackground undera cloudysky.",
    ],
)
def test_english_without_spaces_is_the_wrong_language(text: str) -> None:
    """All or many of its spaces are missing."""
    assert 1.0 == violations(text)["wrong_language"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "A small white boat floats in calm blue water near a rocky shore in a bay at dusk."),
        ("en", GOOD_EN + " A board has the words 拿铁, 美式 and 摩卡, and a formula has α, β and γ."),
        (
            "zh",
            "桌上摆着一台MacBook Pro、一部iPhone 14 Pro Max、一副AirPods Pro和一块Apple Watch，"
            "旁边放着一杯Starbucks的拿铁，背景是一面贴着NASA标志的白墙。",
        ),
        ("en", "A shop front carries a sign that reads “欢迎光临本店欢迎光临本店” above its wooden door."),
        ("zh", "图中一名男子穿着Nike运动鞋，手里拿着iPhone，站在Starbucks咖啡店门口，正在看手机。"),
        ("zh", "墙上的牌子写着“Please do not walk on the grass”，旁边有一棵高大的树和一张长椅。"),
        ("ja", "男性がNikeの靴を履き、iPhoneを手に持って、Starbucksの店の前に立つ。後ろには赤い看板がある。"),
        (
            "ko",
            "운동화를 신은 남자가 iPhone을 들고 Starbucks 매장 앞에 서 있다."
            " 문에는 “Open every day of the week”라고 적혀 있다. 뒤에는 나무가 한 그루 서 있다.",
        ),
    ],
)
def test_signs_and_brands_in_another_script_are_fine(language: str, text: str) -> None:
    """Quotations aren't counted, and a few foreign words are below the threshold."""
    assert {} == violations(text, language)


def test_a_language_that_the_identifier_does_not_know_is_judged_by_its_script() -> None:
    """So no other language in the same script counts as foreign."""
    assert 1.0 == foreign_share(caption(GOOD_EN, "th"))
    assert 0.0 == foreign_share(caption(GOOD_CAPTIONS["th"][0], "th"))


def test_the_global_py3langid_identifier_is_not_changed() -> None:
    """Other users of py3langid in the process get all its languages."""
    before = py3langid.langid.IDENTIFIER
    foreign_share(caption(GOOD_EN, "fr"))

    assert before is py3langid.langid.IDENTIFIER


@pytest.mark.parametrize(
    "text",
    [
        "這是清晨陽光下的一個安靜港口。一艘紅色的船停在木碼頭旁邊，遠處是山。",
        GOOD_ZH + "遠處還有幾艘藍色的漁船。",
    ],
)
def test_traditional_characters_are_counted(text: str) -> None:
    """In a whole text or one sentence of it."""
    assert violations(text, "zh")["traditional"] > 0.02


@pytest.mark.parametrize(
    "text",
    [
        GOOD_ZH + "招牌上写着“臺灣麵館歡迎光臨”。",
        GOOD_ZH + "门上刻着樂善堂藥局。",
        GOOD_ZH + "这是乾隆年间的著名建筑。",
    ],
)
def test_signs_and_names_in_traditional_characters_are_fine(text: str) -> None:
    """A quotation, an inscription, or a character that Simplified Chinese has as well."""
    assert {} == violations(text, "zh")


def test_other_languages_may_use_traditional_characters() -> None:
    """Japanese has some of them."""
    text = "門の前に車が止まり、東の空に鳥が飛んでいる。赤い橋の上を馬が渡り、魚を見る人がいる。"

    assert {} == violations(text, "ja")
