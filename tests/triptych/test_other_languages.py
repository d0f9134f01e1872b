"""Jobs that a user adds: Japanese captions from images to exported files, and two jobs in one language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chat_server import ChatServer
from tests.support.japanese_endpoint import PROMPTS, JapaneseEndpoint, write_config
from tests.triptych.conftest import Command
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene, vary_scene
from triptych.languages import script_of
from triptych.opening import open_run
from triptych.records import Caption
from triptych.runs.folder import RunFolder

SERIES = 8
IMAGES_PER_SERIES = 3
LABELS = {
    "single_ja": "single_image_ja",
    "multi_ja": "multi_image_ja",
    "single_en": "single_en",
    "short_en": "short_en",
}


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ChatServer]]:
    """A run on drawn scenes, grouped and captioned in all four jobs, and its endpoint."""
    folder = tmp_path_factory.mktemp("languages")
    images = folder / "images"
    images.mkdir()
    for index in range(SERIES):
        scene = imagine_scene("unseen", 900 + index)
        for number in range(IMAGES_PER_SERIES):
            shown = scene if number == 0 else vary_scene(scene, "unseen", number)
            paint(shown, 168, 112).save(images / f"{index}{number}.png")
    config = write_config(folder)
    with ChatServer(JapaneseEndpoint()) as server:
        settings = {"captioning.server.urls": [server.url]}
        with open_run(folder / "run", [images], config_file=config, settings=settings) as run:
            run.group()
            run.caption()
        yield folder / "run", server


def test_requests_contain_the_prompt_of_their_job(captioned: tuple[Path, ChatServer]) -> None:
    """For jobs with a prompt file, that is its text."""
    run, server = captioned
    asked = [payload["messages"][0]["content"][-1]["text"] for payload in server.payloads]

    for job in PROMPTS:
        assert asked.count(PROMPTS[job]) > len(_rows(run, job)) > 0


def test_japanese_captions_are_japanese(captioned: tuple[Path, ChatServer]) -> None:
    """After an answer in Chinese, the request is repeated."""
    rows = _rows(captioned[0], "single_ja")

    assert [] == [row.text for row in rows if not _has_kana(row.text)]
    assert {("wrong language",)} == {row.asked_again for row in rows} - {()}


def test_a_japanese_caption_names_the_images_of_its_set(captioned: tuple[Path, ChatServer]) -> None:
    """As its prompt requires. After an answer that doesn't, the request is repeated."""
    run = RunFolder.open(captioned[0])
    image_count = {f"multi_ja:{each.id}": len(each.keys) for each in run.sets()}
    rows = _rows(captioned[0], "multi_ja")

    assert image_count.keys() == {row.id for row in rows}
    assert [] == [
        row.text for row in rows for n in range(image_count[row.id]) if f"画像{n + 1}：" not in row.text
    ]
    assert {("wrong image names",)} == {row.asked_again for row in rows} - {()}


def test_two_jobs_in_one_language_caption_the_same_images(captioned: tuple[Path, ChatServer]) -> None:
    """Each has its own captions."""
    long = {row.id.partition(":")[2]: row.text for row in _rows(captioned[0], "single_en")}
    short = {row.id.partition(":")[2]: row.text for row in _rows(captioned[0], "short_en")}

    assert long.keys() == short.keys()
    assert all(len(long[key].split()) > len(short[key].split()) for key in long)


def test_exported_files_are_named_by_language_or_by_job(
    captioned: tuple[Path, ChatServer], triptych: Command
) -> None:
    """By job if two jobs have the same language. Nearly all captions are kept, all are in the language of
    their file, and `verify` passes."""
    run = captioned[0]
    for command in ("filter", "export", "verify"):
        outcome = triptych(command, run)

        assert 0 == outcome.exit_code, outcome.stderr

    files = sorted(path.name for path in (run / "export").glob("*.jsonl"))
    texts = {job: _exported(run, label) for job, label in LABELS.items()}

    assert sorted(f"drawn_{len(texts[job])}_{label}.jsonl" for job, label in LABELS.items()) == files
    for job in LABELS:
        assert 0.9 * len(_rows(run, job)) <= len(texts[job])
        assert {job.endswith("_ja")} == {_has_kana(text) for text in texts[job]}


def _exported(run: Path, label: str) -> list[str]:
    (path,) = (run / "export").glob(f"drawn_*_{label}.jsonl")
    return [json.loads(line)["conversations"][1]["value"] for line in path.read_text("utf-8").splitlines()]


def _rows(run: Path, job: str) -> list[Caption]:
    folder = RunFolder.open(run)
    return [row for shard in folder.shards() for row in folder.captions(job, shard)]


def _has_kana(text: str) -> bool:
    return any(script_of(letter) in ("HIRAGANA", "KATAKANA") for letter in text)
