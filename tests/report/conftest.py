"""A run with real pictures, with names and captions that could break a page, and a browser to view it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from PIL import Image

from tests.support.browser import FLAGS, Visit, find_chromium
from tests.support.contexts import context_of
from triptych.jobs import SEED_JOBS, Job
from triptych.prompts import Prompt
from triptych.records import Caption, Duplicate, ImageRecord, ImageSet, Verdict
from triptych.report.write_report import ReportWritten, write_report
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import write_jsonl
from triptych.runs.plan import JobPlan
from triptych.runs.rule_scores import RuleScores
from triptych.sources.opening import open_sources
from triptych.sources.shard import Shard

if TYPE_CHECKING:
    from playwright import sync_api

CLOSES_SCRIPT = "</script><b onclick='x'>bold</b>.png"
"""A path with two slashes, and markup."""
RIGHT_TO_LEFT = "שלום \u202egnp.png"
DEGREES = {
    CLOSES_SCRIPT: 0,
    "quote \"and\nline break'.png": 21,
    "🦀 crab.png": 41,
    RIGHT_TO_LEFT: 62,
    "copy.png": 1,
    "single a.png": 120,
    "single b.png": 180,
}
"""Each image's key and the angle of its embedding: two images have the cosine of the difference."""

SET_ID = "set_0123456789ab"
SET_KEYS = tuple(list(DEGREES)[:3])
BREAKS_OUT = (
    "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 2'>"
    '\u2028\u2029 "quotes" \\ {{script}} <!-- ]]> &amp; 🦀 مرحبا\nA second line.'
)
"""A caption that would break a page that didn't escape it."""
PROMPTS = {
    job.name: Prompt(version=1, text=f"Describe, {job.name}: <b>{{{{content}}}}</b>") for job in SEED_JOBS
}


FIFTEEN_WORDS = RuleScores(
    job="single_en",
    rule="too_short",
    setting="min_words_single",
    threshold=10,
    violated="below",
    step=1,
    bins=[(-6, 1, 0), (5, 5, 5)],
)
"""Scores of one caption with 4 words, which another rule rejects as well, and of five with 15 words."""


class Shown(NamedTuple):
    """A run, its sources, and its page."""

    run: RunFolder
    sources: Sequence[Shard]
    written: ReportWritten


@pytest.fixture(scope="session")
def nasty_run(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Seven pictures and a broken file in one shard: a set of three, a duplicate, all four jobs, judged.

    The Chinese caption of the set is rejected, and so are those of single_en that repeat the first text. One
    caption of single_zh failed.
    """
    folder = tmp_path_factory.mktemp("nasty <&>")
    return shown(make_run(folder), folder / "images")


@pytest.fixture
def own_run(tmp_path: Path) -> Callable[[], tuple[RunFolder, Path]]:
    """The same run for tests that change it: ``run, images = own_run()``."""
    return lambda: (make_run(tmp_path), tmp_path / "images")


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    """A Chromium for all tests in a file."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: `make setup`"
    )
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium: install it (apt-get install chromium) or set TRIPTYCH_CHROMIUM to one")
    with playwright.sync_playwright() as opening:
        opened = opening.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: sync_api.Browser, nasty_run: Shown) -> Iterator[Visit]:
    """The nasty run's page in a new browser profile."""
    opened = Visit(browser, nasty_run.written.path)
    yield opened
    opened.context.close()


def shown(run: RunFolder, images: Path, cautions: Sequence[str] = ()) -> Shown:
    """``run`` with its page written. If ``images`` doesn't exist, its sources are missing."""
    sources = open_sources([images]) if images.exists() else []
    written = write_report(context_of(run, prompts=PROMPTS), sources, cautions)
    return Shown(run, sources, written)


def make_run(folder: Path, jobs: Sequence[Job] = SEED_JOBS) -> RunFolder:
    """Write pictures to ``folder/images`` and the run, with captions of ``jobs``, to ``folder/run``."""
    for number, key in enumerate(DEGREES):
        path = folder / "images" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 40), (30 * number, 90, 200)).save(path)
    (folder / "images" / "broken.png").write_bytes(b"no picture")
    run = RunFolder.create_or_open(folder / "run")
    run.run_file.versions = {"triptych": "0.1.0"}
    run.run_file.config = {
        "sources": [str(folder / "images")],
        "captioning": {"model": "/opt/models/big-vlm"},
        "embedding": {"model": "ViT-B-32"},
    }
    _write_groups(run)
    thresholds = {"related_cosine_similarity": 0.75, "duplicate_cosine_similarity": 0.94}
    for stage, settings in (
        ("embeddings", {}),
        ("sets", thresholds),
        ("captions", {"engine": "server", "model": "/opt/models/big-vlm"}),
        ("verdicts", {"min_words_single": 10, "min_han_multi": 30}),
    ):
        run.begin_stage(stage, settings, {})
        if stage == "captions":
            _write_captions(run, jobs)
        run.finish_stage(
            stage, {"took_s": 2.0, "found": 8, "sets": 1} if stage in ("embeddings", "sets") else {}
        )
    return run


def _write_groups(run: RunFolder) -> None:
    records = [
        ImageRecord(key=key, width_px=60, height_px=40, size_bytes=100, content_hash=str(number))
        for number, key in enumerate(DEGREES)
    ]
    records.append(ImageRecord(key="broken.png", unreadable="unknown format: no image format matches"))
    records.sort(key=lambda record: record.key)
    write_jsonl(run.images_file("files-00000"), records)
    angles = [math.radians(DEGREES[record.key]) for record in records if record.unreadable is None]
    path = run.embeddings_file("files-00000")
    path.parent.mkdir(parents=True)
    np.save(path, np.array([[math.cos(angle), math.sin(angle)] for angle in angles], np.float16))
    write_jsonl(
        run.sets_file,
        [ImageSet(id=SET_ID, keys=SET_KEYS, min_cosine_similarity=0.7547, mean_cosine_similarity=0.876)],
    )
    write_jsonl(
        run.duplicates_file,
        [Duplicate(key="copy.png", of=CLOSES_SCRIPT, reason="near duplicate", cosine_similarity=0.9998)],
    )


def _write_captions(run: RunFolder, jobs: Sequence[Job]) -> None:
    write_jsonl(run.rule_scores_file, [FIFTEEN_WORDS])
    run.run_file.generations = {each.name: "made-up" for each in jobs}
    for each in jobs:
        job = each.name
        for shard, targets in JobPlan(run, each).shards():
            captions, verdicts = [], []
            for target in targets:
                if (job, target.id) == ("single_zh", "single_zh:single a.png"):
                    captions.append(Caption(id=target.id, job=job, failure="timeout: <b>no</b> answer"))
                    continue
                captions.append(Caption(id=target.id, job=job, text=BREAKS_OUT, finish_reason="stop"))
                is_rejected = (job == "multi_zh") or target.id == "single_en:single b.png"
                scores = {"too_short": 7.0} if each.is_multi else {"too_short": 4.0, "exact_duplicate": 1.0}
                repeated = None if each.is_multi else "single_en:single a.png"
                verdicts.append(
                    Verdict(id=target.id, keep=False, reason="too_short", scores=scores, repeats=repeated)
                    if is_rejected
                    else Verdict(id=target.id, keep=True)
                )
            with JournalWriter(run.captions_file(job, shard)) as journal:
                journal.commit(captions)
            write_jsonl(run.verdicts_file(job, shard), verdicts)
