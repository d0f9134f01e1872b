"""How many images of SA-1B's size one core resizes to the model's tiles per second.

Comes in: nothing. Goes out: images per second of CPU time, from a tar to a request: reading, hashing,
decoding, resizing, encoding. The images are drawn scenes with noise and have 0.49 MB as JPEG, half as much as
those of SA-1B. Not its job: sending them (see full_slots).
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.gpu_parts import single_image_run
from tests.support.contexts import JOBS, context_of
from tests.support.pile import write_tar
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.request_builder import RequestBuilder
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene
from triptych.prompts import load_prompt
from triptych.runs.folder import RunFolder
from triptych.runs.image_reader import reader_of
from triptych.runs.plan import JobPlan
from triptych.sources.shard import Shard

WIDTH_PX, HEIGHT_PX = 1500, 2250
IMAGES = 8
RUNS = 3
NOISE = 6.0
"""Standard deviation, of 255, that makes a drawn scene 0.49 MB large at quality 85."""


def fitted_per_core_second() -> dict[str, object]:
    """The median of RUNS passes, each with a new builder and thus an empty cache."""
    with tempfile.TemporaryDirectory() as scratch:
        rng = np.random.default_rng(1)
        pictures = {f"sa_{number}.jpg": _noisy_jpeg(number, rng) for number in range(IMAGES)}
        write_tar(Path(scratch, "pile", "sa_000000.tar"), pictures)
        run, sources = single_image_run(Path(scratch, "run"), Path(scratch, "pile"))
        passes = [_fit_all(run, sources) for _ in range(RUNS)]
    cpu_s = statistics.median(seconds for seconds, _ in passes)
    return {
        "width_px": WIDTH_PX,
        "height_px": HEIGHT_PX,
        "mean_jpeg_bytes": round(statistics.mean(map(len, pictures.values()))),
        "mean_fitted_bytes": round(passes[0][1] / IMAGES),
        "cpu_ms_per_image": round(1000 * cpu_s / IMAGES, 1),
        "images_per_core_second": round(IMAGES / cpu_s, 2),
    }


def _noisy_jpeg(number: int, rng: np.random.Generator) -> bytes:
    drawn = np.asarray(paint(imagine_scene("unseen", number), WIDTH_PX, HEIGHT_PX), np.float32)
    noisy = (drawn + rng.normal(0, NOISE, drawn.shape)).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _fit_all(run: RunFolder, sources: Sequence[Shard]) -> tuple[float, int]:
    """CPU seconds, and bytes of the requests' images."""
    builder = RequestBuilder(reader_of(context_of(run, "single_en"), sources), CaptioningConfig())
    job = JOBS["single_en"]
    prompt = load_prompt(job)
    sent = 0
    began = time.process_time()
    for shard, targets in JobPlan(run, job).shards():
        for target in targets:
            sent += len(builder.request(job, shard, target, prompt).images[0])
    return time.process_time() - began, sent
