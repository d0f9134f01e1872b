"""Accuracy and cost of screens: the share of pictures that each leaves out.

    python -m benchmarks.screens PHOTOGRAPHS [--chinese-font FONT]

Comes in: a folder of good photographs. Goes out: the share that each screen leaves out, of these photographs,
of copies that are blurred, darkened or brightened in several steps, of plain pictures, of pages of text in
English and Chinese, scanned and photographed, and of patterns that might be mistaken for text. All are JPEGs
of quality 90 and are decoded and measured as in a run. Without a Chinese font there are no Chinese pages. If
there are no photographs, the benchmark says so and ends.
"""

from __future__ import annotations

import io
import random
import sys
import time
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
"""The number of photographs, chosen at random, that are copied."""
BLUR_SHARES = (0.0015, 0.003, 0.005, 0.008, 0.012, 0.02)
"""Radius of the blur divided by the longer side."""
LIGHT_SHARES = (0.5, 0.3, 0.2, 0.1, 0.05)
CHINESE_FONT = Path("/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc")
ENGLISH = "light falls on the table; a page of text holds little that a caption could say about it"
CHINESE = "光落在桌子上一页文字几乎没有什么可说的图像描述需要看见东西人们走过街道树下有水和山"
A4 = (1240, 1754)

Picture = Image.Image


def blurred(share: float) -> Callable[[Picture], Picture]:
    """A function that blurs with a radius of ``share`` of the longer side."""
    return lambda picture: picture.filter(ImageFilter.GaussianBlur(share * max(picture.size)))


def darker(share: float) -> Callable[[Picture], Picture]:
    """A function that reduces the light to ``share``."""
    return lambda picture: picture.point(lambda level: round(share * level))


def brighter(share: float) -> Callable[[Picture], Picture]:
    """A function that reduces the distance from white to ``share``."""
    return lambda picture: picture.point(lambda level: 255 - round(share * (255 - level)))


def plain(rng: np.random.Generator) -> Iterator[Picture]:
    """Pictures of one colour with noise of up to 2 levels, half of them with a gradient of up to 8 levels."""
    for number in range(200):
        slope = np.linspace(0, 8 * (number % 2), 480)[None, :, None]
        pixels = rng.integers(10, 245, 3) + slope + rng.normal(0, number % 3, (320, 480, 3))
        yield Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def page(
    rng: random.Random, font: ImageFont.FreeTypeFont, words: Iterable[str], columns: int, filled: float
) -> Picture:
    """An A4 page of text, dark on light or inverted, ``filled`` to a share of its height."""
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
    """Pillow's default font."""
    font = ImageFont.load_default(size_px)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def pages(fonts: Callable[[int], ImageFont.FreeTypeFont], words: Iterable[str], seed: int) -> list[Picture]:
    """Pages with letters of 22 to 64 pixels, in one and two columns, full and half full."""
    rng, words = random.Random(seed), list(words)
    return [
        page(rng, fonts(size), words, columns, filled)
        for size in (22, 28, 36, 48, 64)
        for columns in (1, 2)
        for filled in (1.0, 0.5)
        for _ in range(3)
    ]


def photographed(picture: Picture, rng: np.random.Generator) -> Picture:
    """The page rotated by up to 3 degrees, with up to a third less light at one side, and noise."""
    paper = picture.getpixel((0, 0))
    turned = picture.rotate(rng.uniform(-3, 3), Image.Resampling.BICUBIC, fillcolor=paper)
    light = np.linspace(rng.uniform(0.67, 1), rng.uniform(0.67, 1), turned.width)[None, :, None]
    pixels = np.asarray(turned) * light + rng.normal(0, 6, (turned.height, turned.width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def patterns() -> dict[str, list[Picture]]:
    """Textile patterns with periods of 12 to 80 pixels, and signs with large letters."""
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


def shares_left_out(pictures: Iterable[Picture], pool: ThreadPoolExecutor) -> dict[str, float]:
    """The share of ``pictures`` that each screen leaves out, without screens that leave out none."""
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
    """Measure and record the result."""
    refuse_dirty_tree()
    paths = sorted(path for path in photographs.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not paths:
        sys.exit(f"no photographs in {photographs}; nothing to measure")
    random.Random(5).shuffle(paths)
    rng = np.random.default_rng(6)
    found: dict[str, object] = {}
    with ThreadPoolExecutor(2) as pool:
        found["photographs"] = shares_left_out(map(_load, paths), pool)
        copied = [_load(path) for path in paths[:COPIED]]
        for share in BLUR_SHARES:
            name = f"blurred by {share:.2%} of the longer side"
            found[name] = shares_left_out(map(blurred(share), copied), pool)
        for share in LIGHT_SHARES:
            found[f"{share:.0%} of the light"] = shares_left_out(map(darker(share), copied), pool)
        for share in LIGHT_SHARES:
            found[f"{share:.0%} as far from white"] = shares_left_out(map(brighter(share), copied), pool)
        found["plain"] = shares_left_out(plain(rng), pool)
        written = {"English": pages(latin_font, (f"{word} " for word in ENGLISH.split()), 7)}
        if chinese_font.exists():
            written["Chinese"] = pages(lambda size: ImageFont.truetype(chinese_font, size), CHINESE, 8)
        for language, some in written.items():
            found[f"pages in {language}"] = shares_left_out(some, pool)
            photos = (photographed(each, rng) for each in some)
            found[f"pages in {language}, photographed"] = shares_left_out(photos, pool)
        for name, some in patterns().items():
            found[name] = shares_left_out(some, pool)
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
    began = time.process_time()
    for picture in pictures:
        measure(picture)
    return 1000 * (time.process_time() - began) / len(pictures)


def _load(path: Path) -> Picture:
    return Image.open(path).convert("RGB")


if __name__ == "__main__":
    main()
