"""Rows have the fields that each trainer documents, and each trainer gets its configuration file."""

import json
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.internvl_reader import check_row
from triptych.export.conversation_text import without_reserved_words
from triptych.export.formats import FORMATS
from triptych.export.formats.row_format import FilledFile
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
PARTS_ANSWER = {"role": "assistant", "content": [{"type": "text", "text": "A boat."}]}
IMAGE, SAY = {"type": "image"}, {"type": "text", "text": "Say."}
ONE_IN_PARTS = [{"role": "user", "content": [IMAGE, SAY]}, PARTS_ANSWER]
TWO_IN_PARTS = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Image-1: "}, IMAGE, {"type": "text", "text": "Image-2: "}, IMAGE, SAY
        ],
    },
    PARTS_ANSWER,
]  # fmt: skip
ONE_ID, TWO_ID = {"id": ONE.id}, {"id": TWO.id}
PREDICTED = [
    {
        "result": [
            {"from_name": "caption", "to_name": "image", "type": "textarea", "value": {"text": ["A boat."]}}
        ]
    }
]
LOCAL = "/data/local-files/?d="

DOCUMENTED = {
    ("internvl", 1): {
        **ONE_ID, "image": "sa_000000/sa_1.jpg", "width": 1500, "height": 2250, "conversations": ONE_TURNS,
    },
    ("internvl", 2): {
        **TWO_ID, "image": ["k1.jpg", "k2.jpg"], "width_list": [1, 2], "height_list": [10, 20],
        "conversations": TWO_TURNS,
    },
    ("llava", 1): {**ONE_ID, "image": "sa_000000/sa_1.jpg", "conversations": ONE_TURNS},
    ("llava", 2): {**TWO_ID, "image": ["k1.jpg", "k2.jpg"], "conversations": TWO_TURNS},
    ("ms-swift", 1): {**ONE_ID, "messages": ONE_MESSAGES, "images": ["sa_000000/sa_1.jpg"]},
    ("ms-swift", 2): {**TWO_ID, "messages": TWO_MESSAGES, "images": ["k1.jpg", "k2.jpg"]},
    ("llama-factory", 1): {**ONE_ID, "messages": ONE_MESSAGES, "images": ["sa_000000/sa_1.jpg"]},
    ("llama-factory", 2): {
        **TWO_ID, "messages": TWO_MESSAGES, "images": ["k1.jpg", "k2.jpg"],
    },
    ("chat-parts", 1): {**ONE_ID, "messages": ONE_IN_PARTS, "images": ["sa_000000/sa_1.jpg"]},
    ("chat-parts", 2): {**TWO_ID, "messages": TWO_IN_PARTS, "images": ["k1.jpg", "k2.jpg"]},
    ("label-studio", 1): {
        "data": {**ONE_ID, "images": [f"{LOCAL}sa_000000/sa_1.jpg"], "prompt": "Say."},
        "predictions": PREDICTED,
    },
    ("label-studio", 2): {
        "data": {**TWO_ID, "images": [f"{LOCAL}k1.jpg", f"{LOCAL}k2.jpg"], "prompt": "Say."},
        "predictions": PREDICTED,
    },
    ("fiftyone", 1): {"filepath": ["sa_000000/sa_1.jpg"], "caption_id": ONE.id, "caption": "A boat."},
    ("fiftyone", 2): {"filepath": ["k1.jpg", "k2.jpg"], "caption_id": TWO.id, "caption": "A boat."},
    ("capevalkit", 1): {**ONE_ID, "caption": "A boat.", "image": "sa_000000/sa_1.jpg"},
    ("capevalkit", 2): {**TWO_ID, "caption": "A boat.", "image": ["k1.jpg", "k2.jpg"]},
    ("preference", 1): {
        **ONE_ID, "images": ["sa_000000/sa_1.jpg"], "prompt": ONE_IN_PARTS[:1], "chosen": [PARTS_ANSWER],
        "rejected": [{"role": "assistant", "content": [{"type": "text", "text": "A b"}]}],
        "rejected_by": "cut",
    },
    ("preference", 2): {
        **TWO_ID, "images": ["k1.jpg", "k2.jpg"], "prompt": TWO_IN_PARTS[:1], "chosen": [PARTS_ANSWER],
        "rejected": [{"role": "assistant", "content": [{"type": "text", "text": "A b"}]}],
        "rejected_by": "cut",
    },
    ("preference-llama-factory", 1): {
        **ONE_ID, "images": ["sa_000000/sa_1.jpg"], "conversations": ONE_TURNS[:1], "chosen": ONE_TURNS[1],
        "rejected": {"from": "gpt", "value": "A b"}, "rejected_by": "cut",
    },
    ("preference-llama-factory", 2): {
        **TWO_ID, "images": ["k1.jpg", "k2.jpg"], "conversations": TWO_TURNS[:1], "chosen": TWO_TURNS[1],
        "rejected": {"from": "gpt", "value": "A b"}, "rejected_by": "cut",
    },
}  # fmt: skip
"""Documented rows by format and number of images. Add two for a new format."""

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


