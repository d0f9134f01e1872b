"""The demo's images: drawn scenes packed like SA-1B, with planted copies and damaged files.

Comes in: a folder. Goes out: ``images/sa_000000.tar`` and ``images/sa_000001.tar`` (bare ``sa_N.jpg`` and
``sa_N.json``, 1500 pixels on the shortest side) and ``truth.jsonl``, one Picture per file; deterministic.
Series of related scenes become sets; copies become duplicates; damaged files become unreadable images.
Existing tars are not drawn again. Not its job: how scenes look (see painting).
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from itertools import groupby, islice
from pathlib import Path
from random import Random
from typing import Literal

import msgspec
from PIL import Image, ImageEnhance

from triptych.demo.painting import paint
from triptych.demo.scene import Scene, imagine_scene, vary_scene
from triptych.executors import PerUnit, in_order
from triptych.executors.local import LocalExecutor
from triptych.executors.processes import core_count
from triptych.progress import Progress
from triptych.runs.jsonl import write_jsonl, written_whole

SERIES_SIZES = (2, 3, 4, 3, 5, 1) * 12
"""How many scenes each series has; a series of one is a picture without related ones."""
EXACT_COPIES = 10
NEAR_COPIES = 24
DAMAGED = 6
SIZES_PX = ((2250, 1500), (2000, 1500), (1500, 2000), (2250, 1500))
"""Width and height; SA-1B's shortest side is 1500."""
PICTURES_PER_TAR = 128
JPEG_QUALITY = 90

Planted = Literal["exact copy", "near copy", "damaged"]


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the demo's archive, and what it shows."""

    key: str
    theme: str
    things: list[tuple[str, str]]
    """``(colour, kind)`` from left to right."""
    width_px: int
    height_px: int
    planted: Planted | None = None
    of: str | None = None
    """The key of the picture that this one is a copy of."""
    variant: int = 0
    """Selects the way of copying or damaging."""
    scene: int = 0
    """The index of its scene."""


def plan_pictures() -> tuple[list[Scene], list[Picture]]:
    """All scenes, and every picture of the archive in file order."""
    scenes = list(_distinct_scenes())
    rng = Random(20)
    originals = [(index, None, 0) for index in range(len(scenes))]
    chosen = iter(rng.sample(range(len(scenes)), EXACT_COPIES + NEAR_COPIES + DAMAGED))
    plants: list[tuple[int, Planted | None, int]] = [
        *((index, "exact copy", 0) for index in islice(chosen, EXACT_COPIES)),
        *((index, "near copy", n) for n, index in enumerate(islice(chosen, NEAR_COPIES))),
        *((index, "damaged", n) for n, index in enumerate(chosen)),
    ]
    order = [*originals, *plants]
    rng.shuffle(order)
    key_of = {
        index: _key(number) for number, (index, planted, _) in enumerate(order, start=1) if planted is None
    }
    return scenes, [
        Picture(
            key=_key(number),
            theme=scenes[index].theme,
            things=[(thing.colour, thing.kind) for thing in scenes[index].things],
            width_px=SIZES_PX[index % len(SIZES_PX)][0],
            height_px=SIZES_PX[index % len(SIZES_PX)][1],
            planted=planted,
            of=key_of[index] if planted in ("exact copy", "near copy") else None,
            variant=variant,
            scene=index,
        )
        for number, (index, planted, variant) in enumerate(order, start=1)
    ]


def _key(number: int) -> str:
    return f"sa_{(number - 1) // PICTURES_PER_TAR:06d}/sa_{number}.jpg"


def _distinct_scenes() -> Iterator[Scene]:
    """The scenes of all series, all from the unseen split, without repeated content."""
    seen: set[tuple[object, ...]] = set()
    for series, size in enumerate(SERIES_SIZES):
        candidates = _series(series)
        made = 0
        while made < size:
            scene = next(candidates)
            content = (scene.theme, *((thing.colour, thing.kind) for thing in scene.things))
            if content not in seen:
                seen.add(content)
                made += 1
                yield scene


