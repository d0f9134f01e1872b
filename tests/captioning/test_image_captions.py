"""Prompts with the number of a set's images, and with their captions or the source's texts of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.support.chat_server import ChatServer
from tests.support.contexts import context_of
from tests.support.small_run import PLANNED, SmallRun
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.stage import caption_run
from triptych.errors import SetupError, UsageError
from triptych.jobs import SEED_JOBS, Job
from triptych.prompts.fields import sanitize
from triptych.records import Verdict
from triptych.runs.jsonl import write_jsonl

SINGLE = SEED_JOBS[0]


def multi(folder: Path, more: str = "") -> Job:
    """A job on sets whose prompt builds on captions."""
    file = folder / "compare.toml"
    file.write_text(
        f'version = 1\ntext = "Compare {{count}} images. {{captions}}"\nquestion = "Compare."\n{more}\n'
    )
    return Job(name="multi_en", subject="set", language="en", prompt=str(file))


def config(server: ChatServer, *jobs: str) -> CaptioningConfig:
    """Small requests to ``server``, whose model never ends its answers to an unknown prompt."""
    return CaptioningConfig(
        server=ServerConfig(urls=(server.url,)),
        tile_px=112,
        max_tiles=1,
        ask_again=0,
        jobs=jobs,
        max_tokens_single=12,
        max_tokens_multi=6,
    )


def asked_of_sets(server: ChatServer) -> list[str]:
    """The prompts that ask for a comparison, in any order."""
    asked = [payload["messages"][0]["content"][-1]["text"] for payload in server.payloads]
    return [text for text in asked if text.startswith("Compare")]


def test_the_prompt_of_a_set_contains_the_captions_of_its_images(
    small_run: SmallRun, chat_server: ChatServer, tmp_path: Path
) -> None:
    """The same command has made them. Each follows the name of its image."""
    small_run.caption_jobs([SINGLE, multi(tmp_path)], config(chat_server))

    texts = {
        row.id: row.text
        for shard in small_run.run.shards()
        for row in small_run.run.captions("single_en", shard)
    }
    asked = asked_of_sets(chat_server)
    assert PLANNED["multi_en"] == len(asked)
    first = f"Compare 2 images. Image-1: {sanitize(texts['single_en:sa_000000/sa_0.jpg'])} Image-2: "
    assert any(text.startswith(first) for text in asked)
    assert any(text.startswith("Compare 3 images.") for text in asked)


def test_the_prompt_has_what_the_filter_kept(
    small_run: SmallRun, chat_server: ChatServer, tmp_path: Path
) -> None:
    """A dash stands in the place of a rejected caption; of the others, the text that is exported."""
    small_run.caption_jobs([SINGLE, multi(tmp_path)], config(chat_server, "single_en"))
    run = small_run.run
    for shard in run.shards():
        rows = [
            Verdict(id=row.id, keep=False, reason="refusal")
            if row.id.endswith("sa_0.jpg")
            else Verdict(id=row.id, keep=True, text="A mended text.")
            for row in run.captions("single_en", shard)
        ]
        write_jsonl(run.verdicts_file("single_en", shard), rows)

    small_run.caption_jobs([SINGLE, multi(tmp_path)], config(chat_server, "multi_en"))

    assert any(
        text.startswith("Compare 2 images. Image-1: - Image-2: A mended text.")
        for text in asked_of_sets(chat_server)
    )


def test_a_prompt_without_captions_to_build_on_is_refused(
    small_run: SmallRun, chat_server: ChatServer, tmp_path: Path
) -> None:
    """Before anything is asked. The error says what to do."""
    with pytest.raises(SetupError, match=r"builds on captions of single_en, .* has none; make them first"):
        small_run.caption_jobs([SINGLE, multi(tmp_path)], config(chat_server, "multi_en"))
    assert [] == chat_server.payloads


def test_the_job_to_build_on_can_be_named(
    small_run: SmallRun, chat_server: ChatServer, tmp_path: Path
) -> None:
    """A job on images, in any language."""
    chinese = msgspec.structs.replace(SEED_JOBS[1], limit=20)
    job = multi(tmp_path, 'captions_of = "single_zh"')
    small_run.caption_jobs([SINGLE, chinese, job], config(chat_server, "single_zh", "multi_en"))
    assert PLANNED["multi_en"] == len(asked_of_sets(chat_server))

    with pytest.raises(UsageError, match=r"has \{captions\}, and single_fr is no job on single images"):
        small_run.caption_jobs([SINGLE, multi(tmp_path, 'captions_of = "single_fr"')], config(chat_server))


def job_with_text(folder: Path, subject: str) -> Job:
    """A job whose prompt contains the source's text."""
    file = folder / f"{subject}.toml"
    file.write_text('version = 1\ntext = "Compare with this: {text}"\nquestion = "Compare."\n')
    return Job(name=f"{subject}_told", subject=subject, language="en", prompt=str(file))


def test_the_prompt_contains_the_source_texts_of_an_image_or_a_set(
    small_run: SmallRun, chat_server: ChatServer, tmp_path: Path
) -> None:
    """From a .txt beside each image; for a set, from those of all its images, whatever their shards."""
    for number in range(6):
        (small_run.pile / "loose" / f"p{number}.txt").write_text(f"Picture {number} <image>.\n")
    jobs = [job_with_text(tmp_path, "image"), job_with_text(tmp_path, "set")]
    context = msgspec.structs.replace(context_of(small_run.run, *jobs), text_field="txt")

    caption_run(context, small_run.sources, config(chat_server))

    asked = asked_of_sets(chat_server)
    assert "Compare with this: Picture 3 ‹image›." in asked
    assert "Compare with this: Image-1: Picture 1 ‹image›. Image-2: Picture 2 ‹image›." in asked
    assert "Compare with this: Image-1: - Image-2: - Image-3: Picture 0 ‹image›." in asked


def test_a_prompt_with_text_requires_a_text_setting(
    small_run: SmallRun, chat_server: ChatServer, tmp_path: Path
) -> None:
    """The error names the setting."""
    with pytest.raises(UsageError, match=r"has \{text\}, and input.text doesn't say where"):
        small_run.caption_jobs([job_with_text(tmp_path, "image")], config(chat_server))
