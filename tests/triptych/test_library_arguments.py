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
        (lambda: triptych.caption([], config={}), "config: found dict; expected CaptioningConfig or None"),
        (lambda: triptych.open_run("run", 3), "sources: found int; expected Iterable"),
        (lambda: triptych.open_run(3), "path: found int; expected str or PathLike"),
        (lambda: triptych.open_run("run", ["photos"], settings=3), "settings: found int; expected Mapping"),
        (lambda: triptych.open_run("run", ["photos"], settings={3: 4}), "a key of settings: found int"),
        (lambda: triptych.open_run("run", ["photos"], config={}), "config: found dict; expected Config"),
        (lambda: triptych.open_run("run", embeddings=3), "embeddings: found int; expected str or PathLike"),
        (lambda: triptych.load_config(3), "preset: found int; expected str or None"),
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
        ({"limit": "3"}, "jobs.long_en.limit: expected `int | null`; found `str`"),
        ({"language": 3}, "jobs.long_en.language: expected `str`; found `int`"),
    ],
)
def test_an_invalid_job_is_a_usage_error(values: dict[str, Any], message: str) -> None:
    """Its name has to leave room in the names of exported files."""
    with pytest.raises(UsageError, match=message):
        triptych.Job(**{"name": "long_en", "subject": "image", "language": "en"} | values)


FIELDS = [
    (kind, name)
    for kind in (
        *(triptych.CaptioningConfig, triptych.ServerConfig, triptych.TransformersConfig),
        *(triptych.LmdeployConfig, triptych.FilteringConfig, triptych.SetsConfig, triptych.ScreensConfig),
        *(triptych.Config, triptych.Job, triptych.Language),
    )
    for name in kind.__struct_fields__
]


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=[f"{kind.__name__}.{name}" for kind, name in FIELDS])
def test_a_setting_of_another_type_is_a_usage_error(kind: type, name: str) -> None:
    """Also in Python, where msgspec doesn't check it."""
    given = {"code": "xx"} if kind is triptych.Language else {}
    given = {"name": "a", "subject": "image", "language": "en"} if kind is triptych.Job else given

    with pytest.raises(UsageError):
        kind(**given | {name: b"sekrit"})


def test_the_value_of_a_setting_of_another_type_is_not_printed() -> None:
    """It may be a secret."""
    with pytest.raises(UsageError, match=r"captioning\.server\.headers: expected `object`; found `str`$"):
        triptych.ServerConfig(headers="Authorization: sekrit")  # type: ignore[arg-type]


def test_numbers_of_numpy_are_settings() -> None:
    """As a search for thresholds has them."""
    config = triptych.SetsConfig(duplicate_cosine_similarity=np.float64(0.9), max_sets=np.int64(3))

    assert (0.9, 3) == (config.duplicate_cosine_similarity, config.max_sets)


def test_a_setting_out_of_range_is_a_usage_error() -> None:
    """In Python as in a file."""
    with pytest.raises(UsageError, match=r"sets\.min_images is 1"):
        triptych.SetsConfig(min_images=1)
