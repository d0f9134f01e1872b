"""A synthetic run of any size that is ready to be exported, with captions of realistic length.

Comes in: a number of rows. Goes out: a run folder with images, captions and verdicts as the stages before
export write them; captions are in a different order than images. Not its job: sets.
"""

from __future__ import annotations

import random
from pathlib import Path

from triptych.records import Caption, ImageRecord, Verdict
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import write_jsonl

ROWS_A_SHARD = 11_186
"""Images per tar of SA-1B, on average."""

CAPTION_LETTERS = 555
"""Gives rows of 1,040 bytes, like those of InternVL-SA-1B-Caption for single images in English."""

_WORDS = (  # noqa: SIM905
    "a the of in on with and red white small tall wooden stone open narrow street harbour boat building tree"
    " window sign people standing walking visible background foreground sky cloudy bright shadow left right"
    " centre near behind several two image shows depicts photograph wall door roof bridge water light"
).split()


def make_run(path: Path, rows: int) -> RunFolder:
    """A run with ``rows`` kept captions (job single_en), and one rejected caption for every 50 of them."""
    run = RunFolder.create_or_open(path)
    texts = _texts(random.Random(1), 4096)
    write_jsonl(run.duplicates_file, [])
    write_jsonl(run.sets_file, [])
    for start in range(0, rows, ROWS_A_SHARD):
        _write_shard(run, start, min(rows - start, ROWS_A_SHARD), texts)
    for stage in ("embeddings", "sets", "captions", "verdicts"):
        run.begin_stage(stage, {}, {})
        run.finish_stage(stage)
    return run


def _write_shard(run: RunFolder, start: int, kept: int, texts: list[str]) -> None:
    shard = f"sa_{start // ROWS_A_SHARD:06d}"
    count = kept + kept // 50
    images = [
        ImageRecord(
            key=f"{shard}/sa_{start + number}.jpg",
            width_px=2250,
            height_px=1500,
            size_bytes=1_000_000 + number,
            content_hash=f"{start + number:032x}",
            offset_bytes=1_050_000 * number,
        )
        for number in range(count)
    ]
    captions = [
        Caption(
            id=f"single_en:{image.key}",
            job="single_en",
            text=f"{texts[(start + number) % len(texts)]} Number {start + number}.",
            finish_reason="stop",
            prompt_tokens=1850,
            completion_tokens=121,
        )
        for number, image in enumerate(images)
    ]
    verdicts = [
        Verdict(id=caption.id, keep=True)
        if number < kept
        else Verdict(id=caption.id, keep=False, reason="too_short", scores={"too_short": 3.0})
        for number, caption in enumerate(captions)
    ]
    write_jsonl(run.images_file(shard), images)
    write_jsonl(run.verdicts_file("single_en", shard), verdicts)
    with JournalWriter(run.captions_file("single_en", shard)) as journal:
        journal.commit(captions[1::2] + captions[::2])


def _texts(rng: random.Random, count: int) -> list[str]:
    """Random captions of about CAPTION_LETTERS letters; one in ten has quotation marks, like real ones."""
    texts = []
    for number in range(count):
        words = []
        letters = 0
        while letters < CAPTION_LETTERS:
            words.append(rng.choice(_WORDS))
            letters += len(words[-1]) + 1
        if number % 10 == 0:
            words[3] = f'"{words[3]}"'
        texts.append(" ".join(words).capitalize() + ".")
    return texts
