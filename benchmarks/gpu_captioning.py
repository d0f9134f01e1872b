"""Captioning on this machine's GPUs: whether lmdeploy gives the same captions, and how fast it is.

    python -m benchmarks.gpu_captioning FOLDER [--shape 8b] [--images 400] [--dry-run]

1. Same captions: the embedded model served by lmdeploy, which Triptych starts, against the in-process engine
   on the CPU. Four jobs on unseen scenes; how many captions are identical, for each backend.
2. Speed: a model of real size with random weights (8b: InternVL2-8B; auto: the largest that fits) on drawn
   images of SA-1B's size, every caption 150 tokens long, on one GPU. Captions per second of Triptych's whole
   captions stage with lmdeploy, of lmdeploy's own pipeline on the same images, and of Triptych with the
   transformers engine on fewer images. Starting servers and loading weights are not timed.

FOLDER keeps the weights (8b: 16 GB) and images for later calls. A part that fails is recorded with its
reason, and the others are still measured.
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

from benchmarks.gpu_parts import bare_pipeline, draw_images, same_captions, triptych_stage
from benchmarks.random_internvl import SHAPES, weights_bytes, write_random_internvl
from benchmarks.record import record, refuse_dirty_tree
from triptych.captioning.lmdeploy.config import Backend
from triptych.captioning.lmdeploy.gpus import Gpu, visible_gpus
from triptych.errors import TriptychError

BACKENDS: tuple[Backend, ...] = ("pytorch", "turbomind")
MAX_TOKENS = 150
"""The mean of InternVL-SA-1B-Caption."""

SPARE_BYTES = 16 * 1024**3
"""Left free for the KV cache, activations and the driver when the largest shape is chosen."""

TRANSFORMERS_SHARE = 8
"""The transformers engine gets one image in so many, because it is slow."""

Measured = dict[str, object]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--shape", type=click.Choice(["auto", *SHAPES]), default="auto", show_default=True)
@click.option("--images", type=click.IntRange(min=TRANSFORMERS_SHARE), default=400, show_default=True)
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
def main(folder: Path, shape: str, images: int, dry_run: bool) -> None:
    """Measure and record the result; exit 1 if there is no GPU or a part fails."""
    gpus = visible_gpus()
    chosen = choose_shape(shape, gpus)
    if dry_run:
        for line in plan_lines(folder, chosen, images, gpus):
            click.echo(line)
        return
    if not gpus:
        print(
            "gpu_captioning: no GPU on this machine; run it on one that has a GPU (--dry-run works here)",
            file=sys.stderr,
        )
        sys.exit(1)
    refuse_dirty_tree()
    # The same single GPU for each part: Triptych would use all visible ones.
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
    """``wanted``; for ``auto`` the largest whose weights leave SPARE_BYTES free, or else the smallest."""
    if wanted != "auto":
        return wanted
    free = gpus[0].free_bytes if gpus else 0
    sizes = {name: weights_bytes(shape) for name, shape in SHAPES.items() if name != "tiny"}
    fitting = [name for name, size in sizes.items() if size + SPARE_BYTES <= free]
    return max(fitting, key=sizes.__getitem__) if fitting else min(sizes, key=sizes.__getitem__)


def plan_lines(folder: Path, shape: str, images: int, gpus: list[Gpu]) -> list[str]:
    """What a call without --dry-run would do on this machine."""
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
    """The parts by name, in the order in which they are measured."""
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
    """The result of each part, or why it failed."""
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
    """Triptych's captions per second divided by those of each baseline."""

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
