"""Pictures of unseen scenes, drawn and encoded like those of the demo's archive."""

import io
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image

from triptych.demo.painting import paint
from triptych.demo.scene import Scene, imagine_scene, vary_scene

SIZES_PX = ((2250, 1500), (2000, 1500), (1500, 2000))
SET_SIZES = (2, 3, 4, 5)


def unseen_series(first: int, index: int) -> list[Scene]:
    """Set ``index``: a scene and its variations, two to five in total."""
    scene = imagine_scene("unseen", first + index)
    return [scene, *(vary_scene(scene, "unseen", n) for n in range(SET_SIZES[index % len(SET_SIZES)] - 1))]


@lru_cache(maxsize=4096)
def squashed(scene: Scene, size: int) -> Image.Image:
    """``scene`` in ``SIZES_PX[size]``, encoded as a file, squashed, encoded again for a request."""
    width, height = SIZES_PX[size % len(SIZES_PX)]
    file = through_jpeg(paint(scene, width, height), 90)
    return through_jpeg(file.resize((112, 112), Image.Resampling.BICUBIC), 95)


def through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """``image`` encoded as JPEG and decoded again."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def true_things(scenes: Sequence[Scene]) -> list[set[tuple[str, str]]]:
    """(colour, kind) of the things of each scene."""
    return [{(thing.colour, thing.kind) for thing in scene.things} for scene in scenes]
