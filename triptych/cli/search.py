"""The command search: finds images and sets."""

from __future__ import annotations

from pathlib import Path

import click

from triptych.cli import options
from triptych.errors import UsageError
from triptych.progress import for_stderr
from triptych.terminal import echo, echo_json


@click.command(epilog=options.example('triptych search run "two dogs on a beach" --sets'))
@click.argument("folder", metavar="RUN", type=options.FOLDER)
@click.argument("text", metavar="[TEXT]", default="")
@click.option("--image", type=options.FILE, metavar="FILE", help="Find images like this one.")
@click.option("--sets", is_flag=True, help="Find sets instead, each by its nearest image.")
@click.option("-n", "count", type=click.IntRange(1), default=10, show_default=True, help="How many to show.")
@options.as_json
def search(folder: Path, text: str, image: Path | None, sets: bool, count: int, as_json: bool) -> None:
    """Find images or sets of a run by words or by a picture.

    TEXT or FILE is embedded with the model of the run, and compared with all its embeddings. Prints cosine
    and key of the nearest images, nearest first. Words need a model of images and texts, such as CLIP or
    SigLIP.
    """
    from triptych.opening import open_run

    if bool(text.strip()) == (image is not None):
        raise UsageError("name either words or --image FILE to search for")
    run = open_run(folder, progress=for_stderr(), read_only=True)
    run.progress.say(f"loading the encoder {run.config.embedding.model}")
    if sets:
        found_sets = run.search_sets(text, image=image, count=count)
        lines = [f"{each.cosine_similarity:.4f}  {each.id}  {'  '.join(each.keys)}" for each in found_sets]
    else:
        found = run.search(text, image=image, count=count)
        lines = [f"{each.cosine_similarity:.4f}  {each.key}" for each in found]
    if as_json:
        echo_json(found_sets if sets else found)
    else:
        echo(*lines)
