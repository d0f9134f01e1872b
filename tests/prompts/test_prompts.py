"""Prompts, and the order of images and words in a message."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from triptych.errors import UsageError
from triptych.export.conversation_text import tagged_question
from triptych.jobs import SEED_JOBS, Job, jobs_from
from triptych.prompts import PLACEHOLDERS, TURN_MARKS, load_prompt, load_prompts, message_parts


def test_every_seed_job_has_a_built_in_prompt() -> None:
    """With a version and the hash of its text."""
    prompts = load_prompts(SEED_JOBS)

    assert [job.name for job in SEED_JOBS] == list(prompts)
    assert all(prompt.version >= 1 and len(prompt.sha256) == 64 for prompt in prompts.values())


def test_the_prompts_for_single_images_equal_those_of_the_seed_dataset() -> None:
    """As on the dataset's card, with ASCII commas in the Chinese one."""
    prompts = load_prompts(SEED_JOBS)

    assert prompts["single_en"].text == (
        "Generate an accurate, single-paragraph description based on the given image. Do not use multiple"
        " paragraphs or line breaks. Avoid generating speculative content. Ensure that the description is"
        " based on clearly visible information in the image and avoid any over-speculation."
    )
    assert prompts["single_zh"].text == (
        "生成基于给定图像的准确单段描述。请勿使用多段或换行。避免生成带有推测性质的内容。"
        "确保描述基于图像中清晰可见的信息,避免过度推测。"
    )


@pytest.mark.parametrize("image_count", [1, 2, 5])
def test_a_request_has_the_same_text_as_the_training_row(image_count: int) -> None:
    """Once a chat template has added a newline after each image."""
    rendered = "".join("<image>\n" if part is None else part for part in message_parts("Go.", image_count))

    assert tagged_question("Go.", image_count) == rendered


def test_a_prompt_can_be_given_in_a_file(tmp_path: Path) -> None:
    """Only the job that it is set for uses it."""
    own = tmp_path / "own.toml"
    own.write_text('version = 7\ntext = "List what you see."\n', "utf-8")

    jobs = jobs_from({"multi_en": {"prompt": str(own)}})
    prompts = load_prompts(jobs)

    assert (7, "List what you see.") == (prompts["multi_en"].version, prompts["multi_en"].text)
    assert load_prompts(SEED_JOBS)["single_en"] == prompts["single_en"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('text = "x"', "missing required field `version`"),
        ('version = 1\ntext = " "', "text is empty"),
        ("version = ", "expected TOML with version"),
        ('version = 1\ntext = "x"\ntemperature = 1', "unknown field `temperature`"),
    ],
)
def test_a_file_that_is_no_prompt_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """The error names the file and the job."""
    own = tmp_path / "own.toml"
    own.write_text(content, "utf-8")

    with pytest.raises(UsageError) as caught:
        load_prompts(jobs_from({"single_zh": {"prompt": str(own)}}))

    assert message in str(caught.value)
    assert f"{own} of single_zh" in str(caught.value)


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        *((word, "stands for a picture") for word in PLACEHOLDERS),
        *((word, "begins or ends a message") for word in TURN_MARKS),
    ],
)
def test_special_tokens_in_a_prompt_are_refused(tmp_path: Path, word: str, meaning: str) -> None:
    """For example, lmdeploy answers <IMG_CONTEXT> with status 400, and moves the images to <IMAGE_TOKEN>."""
    own = tmp_path / "own.toml"
    own.write_text(f'version = 1\ntext = "Describe {word} well."\n', "utf-8")

    with pytest.raises(UsageError, match=re.escape(f"text contains {word}, which {meaning}; leave it out")):
        load_prompts(jobs_from({"multi_zh": {"prompt": str(own)}}))


def test_the_prompts_for_sets_ask_about_each_image_and_what_they_share() -> None:
    """In one paragraph, by name, and without speculation; in both languages."""
    prompts = load_prompts(SEED_JOBS)

    for job, words in {
        "multi_en": (
            "single-paragraph",
            "begin the part on each",
            "share",
            "differ",
            "speculat",
        ),
        "multi_zh": ("单段", "名称和冒号开头", "共同点", "不同之处", "推测"),
    }.items():
        assert [word for word in words if word not in prompts[job].text] == []


def test_a_missing_prompt_file_is_refused() -> None:
    """The error names the option that sets it."""
    with pytest.raises(UsageError, match=r"nowhere\.toml of single_en: No such.*--prompt single_en=FILE"):
        load_prompts(jobs_from({"single_en": {"prompt": "nowhere.toml"}}))


@pytest.mark.parametrize(
    ("job", "caption", "missing", "unknown"),
    [
        ("multi_en", "Image-1: a pier. Image-2: a boat. Both are by the sea.", set(), set()),
        ("multi_en", "Image-1: a pier. Image-3: a boat.", {2}, {3}),
        ("multi_en", "The first shows a pier, the second a boat.", {1, 2}, set()),
        ("multi_zh", "图1：一座码头。图2：一艘船。两图都在海边。", set(), set()),
        ("multi_zh", "图1：一座码头。图4：一艘船。", {2}, {4}),
    ],
)
def test_the_naming_contract_finds_missing_and_unknown_images(
    job: str, caption: str, missing: set[int], unknown: set[int]
) -> None:
    """A caption has to name each image of its set, and no other."""
    naming = load_prompts(SEED_JOBS)[job].naming

    assert naming is not None
    assert (missing, unknown) == (naming.missing(caption, 2), naming.unknown(caption, 2))


@pytest.mark.parametrize(
    ("naming", "message"),
    [
        ('label = "Image"\npattern = "Image"', "naming.label is 'Image'; expected {number} in it"),
        ('label = "Image-{number}"\npattern = "图\\\\d+"', "doesn't read 'Image-1' as image 1"),
        ('label = "Image-{number}"\npattern = "("', "is not a regular expression"),
    ],
)
def test_an_invalid_naming_contract_is_refused(tmp_path: Path, naming: str, message: str) -> None:
    """Before any request."""
    own = tmp_path / "own.toml"
    own.write_text(f'version = 1\ntext = "Describe."\n[naming]\n{naming}\n', "utf-8")

    with pytest.raises(UsageError, match=re.escape(message)):
        load_prompts(jobs_from({"multi_en": {"prompt": str(own)}}))


def test_a_job_without_a_built_in_prompt_needs_a_file() -> None:
    """The error says where to name it."""
    jobs = jobs_from({"single_fr": {"subject": "image", "language": "fr"}})

    with pytest.raises(UsageError, match=r"no prompt named single_fr ships .* in jobs\.single_fr\.prompt"):
        load_prompts(jobs)


def test_a_prompt_may_be_plain_text(tmp_path: Path) -> None:
    """If the file isn't named *.toml. Quotes and line breaks stay."""
    text = 'Say what is "seen".\nIn one sentence.'
    (tmp_path / "mine.txt").write_text(text + "\n")

    job = Job(name="short", subject="image", language="en", prompt=str(tmp_path / "mine.txt"))
    prompt = load_prompt(job)

    assert (text, 1, None) == (prompt.text, prompt.version, prompt.naming)


def test_a_byte_order_mark_in_a_prompt_is_ignored(tmp_path: Path) -> None:
    """Windows editors write one. It would reach the model and all exported rows."""
    (tmp_path / "mine.txt").write_text("Say what is seen.", "utf-8-sig")

    job = Job(name="short", subject="image", language="en", prompt=str(tmp_path / "mine.txt"))

    assert "Say what is seen." == load_prompt(job).text
