"""The parts of gpu_captioning. Each measures one thing and returns a dict.

Comes in: folders of a model and of images. Goes out: figures. Not its job: which parts there are, and their
order.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.contexts import JOBS, context_of, limited
from triptych.captioning.config import CanaryConfig, CaptioningConfig
from triptych.captioning.engine import CaptionRequest, Engine
from triptych.captioning.engine_choice import open_engine
from triptych.captioning.engines.config import TransformersConfig
from triptych.captioning.lmdeploy.config import Backend, LmdeployConfig
from triptych.captioning.stage import caption_run
from triptych.captioning.tiling import fit_to_tiles
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene, vary_scene
from triptych.jobs import SEED_JOBS
from triptych.models import resolve_model
from triptych.progress import Lines
from triptych.prompts import load_prompts
from triptych.records import ImageRecord
from triptych.runs.folder import RunFolder, StageState
from triptych.runs.jsonl import write_jsonl
from triptych.sources.image_decoding import upright_size
from triptych.sources.opening import open_sources
from triptych.sources.shard import Shard

WIDTH_PX, HEIGHT_PX = 2250, 1500
SCENES = 10
NANO_MAX_TOKENS = 320

Measured = dict[str, object]


def draw_images(folder: Path, count: int) -> Path:
    """Draw ``count`` JPEGs of SA-1B's size; existing ones are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        if not path.exists():
            part = path.with_suffix(".part")
            paint(imagine_scene("unseen", number), WIDTH_PX, HEIGHT_PX).save(part, "JPEG", quality=90)
            part.replace(path)
    return folder


def same_captions(logs: Path, backend: Backend) -> Measured:
    """Compare the embedded model served by lmdeploy with the in-process engine on the CPU."""
    in_process = CaptioningConfig(
        engine="transformers",
        model=resolve_model("builtin:nano-internvl"),
        transformers=TransformersConfig(device="cpu"),
    )
    served = CaptioningConfig(
        engine="lmdeploy", model=in_process.model, lmdeploy=LmdeployConfig(backend=backend, max_deaths=1)
    )
    asked = four_jobs(SCENES)
    expected, found = (_ask(open_engine(config, logs, print), asked) for config in (in_process, served))
    same = sum(ours == theirs for ours, theirs in zip(expected, found, strict=True))
    other = [pair for pair in zip(expected, found, strict=True) if pair[0] != pair[1]]
    return {"captions": len(asked), "same": same, "first_that_differs": list(other[0]) if other else None}


def four_jobs(scenes: int) -> list[CaptionRequest]:
    """Requests of the four jobs for unseen scenes with two variations each, in the embedded model's size."""
    requests = []
    for number in range(scenes):
        first = imagine_scene("unseen", 900 + number)
        shown = [first, *(vary_scene(first, "unseen", n) for n in range(2))]
        images = tuple(fit_to_tiles(paint(scene, 336, 224), (1, 1), 112) for scene in shown)
        requests += [
            CaptionRequest(
                id=f"{job}:{number}",
                prompt=prompt.text,
                images=images if JOBS[job].is_multi else images[:1],
                max_tokens=NANO_MAX_TOKENS,
            )
            for job, prompt in load_prompts(SEED_JOBS).items()
        ]
    return requests


def _ask(engine: Engine, requests: Sequence[CaptionRequest]) -> list[str]:
    try:
        completions = engine.caption(requests)
    finally:
        engine.close()
    return [completion.failure or completion.text for completion in completions]


def triptych_stage(
    model: Path, images: Path, *, engine: str, captions: int, max_tokens: int, backend: Backend = "pytorch"
) -> Measured:
    """Time the captions stage from files to journals, on one GPU."""
    config = CaptioningConfig(
        engine=engine,
        model=str(model),
        jobs=("single_en",),
        sample=captions,
        max_tokens_single=max_tokens,
        canary=CanaryConfig(every_s=0),  # a model with random weights fails every canary
        ask_again=0,  # every caption reaches max_tokens on purpose
        max_in_flight=256,
        lmdeploy=LmdeployConfig(backend=backend, max_deaths=2),
        transformers=TransformersConfig(batch_size=8),
    )
    with tempfile.TemporaryDirectory(dir=model.parent) as scratch:
        run, sources = single_image_run(Path(scratch) / "run", images)
        try:
            caption_run(context_of(run, limited("single_en", captions), progress=Lines()), sources, config)
        finally:
            if run.logs_folder.is_dir():
                shutil.copytree(run.logs_folder, model.parent / "logs", dirs_exist_ok=True)
        notes = run.run_file.stages["captions"].notes
        rows = [row for shard in run.shards() for row in run.captions("single_en", shard)]
    failures = [row.failure for row in rows if row.failure is not None]
    if failures:
        raise RuntimeError(f"{len(failures)} of {captions} captions failed, the first with: {failures[0]}")
    seconds = float(str(notes["single_en.seconds"]))
    return _rate(int(str(notes["single_en.made"])), seconds, sum(row.completion_tokens for row in rows))


def single_image_run(path: Path, images: Path) -> tuple[RunFolder, list[Shard]]:
    """A run of single images that is ready to be captioned."""
    run = RunFolder.create_or_open(path)
    sources = open_sources([images])
    for shard in sources:
        records = []
        for file in shard.files():
            width_px, height_px = upright_size(file.content)
            records.append(
                ImageRecord(
                    key=file.key, width_px=width_px, height_px=height_px, size_bytes=len(file.content),
                    offset_bytes=file.offset_bytes,
                )
            )  # fmt: skip
        write_jsonl(run.images_file(shard.name), records)
    write_jsonl(run.duplicates_file, [])
    write_jsonl(run.sets_file, [])
    run.run_file.stages["sets"] = StageState(settings={}, finished=True)
    run.save()
    return run, sources


def bare_pipeline(model: Path, images: Path, backend: Backend, max_tokens: int) -> Measured:
    """Time lmdeploy without Triptych. Raises RuntimeError with its last lines if it fails."""
    command = [sys.executable, "-m", "benchmarks.bare_lmdeploy"]
    command += [str(model), str(images), backend, str(max_tokens)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise RuntimeError(" | ".join(answer.stderr.strip().splitlines()[-3:]))
    last = json.loads(answer.stdout.strip().splitlines()[-1])
    return _rate(last["captions"], last["seconds"], last["tokens"])


def _rate(captions: int, seconds: float, tokens: int) -> Measured:
    return {
        "captions": captions,
        "seconds": seconds,
        "captions_per_s": round(captions / seconds, 3),
        "tokens_per_s": round(tokens / seconds, 1),
    }
