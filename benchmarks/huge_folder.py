"""A run folder of millions of images as its stages would leave it, in several states.

Comes in: a folder, numbers of images, shards and sets. Goes out: images, embeddings, sets, journals and
verdicts written by Triptych's own code, and run.json with the notes of each stage. To save time and space,
every archive contains one picture, which all its records share; embeddings have 16 numbers; captions are one
sentence; the export is an empty folder. Not its job: measuring (see huge_run).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from tests.support.pile import write_tar
from triptych.captioning.fingerprint import job_settings
from triptych.captioning.job_notes import JobNotes
from triptych.config import Config
from triptych.export.stage import export_run
from triptych.filtering.stage import FilterStage
from triptych.grouping.encoders.choice import resolve_encoder
from triptych.grouping.sets_stage import sets_settings
from triptych.grouping.stage import EMBEDDINGS_DATA_VERSION
from triptych.jobs import SEED_JOBS, Job
from triptych.models import resolve_model
from triptych.opening import open_run, stored_settings
from triptych.prompts import load_prompts
from triptych.records import Caption, Duplicate, ImageRecord, ImageSet, Verdict, content_of, set_id
from triptych.runs.arrays import write_array
from triptych.runs.caption_counts import CaptionCountCache, CaptionCounts
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.generations import begin_generation
from triptych.runs.journal import write_journal
from triptych.runs.jsonl import write_jsonl
from triptych.runs.missing_sources import ListedShard
from triptych.runs.stage_record import StageName
from triptych.sources.opening import open_sources
from triptych.sources.shard import FoundFile

IMAGES_A_SET = 3
STRIDES_A_DUPLICATE = 5
EMBEDDING_DIMS = 16
MODEL = "stand-in"
SIDE_PX = 64

SETTINGS: dict[str, object] = {
    "embedding.model": "builtin:nano-clip",
    "captioning.engine": "server",
    "captioning.tile_px": 112,
    "captioning.max_tiles": 1,
    "captioning.canary.every_s": 0,
}


class Size(msgspec.Struct, frozen=True):
    """The size of a run."""

    images: int
    shards: int
    sets: int


class HugeFolder:
    """The run in ``path``, with its archives in a folder beside it."""

    def __init__(self, path: Path, size: Size, url: str) -> None:
        self.path, self.size, self.pile = path, size, path.with_name("pile")
        self._url = url
        self._images_per_shard = -(-size.images // size.shards)
        self._stride = size.images // size.sets
        assert self._stride >= 6, "too many sets for so few images"

    # -- states of the run ------------------------------------------------------------------------

    def make(self) -> None:
        """Make the run, up to finished captions."""
        for number in range(self.size.shards):
            write_tar(self.pile / f"sa_{number:06d}.tar", {"sa_0.jpg": _picture()})
        settings = SETTINGS | {"captioning.server.urls": [self._url]}
        with open_run(self.path, [self.pile], settings=settings) as opened:
            opened.save_settings()
            config, folder = opened.config, opened.folder
        self._embed(folder, config)
        self._group(folder, config)
        notes = _begin_captions(folder, config)
        for job in SEED_JOBS:
            counted = []
            for shard, ids in self._planned(folder, job):
                write_journal(folder.captions_file(job.name, shard), (_caption(job, *each) for each in ids))
                counted.append((shard, CaptionCounts(planned=len(ids), captioned=len(ids))))
            CaptionCountCache(folder, job).add(counted)
            total = sum(each.planned for _, each in counted)
            notes.end(job, CaptionCounts(planned=total, captioned=total))
        folder.finish_stage("captions", notes.values)

    def finish(self) -> None:
        """Add verdicts and an export."""
        folder = RunFolder.open(self.path)
        config = stored_settings(folder)[0].config
        for job in SEED_JOBS:
            for shard, ids in self._planned(folder, job):
                write_jsonl(
                    folder.verdicts_file(job.name, shard), (Verdict(id=each, keep=True) for each, _ in ids)
                )
        recording = _RecordingFolder.open(self.path)
        FilterStage(_context(recording), config.filtering).write_verdicts()
        captions = folder.run_file.stages["captions"].notes
        kept = {f"{job.name}.kept": captions[f"{job.name}.planned"] for job in SEED_JOBS}
        rejected: dict[str, Setting] = {f"{job.name}.rejected_by": "{}" for job in SEED_JOBS}
        recording.mark_finished(folder, "verdicts", kept | rejected)
        recording = _RecordingFolder.open(self.path)
        folder.export_folder.mkdir()
        export_run(_context(recording), config.export)
        recording.mark_finished(folder, "export", {})

    def fail_some(self, job: str, failures: int) -> None:
        """Turn some captions of a job into failures."""
        folder = RunFolder.open(self.path)
        shard = folder.shards()[self.size.shards // 2]
        rows = list(folder.captions(job, shard))
        failed = (
            msgspec.structs.replace(row, text="", failure="no answer: timed out") for row in rows[:failures]
        )
        write_journal(folder.captions_file(job, shard), [*failed, *rows[failures:]])
        counts = CaptionCounts(
            planned=len(rows), captioned=len(rows) - failures, failed_by={"no answer": failures}
        )
        _update_captions(folder, job, {shard: counts})

    def restore_failed(self, job: str) -> None:
        """Restore the captions that ``fail_some`` replaced."""
        folder = RunFolder.open(self.path)
        shard, ids = list(self._planned(folder, _job(job)))[self.size.shards // 2]
        write_journal(folder.captions_file(job, shard), (_caption(_job(job), *each) for each in ids))
        _update_captions(folder, job, {shard: CaptionCounts(planned=len(ids), captioned=len(ids))})

    def kill_halfway(self, job: str) -> None:
        """Remove verdicts, the journals of the second half of the shards, and half of the middle one."""
        folder = RunFolder.open(self.path)
        folder.discard("export")
        folder.discard("verdicts")
        known = CaptionCountCache(folder, _job(job)).read()
        middle, *rest = sorted(known)[len(known) // 2 :]
        for shard in rest:
            folder.captions_file(job, shard).unlink()
        rows = list(folder.captions(job, middle))[::2]
        write_journal(folder.captions_file(job, middle), rows)
        left = {shard: CaptionCounts(planned=known[shard].planned) for shard in rest}
        left[middle] = CaptionCounts(planned=known[middle].planned, captioned=len(rows))
        _update_captions(folder, job, left)

    def captions(self) -> int:
        """How many captions are planned."""
        notes = RunFolder.open(self.path).run_file.stages["captions"].notes
        return sum(int(notes[f"{job.name}.planned"] or 0) for job in SEED_JOBS)

    # -- contents of the run ----------------------------------------------------------------------

    def _embed(self, folder: RunFolder, config: Config) -> None:
        shards = open_sources([self.pile])
        for number, shard in enumerate(shards):
            (file,) = shard.files()
            write_jsonl(folder.images_file(shard.name), self._images(number, file))
            rows = np.zeros((len(self._numbers(number)), EMBEDDING_DIMS), np.float16)
            write_array(folder.embeddings_file(shard.name), rows)
        write_jsonl(
            folder.sources_file,
            [ListedShard(each.name, each.archive_key, each.fingerprint()) for each in shards],
        )
        checkpoint = resolve_encoder(resolve_model(config.embedding.model), config.embedding.pretrained)
        settings: dict[str, Setting] = {
            "data_version": EMBEDDINGS_DATA_VERSION,
            "encoder": checkpoint.identity,
            "precision": config.embedding.precision,
        }
        folder.begin_stage("embeddings", settings, {})
        notes: dict[str, Setting] = {
            "found": self.size.images,
            "unreadable": 0,
            "unreadable_by": "{}",
            "gone": 0,
        }
        folder.finish_stage("embeddings", notes)

    def _images(self, shard: int, file: FoundFile) -> Iterator[ImageRecord]:
        for number in self._numbers(shard):
            yield ImageRecord(
                key=self._key(number),
                width_px=SIDE_PX,
                height_px=SIDE_PX,
                size_bytes=len(file.content),
                content_hash=_content_hash(),
                picture_hash=f"{number:064x}",
                offset_bytes=file.offset_bytes,
            )

    def _group(self, folder: RunFolder, config: Config) -> None:
        every = STRIDES_A_DUPLICATE * self._stride
        duplicates = [
            Duplicate(key=self._key(n), of=self._key(n - 1), reason="same bytes", cosine_similarity=1.0)
            for n in range(5, self.size.images, every)
        ]
        write_jsonl(folder.duplicates_file, duplicates)
        write_jsonl(folder.sets_file, map(self._set, range(self.size.sets)))
        inputs = {"images": folder.digest("images"), "embeddings": folder.digest("embeddings")}
        folder.begin_stage("sets", sets_settings(config.sets), inputs)
        notes: dict[str, Setting] = {
            "sets": self.size.sets,
            "images_in_sets": IMAGES_A_SET * self.size.sets,
            "duplicates": len(duplicates),
            "duplicates_by": msgspec.json.encode({"same bytes": len(duplicates)}).decode(),
        }
        folder.finish_stage("sets", notes)

    def _planned(self, folder: RunFolder, job: Job) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Ids of captions, with the content hash of their images, by shard."""
        content = _content_hash()
        every = STRIDES_A_DUPLICATE * self._stride
        for number, shard in enumerate(folder.shards()):
            images = self._numbers(number)
            if job.is_multi:
                sets = range(-(-images.start // self._stride), -(-images.stop // self._stride))
                targets = [self._set(n).id for n in sets if n < self.size.sets]
            else:
                targets = [self._key(n) for n in images if n % every != 5]
            shown = content_of([content] * (IMAGES_A_SET if job.is_multi else 1))
            yield shard, [(f"{job.name}:{target}", shown) for target in targets]

    def _set(self, number: int) -> ImageSet:
        """A set whose images are far apart, in three shards."""
        places = ((number + third * self.size.sets // 3) % self.size.sets for third in range(IMAGES_A_SET))
        keys = tuple(self._key(place * self._stride + at) for at, place in enumerate(places))
        return ImageSet(id=set_id(keys), keys=keys, min_cosine_similarity=0.8, mean_cosine_similarity=0.85)

    def _numbers(self, shard: int) -> range:
        start = shard * self._images_per_shard
        return range(start, min(start + self._images_per_shard, self.size.images))

    def _key(self, number: int) -> str:
        return f"sa_{number // self._images_per_shard:06d}/sa_{number}.jpg"


class _RecordingFolder(RunFolder):
    """Records the settings and inputs of a stage that would begin, and tells it to do nothing."""

    def has_work(self, name: StageName, settings: Mapping[str, Setting], inputs: Mapping[str, str]) -> bool:
        self._settings, self._inputs = settings, inputs
        return False

    begin_stage = has_work

    def confirm_stage(self, name: StageName) -> None:
        pass

    def refuse_changed_files(self, stage: StageName) -> None:
        pass

    def mark_finished(self, folder: RunFolder, name: StageName, notes: Mapping[str, Setting]) -> None:
        """Note the recorded stage as finished."""
        folder.begin_stage(name, self._settings, self._inputs)
        folder.finish_stage(name, notes)


def _begin_captions(folder: RunFolder, config: Config) -> JobNotes:
    settings = job_settings(_context(folder), config.captioning.resolved(), SEED_JOBS)
    for job in SEED_JOBS:
        engine = {"served_model": MODEL}
        begun = begin_generation(folder, job.name, settings[job.name], engine, fresh=False)
        folder.run_file.generations[job.name] = begun.name
    notes = JobNotes(folder)
    notes.begin()
    return notes


def _update_captions(folder: RunFolder, name: str, changed: Mapping[str, CaptionCounts]) -> None:
    """Update the noted counts of a job with those of the ``changed`` shards, as a run does."""
    job, notes = _job(name), JobNotes(folder)
    counts = CaptionCountCache(folder, job)
    total = CaptionCounts.added_up({**counts.read(), **changed}.values())
    counts.add((shard, each) for shard, each in changed.items() if not each.missing)
    notes.end(job, total)
    if total.missing:
        folder.run_file.stages["captions"].finished = False
        notes.save()
    else:
        folder.finish_stage("captions", notes.values)


def _caption(job: Job, identifier: str, content: str) -> Caption:
    return Caption(
        id=identifier,
        job=job.name,
        text="A street with people.",
        finish_reason="stop",
        prompt_tokens=1850,
        completion_tokens=121,
        content=content,
    )


def _job(name: str) -> Job:
    return next(job for job in SEED_JOBS if job.name == name)


def _context(folder: RunFolder) -> RunContext:
    return RunContext(folder=folder, jobs=SEED_JOBS, prompts=load_prompts(SEED_JOBS))


@cache
def _picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (SIDE_PX, SIDE_PX), (90, 120, 60)).save(buffer, "JPEG")
    return buffer.getvalue()


@cache
def _content_hash() -> str:
    return hashlib.blake2b(_picture(), digest_size=16).hexdigest()
