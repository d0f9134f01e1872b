"""Images per second from bytes to model input, compared with open_clip's transform, and the loss of accuracy.

    python -m benchmarks.decode_speed [PHOTOGRAPHS] [--images 24]

The pictures are drawn scenes of 2250 x 1500 pixels and 1 MB and, if a folder or tar is named, its photographs
with a shorter side of at least 1500 pixels; the input sizes are the nano CLIP's 112 pixels and 224, 336 and
384. Both methods take turns, picture by picture, in one thread; CPU time is measured. Ours is timed in three
variants: decoding, resizing and normalising, which is what open_clip's transform does; everything that is
done with a file (with both hashes and the record); and without draft scaling. Accuracy is the cosine between
nano CLIP embeddings of drawn scenes, also for other ratios of decoded size to input size, and the difference
of pixels, in the encoder's normalised units.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import click
import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from benchmarks.large_pictures import large_jpeg
from benchmarks.record import record, refuse_dirty_tree
from triptych.errors import UnreadableImageError
from triptych.grouping.embedding.prepare import DRAFT_OVER_INPUT, decode_to, prepare
from triptych.grouping.embedding.preprocess import resize_to
from triptych.grouping.encoders.choice import load_encoder, resolve_encoder
from triptych.grouping.encoders.open_clip import input_shape
from triptych.grouping.encoders.tower import TorchTower
from triptych.models import resolve_model
from triptych.sources.image_decoding import decode_rgb, upright_size
from triptych.sources.opening import open_sources
from triptych.sources.shard import FoundFile

SIDES_PX = (224, 336, 384)
RUNS = 3
MIN_RATIO = 2.5
REQUIRED_SIDES_PX = (112, 224, 336)
MIN_MEAN_COSINE, MIN_COSINE = 0.995, 0.98
FACTORS = (1.0, 1.25, 1.5, 1.75, 1.9, 2.0, 2.5)
SHORTER_SIDE_PX = 1500


def timed_ms(ways: dict[str, Callable[[bytes], object]], pictures: Sequence[bytes]) -> dict[str, float]:
    """Median CPU milliseconds per picture of each method; the methods take turns."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for picture in [pictures[0], *chain.from_iterable(repeat(pictures, RUNS))]:
        for name, way in ways.items():
            began = time.thread_time()
            way(picture)
            spent[name].append(1000 * (time.thread_time() - began))
    return {name: round(statistics.median(each[1:]), 2) for name, each in spent.items()}


def speed(settings: PreprocessCfg, pictures: Sequence[bytes]) -> dict[str, Any]:
    """Milliseconds per picture of every method, and ratios to open_clip's."""
    shape, transform = input_shape(settings), image_transform_v2(settings, is_train=False)
    mean, std = (torch.tensor(three).view(1, 3, 1, 1) for three in (settings.mean, settings.std))
    scale, shift = 1 / (255 * std), -mean / std

    def ours(content: bytes) -> object:
        framed = decode_to(shape, content).framed
        levels = torch.from_numpy(np.stack([framed])).permute(0, 3, 1, 2).float().contiguous()
        return levels.mul_(scale).add_(shift)

    def without_draft(content: bytes) -> object:
        picture, width_px, height_px = decode_rgb(content)
        return resize_to(shape, picture, width_px, height_px)

    spent = timed_ms(
        {
            "open_clip_ms": lambda content: transform(Image.open(io.BytesIO(content))),
            "ours_ms": ours,
            "ours_with_hashes_ms": lambda content: prepare(FoundFile(key="a.jpg", content=content), shape),
            "ours_without_draft_ms": without_draft,
            "only_decoding_at_that_scale_ms": lambda content: decode_rgb(
                content, int(DRAFT_OVER_INPUT * max(shape.scaled_to))
            ),
        },
        pictures,
    )
    return {
        **spent,
        "ratio": round(spent["open_clip_ms"] / spent["ours_ms"], 2),
        "ratio_with_hashes": round(spent["open_clip_ms"] / spent["ours_with_hashes_ms"], 2),
        "ratio_without_draft": round(spent["open_clip_ms"] / spent["ours_without_draft_ms"], 2),
    }


def pixels_apart(settings: PreprocessCfg, pictures: Sequence[bytes]) -> dict[str, float]:
    """Mean absolute difference of model inputs, in the encoder's normalised units: mean and worst picture."""
    shape, transform = input_shape(settings), image_transform_v2(settings, is_train=False)
    apart = []
    for content in pictures:
        framed = decode_to(shape, content).framed.astype(np.float32)
        ours = (framed / 255 - np.array(settings.mean)) / np.array(settings.std)
        theirs = transform(Image.open(io.BytesIO(content))).permute(1, 2, 0).numpy()
        apart.append(float(np.abs(ours - theirs).mean()))
    return {"mean": round(statistics.mean(apart), 4), "worst": round(max(apart), 4)}


