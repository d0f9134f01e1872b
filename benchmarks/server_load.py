"""Time of lmdeploy's preprocessing per image of SA-1B's size: unchanged, and resized to the model's tiles.

    python -m benchmarks.server_load [PHOTOGRAPHS]

The images are drawn scenes of 2250 x 1500 pixels and, if a folder or tar of photographs is named, those with
a shorter side of at least 1500 pixels. lmdeploy's code is timed: `_parse_multimodal_item` (base64, decoding),
which runs in a pool of threads, and `VisionModel.preprocess` (resizing, cutting, thumbnail, normalising), for
which lmdeploy has ONE thread, the bottleneck of a server; for both classes that serve InternVL. Raw and
fitted images take turns, with one thread. CPU time is measured besides wall time, so that other processes
don't favour one of the two.
"""

from __future__ import annotations

import base64
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import torch
from PIL import Image

from benchmarks.internvl_folders import MAX_TILES, TILE_PX, write_chat_format, write_hf_format
from benchmarks.record import record, refuse_dirty_tree
from triptych.captioning.tiling import draft_side_px, fit_to_tiles, grid_size, tile_grid, unpack
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene
from triptych.errors import UnreadableImageError
from triptych.sources.image_decoding import decode_rgb
from triptych.sources.opening import open_sources

DRAWN = 5
PHOTOGRAPHS = 10
SHORTEST_SIDE_PX = 1500
RUNS = 5
MIN_RATIO = 2.0

Preprocess = Callable[[bytes], tuple["Times", Any]]


class Picture(msgspec.Struct, frozen=True):
    """One image as in an archive, and as the client sends it."""

    kind: str
    grid: tuple[int, int]
    raw: bytes
    fitted: bytes
    fitted_lossless: bytes
    client_ms: float


class Times(msgspec.Struct, frozen=True):
    """CPU time by step and total wall time for one image."""

    decode_ms: float
    preprocess_ms: float
    wall_ms: float


def all_pictures(photographs: Path | None) -> list[Picture]:
    """All pictures, fitted. Call it before lmdeploy is imported, which makes PIL accept damaged files."""
    scenes = (paint(imagine_scene("unseen", n), 2250, SHORTEST_SIDE_PX) for n in range(DRAWN))
    drawn = [_fit("drawn", _encoded(scene, "JPEG", quality=90)) for scene in scenes]
    found = [] if photographs is None else [_fit("photograph", raw) for raw in _large_ones(photographs)]
    return drawn + found


def _large_ones(photographs: Path) -> Iterator[bytes]:
    left = PHOTOGRAPHS
    for shard in open_sources([photographs]):
        for file in shard.files():
            if left and _is_large(file.content):
                left -= 1
                yield file.content


def _is_large(content: bytes) -> bool:
    try:
        _, width_px, height_px = decode_rgb(content, draft_side_px=TILE_PX)
    except UnreadableImageError:
        return False
    return min(width_px, height_px) >= SHORTEST_SIDE_PX


def _fit(kind: str, raw: bytes) -> Picture:
    """Resize and encode ``raw`` like captioning/request_builder.py, and time it."""
    with Image.open(io.BytesIO(raw)) as image:
        grid = tile_grid(*image.size, TILE_PX, MAX_TILES)
    times = []
    for _ in range(RUNS):
        began = time.thread_time()
        picture, _, _ = decode_rgb(raw, draft_side_px(grid_size(grid, TILE_PX)))
        fitted = fit_to_tiles(picture, grid, TILE_PX)
        times.append(1000 * (time.thread_time() - began))
    lossless = picture.resize(unpack(fitted).size, Image.Resampling.BICUBIC)
    return Picture(kind, grid, raw, fitted, _encoded(lossless, "PNG"), statistics.median(times))


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def lmdeploy_preprocess(model: Path) -> tuple[str, Preprocess]:
    """The name of lmdeploy's class for ``model``, and a function that preprocesses and times one image."""
    from lmdeploy.messages import PytorchEngineConfig
    from lmdeploy.serve.processors import MultimodalProcessor
    from lmdeploy.vl.engine import ImageEncoder

    vision = ImageEncoder(str(model), "pytorch", backend_config=PytorchEngineConfig()).model

    def preprocess(image: bytes) -> tuple[Times, Any]:
        url = "data:image/jpeg;base64," + base64.b64encode(image).decode()
        asked = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
        parsed: list[Any] = [None]
        wall, began = time.perf_counter(), time.thread_time()
        MultimodalProcessor._parse_multimodal_item(0, asked, parsed, {})
        decoded = time.thread_time()
        result = vision.preprocess(parsed)
        done = time.thread_time()
        spent = (decoded - began, done - decoded, time.perf_counter() - wall)
        return Times(*(1000 * each for each in spent)), result[-1]["content"][0]["pixel_values"].float()

    return f"{type(vision).__module__}.{type(vision).__name__}", preprocess


