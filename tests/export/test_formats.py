"""Rows field by field as each trainer documents them, and what it is started with."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.internvl_reader import check_row
from triptych.export.config import FORMAT_NAMES, ExportConfig, FormatName
from triptych.export.formats import FORMATS
from triptych.export.formats.row_format import Layout
from triptych.export.manifest import FileEntry
from triptych.export.prompt_text import answers, question
from triptych.records import ImageRecord
from triptych.runs.plan import Target

ONE = Target(
    id="single_en:sa_000000/sa_1.jpg",
    images=(ImageRecord(key="sa_000000/sa_1.jpg", width_px=1500, height_px=2250),),
)
TWO = Target(
    id="multi_en:s1",
    images=tuple(ImageRecord(key=f"k{i}.jpg", width_px=i, height_px=10 * i) for i in (1, 2)),
)
ONE_TURNS = [{"from": "human", "value": "<image>\nSay."}, {"from": "gpt", "value": "A boat."}]
TWO_TAGS = "Image-1: <image>\nImage-2: <image>\nSay."
TWO_TURNS = [{"from": "human", "value": TWO_TAGS}, {"from": "gpt", "value": "A boat."}]
ONE_MESSAGES = [{"role": "user", "content": "<image>\nSay."}, {"role": "assistant", "content": "A boat."}]
TWO_MESSAGES = [{"role": "user", "content": TWO_TAGS}, {"role": "assistant", "content": "A boat."}]
ONE_ID, TWO_ID = {"id": ONE.id}, {"id": TWO.id}

DOCUMENTED = {
    ("internvl", "one image"): {
        **ONE_ID, "image": "sa_000000/sa_1.jpg", "width": 1500, "height": 2250, "conversations": ONE_TURNS,
    },
    ("internvl", "several images"): {
        **TWO_ID, "image": ["k1.jpg", "k2.jpg"], "width_list": [1, 2], "height_list": [10, 20],
        "conversations": TWO_TURNS,
    },
    ("llava", "one image"): {**ONE_ID, "image": "sa_000000/sa_1.jpg", "conversations": ONE_TURNS},
    ("llava", "several images"): {**TWO_ID, "image": ["k1.jpg", "k2.jpg"], "conversations": TWO_TURNS},
    ("ms-swift", "one image"): {**ONE_ID, "messages": ONE_MESSAGES, "images": ["sa_000000/sa_1.jpg"]},
    ("ms-swift", "several images"): {**TWO_ID, "messages": TWO_MESSAGES, "images": ["k1.jpg", "k2.jpg"]},
    ("llama-factory", "one image"): {**ONE_ID, "messages": ONE_MESSAGES, "images": ["sa_000000/sa_1.jpg"]},
    ("llama-factory", "several images"): {
        **TWO_ID, "messages": TWO_MESSAGES, "images": ["k1.jpg", "k2.jpg"],
    },
}  # fmt: skip

TROUBLE = [
    "<image>",
    "<IMAGE>",
    "<ima",
    "ge>",
    "<",
    ">",
    "<audio>",
    "<IMG_CONTEXT>",
    "<|im_end|>",
    "</script>",
]
TROUBLE += ['"', "\\", "\\u003cimage>", "\n", "\r", "\x00", "\u2028", "\u202e", "🙂", "مرحبا", "船", "{", "}"]
HARD = st.text(st.characters(exclude_categories=("Cs",))) | st.lists(st.sampled_from(TROUBLE)).map("".join)


def line_of(name: FormatName, target: Target, prompt: str, text: str) -> bytes:
    """The row as export makes it from a caption."""
    row_format = FORMATS[name]
    asked = row_format.asked(question(layout_for(target), len(target.images), prompt))
    (answer,), _ = answers([text])
    if layout_for(target) == "one image":
        row = row_format.single_row(target.id, target.images[0], asked, answer)
    else:
        row = row_format.multi_row(target.id, target.images, asked, answer)
    return msgspec.json.encode(row) + b"\n"


def layout_for(target: Target) -> Layout:
    return "one image" if len(target.images) == 1 else "several images"


@pytest.mark.parametrize("target", [ONE, TWO], ids=["one image", "several images"])
@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_a_row_is_field_for_field_what_the_trainer_documents(name: FormatName, target: Target) -> None:
    """The same fields with the same values in the same order."""
    documented = DOCUMENTED[name, layout_for(target)]

    row = json.loads(line_of(name, target, "Say.", "A boat."))

    assert documented == row
    assert list(documented) == list(row)


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_a_row_says_what_went_into_it(name: FormatName) -> None:
    """Read back by the type that verify reads it with."""
    row_format = FORMATS[name]
    for target in (ONE, TWO):
        row = msgspec.json.decode(
            line_of(name, target, "Say.", "A boat."), type=row_format.row_type(layout_for(target))
        )
        facts = row_format.facts(row)

        assert (target.id, [image.key for image in target.images], "A boat.") == (
            facts.id, facts.images, facts.answer,
        )  # fmt: skip
        assert row_format.speakers == facts.speakers


@pytest.mark.parametrize("name", FORMAT_NAMES)
@settings(derandomize=True, deadline=None, max_examples=150)
@given(text=HARD, prompt=HARD, key=HARD.filter(bool))
def test_no_text_and_no_file_name_breaks_a_row(name: FormatName, text: str, prompt: str, key: str) -> None:
    """One line, canonical JSON, as many tags as images, the file name as it is."""
    one = Target(id=f"single_en:{key}", images=(ImageRecord(key=key, width_px=3, height_px=4),))
    two = Target(id="multi_en:s", images=(*one.images, *ONE.images))
    for target in (one, two):
        row_format = FORMATS[name]
        line = line_of(name, target, prompt, text)
        row = msgspec.json.decode(line, type=row_format.row_type(layout_for(target)))
        facts = row_format.facts(row)

        assert msgspec.json.encode(row) + b"\n" == line
        assert [image.key for image in target.images] == facts.images
        assert (len(target.images), 0) == (facts.question.count("<image>"), facts.answer.count("<image>"))
        if name == "internvl":
            check_row(json.loads(line))


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_rows_have_no_escapes_that_json_does_not_ask_for(name: FormatName) -> None:
    """Chinese stays legible in the file."""
    assert "一艘船 🙂".encode() in line_of(name, ONE, "描述。", "一艘船 🙂")


FILES = {"t_9_single_image_en.jsonl": FileEntry(sha256="", size_bytes=1, job="single_en", rows=9)}
CONFIG = ExportConfig(prefix="t", image_root="/sa1b")


def test_internvl_is_started_with_a_meta_json() -> None:
    """Root, annotation and length, as its documentation has them."""
    assert {
        "t_meta.json": {
            "t_single_en": {
                "root": "/sa1b",
                "annotation": "t_9_single_image_en.jsonl",
                "data_augment": False,
                "repeat_time": 1,
                "length": 9,
            }
        }
    } == FORMATS["internvl"].companions(CONFIG, FILES)


def test_llava_next_is_started_with_a_yaml() -> None:
    """Its loader takes JSON Lines only through one."""
    assert {
        "t_llava.yaml": {"datasets": [{"json_path": "t_9_single_image_en.jsonl", "sampling_strategy": "all"}]}
    } == FORMATS["llava"].companions(CONFIG, FILES)


def test_llama_factory_is_started_with_a_dataset_info() -> None:
    """Columns and tags as its data/README.md has them."""
    assert {
        "dataset_info.json": {
            "t_single_en": {
                "file_name": "t_9_single_image_en.jsonl",
                "formatting": "sharegpt",
                "columns": {"messages": "messages", "images": "images"},
                "tags": {
                    "role_tag": "role", "content_tag": "content", "user_tag": "user",
                    "assistant_tag": "assistant",
                },
            }
        }
    } == FORMATS["llama-factory"].companions(CONFIG, FILES)  # fmt: skip


def test_ms_swift_takes_the_files_themselves() -> None:
    """Its --dataset is a path."""
    assert {} == FORMATS["ms-swift"].companions(CONFIG, FILES)


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_the_card_says_where_the_trainer_is_told_of_the_images(name: FormatName) -> None:
    """The root that the user named, or what stands for none."""
    assert "/sa1b" in FORMATS[name].hint(CONFIG)
    assert "the folder that the trainer is started in" in FORMATS[name].hint(ExportConfig())
