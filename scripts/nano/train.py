"""Trains the nano models that ship with Triptych: ``python scripts/nano/train.py clip|captioner|checker``.

On first use, renders the pool of scenes into the cache folder and trains the tokenizer on their captions.
Then trains the model and writes its folder.
"""

import logging
import os
from pathlib import Path

import click
import torch
from byte_bpe import load_tokenizer, train_tokenizer
from caption_batches import LANGUAGES, read_prompt
from captioner_training import VISION_ONLY_UNTIL, CaptionerTask
from checker_training import CheckerTask
from clip_training import CLIP_PEAK_RATE, ClipTask
from scene_pool import FAMILY_SIZE, ScenePool, open_pool
from tokenizers import Tokenizer
from training_loop import TrainingTask, train
from training_state import Budget

from scripts.nano.wording import describe, describe_set
from triptych.prompts.check_prompt import ASKED_IN, check_prompt

MODELS = Path(__file__).parents[2] / "triptych" / "models"
FOLDERS = {"clip": "nano_clip", "captioner": "nano_internvl", "checker": "nano_checker"}
STEPS = {"clip": 1019, "captioner": 7000, "checker": 2700}
SEEDS = {"clip": 1, "captioner": 10, "checker": 11}
"""Of the shipped weights, as are the other defaults."""
TOKENIZER_FAMILIES = 1500
PEAK_RATE, PEAK_RATE_WHEN_BEGUN = 2e-3, 1e-3
"""Of captioner and checker, from random weights and from given ones."""
PROMPT_REPEATS = 4000
"""Of each prompt in the tokenizer's corpus, so that it becomes few tokens."""


@click.command()
@click.argument("model", type=click.Choice(list(FOLDERS)))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Model folder to write; default: the package's own."
)
@click.option(
    "--cache", type=click.Path(path_type=Path), required=True, help="Folder for the pool and checkpoints."
)
@click.option("--families", default=16000, show_default=True, help="Families of four scenes in the pool.")
@click.option("--steps", type=int, help="Training steps; default: depends on MODEL.")
@click.option("--minutes", type=float, help="Stop after this training time, even before --steps.")
@click.option("--snapshot-every", default=10.0, show_default=True, help="Minutes between snapshots.")
@click.option("--threads", default=2, show_default=True, help="CPU threads.")
@click.option("--seed", type=int, help="Default: depends on MODEL.")
@click.option(
    "--begun",
    type=click.Path(path_type=Path, exists=True),
    help="Model folder to start from; of a CLIP, only the text tower is trained.",
)
@click.option("--peak-rate", type=float, help="Learning rate after the warm-up.")
@click.option(
    "--vision-only-until",
    default=VISION_ONLY_UNTIL,
    show_default=True,
    help="Share of the training in which only the captioner's vision tower learns.",
)
@click.option("--resume", is_flag=True, help="Continue from the checkpoint in the cache folder.")
def main(
    model: str,
    out: Path | None,
    cache: Path,
    families: int,
    steps: int | None,
    minutes: float | None,
    snapshot_every: float,
    threads: int,
    seed: int | None,
    begun: Path | None,
    peak_rate: float | None,
    vision_only_until: float,
    resume: bool,
) -> None:
    """Train MODEL on scenes that ``triptych.demo`` draws."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    torch.set_num_threads(threads)
    pool = open_pool(cache, families, workers=max(1, threads))
    tokenizer = _load_tokenizer(pool, cache / "tokenizer.json")
    if model == "clip" and begun is not None:
        tokenizer = load_tokenizer(begun / "tokenizer.json")
    seed = SEEDS[model] if seed is None else seed
    budget = Budget(steps or STEPS[model], minutes, snapshot_every, cache / f"{model}.pt", seed)
    folder = out or MODELS / FOLDERS[model]
    torch.manual_seed(budget.seed)
    task: TrainingTask
    if model == "clip":
        task, rate = ClipTask(pool, tokenizer, begun), CLIP_PEAK_RATE
    elif model == "captioner":
        task = CaptionerTask(pool, tokenizer, begun, vision_only_until)
        rate = PEAK_RATE if begun is None else PEAK_RATE_WHEN_BEGUN
    else:
        task = CheckerTask(pool, tokenizer, begun or MODELS / FOLDERS["captioner"])
        rate = PEAK_RATE_WHEN_BEGUN
    train(task, budget, folder, peak_rate=peak_rate or rate, resume=resume)


def _load_tokenizer(pool: ScenePool, path: Path) -> Tokenizer:
    """The tokenizer at ``path``, trained first if missing. All models use it."""
    if not path.exists():
        prompts = [read_prompt(kind, language) for kind in ("single", "multi") for language in LANGUAGES]
        texts = [*prompts, *(check_prompt(language).text for language in ASKED_IN)] * PROMPT_REPEATS
        for start in range(0, min(pool.families, TOKENIZER_FAMILIES) * FAMILY_SIZE, FAMILY_SIZE):
            scenes = pool.scenes[start : start + FAMILY_SIZE]
            for language in LANGUAGES:
                texts += [describe(scene, language) for scene in scenes]
                texts += [describe_set(scenes[: 2 + start // FAMILY_SIZE % 3], language)]
        partial = path.with_suffix(f".{os.getpid()}")
        train_tokenizer(texts).save(str(partial))
        partial.rename(path)
    return load_tokenizer(path)


if __name__ == "__main__":
    main()
