"""An encoder for tests of the pipeline and its processes: an image's row is its mean colour.

It goes through the same code as a real encoder, but its images need no resize, so its processes don't load
torch. It can be made to wait, fail or die at a white image.
"""

from __future__ import annotations

import io
import os
import signal
import tarfile
import time
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.grouping.embedding.pipeline import Encoder
from triptych.grouping.embedding.preprocess import InputShape

WHITE = (255, 255, 255)


class ColourOn(msgspec.Struct, frozen=True):
    """Makes the encoder in a process. ``marker`` is a file that is created at a white image."""

    at_white: Literal["go on", "die once", "die", "fail once", "wait"] = "go on"
    marker: str = ""

    def __call__(self, device: str) -> Encoder:
        return ColourEncoder(self)


class ColourEncoder:
    """Encodes images as their mean colours."""

    shape = InputShape(height_px=8, width_px=8, resize_mode="squash")

    def __init__(self, settings: ColourOn) -> None:
        self._settings = settings

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        """``float16[n, 3]`` unit rows."""
        means = pixels.mean(axis=(1, 2), dtype=np.float64) + 1
        if (pixels.min(axis=(1, 2, 3)) == 255).any():
            self._at_white()
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float16)

    def _at_white(self) -> None:
        wanted, marker = self._settings.at_white, Path(self._settings.marker)
        if wanted == "go on" or (wanted.endswith("once") and marker.exists()):
            return
        marker.touch()
        if wanted == "fail once":
            raise RuntimeError("CUDA error: unspecified launch failure")
        if wanted == "wait":
            time.sleep(600)
        os.kill(os.getpid(), signal.SIGKILL)


def save_tars(folder: Path, count: int, images: int, white_in: int | None = None) -> Path:
    """``count`` tars of images, each in one random colour; tar ``white_in`` ends with a white one."""
    folder.mkdir()
    rng = np.random.default_rng(2)
    for number in range(count):
        with tarfile.open(folder / f"sa_{number:06d}.tar", "w") as archive:
            for image in range(images):
                is_white = number == white_in and image == images - 1
                colour = WHITE if is_white else tuple(rng.integers(0, 255, 3).tolist())
                buffer = io.BytesIO()
                Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
                member = tarfile.TarInfo(f"sa_{image}.png")
                member.size = len(buffer.getvalue())
                archive.addfile(member, io.BytesIO(buffer.getvalue()))
    return folder


def bytes_of(run: Path) -> dict[str, bytes]:
    """The content of every complete file of a run's images and embeddings, by path."""
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for name in ("images", "embeddings")
        for path in sorted((run / name).rglob("*"))
        if path.is_file() and path.suffix != ".part"
    }


def load_colours(checkpoint: object, device: str, **settings: object) -> ColourEncoder:
    """Replaces ``load_encoder``."""
    return ColourEncoder(ColourOn())
