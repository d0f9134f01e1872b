"""Scenes that no model was trained on and that no demo contains.

Comes in: a folder, a number. Goes out: ``images/`` with that many drawn scenes in series of related ones, and
``truth.jsonl`` with their contents. If the file exists, nothing is drawn again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import msgspec

from triptych.demo.archive import SERIES_SIZES
from triptych.demo.painting import paint
from triptych.demo.scene import Scene, imagine_scene, vary_scene
from triptych.runs.jsonl import write_jsonl

SIZE_PX = (750, 500)


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of one picture."""

    key: str
    scene: Scene


def draw_fresh_scenes(folder: Path, count: int, first_series: int) -> dict[str, Truth]:
    """Draw ``count`` pictures into ``folder/images``. Returns their contents by key."""
    truth_file = folder / "truth.jsonl"
    if not truth_file.exists():
        (folder / "images").mkdir(parents=True, exist_ok=True)
        write_jsonl(
            truth_file, [_draw(folder, number, scene) for number, scene in _scenes(count, first_series)]
        )
    decoder = msgspec.json.Decoder(Truth)
    truths = (decoder.decode(line) for line in truth_file.read_bytes().splitlines())
    return {truth.key: truth for truth in truths}


def _scenes(count: int, first_series: int) -> Iterator[tuple[int, Scene]]:
    made = 0
    for series, size in enumerate(cycle(SERIES_SIZES)):
        first = imagine_scene("unseen", first_series + series)
        for scene in (first, *(vary_scene(first, "unseen", index) for index in range(size - 1))):
            if made == count:
                return
            yield made, scene
            made += 1


def _draw(folder: Path, number: int, scene: Scene) -> Truth:
    name = f"{number:04d}.jpg"
    paint(scene, *SIZE_PX).save(folder / "images" / name, quality=90)
    return Truth(key=name, scene=scene)
