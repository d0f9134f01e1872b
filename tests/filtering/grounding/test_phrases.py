"""Captions split into phrases."""

from triptych.filtering.grounding.phrases import phrases_of, split_sentences
from triptych.prompts import Naming


def test_sentences_of_a_set_go_with_the_images_they_name() -> None:
    """A sentence without a number goes on about the one before; one that speaks of each doesn't."""
    text = (
        "These two images show cats. Image 1 shows a black cat. It sleeps on a mat."
        " Image 2 shows a white cat. Every image has two lamps."
    )

    assert [((0, 1), "any"), ((0,), "named"), ((0,), "named"), ((1,), "named"), ((0, 1), "each")] == [
        (each.images, each.of) for each in split_sentences(text, "en", 2)
    ]


def test_each_phrase_is_left_out_in_turn() -> None:
    """With what joins it to the next, the last with what joins it to the one before; a single one stays."""
    assert [
        "a blue boat and a cat",
        "A red kite, a cat",
        "A red kite, a blue boat",
    ] == [each.rest for each in phrases_of("A red kite, a blue boat and a cat", "en", 1)]
    assert [] == [each.rest for each in phrases_of("一只猫坐在窗台上", "zh", 1) if each.rest]


def test_a_phrase_stands_as_within_a_sentence() -> None:
    """Without the capital that its place in the sentence gave it."""
    assert ["a red kite", "a cat", "a dog"] == [
        each.text for each in phrases_of("A red kite, a cat and a dog.", "en", 1)
    ]


def test_a_word_with_the_character_for_and_stays_whole() -> None:
    """柔和 is one word."""
    assert ["天上飘着柔和的云朵", "地上有红花", "绿草"] == [
        each.text for each in phrases_of("天上飘着柔和的云朵，地上有红花和绿草。", "zh", 1)
    ]


def test_what_is_said_of_each_image_is_not_compared() -> None:
    """Unless a caption says nothing else."""
    opening = "Each image shows a red boat."

    assert ["Image 1 shows a pier"] == [
        each.text for each in phrases_of(f"{opening} Image 1 shows a pier.", "en", 2)
    ]
    assert ["Each image shows a red boat"] == [each.text for each in phrases_of(opening, "en", 2)]


def test_a_contract_says_which_images_a_sentence_names() -> None:
    """Its pattern is read, in any language."""
    naming = Naming(label="画像{number}", pattern=r"画像\d+")
    text = "画像1：赤い船が浮かんでいる。空は青い空だ。画像2：白い猫が眠っている。"

    assert [(0,), (0,), (1,)] == [each.images for each in split_sentences(text, "ja", 2, naming)]


def test_a_language_without_a_grammar_of_its_own_is_split_at_punctuation() -> None:
    """Sentences and phrases of any language whose words the text tower knows."""
    text = "Une barque rouge, un chat noir. Deux arbres verts."

    assert ["une barque rouge", "un chat noir", "Deux arbres verts"] == [
        each.text for each in phrases_of(text, "fr", 1)
    ]