def line_of(name: str, target: Target, prompt: str, text: str) -> bytes:
    """The row that an export makes from a caption."""
    row = FORMATS[name].row(
        target.id, without_reserved_words(prompt), target.images, without_reserved_words(text)
    )
    return msgspec.json.encode(row) + b"\n"


def type_of(name: str, target: Target) -> type[msgspec.Struct]:
    return FORMATS[name].row_type(several_images=len(target.images) > 1)


def test_every_format_has_a_documented_row_for_one_image_and_for_several() -> None:
    """So the tests below cover every format."""
    assert {(name, count) for name in FORMATS for count in (1, 2)} == DOCUMENTED.keys()


@pytest.mark.parametrize("target", [ONE, TWO], ids=["one image", "several images"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_row_has_exactly_the_fields_that_the_trainer_documents(name: str, target: Target) -> None:
    """With the same values in the same order."""
    documented = DOCUMENTED[name, len(target.images)]

    row = json.loads(line_of(name, target, "Say.", "A boat."))

    assert documented == row
    assert list(documented) == list(row)


TAGGED = ("internvl", "llava", "ms-swift", "llama-factory", "preference-llama-factory")
IN_PARTS = ("chat-parts", "preference")
NOT_TEXT = ("id", "caption_id", "image", "images", "filepath")
"""The fields for ids and paths."""


def texts(value: object) -> Iterator[str]:
    """All texts in a row that are neither an id nor a path."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from () if name in NOT_TEXT else texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    else:
        yield str(value)


@pytest.mark.parametrize("name", FORMATS)
@settings(derandomize=True, deadline=None, max_examples=150)
@given(text=HARD, prompt=HARD, key=HARD.filter(bool))
def test_no_text_and_no_file_name_breaks_a_row(name: str, text: str, prompt: str, key: str) -> None:
    """It is one line of canonical JSON with a placeholder for each image and the unchanged file name."""
    one = Target(id=f"single_en:{key}", images=(ImageRecord(key=key, width_px=3, height_px=4),))
    two = Target(id="multi_en:s", images=(*one.images, *ONE.images))
    for target in (one, two):
        line = line_of(name, target, prompt, text)
        row = msgspec.json.decode(line, type=type_of(name, target))

        assert msgspec.json.encode(row) + b"\n" == line
        count = len(target.images)
        tags = sum(text.count("<image>") for text in texts(json.loads(line)))
        assert (count if name in TAGGED else 0) == tags
        assert (count if name in IN_PARTS else 0) == line.count(b'{"type":"image"}')
        for image in target.images:
            assert msgspec.json.encode(image.key) in line or name == "label-studio"
        if name == "internvl":
            check_row(json.loads(line))


@pytest.mark.parametrize("name", FORMATS)
def test_rows_have_no_unnecessary_escapes(name: str) -> None:
    """Chinese is legible in the file."""
    assert "一艘船 🙂".encode() in line_of(name, ONE, "描述。", "一艘船 🙂")


FILES = [FilledFile(name="t_9_single_image_en.jsonl", entry="t_single_en", rows=9)]


def test_internvl_gets_a_meta_json() -> None:
    """It has root, annotation and length, as InternVL documents."""
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
    } == FORMATS["internvl"].companions("t", "/sa1b", FILES)


def test_llava_next_gets_a_yaml_file() -> None:
    """Its loader reads JSON Lines only if a YAML file lists them."""
    assert {
        "t_llava.yaml": {"datasets": [{"json_path": "t_9_single_image_en.jsonl", "sampling_strategy": "all"}]}
    } == FORMATS["llava"].companions("t", "/sa1b", FILES)


def test_the_dataset_info_of_pairs_says_that_they_are_ranked() -> None:
    """It has no tags, since those of the rows are the default of sharegpt."""
    assert {
        "dataset_info.json": {
            "t_single_en": {
                "file_name": "t_9_single_image_en.jsonl",
                "formatting": "sharegpt",
                "ranking": True,
                "columns": {
                    "messages": "conversations", "chosen": "chosen", "rejected": "rejected",
                    "images": "images",
                },
            }
        }
    } == FORMATS["preference-llama-factory"].companions("t", "/sa1b", FILES)  # fmt: skip


def test_llama_factory_gets_a_dataset_info() -> None:
    """It has columns and tags as LLaMA-Factory's data/README.md documents."""
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
    } == FORMATS["llama-factory"].companions("t", "/sa1b", FILES)  # fmt: skip


@pytest.mark.parametrize("name", ["ms-swift", "chat-parts"])
def test_some_formats_have_no_configuration_file(name: str) -> None:
    """Their trainers read a dataset by its path."""
    assert {} == FORMATS[name].companions("t", "/sa1b", FILES)


@pytest.mark.parametrize("name", FORMATS)
def test_the_hint_on_the_card_names_the_image_folder(name: str) -> None:
    """It is the one that the user named, or the one in which the trainer starts."""
    assert "/sa1b" in FORMATS[name].hint("t", "/sa1b")
    assert "the folder that the trainer is started in" in FORMATS[name].hint("t", "")
