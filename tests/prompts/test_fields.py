"""Fields of a prompt, which are filled with values of its target. Values can't contain special tokens or
fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.errors import UsageError
from triptych.jobs import Job
from triptych.prompts import PLACEHOLDERS, TURN_MARKS, load_prompt
from triptych.prompts.fields import MAX_CHARACTERS, fill_fields, fill_longest, sanitize

SINGLE = {"name": "single_en", "subject": "image", "language": "en"}
MULTI = {"name": "multi_en", "subject": "set", "language": "en"}


def prompt_of(job: dict[str, str], toml: str, folder: Path):  # type: ignore[no-untyped-def]
    """The prompt of a job, from a file with the content ``toml``."""
    (folder / "mine.toml").write_text(f"version = 1\n{toml}\n")
    return load_prompt(Job(**job, prompt=str(folder / "mine.toml")))


def test_fields_are_filled_and_other_braces_stay() -> None:
    """Values of a set are labelled with the names of its images."""
    text = 'Look at {count} images, as JSON {"a": 1}. Known: {text}. Said: {captions}.'

    filled = fill_fields(text, count=2, texts=["A cat.", ""], captions=["One cat.", "Two dogs."])

    assert (
        'Look at 2 images, as JSON {"a": 1}. Known: Image-1: A cat. Image-2: -.'
        " Said: Image-1: One cat. Image-2: Two dogs.." == filled
    )


def test_the_text_of_a_single_image_has_no_label() -> None:
    """There is only one."""
    assert "Known: A cat" == fill_fields("Known: {text}", count=1, texts=["A cat"])


@pytest.mark.parametrize(
    "word", [*PLACEHOLDERS, *TURN_MARKS, "[INST]", "</s>", "<｜User｜>", "◁/think▷", "{text}", "[IMG]"]
)
def test_no_value_contains_a_special_token_of_any_model_family(word: str) -> None:
    """Nor a field, which would be filled afterwards."""
    value = sanitize(f"before {word} after")

    assert word not in value
    assert value.startswith("before ")
    assert value.endswith(" after")


def test_a_value_is_one_line_of_bounded_length() -> None:
    """Control characters and line breaks become spaces."""
    assert "a b c" == sanitize("a\n\n\tb\x00\u2028c ")
    assert MAX_CHARACTERS == len(sanitize("字" * 5000))
    assert len(fill_longest("{text}{captions}", 3)) >= 6 * MAX_CHARACTERS


def test_a_field_within_a_value_is_not_filled() -> None:
    """A text that contains {captions} reveals no captions."""
    assert "(captions) secret" == fill_fields(
        "{text} {captions}", count=1, texts=["{captions}"], captions=["secret"]
    )


def test_a_prompt_with_fields_has_another_question_for_exported_rows(tmp_path: Path) -> None:
    """A model in training doesn't get the values that the captioner got."""
    prompt = prompt_of(SINGLE, 'text = "Describe. Known: {text}"\nquestion = "Describe."', tmp_path)

    assert ({"text"}, "Describe.") == (prompt.fields, prompt.row_text)
    assert "Describe." == prompt_of(SINGLE, 'text = "Describe."', tmp_path).row_text


@pytest.mark.parametrize(
    ("job", "toml", "message"),
    [
        (SINGLE, 'text = "Known: {text}"', "text has {text}, and rows can't ask that; add question"),
        (SINGLE, 'text = "Describe."\nquestion = "Why?"', "are for a text with fields"),
        (SINGLE, 'text = "{text}"\nquestion = "{count}?"', "question has a field"),
        (SINGLE, 'text = "{captions}"\nquestion = "Describe."', "{captions} is for sets"),
        (MULTI, 'text = "{captions}"\nquestion = "See <image>"', "question contains <image>"),
    ],
)
def test_invalid_fields_are_refused(job: dict[str, str], toml: str, message: str, tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(UsageError) as caught:
        prompt_of(job, toml, tmp_path)

    assert message in str(caught.value)
