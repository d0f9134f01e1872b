"""Measures the captioner and the CLIP on scenes that they weren't trained on.

Comes in: the model folders. Goes out: JSON on stdout and, with --out, in a file. Pictures are drawn as the
demo draws them (1500 pixels on the shortest side, JPEG 90) and resized as in a caption request; captions are
greedy and parsed back into things.
"""

import datetime
import json
import os
import platform
import time
from pathlib import Path

import click
import torch
from caption_batches import LANGUAGES
from evaluate_captioner import measure_captions
from evaluate_clip import measure_clip

MODELS = Path(__file__).parents[2] / "triptych" / "models"


@click.command()
@click.option("--singles", default=200, show_default=True, help="Single images per language.")
@click.option("--sets", default=100, show_default=True, help="Sets per language.")
@click.option("--first", default=100_000, show_default=True, help="Index of the first unseen scene.")
@click.option("--threads", default=2, show_default=True, help="CPU threads.")
@click.option(
    "--captioner", type=click.Path(path_type=Path), default=MODELS / "nano_internvl", help="Model folder."
)
@click.option("--clip", type=click.Path(path_type=Path), default=MODELS / "nano_clip", help="Model folder.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write, besides stdout.")
def main(
    singles: int, sets: int, first: int, threads: int, captioner: Path, clip: Path, out: Path | None
) -> None:
    """Print how well the models do on unseen scenes."""
    torch.set_num_threads(threads)
    started = time.monotonic()
    report = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "torch": torch.__version__},
        "captions": {
            f"{kind}_{language}": measure_captions(captioner, language, first, count, is_set=kind == "multi")
            for kind, count in (("single", singles), ("multi", sets))
            for language in LANGUAGES
            if count
        },
        "clip": measure_clip(clip, first),
        "seconds": 0.0,
    }
    report["seconds"] = round(time.monotonic() - started, 1)
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    click.echo(text, nl=False)
    if out is not None:
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
