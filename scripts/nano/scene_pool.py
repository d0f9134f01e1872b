"""A pool of painted training scenes, rendered once into a cache folder.

Comes in: a number of families. Goes out: ``ScenePool``, images as ``uint8[n, 112, 112, 3]`` on disk and their
scenes. A family is one imagined scene and its variations, like a photographer's series of one place: sets are
drawn from families. Images are prepared as at inference: painted, squashed to a square with antialiasing,
encoded as JPEG at quality 95.
"""

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import Pool
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image

from triptych.demo.painting import paint
from triptych.demo.scene import Scene, Split, imagine_scene, vary_scene

SIDE_PX = 112
FAMILY_SIZE = 4
SHORT_SIDE_PX = 224
ASPECT_RATIOS = ((3, 2), (3, 2), (3, 2), (4, 3), (4, 3), (16, 9), (1, 1), (3, 4), (2, 3))
"""(width, height); landscape more often than portrait, as photographs are."""
MAX_CROP = 0.02
"""Share of a side that may be cropped, so that positions vary."""
JPEG_QUALITY = 95

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ScenePool:
    """``images[i]``, ``uint8[112, 112, 3]``, shows ``scenes[i]``; family f starts at index 4 f."""

    images: Images
    scenes: Sequence[Scene]

    @property
    def families(self) -> int:
        """The number of families."""
        return len(self.scenes) // FAMILY_SIZE

    def draw(self, rng: Random, count: int) -> list[int]:
        """Random image indices. Scenes of many things, which are learnt last, come more often."""
        return rng.choices(range(len(self.scenes)), cum_weights=self._weights, k=count)

    @cached_property
    def _weights(self) -> list[int]:
        return list(itertools.accumulate(len(scene.things) ** 2 for scene in self.scenes))


def family(split: Split, index: int) -> list[Scene]:
    """Scene ``index`` of ``split`` and three variations: two of it, one of its first variation."""
    first = imagine_scene(split, index)
    second = vary_scene(first, split, 0)
    return [first, second, vary_scene(first, split, 1), vary_scene(second, split, 2)]


def render(scene: Scene, rng: Random) -> Images:
    """Paint ``scene`` in a random aspect ratio, crop it slightly, squash it: ``uint8[112, 112, 3]``."""
    across, down = rng.choice(ASPECT_RATIOS)
    unit = SHORT_SIDE_PX / min(across, down)
    width, height = round(across * unit), round(down * unit)
    box = (
        rng.uniform(0, MAX_CROP) * width,
        rng.uniform(0, MAX_CROP) * height,
        rng.uniform(1 - MAX_CROP, 1) * width,
        rng.uniform(1 - MAX_CROP, 1) * height,
    )
    painted = paint(scene, width, height)
    return through_jpeg(painted.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC, box))


def through_jpeg(image: Image.Image) -> Images:
    """``image`` encoded as JPEG and decoded again."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    with Image.open(buffer) as decoded:
        return np.asarray(decoded.convert("RGB"))


def open_pool(folder: Path, families: int, workers: int) -> ScenePool:
    """The pool of the first ``families`` training families, rendered into ``folder`` if missing."""
    path = folder / f"train_{families}x{FAMILY_SIZE}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        shape = (families * FAMILY_SIZE, SIDE_PX, SIDE_PX, 3)
        images = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        with Pool(workers) as pool:
            for index, rendered in enumerate(pool.imap(_render_family, range(families), chunksize=32)):
                images[index * FAMILY_SIZE : (index + 1) * FAMILY_SIZE] = rendered
        images.flush()
        partial.rename(path)
    scenes = [scene for index in range(families) for scene in family("train", index)]
    return ScenePool(np.load(path, mmap_mode="r"), scenes)


def _render_family(index: int) -> Images:
    rng = Random(index)
    return np.stack([render(scene, rng) for scene in family("train", index)])