def cosines(encoder: TorchTower, peer: torch.nn.Module, pictures: Sequence[bytes]) -> dict[str, Any]:
    """Cosines of our embeddings with those of open_clip's transform, and for other draft factors.

    For each factor the picture is first resized so that 1/8 of it, libjpeg's smallest scale, is larger than
    the input by exactly that factor.
    """
    side_px = max(encoder.shape.scaled_to)
    ours = encoder.encode(np.stack([decode_to(encoder.shape, each).framed for each in pictures]))
    by_factor = {}
    for factor in FACTORS:
        shorter_px = 8 * round(factor * side_px)
        resized = [_resaved(each, shorter_px) for each in pictures]
        frames = []
        for content in resized:
            picture, width_px, height_px = decode_rgb(content, round(factor * side_px))
            frames.append(resize_to(encoder.shape, picture, width_px, height_px).framed)
        by_factor[str(factor)] = _compared(encoder.encode(np.stack(frames)), _by_open_clip(peer, resized))
    return {"ours": _compared(ours, _by_open_clip(peer, pictures)), "by_factor_at_one_eighth": by_factor}


def _resaved(content: bytes, shorter_px: int) -> bytes:
    picture = Image.open(io.BytesIO(content))
    scale = shorter_px / min(picture.size)
    buffer = io.BytesIO()
    picture.resize((round(picture.width * scale), round(picture.height * scale))).save(
        buffer, "JPEG", quality=90
    )
    return buffer.getvalue()


def _by_open_clip(peer: torch.nn.Module, pictures: Sequence[bytes]) -> NDArray[np.float32]:
    settings = PreprocessCfg(**peer.visual.preprocess_cfg)  # type: ignore[union-attr,arg-type]
    transform = image_transform_v2(settings, is_train=False)
    with torch.inference_mode():
        inputs = torch.stack([transform(Image.open(io.BytesIO(each))) for each in pictures])
        rows: NDArray[np.float32] = peer.encode_image(inputs, normalize=True).numpy()  # type: ignore[operator]
    return rows


def _compared(ours: NDArray[np.float16], theirs: NDArray[np.float32]) -> dict[str, float]:
    wide = ours.astype(np.float32)
    similar = (wide * theirs).sum(axis=1) / np.linalg.norm(wide, axis=1)
    return {"mean": round(float(similar.mean()), 5), "worst": round(float(similar.min()), 5)}


def large_photographs(source: Path, most: int) -> list[bytes]:
    """Up to ``most`` JPEGs whose shorter side has at least SHORTER_SIDE_PX, at least one."""
    files = chain.from_iterable(shard.files() for shard in open_sources([source]))
    found = list(islice((file.content for file in files if _is_large_jpeg(file.content)), most))
    if not found:
        raise click.UsageError(f"no JPEG in {source} has a shorter side of {SHORTER_SIDE_PX} px or more")
    return found


def _is_large_jpeg(content: bytes) -> bool:
    try:
        return content[:2] == b"\xff\xd8" and min(upright_size(content)) >= SHORTER_SIDE_PX
    except UnreadableImageError:
        return False


@click.command()
@click.argument("photographs", type=click.Path(path_type=Path, exists=True), required=False)
@click.option("--images", default=24, show_default=True)
def main(photographs: Path | None, images: int) -> None:
    """Measure and record; exit 1 below the required ratio or cosines."""
    refuse_dirty_tree()
    torch.set_num_threads(1)
    folder = resolve_model("builtin:nano-clip")
    encoder = load_encoder(resolve_encoder(folder), "cpu")
    peer = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True).eval()
    nano = PreprocessCfg(**peer.visual.preprocess_cfg)
    if isinstance(nano.size, (tuple, list)):
        nano.size = nano.size[0]
    towers = {f"nano CLIP, {nano.size}": nano, **{f"{side}": PreprocessCfg(size=side) for side in SIDES_PX}}
    sources = {"drawn": [large_jpeg(number) for number in range(images)]}
    if photographs is not None:
        sources["photographs"] = large_photographs(photographs, images)
    measured: dict[str, Any] = {
        name: {
            "images": len(pictures),
            "mean_bytes": round(statistics.mean(map(len, pictures))),
            "by_input_side_px": {
                tower: {**speed(settings, pictures), "pixels_apart": pixels_apart(settings, pictures)}
                for tower, settings in towers.items()
            },
        }
        for name, pictures in sources.items()
    }
    measured["cosine"] = cosines(encoder, peer, sources["drawn"])
    named = " PHOTOGRAPHS" if photographs else ""
    record("decode_speed", f"python -m benchmarks.decode_speed{named} --images {images}", measured)
    required = [
        each["ratio"]
        for name in sources
        for tower, each in measured[name]["by_input_side_px"].items()
        if towers[tower].size in REQUIRED_SIDES_PX
    ]
    ours = measured["cosine"]["ours"]
    is_accurate = ours["mean"] >= MIN_MEAN_COSINE and ours["worst"] >= MIN_COSINE
    sys.exit(0 if is_accurate and min(required) >= MIN_RATIO else 1)


if __name__ == "__main__":
    main()
