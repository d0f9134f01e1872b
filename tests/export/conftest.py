"""A captioned and judged run, with the files that the stages before export write."""

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from tests.support.contexts import context_of
from triptych.export.config import ExportConfig
from triptych.export.formats import FORMATS
from triptych.export.stage import DryRun, export_run
from triptych.export.stage import try_export as try_stage
from triptych.jobs import SEED_JOBS, Job
from triptych.prompts import Prompt
from triptych.records import Caption, Duplicate, ImageRecord, ImageSet, Verdict, content_hash
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import sha256_of, write_jsonl
from triptych.runs.plan import JobPlan
from triptych.sources.opening import open_sources
from triptych.sources.shard import FoundFile, Shard

KINDS = [(name, file_type) for name, each in FORMATS.items() for file_type in each.file_types]
"""Every row format with every file type that it can be written to."""

FORMAT_OF = {file_type: name for name, file_type in reversed(KINDS)}
"""A row format for each file type."""

PROMPTS = {
    "single_en": Prompt(version=1, text="Describe the image."),
    "single_zh": Prompt(version=1, text="描述图像。"),
    "multi_en": Prompt(version=1, text="Describe the images."),
    "multi_zh": Prompt(version=1, text="描述这些图像。"),
}


def prompts_of(jobs: Sequence[Job]) -> dict[str, Prompt]:
    """``PROMPTS`` by job. A job without one gets a prompt that contains its name."""
    return {job.name: PROMPTS.get(job.name, Prompt(version=1, text=f"{job.name}, please.")) for job in jobs}


def repair_first_caption(run: RunFolder, job: str) -> None:
    """Give the first kept caption of ``job`` the text "A boat.", as if a repair had removed "It is red."."""
    shard = run.shards()[0]
    path = run.verdicts_file(job, shard)
    verdicts = list(run.verdicts(job, shard))
    kept = next(at for at, each in enumerate(verdicts) if each.keep)
    verdicts[kept] = msgspec.structs.replace(verdicts[kept], text="A boat.", removed=("It is red.",))
    write_jsonl(path, verdicts)
    run.run_file.stages["verdicts"].wrote[str(path.relative_to(run.path))] = sha256_of(path)


@pytest.fixture
def judged_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """``judged_run(name, text=..., newest_first=...)``: a run with two shards of six files, one set, and the
    seed's jobs.

    One of the twelve files is unreadable and one is a duplicate. One caption of single_zh failed. In every
    job on images, the first caption is rejected; jobs on sets keep their only caption.
    """

    def make(
        name: str = "run",
        text: str = "A red boat, 一艘船, said {id}.",
        *,
        key_part: str = "",
        newest_first: bool = False,
        jobs: Sequence[Job] = SEED_JOBS,
    ) -> RunFolder:
        run = RunFolder.create_or_open(tmp_path / name)
        run.run_file.versions = {"triptych": "0.1.0"}
        _write_images(run, key_part)
        for stage, settings in (
            ("embeddings", {"model": "/opt/models/nano_clip"}),
            ("sets", {}),
            ("captions", {"model": "/opt/models/nano_internvl"}),
            ("verdicts", {"min_words_single": 10}),
        ):
            run.begin_stage(stage, settings, {})
            if stage in ("captions", "verdicts"):
                for job in jobs:
                    _write_job(run, job, text, newest_first, stage)
            run.finish_stage(stage)
        return run

    return make


@pytest.fixture
def export() -> Callable[..., bool]:
    """``export(run, jobs=..., prefix=...)`` runs the stage with ``PROMPTS``."""

    def make(run: RunFolder, jobs: Sequence[Job] = SEED_JOBS, **config: object) -> bool:
        context = context_of(run, *jobs, prompts=prompts_of(jobs))
        return export_run(context, msgspec.convert(config, ExportConfig), lambda: sources_of(run))

    return make


@pytest.fixture
def try_export() -> Callable[..., DryRun]:
    """``try_export(run, prefix=...)`` returns what the stage would write with ``PROMPTS``."""

    def make(run: RunFolder, **config: object) -> DryRun:
        wanted = msgspec.convert(config, ExportConfig)
        return try_stage(context_of(run, prompts=PROMPTS), wanted, lambda: sources_of(run))

    return make


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, str], Any]]:
    """``load(folder, config)`` loads an export as a user would, but offline and with its own cache."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    yield lambda folder, config: datasets.load_dataset(
        str(folder), config, split="train", cache_dir=str(tmp_path / "cache")
    )
    datasets.enable_progress_bars()


def sources_of(run: RunFolder) -> list[Shard]:
    """The tars of the run's images."""
    return open_sources([run.path.with_name(f"{run.path.name} pictures")])


def _write_images(run: RunFolder, part: str) -> None:
    """Write two tars of small pictures, and records that state larger sizes."""
    folder = run.path.with_name(f"{run.path.name} pictures")
    for shard in ("a", "sub/b"):
        path = folder / f"{shard}.tar"
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as archive:
            for number in range(6):
                content = small_jpeg(len(shard) * 10 + number)
                member = tarfile.TarInfo(f"{part}{number}.jpg")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    for shard in sources_of(run):
        write_jsonl(run.images_file(shard.name), map(_record, shard.files()))
    write_jsonl(
        run.duplicates_file,
        [Duplicate(key=f"a/{part}1.jpg", of=f"a/{part}0.jpg", reason="same bytes", cosine_similarity=1)],
    )
    keys = (f"sub/b/{part}5.jpg", f"a/{part}2.jpg", f"sub/b/{part}1.jpg")
    write_jsonl(
        run.sets_file,
        [ImageSet(id="s1", keys=keys, min_cosine_similarity=0.8, mean_cosine_similarity=0.9)],
    )


def small_jpeg(seed: int) -> bytes:
    """A picture that differs for every seed."""
    file = io.BytesIO()
    Image.new("RGB", (16, 12), (seed * 5 % 256, seed * 40 % 256, 90)).save(file, "JPEG")
    return file.getvalue()


def _record(file: FoundFile) -> ImageRecord:
    number = int(file.key[-5])
    if file.key.startswith("a/") and number == 3:
        return ImageRecord(key=file.key, unreadable="truncated: cut")
    return ImageRecord(
        key=file.key,
        width_px=1500 + number,
        height_px=2250,
        size_bytes=len(file.content),
        content_hash=content_hash(file.content),
        offset_bytes=file.offset_bytes,
    )


def _write_job(run: RunFolder, job: Job, text: str, newest_first: bool, stage: str) -> None:
    is_first = not job.is_multi
    for shard, targets in JobPlan(run, job).shards():
        captions = [
            Caption(id=t.id, job=job.name, failure="timeout: no answer")
            if t.id.startswith("single_zh:sub/b/") and t.id.endswith("0.jpg")
            else Caption(id=t.id, job=job.name, text=text.replace("{id}", t.id), finish_reason="stop")
            for t in targets
        ]
        if stage == "captions":
            with JournalWriter(run.captions_file(job.name, shard)) as journal:
                journal.commit(captions[::-1] if newest_first else captions)
            continue
        verdicts = []
        for caption in captions:
            if caption.failure is None:
                verdicts.append(
                    Verdict(id=caption.id, keep=False, reason="too_short", scores={"too_short": 3})
                    if is_first
                    else Verdict(id=caption.id, keep=True)
                )
                is_first = False
        write_jsonl(run.verdicts_file(job.name, shard), verdicts)
