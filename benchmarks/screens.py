"""What screens find, and what they cost: the share of pictures that each leaves out with its threshold.

    python -m benchmarks.screens PHOTOGRAPHS [--chinese-font FONT]

Comes in: a folder of good photographs. Goes out: for them, for copies that are blurred, darkened or
brightened step by step, for plain pictures, for pages of text in English and Chinese as scanned and as
photographed, and for patterns that could be taken for text, the share that each screen leaves out, alone.
All are JPEGs of quality 90 and go the way of an image of a run. Without a Chinese font there are no Chinese
pages. Where photographs are missing it says so and ends.
"""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.record import record, refuse_dirty_tree
from triptych.grouping.embedding.measures import measure
from triptych.grouping.embedding.prepare import prepare
from triptych.grouping.embedding.preprocess import InputShape
from triptych.grouping.screens import SCREENS
from triptych.records import ImageRecord
from triptych.sources.shard import FoundFile

SHAPE = InputShape(height_px=224, width_px=224)
COPIED = 300
"""Photographs, drawn evenly, of which copies are made."""
BLUR_SHARES = (0.0015, 0.003, 0.005, 0.008, 0.012, 0.02)
"""Radius of the blur over the longer side."""
LIGHT_SHARES = (0.5, 0.3, 0.2, 0.1, 0.05)
CHINESE_FONT = Path("/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc")
ENGLISH = "light falls on the table; a page of text holds little that a caption could say about it"
CHINESE = "光落在桌子上一页文字几乎没有什么可说的图像描述需要看见东西人们走过街道树下有水和山"
A4 = (1240, 1754)

Picture = Image.Image


def blurred(share: float) -> Callable[[Picture], Picture]:
    """Copies with a radius of ``share`` of the longer side."""
    return lambda picture: picture.filter(ImageFilter.GaussianBlur(share * max(picture.size)))


def darker(share: float) -> Callable[[Picture], Picture]:
    """Copies with ``share`` of the light."""
    return lambda picture: picture.point(lambda level: round(share * level))


def brighter(share: float) -> Callable[[Picture], Picture]:
    """Copies that are ``share`` as far from white."""
    return lambda picture: picture.point(lambda level: 255 - round(share * (255 - level)))


def plain(rng: np.random.Generator) -> Iterator[Picture]:
    """One colour each, with grain of up to 2 levels, some with a soft slope of up to 8 levels."""
    for number in range(200):
        slope = np.linspace(0, 8 * (number % 2), 480)[None, :, None]
        pixels = rng.integers(10, 245, 3) + slope + rng.normal(0, number % 3, (320, 480, 3))
        yield Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def page(
    rng: random.Random, font: ImageFont.FreeTypeFont, words: Iterable[str], columns: int, filled: float
) -> Picture:
    """A4 with lines of ``words``, dark on light or the other way round; ``filled``: how far down."""
    paper, ink = (rng.randint(235, 255), rng.randint(0, 60)) if rng.random() < 0.8 else (25, 230)
    picture = Image.new("RGB", A4, (paper,) * 3)
    draw, choice = ImageDraw.Draw(picture), list(words)
    margin, size = A4[0] // 12, round(font.size)
    wide = (A4[0] - 2 * margin - 40 * (columns - 1)) // columns
    for column in range(columns):
        top = margin
        while top < margin + filled * (A4[1] - 2 * margin):
            line, length = "", wide * (0.5 if rng.random() < 0.12 else 1)
            while rng.random() < 0.99 and font.getlength(line + choice[0]) < length - size:
                line += rng.choice(choice)
            draw.text((margin + column * (wide + 40), top), line, font=font, fill=(ink,) * 3)
            top += round(size * (1.45 if rng.random() < 0.9 else 2.5))
    return picture


def latin_font(size_px: int) -> ImageFont.FreeTypeFont:
    """Pillow's own."""
    font = ImageFont.load_default(size_px)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def pages(fonts: Callable[[int], ImageFont.FreeTypeFont], words: Iterable[str], seed: int) -> list[Picture]:
    """In sizes of 22 to 64 pixels, in one and two columns, full and half full."""
    rng, words = random.Random(seed), list(words)
    return [
        page(rng, fonts(size), words, columns, filled)
        for size in (22, 28, 36, 48, 64)
        for columns in (1, 2)
        for filled in (1.0, 0.5)
        for _ in range(3)
    ]


