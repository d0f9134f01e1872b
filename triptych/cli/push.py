"""The command push: uploads an export to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

import click

from triptych.cli import options
from triptych.progress import for_stderr
from triptych.terminal import echo


@click.command(epilog=options.example("triptych push run hf://datasets/me/photo-captions --private"))
@click.argument("folder", metavar="RUN", type=options.FOLDER)
@click.argument("url", metavar="hf://datasets/NAME")
@click.option("--export", "name", default="", metavar="NAME", help="RUN/exports/NAME. [default: RUN/export]")
@click.option("--private", is_flag=True, help="Make the dataset private, if it is created.")
def push(folder: Path, url: str, name: str, private: bool) -> None:
    """Upload an export to the Hugging Face hub.

    The dataset is created if it doesn't exist. NAME is OWNER/DATASET, or DATASET alone for the account of
    HF_TOKEN or `hf auth login`. After an interruption, run the same command again: files that were uploaded
    are skipped.
    """
    from triptych.opening import open_run

    with open_run(folder, progress=for_stderr(), read_only=True) as opened:
        echo(opened.push(url, export=name, private=private))
