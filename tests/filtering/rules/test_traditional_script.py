"""Traditional characters where Simplified Chinese was asked for."""

import pytest

from tests.support.caption_texts import GOOD_ZH, violations


@pytest.mark.parametrize(
    "text",
    [
        "這是清晨陽光下的一個安靜港口。一艘紅色的船停在木碼頭旁邊，遠處是山。",
        GOOD_ZH + "遠處還有幾艘藍色的漁船。",
    ],
)
def test_traditional_characters_are_counted(text: str) -> None:
    """All of a text, or one sentence of it."""
    assert violations(text, "zh")["traditional"] > 0.02


@pytest.mark.parametrize(
    "text",
    [
        GOOD_ZH + "招牌上写着“臺灣麵館歡迎光臨”。",
        GOOD_ZH + "门上刻着樂善堂藥局。",
        GOOD_ZH + "这是乾隆年间的著名建筑。",
    ],
)
def test_signs_and_names_are_fine(text: str) -> None:
    """A quotation, an inscription, a character that both write."""
    assert {} == violations(text, "zh")


def test_other_languages_write_them() -> None:
    """Japanese has some of them, too."""
    text = "門の前に車が止まり、東の空に鳥が飛んでいる。赤い橋の上を馬が渡り、魚を見る人がいる。"

    assert {} == violations(text, "ja")