def photographed(picture: Picture, rng: np.random.Generator) -> Picture:
    """Turned by up to 3 degrees, with a third less light towards one side, and grain."""
    paper = picture.getpixel((0, 0))
    turned = picture.rotate(rng.uniform(-3, 3), Image.Resampling.BICUBIC, fillcolor=paper)
    light = np.linspace(rng.uniform(0.67, 1), rng.uniform(0.67, 1), turned.width)[None, :, None]
    pixels = np.asarray(turned) * light + rng.normal(0, 6, (turned.height, turned.width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def patterns() -> dict[str, list[Picture]]:
    """Cloth over the whole picture, in repeats of 12 to 80 pixels, and signs with large letters."""
    stripes, checks, dots = [], [], []
    for step in (12, 16, 24, 32, 48, 80):
        cloth = Image.new("RGB", (800, 1000), (240, 240, 240))
        for left in range(0, 800, step):
            cloth.paste((40, 40, 90), (left, 0, left + round(0.4 * step), 1000))
        stripes += [cloth, cloth.transpose(Image.Transpose.ROTATE_90)]
        for top in range(0, 1000, step):
            cloth.paste((40, 40, 90), (0, top, 800, top + round(0.4 * step)))
        checks.append(cloth)
        dotted = Image.new("RGB", (800, 1000), (240, 240, 240))
        draw = ImageDraw.Draw(dotted)
        for left in range(0, 800, step):
            for top in range(0, 1000, step):
                draw.ellipse((left, top, left + 0.4 * step, top + 0.4 * step), fill=(40, 40, 90))
        dots.append(dotted)
    signs = []
    for size in (90, 120, 160, 220):
        for word in ("FRESH\nBREAD", "Café", "EXIT", "12"):
            sign = Image.new("RGB", (900, 700), (250, 245, 235))
            ImageDraw.Draw(sign).text((60, 80), word, font=ImageFont.load_default(size), fill=(180, 0, 0))
            signs.append(sign)
    return {"stripes": stripes, "checks": checks, "dots": dots, "signs": signs}


def shares(pictures: Iterable[Picture], pool: ThreadPoolExecutor) -> dict[str, float]:
    """Of ``pictures`` the share that each screen leaves out, but for those that leave out none."""
    records = list(pool.map(_as_record, pictures))
    found = {}
    for screen in SCREENS:
        values = [screen.measure(each) for each in records]
        out = sum(value is not None and bool(screen.is_violated(value, screen.threshold)) for value in values)
        if out:
            found[screen.name] = round(out / len(records), 4)
    return found


def _as_record(picture: Picture) -> ImageRecord:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    prepared = prepare(FoundFile(key="x.jpg", content=buffer.getvalue()), SHAPE)
    assert prepared.record.measures is not None
    return prepared.record


@click.command()
@click.argument("photographs", type=click.Path(path_type=Path))
@click.option("--chinese-font", type=click.Path(path_type=Path), default=CHINESE_FONT)
def main(photographs: Path, chinese_font: Path) -> None:
    """Measure and commit the result."""
    refuse_dirty_tree()
    paths = sorted(path for path in photographs.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not paths:
        sys.exit(f"no photographs in {photographs}: nothing is measured")
    random.Random(5).shuffle(paths)
    rng = np.random.default_rng(6)
    found: dict[str, object] = {}
    with ThreadPoolExecutor(2) as pool:
        found["photographs"] = shares(map(_load, paths), pool)
        copied = [_load(path) for path in paths[:COPIED]]
        for share in BLUR_SHARES:
            found[f"blurred by {share:.2%} of the longer side"] = shares(map(blurred(share), copied), pool)
        for share in LIGHT_SHARES:
            found[f"{share:.0%} of the light"] = shares(map(darker(share), copied), pool)
        for share in LIGHT_SHARES:
            found[f"{share:.0%} as far from white"] = shares(map(brighter(share), copied), pool)
        found["plain"] = shares(plain(rng), pool)
        written = {"English": pages(latin_font, (f"{word} " for word in ENGLISH.split()), 7)}
        if chinese_font.exists():
            written["Chinese"] = pages(lambda size: ImageFont.truetype(chinese_font, size), CHINESE, 8)
        for language, some in written.items():
            found[f"pages in {language}"] = shares(some, pool)
            found[f"pages in {language}, photographed"] = shares((photographed(p, rng) for p in some), pool)
        for name, some in patterns().items():
            found[name] = shares(some, pool)
    record(
        "screens",
        "python -m benchmarks.screens PHOTOGRAPHS",
        {
            "thresholds": {screen.name: screen.threshold for screen in SCREENS},
            "photographs": len(paths),
            "copied": len(copied),
            "ms_per_image": round(_ms_per_image(copied), 2),
            "share_left_out": found,
        },
    )


def _ms_per_image(pictures: list[Picture]) -> float:
    import time

    began = time.process_time()
    for picture in pictures:
        measure(picture)
    return 1000 * (time.process_time() - began) / len(pictures)


def _load(path: Path) -> Picture:
    return Image.open(path).convert("RGB")


if __name__ == "__main__":
    main()
