"""Compares captions of unseen scenes with the truth.

Comes in: the captioner's folder. Goes out: recall of things, share of wrong things, share of captions with an
untrue statement, share of captions that match the reference exactly.
"""

from pathlib import Path
from typing import Any

import torch
from caption_batches import read_prompt
from transformers import AutoModelForImageTextToText, AutoProcessor
from unseen_pictures import squashed, true_things, unseen_series

from scripts.nano.reading import read_images, untrue_statements
from scripts.nano.wording import describe, describe_set
from triptych.demo.scene import Scene, imagine_scene

BATCH_SIZE = 16
MAX_NEW_TOKENS = 256


def measure_captions(folder: Path, language: str, first: int, count: int, is_set: bool) -> dict[str, float]:
    """Shares from 0 to 1 over ``count`` captions. A thing in a set counts for the image it is named in."""
    if is_set:
        groups = [unseen_series(first, index) for index in range(count)]
    else:
        groups = [[imagine_scene("unseen", first + index)] for index in range(count)]
    true = named = found = exact = untrue = untrue_of_all = 0
    for scenes, caption in zip(groups, _write_captions(folder, language, groups), strict=True):
        read = read_images(caption, language, len(scenes))
        for things, mentioned in zip(true_things(scenes), map(set, read), strict=True):
            true += len(things)
            named += len(mentioned)
            found += len(things & mentioned)
        wrong = untrue_statements(caption, language, scenes)
        untrue += bool(wrong)
        untrue_of_all += is_set and any(len(each.images) == len(scenes) for each in wrong)
        exact += caption == (describe_set(scenes, language) if is_set else describe(scenes[0], language))
    return {
        "captions": count,
        "recall": round(found / true, 4),
        "wrong_share": round(1 - found / max(named, 1), 4),
        "untrue_share": round(untrue / count, 4),
        "untrue_of_all_share": round(untrue_of_all / count, 4),
        "exact_share": round(exact / count, 4),
    }


def _write_captions(folder: Path, language: str, groups: list[list[Scene]]) -> list[str]:
    """One greedy caption per group, in order. Groups of the same size are batched."""
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    captions = [""] * len(groups)
    for size in sorted({len(group) for group in groups}):
        members = [index for index, group in enumerate(groups) if len(group) == size]
        for start in range(0, len(members), BATCH_SIZE):
            batch = members[start : start + BATCH_SIZE]
            conversations = [_conversation(groups[index], index, language) for index in batch]
            inputs = processor.apply_chat_template(
                conversations,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                processor_kwargs={"padding": True, "return_tensors": "pt"},
            )
            with torch.inference_mode():
                ids = model.generate(**inputs, do_sample=False, max_new_tokens=MAX_NEW_TOKENS)
            answers = processor.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            for index, answer in zip(batch, answers, strict=True):
                captions[index] = answer.strip()
    return captions


def _conversation(scenes: list[Scene], index: int, language: str) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes, start=1):
        if len(scenes) > 1:
            parts.append({"type": "text", "text": f"Image-{number}: "})
        parts.append({"type": "image", "image": squashed(scene, index)})
    prompt = read_prompt("multi" if len(scenes) > 1 else "single", language)
    return [{"role": "user", "content": [*parts, {"type": "text", "text": prompt}]}]
