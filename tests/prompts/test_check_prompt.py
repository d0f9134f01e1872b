"""How a checker's answers to questions about statements are read."""

import pytest

from triptych.prompts.check_prompt import check_prompt


@pytest.mark.parametrize(
    ("language", "answer", "word"),
    [
        ("en", "Yes", "yes"),
        ("en", '**"No."**', "no"),
        ("en", "True, it is.", "yes"),
        ("en", "Not true.", "no"),
        ("en", "Incorrect", "no"),
        ("en", "Can't be seen", "unclear"),
        ("en", "Not visible", None),
        ("en", "Nothing suggests that", None),
        ("en", "Note: yes", None),
        ("en", "Now it does", None),
        ("zh", "是的。", "yes"),
        ("zh", "不是。", "no"),
        ("zh", "对不起，我无法判断", "unclear"),
        ("zh", "是否如此看不出", "unclear"),
        ("zh", "对于这张图", "unclear"),
        ("zh", "不确定", "unclear"),
    ],
)
def test_an_answer_is_read_as_yes_no_or_unclear(language: str, answer: str, word: str | None) -> None:
    """Or as none of them: words that merely begin alike don't count."""
    assert word == check_prompt(language).parse_answer(answer)


@pytest.mark.parametrize(
    ("language", "first_tokens", "probability"),
    [
        ("en", {"▁Yes": 0.8, "Yes": 0.1, " no": 0.1}, 0.9),
        ("en", {"Yes.": 0.75, "No": 0.25}, 0.75),
        ("en", {"Y": 0.5, "N": 0.5}, 1.0),
        ("en", {"Not": 0.5, "Now": 0.4}, None),
        ("zh", {"是的": 0.8, "是": 0.1, "否": 0.1, "不": 0.5}, 0.9),
        ("zh", {"不": 0.9, "": 0.1}, None),
    ],
)
def test_the_probability_of_yes_comes_from_the_first_token(
    language: str, first_tokens: dict[str, float], probability: float | None
) -> None:
    """If it shows which word begins: "N" may begin "no" or "not clear", and 不 may begin 不是 or 不清楚."""
    assert probability == check_prompt(language).yes_probability(first_tokens)
