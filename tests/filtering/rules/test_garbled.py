"""Text that no person would have typed."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations


@pytest.mark.parametrize(
    "piece",
    [
        "<image_soft_token>", "[IMG]", "<loc0123>", "◁think▷", "<reasoning>", "</final>",
        "<subject>", "<主体>",
        "<|im_end|>", "<image>", "</s>", "[INST]", "<0x0A>", "&quot;", "\\u4e2d",
        "\ufffd", "\x00", "\ue123", "\ud83d", "▁boat", "boatĠlies",
        "cafÃ©", "donâ€™t", "the man?s boat", "the manâs boat", "□", "鍥剧墖", "锟斤拷", "ä¸­å›½",
        ",,,,", "!!!!!!", "@#$%^&*", ". . . . . . .", "🙂🙂🙂🙂🙂🙂", "，，，，",
    ],
)  # fmt: skip
def test_what_is_no_text_is_garbled(piece: str) -> None:
    """Special tokens, characters that nobody types, wrong decoding, heaps of signs."""
    assert 1.0 <= violations(f"{GOOD_EN} {piece} {GOOD_EN[:40]} pier.")["garbled"]
    assert 1.0 <= violations(f"{GOOD_ZH}{piece}{GOOD_ZH[:20]}。", "zh")["garbled"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", GOOD_EN + " The sign says 50% off & more, at $3.99 (a 1/2 price) — wow!"),
        ("en", GOOD_EN + " The café “Soleil” is São João’s, 20 °C… 🙂"),
        ("fr", "Le « café » où l’on boit du thé à la crème brûlée, près du château."),
        ("pt", "A placa diz NÃO e a estação fica em SÃO PAULO."),
        ("mt", "Raġel qed joqgħod fil-Ġnien, ħdejn il-Ġebel."),
        ("ar", "رجل يقف\u200f بجانب القارب."),
        ("km", "ទូក\u200bក្រហម។"),
    ],
)
def test_text_of_any_language_is_not_garbled(language: str, text: str) -> None:
    """Signs that prose has, letters of other languages, marks that turn the direction of writing."""
    assert "garbled" not in violations(text, language)


def test_a_tag_that_a_screen_shows_is_not_garbled() -> None:
    """Other than those that a trainer takes for a token."""
    text = GOOD_EN + ' A screen shows the line "<title>Boats</title>"; 3 < 4 stands on a wall.'

    assert "garbled" not in violations(text)
    assert "garbled" in violations(GOOD_EN + ' A screen shows "<start_of_turn>".')


def test_a_space_before_each_chinese_character_is_garbled() -> None:
    """A list of dishes is shorter."""
    assert {"garbled": 1.0} == violations(" ".join(GOOD_ZH), "zh")


def test_a_box_to_tick_is_not_garbled() -> None:
    """In a quotation, or where something is written."""
    assert {} == violations(GOOD_EN + " The form on the wall reads □ yes, □ no.")
    assert {} == violations(GOOD_ZH + "问卷上印着“同意：□ 是 □ 否”，菜单上列着鱼 汤 面 饭。", "zh")


@pytest.mark.parametrize("invisible", ["\u200b", "\ufeff", "\u2060", "\u200e", "\xad", "\u200d", "\u2063"])
def test_what_has_no_width_is_not_judged(invisible: str) -> None:
    """It is cleaned, for all rules."""
    text = invisible + GOOD_EN.replace("boat", f"bo{invisible}at", 1) + invisible

    assert {} == violations(text)
    assert {} == violations(GOOD_ZH.replace("，", f"，{invisible}"), "zh")
