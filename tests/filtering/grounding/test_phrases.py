"""Captions are split into phrases."""

from triptych.filtering.grounding.phrases import phrases_of, split_sentences
from triptych.prompts import Naming


def test_sentences_of_a_set_belong_to_the_images_that_they_name() -> None:
    """A sentence without a number continues the one before, unless it is about each image."""
    text = (
        "These two images show cats. Image 1 shows a black cat. It sleeps on a mat."
        " Image 2 shows a white cat. Every image has two lamps."
    )

    assert [((0, 1), "any"), ((0,), "named"), ((0,), "named"), ((1,), "named"), ((0, 1), "each")] == [
        (each.images, each.of) for each in split_sentences(text, "en", 2)
    ]


def test_each_phrase_has_the_rest_of_its_sentence() -> None:
    """It is the sentence without the phrase and the word or mark that joins it. A single phrase has no
    rest."""
    assert [
        "a blue boat and a cat",
        "A red kite, a cat",
        "A red kite, a blue boat",
    ] == [each.rest for each in phrases_of("A red kite, a blue boat and a cat", "en", 1)]
    assert [] == [each.rest for each in phrases_of("一只猫坐在窗台上", "zh", 1) if each.rest]


def test_a_phrase_from_the_beginning_of_a_sentence_is_in_lower_case() -> None:
    """Its capital only marked the beginning of the sentence."""
    assert ["a red kite", "a cat", "a dog"] == [
        each.text for each in phrases_of("A red kite, a cat and a dog.", "en", 1)
    ]


def test_a_word_with_the_character_for_and_is_not_split() -> None:
    """柔和 (soft) is one word; 和 alone means "and"."""
    assert ["天上飘着柔和的云朵", "地上有红花", "绿草"] == [
        each.text for each in phrases_of("天上飘着柔和的云朵，地上有红花和绿草。", "zh", 1)
    ]


def test_statements_on_each_image_are_left_out() -> None:
    """Unless the caption has no others."""
    opening = "Each image shows a red boat."

    assert ["Image 1 shows a pier"] == [
        each.text for each in phrases_of(f"{opening} Image 1 shows a pier.", "en", 2)
    ]
    assert ["Each image shows a red boat"] == [each.text for each in phrases_of(opening, "en", 2)]


def test_with_a_contract_sentences_in_any_language_belong_to_images() -> None:
    """Its pattern finds the names."""
    naming = Naming(label="画像{number}", pattern=r"画像\d+")
    text = "画像1：赤い船が浮かんでいる。空は青い空だ。画像2：白い猫が眠っている。"

    assert [(0,), (0,), (1,)] == [each.images for each in split_sentences(text, "ja", 2, naming)]


def test_a_language_without_its_own_grammar_is_split_at_punctuation() -> None:
    """So it works for all languages that the text encoder knows."""
    text = "Une barque rouge, un chat noir. Deux arbres verts."

    assert ["une barque rouge", "un chat noir", "Deux arbres verts"] == [
        each.text for each in phrases_of(text, "fr", 1)
    ]
