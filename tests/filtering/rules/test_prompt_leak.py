"""Words of the prompt or a chat template in the caption."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations
from tests.support.other_languages import GOOD_CAPTIONS


@pytest.mark.parametrize(
    "text",
    [
        "Generate an accurate, single-paragraph description based on the given image.",
        "Do not use multiple paragraphs or line breaks.",
        "Avoid generating speculative content.",
        "Assistant: a boat.",
        "It relies only on the visible elements.",
        "It follows the instructions.",
        "The answer to what is asked in the prompt ends here.",
    ],
)
def test_the_words_of_the_english_prompt_are_counted(text: str) -> None:
    """Whole sentences or parts of them, and the roles of a chat."""
    assert 1.0 <= violations(GOOD_EN + " " + text)["prompt_leak"]


@pytest.mark.parametrize(
    "text",
    [
        "请勿使用多段或换行。",
        "避免生成带有推测性质的内容。",
        "用户：描述这张图片。",
        "根据给定图像，这是港口。",
        "按提示词的要求，内容到此为止。",
    ],
)
def test_the_words_of_the_chinese_prompt_are_counted(text: str) -> None:
    """Like those of the English one."""
    assert 1.0 <= violations(GOOD_ZH + text, "zh")["prompt_leak"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Start with the main subject and mention its color. Then describe the light."),
        ("zh", "先写主体的颜色和位置，再写背景和光线，语言要连贯流畅。"),
    ],
)
def test_instructions_to_the_writer_are_counted(language: str, text: str) -> None:
    """At the beginning of the text."""
    assert 1.0 <= violations(text, language)["prompt_leak"]


@pytest.mark.parametrize("language", ["fr", "ja", "ru"])
def test_roles_of_a_chat_template_are_counted_in_any_language(language: str) -> None:
    """All models' templates have them in English."""
    assert 1.0 <= violations(GOOD_CAPTIONS[language][0] + " assistant: ", language)["prompt_leak"]


@pytest.mark.parametrize(
    "text",
    [
        'A sheet on the wall reads "Do not use line breaks".',
        "The image focuses on the elements of the loom.",
        "A line of cars breaks at the corner, and a prompt appears in view of a user.",
        "A green cursor blinks in the prompt of a terminal.",
    ],
)
def test_other_uses_of_the_words_are_fine(text: str) -> None:
    """In quotations and plain prose."""
    assert {} == violations(GOOD_EN + " " + text)
