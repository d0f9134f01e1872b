"""One paragraph of plain prose."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations


@pytest.mark.parametrize("line_break", ["\n", "\n\n", "\r\n", "\u2028", "\u2029", "\\n\\n", "<br>"])
def test_text_after_a_line_break_is_another_paragraph(line_break: str) -> None:
    """The score is the number of lines with text."""
    found = violations(GOOD_EN + line_break + "The sky above is pale and clear.")

    assert 2.0 == found["multi_paragraph"]


def test_line_breaks_around_the_text_are_not_paragraphs() -> None:
    """Only breaks between text count."""
    assert {} == violations("\n" + GOOD_EN + "\n\n")


@pytest.mark.parametrize(
    "text",
    [
        "# The harbour: " + GOOD_EN,
        "Description: " + GOOD_EN,
        "**Caption**: " + GOOD_EN,
        "Image-1: " + GOOD_EN,
        "1. " + GOOD_EN,
        "- " + GOOD_EN,
        GOOD_EN.replace("red boat", "**red boat**"),
        GOOD_EN.replace("red boat", "`red boat`"),
        GOOD_EN.replace("red boat", "[red boat](boat.jpg)"),
        GOOD_EN.replace("red boat", "<b>red boat</b>"),
        '{"caption": "' + GOOD_EN + '"}',
        GOOD_EN + " There are: 1. a boat; 2. a pier.",
        GOOD_EN + " There are: • boats • piers • rocks.",
        "Setting: a quiet harbour by the sea. Objects: two boats beside a pier. Mood: calm and still.",
        GOOD_EN + " Keywords: boat, pier.",
    ],
)
def test_markup_is_found(text: str) -> None:
    """Markdown, HTML, JSON, headings, labels, lists, forms and keywords."""
    assert 1.0 == violations(text)["markup"]


@pytest.mark.parametrize(
    "text", ["图像描述：" + GOOD_ZH, "图1：" + GOOD_ZH, GOOD_ZH + "包括：1、船；2、码头。"]
)
def test_chinese_markup_is_found(text: str) -> None:
    """With full-width marks."""
    assert 1.0 == violations(text, "zh")["markup"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", GOOD_EN + " The menu on the wall has three lines: 1. soup; 2. fish; 3. bread."),
        ("zh", GOOD_ZH + "墙上贴着一张菜单，分为几行：1. 鱼汤 38元；2. 面包 16元。"),
        ("en", GOOD_EN + ' A board reads "**No entry**", and the clock says 12:30.'),
        ("en", GOOD_EN + " The board has two columns, (1) departures and (2) arrivals."),
        ("en", GOOD_EN + " It is a well-known, half-empty place - quiet and small."),
    ],
)
def test_what_is_written_in_the_picture_is_no_markup(language: str, text: str) -> None:
    """It may be told as it stands there; hyphens, brackets and times of day are prose."""
    assert {} == violations(text, language)


def test_the_image_of_a_set_may_be_named_first() -> None:
    """Of a single image, its number is a label."""
    text = "Image-1: " + GOOD_EN + " Image-2: a grey boat."

    assert "markup" not in violations(text, images=2)
