"""An export is loaded by what it is made for: the real libraries, from their packages."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from triptych.export.containers import CONTAINERS
from triptych.export.containers.rows_file import read_lines
from triptych.export.formats import FORMATS
from triptych.runs.folder import RunFolder

ROWS = {"single_en": 9, "single_zh": 8, "multi_en": 1, "multi_zh": 1}

TEXT = 'A "red" boat, </script> 一艘船 🙂, \u202eمرحبا\u202c,\u2028{id}.'


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, str], Any]]:
    """``load(folder, config)``: what a user calls, offline, with a cache of its own."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    yield lambda folder, config: datasets.load_dataset(
        str(folder), config, split="train", cache_dir=str(tmp_path / "cache")
    )
    datasets.enable_progress_bars()


def written(run: RunFolder, job: str, file_type: str) -> list[dict[str, Any]]:
    """The rows of ``job`` as they stand in the file."""
    kind, language = job.split("_")
    (path,) = run.export_folder.glob(f"*_{kind}_image_{language}.{file_type}")
    return [json.loads(line) for line in read_lines(path, file_type)]


def without_nulls(value: Any) -> Any:
    """Rows without fields that are null: a column that some parts lack is null there."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", FORMATS)
def test_datasets_loads_each_config_of_each_format(judged_run, export, load, name: str) -> None:
    """The folder as it is, by the four names of its card; every row as it was written."""
    run = judged_run(text=TEXT)
    export(run, format=name)

    for job, rows in ROWS.items():
        loaded = load(run.export_folder, job)

        assert rows == len(loaded)
        assert written(run, job, "jsonl") == without_nulls(loaded.to_list())


@pytest.mark.parametrize("name", ["internvl", "chat-parts"])
@pytest.mark.parametrize("file_type", [kind for kind in CONTAINERS if kind != "jsonl"])
def test_datasets_loads_compressed_lines_and_parquet(
    judged_run, export, load, file_type: str, name: str
) -> None:
    """Through the same card."""
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
"""As the templates of models are: an image's place and a newline, else the words."""


@pytest.mark.parametrize("file_type", ["jsonl", "parquet"])
def test_a_chat_template_renders_chat_parts(judged_run, export, load, file_type: str) -> None:
    """By transformers, from rows that datasets has loaded: the words that the model was asked with."""
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


def test_images_of_chat_parts_are_opened_by_datasets(judged_run, export, load, tmp_path: Path) -> None:
    """As the card says: the folder before each path, and the column cast."""
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
