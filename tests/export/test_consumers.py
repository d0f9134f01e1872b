"""An export can be loaded by the libraries that it is made for."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.export.conftest import KINDS
from triptych.export.containers import CONTAINERS
from triptych.runs.folder import RunFolder

ROWS = {"single_en": 9, "single_zh": 8, "multi_en": 1, "multi_zh": 1}

TEXT = 'A "red" boat, </script> 一艘船 🙂, \u202eمرحبا\u202c,\u2028{id}.'


def written(run: RunFolder, job: str, file_type: str) -> list[dict[str, Any]]:
    """The rows of ``job`` as stored in the file."""
    kind, language = job.split("_")
    (path,) = run.export_folder.glob(f"*_{kind}_image_{language}.{file_type}")
    return [json.loads(line) for line in CONTAINERS[file_type].lines(path)]


def without_nulls(value: Any) -> Any:
    """Rows without null fields. If only some parts have a column, it is null in the others."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", [name for name, file_type in KINDS if file_type == "jsonl"])
def test_datasets_loads_each_config_of_each_format(judged_run, export, load, name: str) -> None:
    """The unchanged folder has a config for each job on its card, and every row loads as it was written."""
    run = judged_run(text=TEXT)
    export(run, format=name)

    for job, rows in ROWS.items():
        loaded = load(run.export_folder, job)

        assert rows == len(loaded)
        assert written(run, job, "jsonl") == without_nulls(loaded.to_list())


@pytest.mark.parametrize("name", ["internvl", "chat-parts"])
@pytest.mark.parametrize("file_type", ["jsonl.zst", "parquet"])
def test_datasets_loads_compressed_lines_and_parquet(
    judged_run, export, load, file_type: str, name: str
) -> None:
    """With the same card."""
    run = judged_run(text=TEXT)
    export(run, file_type=file_type, format=name)

    for job in ROWS:
        assert without_nulls(written(run, job, file_type)) == without_nulls(
            load(run.export_folder, job).to_list()
        )


CHAT_TEMPLATE = """\
{%- for message in messages %}<|{{ message['role'] }}|>
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}<IMG>{{ '\\n' }}{%- else -%}{{ part['text'] }}{%- endif -%}
{%- endfor %}<|end|>
{% endfor %}"""
"""A template like those of models: a placeholder and a newline for an image, and the text otherwise."""


@pytest.mark.parametrize("file_type", ["jsonl", "parquet"])
def test_a_chat_template_renders_chat_parts(judged_run, export, load, file_type: str) -> None:
    """Rows loaded by datasets and rendered by transformers contain the prompt that the captioner was
    given."""
    from transformers.utils.chat_template_utils import render_jinja_template

    run = judged_run(text="A boat.")
    export(run, format="chat-parts", file_type=file_type)

    rendered = {
        job: render_jinja_template(
            [load(run.export_folder, job)[0]["messages"]], chat_template=CHAT_TEMPLATE
        )[0][0]
        for job in ("single_en", "multi_en")
    }

    assert "<|user|><IMG>\nDescribe the image.<|end|>\n<|assistant|>A boat.<|end|>\n" == rendered["single_en"]
    assert (
        "<|user|>Image-1: <IMG>\nImage-2: <IMG>\nImage-3: <IMG>\nDescribe the images.<|end|>\n"
        "<|assistant|>A boat.<|end|>\n"
    ) == rendered["multi_en"]


def test_datasets_opens_the_images_of_chat_parts(judged_run, export, load, tmp_path: Path) -> None:
    """As the card explains: prepend the folder to each path and cast the column."""
    import datasets
    from PIL import Image

    run = judged_run()
    export(run, format="chat-parts")
    (row,) = loaded = load(run.export_folder, "multi_en")
    for path in row["images"]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(tmp_path / path)

    below = loaded.map(lambda row: {"images": [str(tmp_path / path) for path in row["images"]]})
    below = below.cast_column("images", datasets.List(datasets.Image()))

    assert [(4, 3)] * 3 == [image.size for image in below[0]["images"]]


@pytest.mark.parametrize("file_type", ["jsonl", "parquet"])
def test_trl_accepts_pairs_for_vision_dpo(judged_run, export, load, file_type: str) -> None:
    """Its own code finds the rows conversational, an image for each placeholder, and a prompt that both
    answers share."""
    data_utils = pytest.importorskip("trl.data_utils")
    run = judged_run(text="A red boat lies there. It is called {id}.")
    export(run, format="preference", file_type=file_type)

    for job, rows in ROWS.items():
        loaded = load(run.export_folder, job)
        assert rows == len(loaded)
        for row in loaded:
            assert data_utils.is_conversational(row)
            filled = data_utils.prepare_multimodal_messages(row["prompt"], images=row["images"])
            shown = [part["image"] for part in filled[0]["content"] if part["type"] == "image"]
            assert row["images"] == shown
            both = [row["prompt"] + row[side] for side in ("chosen", "rejected")]
            again = data_utils.extract_prompt({"chosen": both[0], "rejected": both[1]})
            assert {name: row[name] for name in ("prompt", "chosen", "rejected")} == again


def test_dataset_info_describes_the_columns_of_pairs_to_llama_factory(judged_run, export, load) -> None:
    """As its data/README.md documents: one human turn with an ``<image>`` for each image, and two gpt
    turns."""
    run = judged_run(text="A red boat lies there. It is called {id}.")
    export(run, format="preference-llama-factory")

    info = json.loads((run.export_folder / "dataset_info.json").read_text("utf-8"))
    for job, rows in ROWS.items():
        entry = info[f"triptych_caption_{job}"]
        assert (True, "sharegpt") == (entry["ranking"], entry["formatting"])
        loaded = load(run.export_folder, job)
        assert rows == len(loaded)
        for row in loaded:
            named = {what: row[column] for what, column in entry["columns"].items()}
            (question,) = named["messages"]
            assert ("human", len(named["images"])) == (question["from"], question["value"].count("<image>"))
            answers = (named["chosen"], named["rejected"])
            assert ["gpt", "gpt"] == [answer["from"] for answer in answers]
            assert answers[0]["value"] != answers[1]["value"]
            assert not any("<image>" in answer["value"] for answer in answers)
