"""Captioning on this machine's GPUs: the same words as in process, and how fast beside what.

    python -m benchmarks.gpu_captioning FOLDER [--shape 8b] [--images 400] [--dry-run]

1. lmdeploy for real with the embedded model, started by Triptych, against the in-process engine on the
   CPU: four jobs on unseen scenes, how many captions are the same word for word, for each backend.
2. Random weights in a real size (8b: InternVL2-8B; auto: the largest that fits) on drawn images of SA-1B's
   size, every caption 150 tokens long, one GPU: captions a second of Triptych's whole captions stage with
   lmdeploy, of lmdeploy's bare pipeline on the same images, and of Triptych with the transformers engine
   on fewer of them. Starting servers and loading weights don't count.

FOLDER takes weights (8b: 16 GB) and images, and keeps them for another call. A part that fails is recorded
with its reason, and the others go on.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from benchmarks.gpu_parts import (
    bare_pipeline,
    draw_images,
    same_captions,
    triptych_stage,
)
from benchmarks.random_internvl import SHAPES, weights_bytes, write_random_internvl
from benchmarks.record import record, refuse_dirty_tree
from triptych.captioning.lmdeploy.config import Backend
from triptych.captioning.lmdeploy.gpus import Gpu, visible_gpus
from triptych.errors import TriptychError

BACKENDS: tuple[Backend, ...] = ("pytorch", "turbomind")
MAX_TOKENS = 150
"""The seed's average."""

SPARE_BYTES = 16 * 1024**3
"""Left for keys and values, activations and the driver, when the largest shape is looked for."""

TRANSFORMERS_SHARE = 8
"""Images for the transformers engine: one in so many, because it is the slow one."""

Measured = dict[str, object]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--shape", type=click.Choice(["auto", *SHAPES]), default="auto", show_default=True)
@click.option("--images", type=click.IntRange(min=TRANSFORMERS_SHARE), default=400, show_default=True)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def main(folder: Path, shape: str, images: int, dry_run: bool) -> None:
    """Measure and commit the result; exit 1 where there is no GPU or a part failed."""
    gpus = visible_gpus()
    chosen = choose_shape(shape, gpus)
    if dry_run:
        for line in plan_lines(folder, chosen, images, gpus):
            click.echo(line)
        return
    if not gpus:
        print(
            "gpu_captioning: no GPU on this machine; run it on one that has (--dry-run works here)",
            file=sys.stderr,
        )
        sys.exit(1)
    refuse_dirty_tree()
    # One GPU for each part alike: Triptych would take all that it sees.
    os.environ |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": gpus[0].device}
    folder.mkdir(parents=True, exist_ok=True)
    parts = list_parts(folder, chosen, images)
    measured = run_parts(parts)
    measured["gpu"] = f"{gpus[0].name}, {gpus[0].memory_bytes / 1024**3:.0f} GiB"
    measured["shape"] = SHAPES[chosen].like
    measured["ratios"] = ratios(measured)
    record(
        "gpu_captioning",
        f"python -m benchmarks.gpu_captioning FOLDER --shape {chosen} --images {images}",
        measured,
    )
    if any("failed" in part for part in measured.values() if isinstance(part, dict)):
        sys.exit(1)


def choose_shape(wanted: str, gpus: list[Gpu]) -> str:
    """``wanted``, or the largest whose weights leave SPARE_BYTES of one GPU free; the smallest without."""
    if wanted != "auto":
        return wanted
    free = gpus[0].free_bytes if gpus else 0
    sizes = {name: weights_bytes(shape) for name, shape in SHAPES.items() if name != "tiny"}
    fitting = [name for name, size in sizes.items() if size + SPARE_BYTES <= free]
    return max(fitting or [min(sizes, key=lambda name: sizes[name])], key=lambda name: sizes[name])


def plan_lines(folder: Path, shape: str, images: int, gpus: list[Gpu]) -> list[str]:
    """What a call without --dry-run would do here."""
    gb = weights_bytes(SHAPES[shape]) / 1e9
    parent = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return [
        f"GPUs: {', '.join(gpu.name for gpu in gpus) or 'none: it would stop here'}",
        f"weights like {SHAPES[shape].like}: {gb:.1f} GB to {folder}"
        f" ({shutil.disk_usage(parent).free / 1e9:.0f} GB free)",
        f"images: {images} drawn ones of 2250 x 1500",
        *(f"part: {name}" for name in list_parts(folder, shape, images)),
        "result: benchmarks/results/gpu_captioning.json",
    ]


def list_parts(folder: Path, shape: str, images: int) -> dict[str, Callable[[], Measured]]:
    """What is measured, by name, in order."""
    model, pictures = folder / f"random-{shape}", folder / f"images-{images}"

    def prepared() -> tuple[Path, Path]:
        return write_random_internvl(SHAPES[shape], model), draw_images(pictures, images)

    def stage(engine: str, backend: Backend, captions: int) -> Measured:
        return triptych_stage(
            *prepared(), engine=engine, backend=backend, captions=captions, max_tokens=MAX_TOKENS
        )

    def bare(backend: Backend) -> Measured:
        return bare_pipeline(*prepared(), backend, MAX_TOKENS)

    parts: dict[str, Callable[[], Measured]] = {}
    for backend in BACKENDS:
        parts[f"same captions, lmdeploy {backend}"] = partial(same_captions, folder / "logs", backend)
    for backend in BACKENDS:
        parts[f"triptych, lmdeploy {backend}"] = partial(stage, "lmdeploy", backend, images)
        parts[f"bare pipeline, lmdeploy {backend}"] = partial(bare, backend)
    parts["triptych, transformers"] = partial(stage, "transformers", "pytorch", images // TRANSFORMERS_SHARE)
    return parts


def run_parts(parts: dict[str, Callable[[], Measured]]) -> Measured:
    """What each came to, or why it failed."""
    measured: Measured = {}
    for name, part in parts.items():
        began = time.monotonic()
        try:
            measured[name] = part()
        except (TriptychError, OSError, RuntimeError) as error:
            measured[name] = {"failed": str(error)}
        print(f"{name}: {measured[name]} ({time.monotonic() - began:.0f} s in all)", file=sys.stderr)
    return measured


def ratios(measured: Measured) -> Measured:
    """Triptych's captions a second over those of what it is held against."""

    def rate(name: str) -> float | None:
        part = measured.get(name)
        value = part.get("captions_per_s") if isinstance(part, dict) else None
        return value if isinstance(value, float) else None

    found: Measured = {}
    for backend in BACKENDS:
        ours = rate(f"triptych, lmdeploy {backend}")
        for other in (f"bare pipeline, lmdeploy {backend}", "triptych, transformers"):
            theirs = rate(other)
            if ours is not None and theirs:
                found[f"triptych, lmdeploy {backend} / {other}"] = round(ours / theirs, 2)
    return found


if __name__ == "__main__":
    main()
