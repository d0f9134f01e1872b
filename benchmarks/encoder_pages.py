"""CPU time that the kernel spends on memory pages while embedding, by the size of slices.

    python -m benchmarks.encoder_pages [--images 64]

Compares slices whose size is chosen by the encoder with fixed slices of 16 images, for timm models with
random weights (which don't affect speed). Each measurement has its own process, and the variants take turns;
medians are recorded. System time is what the kernel spends for the process, nearly all of it on clearing
pages that the allocator returns and requests again.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import click
import numpy as np

from benchmarks.record import record, refuse_dirty_tree

TOWERS = {"tf_efficientnet_lite2": 260, "resnet50": 224, "convnext_tiny": 224, "vit_base_patch32_224": 224}
"""timm's name of the model, and the side of its input in pixels."""

RUNS = 3
MAX_SYSTEM_SHARE = 0.10


def measure(name: str, side_px: int, images: int, *, fixed: bool) -> dict[str, Any]:
    """Encode random images in this process. ``fixed``: in slices of 16, with the default allocator."""
    import timm

    from triptych.grouping.embedding.preprocess import InputShape
    from triptych.grouping.encoders import tower as towers

    threads = len(os.sched_getaffinity(0))
    model = timm.create_model(name, num_classes=0).eval()
    tower = towers.TorchTower(
        model,
        InputShape(height_px=side_px, width_px=side_px),
        mean=[0.5] * 3,
        std=[0.5] * 3,
        placement=towers.Placement(device="cpu", precision="fp32", cpu_threads=threads),
    )
    if fixed:
        tower.__dict__["slice_images"] = towers.SLICE_IMAGES
    pixels = np.random.default_rng(0).integers(0, 256, (images, side_px, side_px, 3), np.uint8)
    tower.encode(pixels[: 2 * towers.SLICE_IMAGES])
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    rows = tower.encode(pixels)
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    user_s, system_s = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return {
        "slice_images": tower.slice_images,
        "images_per_s": round(images / wall_s, 2),
        "user_ms_per_image": round(1000 * user_s / images, 1),
        "system_ms_per_image": round(1000 * system_s / images, 1),
        "system_share": round(system_s / (user_s + system_s), 4),
        "peak_mib": after.ru_maxrss // 1024,
        "rows": hashlib.sha256(rows.tobytes()).hexdigest()[:16],
    }


def in_own_process(name: str, images: int, *, fixed: bool) -> dict[str, Any]:
    """The result of ``measure`` in a new process."""
    command = [sys.executable, "-m", "benchmarks.encoder_pages", "--one", name, "--images", str(images)]
    run = subprocess.run([*command, *(["--fixed"] if fixed else [])], capture_output=True, check=True)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def medians(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of all numbers; texts are the same in each run."""
    return {
        key: statistics.median(each[key] for each in found) if not isinstance(value, str) else value
        for key, value in found[0].items()
    }


@click.command()
@click.option("--images", default=64, show_default=True)
@click.option("--one", type=click.Choice(list(TOWERS)), hidden=True)
@click.option("--fixed", is_flag=True, hidden=True)
def main(images: int, one: str | None, fixed: bool) -> None:
    """Measure and record; exit 1 if the kernel takes more than MAX_SYSTEM_SHARE of a model's CPU time."""
    if one is not None:
        print(json.dumps(measure(one, TOWERS[one], images, fixed=fixed)))
        return
    refuse_dirty_tree()
    measured: dict[str, Any] = {}
    for name in TOWERS:
        turns = [(in_own_process(name, images, fixed=f), f) for _ in range(RUNS) for f in (True, False)]
        measured[name] = {
            "slices_of_16": medians([each for each, fixed in turns if fixed]),
            "slices_by_size": medians([each for each, fixed in turns if not fixed]),
        }
    command = f"python -m benchmarks.encoder_pages --images {images}"
    record("encoder_pages", command, {"images": images, "most_system": MAX_SYSTEM_SHARE, "towers": measured})
    worst = max(each["slices_by_size"]["system_share"] for each in measured.values())
    sys.exit(0 if worst <= MAX_SYSTEM_SHARE else 1)


if __name__ == "__main__":
    main()
