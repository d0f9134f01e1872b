"""How a faulty server behaves, decided by a seed: the mishap of each request, and the texts.

Comes in: a request's key, how often it was sent, a seed. Goes out: a mishap's name or None, and texts that
are good, empty, truncated, repetitive, a refusal, or in the wrong language. Not its job: HTTP (see
fault_server).
"""

from __future__ import annotations

import random

NO_ANSWER = (
    "500", "503", "429", "429 with a date", "reset before", "hang", "malformed", "error in a 200",
    "dead node in a 200", "reset in the middle", "error event", "no end",
)  # fmt: skip
"""Mishaps without a caption."""

BAD_TEXT = ("empty", "cut", "loop", "wrong language", "refusal")
"""Mishaps with an unusable caption."""

MISHAPS = (*NO_ANSWER, *BAD_TEXT, "slow")
"""All mishaps. After ``slow``, a good caption comes ten times as late."""

_EN = (
    "The image shows number {key}: a quiet harbour in the morning, where three wooden boats lie beside a"
    " stone wall. Behind them stands a row of white houses with red roofs, and a church tower rises on the"
    " left. A person in a blue coat walks along the quay with a small dog; the sky is pale and cloudless."
)
_ZH = (
    "图中编号为{key}:清晨一个安静的港口,三只木船停靠在石墙旁边。后面是一排红色屋顶的白色房子,左边有一座教堂的塔楼。"
    "一个穿着蓝色外套的人牵着一只小狗沿着码头散步,天空颜色很淡,没有云彩。"
)


def draw_mishap(key: str, time_asked: int, share: float, seed: int) -> str | None:
    """The mishap of a request, always the same for the same ``key``, ``time_asked`` and ``seed``."""
    rng = random.Random(f"{seed}:{key}:{time_asked}")
    return rng.choice(MISHAPS) if rng.random() < share else None


def text_for(key: str, chinese: bool, mishap: str | None) -> tuple[str, str]:
    """The text of the answer, and its finish reason."""
    good = (_ZH if chinese else _EN).format(key=key)
    match mishap:
        case "empty":
            return "", "stop"
        case "cut":
            return good[: len(good) * 2 // 3], "length"
        case "loop":
            return good[: len(good) // 2] + ("红色的屋顶," if chinese else " and a red roof,") * 40, "length"
        case "wrong language":
            return (_EN if chinese else _ZH).format(key=key), "stop"
        case "refusal":
            refusal = "很抱歉,我无法描述这张图片。" if chinese else "I'm sorry, but I can't help with that."
            return refusal, "stop"
        case _:
            return good, "stop"
