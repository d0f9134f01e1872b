"""Trains the nano models that ship with Triptych: ``python scripts/nano/train.py clip`` and ``...
captioner``.

Renders the pool of scenes into the cache folder on first use, learns the tokenizer from it, trains, and
writes the model folder.
"""

import logging
import os
from pathlib import Path

import click
import torch
from byte_bpe import load_tokenizer, train_tokenizer
from caption_batches import LANGUAGES, read_prompt
from captioner_training import train_captioner
from clip_training import train_clip
from scene_pool import FAMILY_SIZE, ScenePool, open_pool
from tokenizers import Tokenizer
from training_state import Budget

from scripts.nano.wording import describe, describe_set

MODELS = Path(__file__).parents[2] / "triptych" / "models"
FOLDERS = {"clip": "nano_clip", "captioner": "nano_internvl"}
STEPS = {"clip": 1019, "captioner": 5018}
FAMILIES_FOR_TOKENIZER = 1500
PROMPT_WEIGHT = 4000
"""How often each prompt counts in the tokenizer's corpus, so that it becomes few tokens."""


@click.command()
@click.argument("model", type=click.Choice(list(FOLDERS)))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Model folder to write; default: the one in the package."
)
@click.option(
    "--cache", type=click.Path(path_type=Path), required=True, help="Folder for the pool and checkpoints."
)
@click.option("--families", default=8000, show_default=True, help="Families of four scenes in the pool.")
@click.option("--steps", type=int, help="Steps to train; default: as the shipped weights were trained.")
@click.option("--minutes", type=float, help="End after this much training time, whatever the steps.")
@click.option("--snapshot-every", default=10.0, show_default=True, help="Minutes between snapshots.")
@click.option("--threads", default=2, show_default=True, help="CPU threads.")
@click.option("--seed", default=1, show_default=True)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in the cache folder.")
def main(
    model: str,
    out: Path | None,
    cache: Path,
    families: int,
    steps: int | None,
    minutes: float | None,
    snapshot_every: float,
    threads: int,
    seed: int,
    resume: bool,
) -> None:
    """Train MODEL from a seed on scenes that ``triptych.demo`` draws."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    torch.set_num_threads(threads)
    pool = open_pool(cache, families, workers=max(1, threads))
    tokenizer = _tokenizer(pool, cache / "tokenizer.json")
    budget = Budget(steps or STEPS[model], minutes, snapshot_every, cache / f"{model}.pt", seed)
    train = train_clip if model == "clip" else train_captioner
    train(pool, tokenizer, budget, out or MODELS / FOLDERS[model], resume)


def _tokenizer(pool: ScenePool, path: Path) -> Tokenizer:
    """The tokenizer at ``path``, learned first unless it is there; both models use the same."""
    if not path.exists():
        texts = [
            read_prompt(kind, language) for kind in ("single", "multi") for language in LANGUAGES
        ] * PROMPT_WEIGHT
        for start in range(0, min(pool.families, FAMILIES_FOR_TOKENIZER) * FAMILY_SIZE, FAMILY_SIZE):
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
