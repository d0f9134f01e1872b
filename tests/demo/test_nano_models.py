"""The embedded models: they are small, load offline through public functions, and know unseen scenes."""

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
"""Scenes of the unseen split from this index on are neither in the training data nor in the demo."""

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
    """Models this small are no faster with two threads, and much slower if another process uses a core."""
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
    """The models are part of the package."""
    assert most_mb * 1e6 >= sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_all_models_load_offline() -> None:
    """From their folders alone, without a hub and without remote code."""
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}

    done = subprocess.run([sys.executable, "-c", LOAD_ALL], env=offline, capture_output=True, text=True)

    assert 0 == done.returncode, done.stderr


@pytest.mark.parametrize("size_px", [(112, 112), (1500, 1000), (300, 900)])
def test_any_picture_is_one_tile_of_16_tokens(processor: Any, size_px: tuple[int, int]) -> None:
    """So a set of five easily fits into the context."""
    inputs = _inputs(processor, [Image.new("RGB", size_px)], "What is this?")

    assert (1, 3, 112, 112) == tuple(inputs["pixel_values"].shape)
    assert 16 == int((inputs["input_ids"] == processor.image_token_id).sum())


def test_a_set_is_rendered_as_numbered_images(processor: Any) -> None:
    """Image-1, newline, Image-2, newline, prompt, as lmdeploy's server renders the same parts."""
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
    """At least 90% of the things are mentioned with their colour, and at most 10% of the mentions are
    wrong."""
    scenes = [imagine_scene("unseen", FIRST_SCENE + n) for n in range(10)]

    mentioned = [
        set(read_things(_caption(processor, captioner, [scene], f"single_{language}"), language))
        for scene in scenes
    ]

    recall, wrong_share = _score(scenes, mentioned)
    assert recall >= 0.9
    assert wrong_share <= 0.1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_set_captions_of_unseen_scenes_are_mostly_right(
    processor: Any, captioner: Any, language: Any
) -> None:
    """At least 80% of the things are mentioned for the right image, and at most 20% of the mentions are
    wrong."""
    scenes, mentioned = [], []
    for n in range(4):
        first = imagine_scene("unseen", FIRST_SCENE + 100 + n)
        series = [first, *(vary_scene(first, "unseen", k) for k in range(1 + n % 3))]
        caption = _caption(processor, captioner, series, f"multi_{language}")
        scenes += series
        mentioned += [set(things) for things in read_images(caption, language, len(series))]

    recall, wrong_share = _score(scenes, mentioned)
    assert recall >= 0.8
    assert wrong_share <= 0.2


def test_clip_ranks_copies_before_variations_before_other_themes() -> None:
    """A recompressed copy is the nearest, then a variation, then a scene of another theme."""
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
    """The greedy caption of scenes that are drawn and resized as in the demo."""
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


def _score(scenes: Sequence[Scene], mentioned: Sequence[set[tuple[str, str]]]) -> tuple[float, float]:
    """The recall of true (colour, kind) pairs, and the share of mentioned pairs that aren't true."""
    true = [{(thing.colour, thing.kind) for thing in scene.things} for scene in scenes]
    found = sum(len(there & named) for there, named in zip(true, mentioned, strict=True))
    return found / sum(map(len, true)), 1 - found / max(1, sum(map(len, mentioned)))


def _through_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")
