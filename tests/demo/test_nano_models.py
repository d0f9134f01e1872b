"""The embedded models: they load offline with the public calls, are small, and know unseen scenes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from scripts.nano.reading import read_images, read_things
from triptych.demo.painting import paint
from triptych.demo.scene import Scene, imagine_scene, vary_scene
from triptych.jobs import SEED_JOBS
from triptych.prompts import load_prompts, message_parts

MODELS = Path(__file__).parents[2] / "triptych" / "models"
CAPTIONER, CLIP, CHECKER = (MODELS / name for name in ("nano_internvl", "nano_clip", "nano_checker"))
FIRST_SCENE = 500_000
"""Scenes of the unseen split from this index on: neither trained on nor in the demo."""

LOAD_ALL = f"""
import open_clip, transformers
transformers.AutoProcessor.from_pretrained({str(CAPTIONER)!r})
transformers.AutoModelForImageTextToText.from_pretrained({str(CAPTIONER)!r})
transformers.AutoModelForImageTextToText.from_pretrained({str(CHECKER)!r})
open_clip.create_model_and_transforms("local-dir:" + {str(CLIP)!r})
open_clip.get_tokenizer("local-dir:" + {str(CLIP)!r})
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """So small a model is no faster on two, and far slower when another process has one of them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def processor() -> Any:
    return AutoProcessor.from_pretrained(CAPTIONER)


@pytest.fixture(scope="module")
def captioner() -> Any:
    return AutoModelForImageTextToText.from_pretrained(CAPTIONER, dtype=torch.float32).eval()


@pytest.mark.parametrize(("folder", "most_mb"), [(CAPTIONER, 8), (CLIP, 8), (CHECKER, 12)])
def test_a_model_folder_is_small(folder: Path, most_mb: int) -> None:
    """The models ship inside the package."""
    assert most_mb * 1e6 >= sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_all_load_offline() -> None:
    """From their folders alone: no hub, no remote code."""
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}

    done = subprocess.run([sys.executable, "-c", LOAD_ALL], env=offline, capture_output=True, text=True)

    assert 0 == done.returncode, done.stderr


@pytest.mark.parametrize("size_px", [(112, 112), (1500, 1000), (300, 900)])
def test_any_picture_is_one_tile_of_16_tokens(processor: Any, size_px: tuple[int, int]) -> None:
    """So a set of five fits the context many times over."""
    inputs = _inputs(processor, [Image.new("RGB", size_px)], "What is this?")

    assert (1, 3, 112, 112) == tuple(inputs["pixel_values"].shape)
    assert 16 == int((inputs["input_ids"] == processor.image_token_id).sum())


def test_a_set_is_rendered_as_numbered_images(processor: Any) -> None:
    """Image-1, newline, Image-2, newline, prompt: as lmdeploy's server renders the same parts."""
    parts = [{"type": "text", "text": "Image-1: "}, {"type": "image"}, {"type": "text", "text": "Image-2: "}]
    content = [*parts, {"type": "image"}, {"type": "text", "text": "Which is red?"}]

    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

    image = "<IMG_CONTEXT>\n"
    expected = f"<|im_start|>user\nImage-1: {image}Image-2: {image}Which is red?<|im_end|>\n"
    assert expected + "<|im_start|>assistant\n" == text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_single_captions_of_unseen_scenes_are_mostly_right(
    processor: Any, captioner: Any, language: Any
) -> None:
    """At least nine in ten things named with their colour, at most one in ten made up."""
    scenes = [imagine_scene("unseen", FIRST_SCENE + n) for n in range(10)]

    told = [
        set(read_things(_caption(processor, captioner, [scene], f"single_{language}"), language))
        for scene in scenes
    ]

    recall, wrong_share = _score(scenes, told)
    assert recall >= 0.9
    assert wrong_share <= 0.1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_set_captions_of_unseen_scenes_are_mostly_right(
    processor: Any, captioner: Any, language: Any
) -> None:
    """At least eight in ten things told of the right image, at most two in ten made up."""
    scenes, told = [], []
    for n in range(4):
        first = imagine_scene("unseen", FIRST_SCENE + 100 + n)
        series = [first, *(vary_scene(first, "unseen", k) for k in range(1 + n % 3))]
        caption = _caption(processor, captioner, series, f"multi_{language}")
        scenes += series
        told += [set(things) for things in read_images(caption, language, len(series))]

    recall, wrong_share = _score(scenes, told)
    assert recall >= 0.8
    assert wrong_share <= 0.2


def test_clip_tells_copies_from_variations_from_other_themes() -> None:
    """A recompressed copy lies nearest, then a variation, then a scene of another theme."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{CLIP}")
    model.eval()
    scene = imagine_scene("unseen", FIRST_SCENE)
    other = next(
        one for n in range(1, 100) if (one := imagine_scene("unseen", FIRST_SCENE + n)).theme != scene.theme
    )
    pictures = [paint(each, 900, 600) for each in (scene, vary_scene(scene, "unseen", 0), other)]
    pictures.insert(1, _through_jpeg(pictures[0], 45))

    with torch.inference_mode():
        vectors = model.encode_image(torch.stack([preprocess(p) for p in pictures]), normalize=True)

    copy, variation, stranger = (vectors[0] @ vectors[1:].T).tolist()
    assert copy > 0.98
    assert copy > variation > stranger


def _caption(processor: Any, captioner: Any, scenes: Sequence[Scene], job: Any) -> str:
    """The greedy caption of scenes drawn in the demo's shape and squashed as a request squashes them."""
    pictures = [
        _through_jpeg(paint(scene, 1125, 750).resize((112, 112), Image.Resampling.BICUBIC), 95)
        for scene in scenes
    ]
    inputs = _inputs(processor, pictures, load_prompts(SEED_JOBS)[job].text)
    with torch.inference_mode():
        ids = captioner.generate(**inputs, do_sample=False, max_new_tokens=300)
    return str(processor.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def _inputs(processor: Any, pictures: Sequence[Image.Image], prompt: str) -> Any:
    left = iter(pictures)
    content = [
        {"type": "image", "image": next(left)} if part is None else {"type": "text", "text": part}
        for part in message_parts(prompt, len(pictures))
    ]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        processor_kwargs={"return_tensors": "pt"},
    )


def _score(scenes: Sequence[Scene], told: Sequence[set[tuple[str, str]]]) -> tuple[float, float]:
    """Recall of true (colour, kind) pairs, and the share of named pairs that aren't there."""
    true = [{(thing.colour, thing.kind) for thing in scene.things} for scene in scenes]
    found = sum(len(there & named) for there, named in zip(true, told, strict=True))
    return found / sum(map(len, true)), 1 - found / max(1, sum(map(len, told)))


def _through_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")
