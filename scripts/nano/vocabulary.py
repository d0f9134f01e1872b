"""The words for themes, places, colours and kinds, and how to join them, in both languages.

Comes in: names from ``triptych.demo.scene``. Goes out: phrases. Not its job: whole captions (see wording).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class ThemePhrases(msgspec.Struct, frozen=True):
    """How a theme is described: its noun phrase, and a caption's first and last sentence.

    ``place_first`` chooses between "on the left is a car" and "a car is on the left"
    (in Chinese between "左边是" and "左边有").
    """

    name: str
    opening: str
    closing: str
    place_first: bool


THEMES_EN: dict[str, ThemePhrases] = {
    "harbour": ThemePhrases(
        "a harbour",
        "This picture shows a calm harbour by the open sea.",
        "Small waves glitter on the blue water.",
        True,
    ),
    "street": ThemePhrases(
        "a street",
        "This is a quiet street lined with grey buildings.",
        "The road runs along the front.",
        False,
    ),
    "meadow": ThemePhrases(
        "a meadow",
        "A sunny meadow spreads out under soft clouds.",
        "Gentle green hills rise behind.",
        True,
    ),
    "snowfield": ThemePhrases(
        "a snowfield",
        "The picture shows a white snowfield on a cold day.",
        "Snowflakes drift down through the pale air.",
        False,
    ),
    "night": ThemePhrases(
        "a night scene",
        "It is a clear night full of stars.",
        "The moon shines over the dark hills.",
        True,
    ),
    "beach": ThemePhrases(
        "a beach",
        "This is a sandy beach on a bright day.",
        "Foam washes up where the sea meets the sand.",
        False,
    ),
}

THEMES_ZH: dict[str, ThemePhrases] = {
    "harbour": ThemePhrases(
        "港口",
        "图中是一个宁静的港口，面向开阔的大海。",
        "蓝色的水面上泛着细小的波浪。",
        True,
    ),
    "street": ThemePhrases(
        "街道",
        "这是一条安静的街道，两旁是灰色的楼房。",
        "前方是一条平整的马路。",
        False,
    ),
    "meadow": ThemePhrases(
        "草地",
        "阳光照在一片草地上，天上飘着柔和的云朵。",
        "远处是起伏的绿色山丘。",
        True,
    ),
    "snowfield": ThemePhrases(
        "雪地",
        "图中是一片洁白的雪地，天气寒冷。",
        "雪花从空中缓缓飘落。",
        False,
    ),
    "night": ThemePhrases(
        "夜景",
        "这是一个晴朗的夜晚，天空布满星星。",
        "月亮照着远处漆黑的山丘。",
        True,
    ),
    "beach": ThemePhrases(
        "海滩",
        "这是一片明亮的海滩，沙子细软。",
        "海浪在岸边卷起白沫。",
        False,
    ),
}

PLACES_EN: dict[str, str] = {
    "left": "on the left",
    "left of the middle": "left of the middle",
    "middle": "in the middle",
    "right of the middle": "right of the middle",
    "right": "on the right",
}

PLACES_ZH: dict[str, str] = {
    "left": "左边",
    "left of the middle": "中间偏左",
    "middle": "中间",
    "right of the middle": "中间偏右",
    "right": "右边",
}

COLOURS_ZH: dict[str, str] = {
    "red": "红色",
    "orange": "橙色",
    "yellow": "黄色",
    "green": "绿色",
    "blue": "蓝色",
    "purple": "紫色",
    "pink": "粉色",
    "white": "白色",
}

KINDS_ZH: dict[str, tuple[str, str]] = {
    "sailboat": ("艘", "帆船"),
    "ship": ("艘", "轮船"),
    "lighthouse": ("座", "灯塔"),
    "whale": ("头", "鲸鱼"),
    "balloon": ("个", "热气球"),
    "car": ("辆", "汽车"),
    "bus": ("辆", "巴士"),
    "house": ("座", "房子"),
    "umbrella": ("把", "大伞"),
    "flag": ("面", "旗帜"),
    "flower": ("朵", "花"),
    "mushroom": ("个", "蘑菇"),
    "tent": ("顶", "帐篷"),
    "kite": ("只", "风筝"),
    "sled": ("架", "雪橇"),
    "gift": ("个", "礼盒"),
    "rocket": ("枚", "火箭"),
    "lantern": ("盏", "灯笼"),
    "bucket": ("个", "水桶"),
    "crab": ("只", "螃蟹"),
}
"""(measure word, noun) of each kind."""

KINDS_EN: dict[str, str] = {"balloon": "hot-air balloon", "gift": "gift box"}
"""Kinds whose English name differs from their key."""

NUMBERS_EN: dict[int, str] = {2: "two", 3: "three", 4: "four", 5: "five"}
NUMBERS_ZH: dict[int, str] = {2: "两", 3: "三", 4: "四", 5: "五"}


def named_en(kind: str, colour: str) -> str:
    """The thing with its article: "an orange car"."""
    article = "an" if colour[0] in "aeiou" else "a"
    return f"{article} {colour} {KINDS_EN.get(kind, kind)}"


def named_zh(kind: str, colour: str) -> str:
    """The thing with its measure word: "一辆橙色的汽车"."""
    measure, noun = KINDS_ZH[kind]
    return f"一{measure}{COLOURS_ZH[colour]}的{noun}"


def listed_en(names: Sequence[str]) -> str:
    """Join by commas and "and": "a, b and c"."""
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def listed_zh(names: Sequence[str]) -> str:
    """Join by 、 and 和: "甲、乙和丙"."""
    return "、".join(names[:-1]) + "和" + names[-1] if len(names) > 1 else names[0]