def _series(number: int) -> Iterator[Scene]:
    first = imagine_scene("unseen", number)
    yield first
    for index in range(1000):
        yield vary_scene(first, "unseen", index)
    attempt = 1_000_000 + number
    while True:  # every variation was taken: continue with other scenes
        yield imagine_scene("unseen", attempt)
        attempt += 1_000


def draw_archive(folder: Path, progress: Progress) -> None:
    """Draw and pack the tars of the demo's archive that are missing in ``folder``, and write truth.jsonl."""
    scenes, pictures = plan_pictures()
    tars = {name: list(members) for name, members in groupby(pictures, key=lambda p: p.key.split("/")[0])}
    missing = [name for name in tars if not (folder / "images" / f"{name}.tar").exists()]
    if missing:
        wanted = [picture for name in missing for picture in tars[name]]
        workers = map(str, range(core_count()))
        with (
            progress.task("draw scenes", len(wanted), "images") as task,
            LocalExecutor(workers, PerUnit(_start_drawing), purpose="draws scenes") as executor,
        ):
            jpegs = in_order(executor, ((picture, scenes[picture.scene]) for picture in wanted))
            for name in missing:
                path = folder / "images" / f"{name}.tar"
                with written_whole(path) as file, tarfile.open(fileobj=file, mode="w") as archive:
                    for picture, jpeg in zip(tars[name], jpegs, strict=False):
                        _add_member(archive, picture, jpeg)
                        task.advance(1)
    write_jsonl(folder / "truth.jsonl", pictures)


def _add_member(archive: tarfile.TarFile, picture: Picture, jpeg: bytes) -> None:
    name = picture.key.split("/")[1]
    sidecar = {
        "image": {
            "image_id": int(name.removeprefix("sa_").removesuffix(".jpg")),
            "width": picture.width_px,
            "height": picture.height_px,
            "file_name": name,
        },
        "annotations": [],
    }
    for member, content in ((name, jpeg), (name.replace(".jpg", ".json"), msgspec.json.encode(sidecar))):
        header = tarfile.TarInfo(member)
        header.size = len(content)
        archive.addfile(header, io.BytesIO(content))


def _start_drawing(worker: str) -> Callable[[tuple[Picture, Scene]], bytes]:
    """The function that a worker calls for each picture."""
    return _draw


def _draw(task: tuple[Picture, Scene]) -> bytes:
    """The bytes of one file: the scene, a copy of it, or a damaged one."""
    picture, scene = task
    image = paint(scene, picture.width_px, picture.height_px)
    match picture.planted:
        case "near copy":
            return _near_copy(image, picture.variant)
        case "damaged":
            return _damage(_jpeg(image, JPEG_QUALITY), picture.variant)
        case _:
            return _jpeg(image, JPEG_QUALITY)


def _near_copy(image: Image.Image, variant: int) -> bytes:
    """A copy as found on the web: compressed, shrunk and enlarged, cropped, or brightened."""
    match variant % 4:
        case 0:
            return _jpeg(image, 45)
        case 1:
            small = image.resize((image.width * 2 // 5, image.height * 2 // 5), Image.Resampling.BICUBIC)
            return _jpeg(small.resize(image.size, Image.Resampling.BICUBIC), 80)
        case 2:
            trim_x, trim_y = image.width // 80, image.height // 80
            trimmed = image.crop((trim_x, trim_y, image.width - trim_x, image.height - trim_y))
            return _jpeg(trimmed.resize(image.size, Image.Resampling.BICUBIC), 85)
        case _:
            return _jpeg(ImageEnhance.Brightness(image).enhance(1.05), 75)


def _damage(jpeg: bytes, variant: int) -> bytes:
    """The bytes of a file that no decoder accepts."""
    match variant % 3:
        case 0:
            return jpeg[: len(jpeg) // 2]
        case 1:
            return b""
        case _:
            return Random(variant).randbytes(4096)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
