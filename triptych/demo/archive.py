"""The demo's images: drawn scenes packed like SA-1B, with copies and damage planted.

Comes in: a folder. Goes out: ``images/sa_000000.tar`` and ``images/sa_000001.tar`` (bare ``sa_N.jpg``
and ``sa_N.json``, 1500 pixels on the shortest side) and ``truth.jsonl``, always the same. A tar that
is there already is not drawn again.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from random import Random

import msgspec
from PIL import Image, ImageEnhance

from triptych.demo.cast import Picture, cast
from triptych.demo.painting import paint
from triptych.demo.scene import Scene
from triptych.executors import Each, in_order
from triptych.executors.local import LocalExecutor
from triptych.progress import Progress
from triptych.runs.jsonl import write_jsonl, written_whole

JPEG_QUALITY = 90


def draw_archive(folder: Path, progress: Progress) -> None:
    """Draw and pack whatever of the demo's archive isn't in ``folder`` yet."""
    scenes, pictures = cast()
    tars = {name: list(members) for name, members in groupby(pictures, key=lambda p: p.key.split("/")[0])}
    missing = [name for name in tars if not (folder / "images" / f"{name}.tar").exists()]
    if missing:
        wanted = [picture for name in missing for picture in tars[name]]
        workers = map(str, range(len(os.sched_getaffinity(0))))
        with (
            progress.task("draw scenes", len(wanted), "images") as task,
            LocalExecutor(workers, Each(_artist), purpose="draws scenes") as executor,
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


def _artist(name: str) -> Callable[[tuple[Picture, Scene]], bytes]:
    """What a worker does with a picture."""
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
    """What happens to pictures on the web: squeezed, shrunk and grown, trimmed, brightened."""
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
    """A file that no decoder should accept."""
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
