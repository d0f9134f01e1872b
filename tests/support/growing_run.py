"""A run that is used as users do, and the cost of each use: images embedded, captions requested.

Comes in: actions on a folder of images. Goes out: what they cost, and what was needed. Captions come from a
stand-in engine behind a real HTTP endpoint, embeddings from the embedded nano CLIP.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import triptych
from tests.support.chat_server import ChatServer
from triptych.captioning.engine import CaptionRequest, Completion
from triptych.records import Caption, ImageRecord
from triptych.runs.folder import RunFolder
from triptych.runs.journal import read_journal
from triptych.runs.plan import JobPlan
from triptych.verify.images import ImageCheck
from triptych.verify.run import verify_run

JOBS = ("single_en", "multi_en")


class Describer:
    """An engine that always says the same about the same images, in enough words."""

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        """One completion for each request, at once."""
        return [self._caption(request) for request in requests]

    def _caption(self, request: CaptionRequest) -> Completion:
        seen = [int(hashlib.sha256(image).hexdigest()[:4], 16) for image in request.images]
        names = [f"Image-{at}" if len(seen) > 1 else "The picture" for at in range(1, len(seen) + 1)]
        text = " ".join(
            f"{name} shows a wide field number {number} with a quiet house and {number % 90 + 2} tall trees"
            " under a clear morning sky beside the narrow river."
            for name, number in zip(names, seen, strict=True)
        )
        return Completion(id=request.id, text=text, finish_reason="stop", completion_tokens=40)


class Cost(NamedTuple):
    """The cost of one use: how much a model had to do, and how much of it was needed."""

    embedded: int
    asked: dict[str, int]
    needed: dict[str, int]
    """Planned targets whose images were never captioned together before."""


class GrowingRun:
    """A run. Each ``use`` takes it through all stages."""

    def __init__(self, path: Path, server: ChatServer) -> None:
        self.path, self._server = path, server
        self._rows: dict[Path, int] = {}
        self._known: set[tuple[str, tuple[str, ...]]] = set()
        self._lines = dict.fromkeys(JOBS, 0)

    @property
    def settings(self) -> dict[str, object]:
        """The settings of the run."""
        return {
            "embedding.model": "builtin:nano-clip",
            "sets.related_cosine_similarity": 0.55,
            "sets.duplicate_cosine_similarity": 0.999,
            "captioning.server.urls": [self._server.url],
            "captioning.engine": "server",
            "captioning.jobs": list(JOBS),
            "captioning.tile_px": 112,
            "captioning.max_tiles": 1,
            "captioning.canary.every_s": 0,
            "filtering.guarded_from": 1_000_000,
        }

    def use(self, *sources: Path | str, regroup: bool = False) -> Cost:
        """Do what `triptych run SOURCES` does, with --regroup if ``regroup``."""
        with triptych.open_run(self.path, sources, settings=self.settings) as run:
            if regroup:
                run.make_again(["sets"])
            run.run()
        planned = {job: self._planned(job) for job in JOBS}
        needed = {job: sum((job, each) not in self._known for each in planned[job]) for job in JOBS}
        self._known |= {(job, each) for job in JOBS for each in planned[job]}
        return Cost(self.newly_embedded(), {job: self._newly_asked(job) for job in JOBS}, needed)

    def _planned(self, job: str) -> list[tuple[str, ...]]:
        """The keys and content hashes of the images of each planned target."""
        with triptych.open_run(self.path, read_only=True) as run:
            (found,) = (each for each in run.jobs if each.name == job)
            return [
                tuple(f"{image.key} {image.content_hash}" for image in target.images)
                for _, targets in JobPlan(run.folder, found).shards()
                for target in targets
            ]

    def newly_embedded(self) -> int:
        """The rows of shards that are new or were written again since the last call."""
        folder = RunFolder.open(self.path)
        whole = [folder.embeddings_file(name) for name in folder.shards() if folder.is_embedded(name)]
        rows = {path: len(np.load(path)) for path in whole}
        stamps = {path: path.stat().st_mtime_ns for path in rows}
        new = sum(count for path, count in rows.items() if self._rows.get(path) != stamps[path])
        self._rows = stamps
        return new

    def rows(self, job: str) -> list[Caption]:
        """All captions in the job's journals."""
        journals = (self.path / "captions" / job).rglob("*.jsonl")
        return [row for path in journals for row in read_journal(path, Caption)]

    def _newly_asked(self, job: str) -> int:
        lines = len(self.rows(job))
        asked, self._lines[job] = lines - self._lines[job], lines
        return asked

    def violations(self) -> list[str]:
        """What `triptych verify --images all` finds."""
        with triptych.open_run(self.path, read_only=True) as run:
            return verify_run(run, ImageCheck(count=None)).violations

    @property
    def sets(self) -> list[tuple[str, ...]]:
        """The keys of each set."""
        return [each.keys for each in RunFolder.open(self.path).sets()]

    def record(self, key: str) -> list[ImageRecord]:
        """All records of a key."""
        return [each for each in RunFolder.open(self.path).all_images() if each.key == key]
