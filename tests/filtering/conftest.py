"""Run folders with captions, with the files that the stages before filtering write."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from triptych.records import Caption, ImageRecord, ImageSet, caption_id
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import write_jsonl

SHARD = "sa_000000"


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """``make_run(texts, job=..., name=...)``: a run whose images sa_001.jpg, ... have these captions.

    A text of None stands for a failed caption. For a job on sets, each text belongs to a set of two images.
    """

    def make(
        texts: Sequence[str | None],
        job: str = "single_en",
        name: str = "run",
        journal_order: Sequence[int] | None = None,
    ) -> RunFolder:
        run = RunFolder.create_or_open(tmp_path / name)
        per_caption = 2 if job.startswith("multi") else 1
        keys = [f"{SHARD}/sa_{i:03d}.jpg" for i in range(1, per_caption * len(texts) + 1)]
        write_jsonl(run.images_file(SHARD), [ImageRecord(key=k, width_px=9, height_px=6) for k in keys])
        sets = [
            ImageSet(
                id=f"set{i}",
                keys=(keys[2 * i], keys[2 * i + 1]),
                min_cosine_similarity=0.8,
                mean_cosine_similarity=0.8,
            )
            for i in range(len(texts))
            if per_caption == 2
        ]
        write_jsonl(run.sets_file, sets)
        write_jsonl(run.duplicates_file, [])
        targets = [s.id for s in sets] or keys
        captions = [
            Caption(
                id=caption_id(job, target),
                job=job,
                text=text or "",
                finish_reason="stop" if text is not None else "",
                failure=None if text is not None else "timeout: no answer",
            )
            for target, text in zip(targets, texts, strict=True)
        ]
        with JournalWriter(run.captions_file(job, SHARD)) as journal:
            journal.commit([captions[i] for i in journal_order or range(len(captions))])
        for stage in ("embeddings", "sets", "captions"):
            run.begin_stage(stage, {}, {})
            run.finish_stage(stage)
        return run

    return make
