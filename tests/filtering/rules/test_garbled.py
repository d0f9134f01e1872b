"""Text that no person would type."""

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
def test_special_tokens_and_broken_characters_are_garbled(piece: str) -> None:
    """So are characters that nobody types, wrongly decoded text and runs of symbols."""
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
def test_text_in_any_language_is_not_garbled(language: str, text: str) -> None:
    """It has symbols of normal prose, letters of other languages, and marks for the direction of writing."""
    assert "garbled" not in violations(text, language)


def test_a_tag_on_a_screen_is_not_garbled() -> None:
    """Unless a trainer would take it for a special token."""
    text = GOOD_EN + ' A screen shows the line "<title>Boats</title>"; 3 < 4 stands on a wall.'

    assert "garbled" not in violations(text)
    assert "garbled" in violations(GOOD_EN + ' A screen shows "<start_of_turn>".')


def test_spaces_between_all_chinese_characters_are_garbled() -> None:
    """A short list of dishes may have some."""
    assert {"garbled": 1.0} == violations(" ".join(GOOD_ZH), "zh")


def test_a_tick_box_is_not_garbled() -> None:
    """In a quotation, or near words that announce an inscription."""
    assert {} == violations(GOOD_EN + " The form on the wall reads □ yes, □ no.")
    assert {} == violations(GOOD_ZH + "问卷上印着“同意：□ 是 □ 否”，菜单上列着鱼 汤 面 饭。", "zh")


@pytest.mark.parametrize("invisible", ["\u200b", "\ufeff", "\u2060", "\u200e", "\xad", "\u200d", "\u2063"])
def test_characters_without_width_are_ignored(invisible: str) -> None:
    """They are removed before any rule reads the text."""
    text = invisible + GOOD_EN.replace("boat", f"bo{invisible}at", 1) + invisible

    assert {} == violations(text)
    assert {} == violations(GOOD_ZH.replace("，", f"，{invisible}"), "zh")
