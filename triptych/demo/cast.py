"""Which pictures the demo's archive holds, and what is true of each.

Comes in: nothing but the constants below. Goes out: one Picture per file, in file order, always the
same. Series of related scenes make sets; planted copies make duplicates; damaged files make
unreadable ones. Not its job: drawing or packing them (see archive).
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Literal

import msgspec

from triptych.demo.scene import Scene, imagine_scene, vary_scene

SERIES_SIZES = (2, 3, 4, 3, 5, 1) * 12
"""How many scenes each series has; a series of one is a picture with no close relation."""
EXACT_COPIES = 10
NEAR_COPIES = 24
DAMAGED = 6
SIZES_PX = ((2250, 1500), (2000, 1500), (1500, 2000), (2250, 1500))
"""Width and height; SA-1B's shortest side is 1500."""
PICTURES_PER_TAR = 128

Planted = Literal["exact copy", "near copy", "damaged"]


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the demo's archive and the truth about it."""

    key: str
    theme: str
    things: list[tuple[str, str]]
    """``(colour, kind)`` from left to right."""
    width_px: int
    height_px: int
    planted: Planted | None = None
    of: str | None = None
    """The key that this one is a copy of."""
    variant: int = 0
    """Which way of copying or damaging."""
    scene: int = 0
    """Index into the cast's scenes."""


def cast() -> tuple[list[Scene], list[Picture]]:
    """All distinct scenes, and every picture in file order."""
    scenes = list(_distinct_scenes())
    rng = Random(20)
    originals = [(index, None, 0) for index in range(len(scenes))]
    copied = rng.sample(range(len(scenes)), EXACT_COPIES + NEAR_COPIES + DAMAGED)
    plants: list[tuple[int, Planted | None, int]] = [
        *((index, "exact copy", 0) for index in copied[:EXACT_COPIES]),
        *(
            (index, "near copy", n)
            for n, index in enumerate(copied[EXACT_COPIES : EXACT_COPIES + NEAR_COPIES])
        ),
        *((index, "damaged", n) for n, index in enumerate(copied[EXACT_COPIES + NEAR_COPIES :])),
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
    """The scenes of all series, none with the content of another; all from the unseen split."""
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
    while True:  # every variation was taken: go on with other scenes
        yield imagine_scene("unseen", attempt)
        attempt += 1_000
