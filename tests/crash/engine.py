"""A captioning engine for runs that are killed: answers at once, and the same request always alike.

Comes in: requests. Goes out: captions that pass the filter. Each has a mark of its own, so that it can be
found in any file. The marks of all requests are appended to the file that the environment names.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from triptych.captioning.engine import CaptionRequest, Completion
from triptych.captioning.engines import EngineSpec

ASKED = "TRIPTYCH_TESTS_ASKED"
"""The environment variable that names the file for the marks of requests, one per line."""

MARK = re.compile(rb"mark([0-9a-f]{16})")

_EN = (
    ("A narrow street", "A stony beach", "A green valley", "An empty square", "A busy harbour", "A low hill"),
    ("lies in morning light", "is seen from above", "fills the picture", "stretches to the left"),
    ("with a red kite over it", "below three grey clouds", "behind an old fence", "in front of tall pines"),
    ("and two children in yellow hats run past.", "and a brown dog sits beside a bench.",
     "and a white boat drifts far out.", "and a striped tower rises at the edge."),
)  # fmt: skip
_ZH = (
    ("狭窄的街道", "多石的海滩", "绿色的山谷", "空旷的广场", "繁忙的港口", "低矮的小山"),
    ("沐浴在清晨的阳光里，", "从高处向下望去，", "占据了画面的大部分，", "向左侧延伸开去，"),
    ("上方飘着一只红色的风筝，", "天上有三朵灰色的云，", "前面立着一道旧篱笆，", "后面是高大的松树，"),
    (
        "两个戴黄帽子的孩子跑过。",
        "一只棕色的狗坐在长椅旁边。",
        "远处漂着一艘白色的船。",
        "边上立着一座条纹灯塔。",
    ),
)


class _NoSettings(msgspec.Struct, forbid_unknown_fields=True):
    """The engine has no settings."""


class MarkingEngine:
    """Returns captions with marks."""

    group_size = concurrency = slots = 1
    identity: Mapping[str, str] = {"served_model": "marks"}

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        """One completion for each request."""
        return [_answer(request) for request in requests]

    def slot_s(self) -> float:
        """Not measured."""
        return 0.0

    def describe(self) -> str:
        """The engine's name in messages."""
        return "marks"

    def close(self) -> None:
        """There is nothing to close."""


def _answer(request: CaptionRequest) -> Completion:
    digest = hashlib.blake2b(request.prompt.encode(), digest_size=8)
    for image in request.images:
        digest.update(image)
    mark = digest.hexdigest()
    with Path(os.environ[ASKED]).open("a") as asked:
        asked.write(f"{mark}\n")
    if digest.digest()[0] % 12 == 0:
        return Completion(id=request.id, failure=f"refused: mark{mark}")
    is_chinese = re.search("[\u4e00-\u9fff]", request.prompt) is not None
    text = _text(len(request.images), random.Random(mark), is_chinese=is_chinese)
    first, stop, rest = text.partition("。" if is_chinese else ". ")
    text = f"{first} mark{mark}{stop}{rest}"
    return Completion(id=request.id, text=text, finish_reason="stop", prompt_tokens=9)


def _text(images: int, rng: random.Random, *, is_chinese: bool) -> str:
    pools = _ZH if is_chinese else _EN
    glue, name = ("", "图{}:") if is_chinese else (" ", "Image-{}: ")
    parts = [glue.join(map(rng.choice, pools)) for _ in range(max(images, 2))]
    if images == 1:
        return glue.join(parts)
    return glue.join(f"{name.format(number)}{part}" for number, part in enumerate(parts, start=1))


SPEC = EngineSpec(
    name="marks",
    config=_NoSettings,
    open=lambda model, config, limits, logs, say: MarkingEngine(),
    check=lambda model, config: None,
    needs_model=False,
)
