"""Texts as arrays: the same units as one by one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.filtering.text_arrays import TextArrays, text_arrays
from triptych.filtering.units import units_of

ODD = ["İstanbul", "ΟΔΟΣ", "ﬁ", "a" * 50, "x" * 500 + " y", "\U000e0001\U0002fa20", "ß Straße"]


@pytest.mark.parametrize("text", [*ODD, "", "  ", "Don't", "“东京2”-Tower's", "第1张图：BMW。", "²½①é"])
def test_units_are_those_of_one_text(text: str) -> None:
    """Odd texts, which single characters don't tell, are read one by one."""
    arrays, _ = text_arrays(["before", text, "behind"])
    first, last = arrays.offsets[1:3]
    (expected, _) = text_arrays([" ".join(units_of(text))])

    assert expected.hashes.tolist() == arrays.hashes[first:last].tolist()
    assert [1, len(units_of(text)), 1] == arrays.unit_counts.tolist()


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    st.lists(st.text(max_size=60) | st.text(alphabet="aB 船的'’-_1é.İΣ", max_size=60), min_size=1, max_size=5)
)
def test_equal_units_have_equal_hashes_and_others_have_others(texts: list[str]) -> None:
    """Of any texts, whatever stands beside them."""
    arrays, _ = text_arrays(texts)
    units = [unit for text in texts for unit in units_of(text)]
    pairs = set(zip(units, arrays.hashes.tolist(), strict=True))

    assert len(pairs) == len({unit for unit, _ in pairs}) == len({key for _, key in pairs})


def test_hashes_are_the_same_in_every_process() -> None:
    """Sketches are made in many, and compared."""
    expected = [
        12609935244270955673,
        9967448544167301763,
        17062672916582494224,
        17569702327497887,
        5550463969005843145,
    ]

    assert expected == TextArrays(["A red boat", "红船"]).hashes.tolist()
