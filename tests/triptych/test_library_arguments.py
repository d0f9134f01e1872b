"""Arguments of another type are one-line errors of the library's functions, not errors of internals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import triptych
from triptych import CaptionedImages, ImageRecord, UnreadableImageError, UsageError

BOAT = ImageRecord(key="boat.jpg", width_px=4, height_px=3)
NANO = "builtin:nano-clip"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: triptych.rows(None), "captions: found NoneType; expected Iterable"),
        (lambda: triptych.rows([], prompt=None), "prompt: found NoneType; expected str"),
        (lambda: triptych.rows([], ["llava"]), "unknown row format"),
        (lambda: triptych.rows(["A boat."]), "caption 1: .*expected CaptionedImages"),
        (lambda: triptych.rows([CaptionedImages(["boat.jpg"], "A boat.")]), r"caption 1: .*images\[0\]"),
        (lambda: triptych.rows([CaptionedImages(BOAT, "A boat.")]), "caption 1: .*images"),
        (lambda: triptych.rows([CaptionedImages([BOAT], None)]), "caption 1: .*text"),
        (lambda: triptych.rows([CaptionedImages([BOAT], "\ud800")]), "caption 1 can't be written as UTF-8"),
        (lambda: triptych.judge(None), "captions: found NoneType"),
        (lambda: triptych.judge(["A boat."], config={}), "config: found dict; expected FilteringConfig"),
        (lambda: triptych.judge(["A boat."], prompt=3), "prompt: found int; expected str or Prompt"),
        (lambda: triptych.judge(["A boat."], subject="sets"), "subject is 'sets'; expected image or set"),
        (lambda: triptych.group(np.eye(2), config={}), "config: found dict; expected SetsConfig"),
        (lambda: triptych.embed([3], NANO), "image: found int; expected Image"),
        (lambda: triptych.embed("boat.jpg", NANO), r"write embed\(\[image\], model\)"),
        (lambda: triptych.embed([], None), "model: found NoneType; expected str"),
        (lambda: triptych.caption(None), "images: found NoneType"),
        (lambda: triptych.caption([], job=None), "job: found NoneType; expected str or Job"),
        (lambda: triptych.caption([], prompt=3), "prompt: found int"),
        (lambda: triptych.caption([], config={}), "config: found dict; expected CaptioningConfig"),
    ],
)
def test_a_wrong_argument_is_a_usage_error(call: Callable[[], Any], message: str) -> None:
    """It names the argument, and what was expected."""
    with pytest.raises(UsageError, match=message):
        list(call())


def test_a_missing_file_is_an_unreadable_image() -> None:
    """As for ``caption``, it is named."""
    with pytest.raises(UnreadableImageError, match=r"gone\.jpg: No such file"):
        triptych.embed(["gone.jpg"], NANO)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a" * 61}, "at most 60 lower-case letters"),
        ({"name": None}, "job name None"),
        ({"subject": "images"}, "subject is 'images'; expected image or set"),
    ],
)
def test_an_invalid_job_is_a_usage_error(values: dict[str, Any], message: str) -> None:
    """Its name has to leave room in the names of exported files."""
    with pytest.raises(UsageError, match=message):
        triptych.Job(**{"name": "long_en", "subject": "image", "language": "en"} | values)
