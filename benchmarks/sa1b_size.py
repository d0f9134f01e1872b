"""How many images of SA-1B's size a core fits to their tiles a second.

Comes in: nothing. Goes out: images a second of processor time, over the whole way from a tar to a request:
reading, hashing, decoding, resizing, encoding. Drawn scenes with noise, of 0.49 MB as JPEG: half
as much as SA-1B's have. Not its job: sending them (see full_slots).
"""

from __future__ import annotations

import io
import statistics
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.contexts import JOBS, context_of
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.request_builder import RequestBuilder
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene
from triptych.prompts import load_prompt
from triptych.records import ImageRecord
from triptych.runs.folder import RunFolder
from triptych.runs.image_reader import reader_of
from triptych.runs.jsonl import write_jsonl
from triptych.runs.plan import JobPlan
from triptych.sources.opening import open_sources
from triptych.sources.shard import Shard

WIDTH_PX, HEIGHT_PX = 1500, 2250
IMAGES = 8
RUNS = 3
NOISE = 6.0
"""Standard deviation, of 255: what brings a drawn scene to 0.49 MB at quality 85."""


def fitted_per_core_second() -> dict[str, object]:
    """Median over RUNS passes, each by a new builder, which keeps nothing of the one before."""
    with tempfile.TemporaryDirectory() as scratch:
        pile = Path(scratch, "pile")
        pile.mkdir()
        sizes = _write_tar(pile / "sa_000000.tar")
        run = RunFolder.create_or_open(Path(scratch, "run"))
        sources = open_sources([pile])
        files = list(sources[0].files())
        write_jsonl(
            run.images_file(sources[0].name),
            [
                ImageRecord(
                    key=file.key,
                    width_px=WIDTH_PX,
                    height_px=HEIGHT_PX,
                    size_bytes=len(file.content),
                    offset_bytes=file.offset_bytes,
                )
                for file in files
            ],
        )
        write_jsonl(run.sets_file, [])
        write_jsonl(run.duplicates_file, [])
        passes = [_fit_all(run, sources) for _ in range(RUNS)]
    cpu_s = statistics.median(seconds for seconds, _ in passes)
    return {
        "width_px": WIDTH_PX,
        "height_px": HEIGHT_PX,
        "mean_jpeg_bytes": round(statistics.mean(sizes)),
        "mean_fitted_bytes": round(passes[0][1] / IMAGES),
        "cpu_ms_per_image": round(1000 * cpu_s / IMAGES, 1),
        "images_per_core_second": round(IMAGES / cpu_s, 2),
    }


def _write_tar(path: Path) -> list[int]:
    sizes = []
    rng = np.random.default_rng(1)
    with tarfile.open(path, "w") as archive:
        for number in range(IMAGES):
            drawn = np.asarray(paint(imagine_scene("unseen", number), WIDTH_PX, HEIGHT_PX), np.float32)
            noisy = (drawn + rng.normal(0, NOISE, drawn.shape)).clip(0, 255).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(noisy).save(buffer, "JPEG", quality=85)
            member = tarfile.TarInfo(f"sa_{number}.jpg")
            member.size = len(buffer.getvalue())
            sizes.append(member.size)
            archive.addfile(member, io.BytesIO(buffer.getvalue()))
    return sizes


def _fit_all(run: RunFolder, sources: Sequence[Shard]) -> tuple[float, int]:
    """Processor seconds and bytes sent."""
    builder = RequestBuilder(reader_of(context_of(run, "single_en"), sources), CaptioningConfig())
    job = JOBS["single_en"]
    prompt = load_prompt(job)
    sent = 0
    began = time.process_time()
    for shard, targets in JobPlan(run, job).shards():
        for target in targets:
            sent += len(builder.request(job, shard, target, prompt).images[0])
    return time.process_time() - began, sent
