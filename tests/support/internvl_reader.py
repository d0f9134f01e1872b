"""A reader as strict as InternVL's training loader."""

import json
from pathlib import Path
from typing import Any


def load_dataset_meta(meta_path: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of every dataset that a meta JSON names. Raises AssertionError if the loader would fail."""
    datasets = {}
    for name, meta in json.loads(meta_path.read_text("utf-8")).items():
        assert {"root", "annotation", "data_augment", "repeat_time", "length"} == meta.keys()
        assert meta["annotation"].endswith("jsonl")
        assert meta["data_augment"] is False and meta["repeat_time"] == 1
        with (meta_path.parent / meta["annotation"]).open(encoding="utf-8") as file:
            rows = [json.loads(line) for line in file.readlines()]
        assert len(rows) == meta["length"] > 0
        for row in rows:
            check_row(row)
        datasets[name] = rows
    return datasets


def check_row(row: dict[str, Any]) -> None:
    """Check a row: one image or several, a size and a tag for each, and a question with an answer."""
    assert isinstance(row["id"], str)
    assert [["from", "value"]] * 2 == [list(turn) for turn in row["conversations"]]
    question, answer = row["conversations"]
    assert ("human", "gpt") == (question["from"], answer["from"])
    if isinstance(row["image"], list):
        assert ["id", "image", "width_list", "height_list", "conversations"] == list(row)
        images, sizes = row["image"], [*row["width_list"], *row["height_list"]]
    else:
        assert ["id", "image", "width", "height", "conversations"] == list(row)
        images, sizes = [row["image"]], [row["width"], row["height"]]
    assert 2 * len(images) == len(sizes) and all(isinstance(n, int) and n > 0 for n in sizes)
    assert len(images) == question["value"].count("<image>")
    assert "<image>" not in answer["value"]