def measure(picture: Picture, preprocess: Preprocess) -> dict[str, Any]:
    """Medians of RUNS turns, and the difference between the pixels that the model gets."""
    preprocess(picture.raw), preprocess(picture.fitted)  # the first call of a class is slower
    turns = [(preprocess(picture.raw)[0], preprocess(picture.fitted)[0]) for _ in range(RUNS)]
    raw, fitted = (_median(list(spent)) for spent in zip(*turns, strict=True))
    ours, theirs = preprocess(picture.fitted)[1], preprocess(picture.raw)[1]
    lossless = preprocess(picture.fitted_lossless)[1]
    assert ours.shape == theirs.shape, "fitting changed the number of tiles"
    apart = (ours - theirs).abs()
    tiles_only = slice(0, picture.grid[0] * picture.grid[1])
    return {
        "kind": picture.kind,
        "grid": f"{picture.grid[0]} x {picture.grid[1]}",
        "raw": _rounded(raw),
        "fitted": _rounded(fitted),
        "ratio_preprocess": round(raw.preprocess_ms / fitted.preprocess_ms, 2),
        "ratio_with_decoding": round(_busy_ms(raw) / _busy_ms(fitted), 2),
        "ratio_wall": round(raw.wall_ms / fitted.wall_ms, 2),
        "apart_mean": round(float(apart.mean()), 4),
        "apart_max": round(float(apart.max()), 3),
        "apart_mean_of_tiles_without_jpeg": round(float((lossless - theirs).abs()[tiles_only].mean()), 4),
    }


def _median(spent: list[Times]) -> Times:
    names = Times.__struct_fields__
    return Times(*(statistics.median(getattr(each, name) for each in spent) for name in names))


def _busy_ms(spent: Times) -> float:
    return spent.decode_ms + spent.preprocess_ms


def _rounded(spent: Times) -> dict[str, float]:
    return {name: round(value, 1) for name, value in msgspec.structs.asdict(spent).items()}


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Medians and worst values over all images of a kind."""
    names = ("ratio_preprocess", "ratio_with_decoding", "ratio_wall")
    medians = {name: round(statistics.median(row[name] for row in rows), 2) for name in names}
    return {
        "images": len(rows),
        **medians,
        "least_ratio_preprocess": min(row["ratio_preprocess"] for row in rows),
        "raw_preprocess_ms": statistics.median(row["raw"]["preprocess_ms"] for row in rows),
        "fitted_preprocess_ms": statistics.median(row["fitted"]["preprocess_ms"] for row in rows),
        "apart_mean": max(row["apart_mean"] for row in rows),
        "apart_max": max(row["apart_max"] for row in rows),
    }


@click.command()
@click.argument("photographs", type=click.Path(path_type=Path, exists=True), required=False)
def main(photographs: Path | None) -> None:
    """Measure and record; exit 1 if a class needs more than half of the time for fitted images."""
    refuse_dirty_tree()
    torch.set_num_threads(1)
    pictures = all_pictures(photographs)
    kinds = sorted({picture.kind for picture in pictures})
    by_class: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folders = [write_chat_format(Path(scratch, "chat")), write_hf_format(Path(scratch, "hf"))]
        for name, preprocess in map(lmdeploy_preprocess, folders):
            rows = [measure(picture, preprocess) for picture in pictures]
            summaries = {kind: summary([row for row in rows if row["kind"] == kind]) for kind in kinds}
            by_class[name] = {**summaries, "each": rows}
    client = {
        kind: round(statistics.median(p.client_ms for p in pictures if p.kind == kind), 1) for kind in kinds
    }
    record(
        "server_load",
        "python -m benchmarks.server_load" + (" PHOTOGRAPHS" if photographs else ""),
        {
            "times": f"processor time of one thread, medians of {RUNS} turns; wall time beside it",
            "load_average_of_the_machine": round(os.getloadavg()[0], 1),
            "client_fit_ms": client,
            "lmdeploy": by_class,
        },
    )
    ratios = [by_class[name][kind]["ratio_preprocess"] for name in by_class for kind in kinds]
    sys.exit(0 if min(ratios) >= MIN_RATIO else 1)


if __name__ == "__main__":
    main()
