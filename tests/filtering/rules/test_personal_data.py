"""E-mail addresses and telephone numbers."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations


@pytest.mark.parametrize(
    "data",
    [
        "info@harbour.org",
        "+44 20 7946 0000",
        "(212) 555-0143",
        "138 1234 5678",
        "010-62345678",
        "400-820-1234",
    ],
)
def test_personal_data_is_counted(data: str) -> None:
    """Even if it is on a sign in the picture."""
    assert {"personal_data": 1.0} == violations(f'{GOOD_EN} A board reads "{data}".')
    assert {"personal_data": 1.0} == violations(f"{GOOD_ZH}牌子上写着“{data}”。", "zh")


@pytest.mark.parametrize("text", ["in 1998 and 2004", "at 12:30 and 14:45", "number 1,234,567", "2024-05-17"])
def test_other_numbers_are_no_personal_data(text: str) -> None:
    """Years, times, large numbers and dates."""
    assert {} == violations(f"{GOOD_EN} It stands there {text}.")
