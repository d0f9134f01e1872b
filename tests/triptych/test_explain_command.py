"""`triptych explain`: an image, a set or a caption, from its source to its row in the export."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from tests.triptych.conftest import Command
from triptych import open_run
from triptych.records import Caption, Duplicate, Screened, StatementCheck
from triptych.runs.checks import Checker, begin_checks, checked_content, checks_file
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import write_jsonl


def test_an_image_is_followed_from_its_source_to_the_export(
    triptych: Command, finished: Path, few_images: Path
) -> None:
    """With its set, its captions and its exported row."""
    outcome = triptych("explain", finished, "11.png")

    lines = outcome.stdout.splitlines()
    assert 0 == outcome.exit_code
    assert "11.png is in " in lines[0]
    assert any(line.startswith("source: 336 x 224 pixels, ") for line in lines)
    assert f"  in {few_images}" in lines
    with open_run(finished, read_only=True) as run:
        (text,) = (each.text for each in run.captions("single_en") if each.id == "single_en:11.png")
    assert f"  single_en:11.png: {text}" in lines
    (row,) = (line for line in lines if "exported to" in line)
    path, number = row.split("exported to ")[1].rsplit(", row ", 1)
    assert "single_en:11.png" == json.loads(Path(path).read_text("utf-8").splitlines()[int(number) - 1])["id"]


def test_a_caption_is_explained_with_the_words_that_a_rule_objects_to(triptych: Command, run: Path) -> None:
    """It was rejected, so there is no exported row."""
    (journal,) = (run / "captions" / "single_en").rglob("files-*.jsonl")
    text = "It is likely a house by a river, and perhaps somebody may live there, which might suggest a farm."
    with JournalWriter(journal) as writer:
        writer.commit([Caption(id="single_en:11.png", job="single_en", text=text, finish_reason="stop")])
    with open_run(run) as opened:
        opened.folder.finish_stage("captions", opened.folder.run_file.stages["captions"].notes)
    assert 0 == triptych("filter", run).exit_code

    lines = triptych("explain", run, "single_en:11.png").stdout.splitlines()
    assert f"single_en:11.png: {text}" == lines[0]
    assert "  rejected, by speculation" == lines[1]
    assert lines[2].startswith("  speculation 4, threshold")
    assert lines[2].endswith(": 'likely', 'perhaps', 'may', 'might suggest'")
    assert not any("exported to" in line for line in lines)


def test_a_statement_that_a_checker_denied_is_quoted(triptych: Command, run: Path) -> None:
    """Unless the checker's answer is about an earlier text of the caption."""
    with open_run(run) as opened:
        (planned,) = (p for p in opened.planned("single_en") if p.target.id == "single_en:11.png")
        text, caption, target = planned.text, planned.caption, planned.target
        checker = Checker(settings={"engine": "server", "model": "m"}, identity={}, prompt="p")
        begin_checks(opened.folder, "single_en", checker)
        check = StatementCheck(
            id="single_en:11.png#1/1",
            start=0,
            end=text.index(".") + 1,
            image="11.png",
            answer="no",
            content=checked_content(caption, target),
        )
        (shard,) = (
            s for s in opened.folder.shards() if any(i.key == "11.png" for i in opened.folder.images(s))
        )
        with JournalWriter(checks_file(opened.folder, "single_en", checker.name, shard)) as journal:
            journal.commit(
                [check, msgspec.structs.replace(check, id="single_en:11.png#2/1", content="other")]
            )
    denied = [line for line in triptych("explain", run, "11.png").stdout.splitlines() if "denied" in line]

    assert [f"    a checker denied of 11.png: {text[: text.index('.') + 1]!r}"] == denied


def test_a_set_is_explained_and_unknown_ids_are_answered(triptych: Command, finished: Path) -> None:
    with open_run(finished, read_only=True) as run:
        one = next(run.sets())
    lines = triptych("explain", finished, one.id).stdout.splitlines()

    assert [f"  {key}" for key in one.keys] == lines[1 : 1 + len(one.keys)]

    outcome = triptych("explain", finished, "1l.png")

    assert 2 == outcome.exit_code
    assert "no image 1l.png" in outcome.stderr
    assert "did you mean 1" in outcome.stderr


def test_the_caption_of_an_unknown_image_is_an_error(triptych: Command, finished: Path) -> None:
    outcome = triptych("explain", finished, "single_en:nowhere.png")

    assert (2, "") == (outcome.exit_code, outcome.stdout)
    assert outcome.stderr.startswith("triptych: no image nowhere.png in ")


def test_an_image_without_a_caption_is_explained(triptych: Command, run: Path) -> None:
    """One reason, not all that there could be."""
    with open_run(run) as opened:
        sets = opened.folder
        write_jsonl(sets.duplicates_file, [_copy_of("11.png", "10.png")])
        write_jsonl(sets.screened_file, [Screened(key="12.png", reason="blurred", value=3.0)])
    answers = [triptych("explain", run, f"single_en:{key}").stdout for key in ("11.png", "12.png")]

    assert [
        "single_en:11.png is not planned: the image is a duplicate of 10.png\n",
        "single_en:12.png is not planned: the image is screened out: blurred\n",
    ] == answers


def test_an_image_that_is_only_an_embedding_has_no_size(triptych: Command, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    np.save(tmp_path / "emb.npy", vectors)
    grouped = triptych("group", "--embeddings", tmp_path / "emb.npy", "--out", tmp_path / "run")
    lines = triptych("explain", tmp_path / "run", "emb/3").stdout.splitlines()

    assert f"Next: triptych explain {tmp_path / 'run'} KEY" == grouped.stderr.splitlines()[-1]
    assert "source: an embedding of emb, without an image" in lines


def _copy_of(key: str, of: str) -> Duplicate:
    return Duplicate(key=key, of=of, reason="same bytes", cosine_similarity=1.0)


def test_an_image_whose_file_has_changed_is_explained_by_its_new_record(
    triptych: Command, tmp_path: Path
) -> None:
    """Not by the one of the earlier file, which has no captions."""
    images, run = tmp_path / "images", tmp_path / "run"
    images.mkdir()
    command = ("group", images, "--out", run, "--set", "embedding.model=builtin:nano-clip")
    Image.new("RGB", (60, 40), "red").save(images / "a.png")
    Image.effect_noise((60, 40), 50).save(images / "b.png")
    assert 0 == triptych(*command).exit_code
    Image.effect_noise((64, 48), 50).save(images / "a.png")
    assert 0 == triptych(*command).exit_code

    lines = triptych("explain", run, "a.png").stdout.splitlines()

    assert any(line.startswith("source: 64 x 48 pixels, ") for line in lines)
    assert "captions:" in lines
