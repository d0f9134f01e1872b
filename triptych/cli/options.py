"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from triptych.captioning.engine_table import AUTO, ENGINES
from triptych.errors import UsageError
from triptych.export.containers import CONTAINERS
from triptych.export.formats import FORMATS
from triptych.runs.folder import StageName

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

RUN = click.Path(path_type=Path)
"""A run folder. What isn't one is refused when it is opened, in one line."""
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


def example(line: str) -> str:
    """The epilog of a command's help."""
    return f"Example: {line}"


def confirm(question: str) -> None:
    """Ask, and end the command unless the answer is yes. Raises UsageError without a terminal."""
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to confirm on: add --yes")
    click.confirm(question, abort=True)


def _together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order of the help."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def sources(*, required: bool) -> Decorator:
    """SOURCE... --include PATTERN --exclude PATTERN --image-column NAME."""
    return _together(
        click.argument(
            "sources",
            nargs=-1,
            required=required,
            type=click.Path(path_type=str),
            metavar="SOURCE..." if required else "[SOURCE]...",
        ),
        click.option(
            "--include",
            multiple=True,
            metavar="PATTERN",
            help="Only files whose name or path below the source matches, such as '*.jpg'. Repeatable.",
        ),
        click.option(
            "--exclude",
            multiple=True,
            metavar="PATTERN",
            help="Leave out files and folders whose name or path matches, such as thumbs. Repeatable.",
        ),
        click.option(
            "--image-column",
            "image_columns",
            multiple=True,
            metavar="NAME",
            help="The column of Parquet files that has the images, if several could. PATTERN=NAME: only for"
            " files whose name or path matches. Repeatable.",
        ),
    )


moved = click.option(
    "--moved",
    multiple=True,
    metavar="OLD=NEW",
    help="Images moved from folder OLD to NEW. Stored in the run. Repeatable.",
)

preset = click.option("--preset", help="A set of settings: sa1b or demo. [default: none]", metavar="NAME")

grouping = _together(
    click.option(
        "--encoder",
        metavar="MODEL",
        help="The image encoder: an open_clip name or folder, timm:NAME, transformers:NAME."
        " [default: ViT-B-32]",
    ),
    click.option("--set-size", metavar="MIN-MAX", help="Images in a set, such as 2-5 or 3. [default: 2-5]"),
)

preset_and_out = _together(
    click.option("--out", type=RUN, required=True, metavar="RUN", help="The run folder; created if missing."),
    preset,
)

stored_embeddings = _together(
    click.option(
        "--embeddings",
        type=click.Path(path_type=Path, exists=True),
        metavar="PATH",
        help="Group these .npy embeddings instead of images: a file, or a folder, whose files are sorted by"
        " number (img_emb_2 before img_emb_10).",
    ),
    click.option(
        "--keys",
        "keys_file",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="With --embeddings: a file with one key per line, in the order of the files and their rows, or"
        " clip-retrieval's metadata (.parquet files or their folder). [default: FILE-STEM/ROW]",
    ),
)

config = _together(
    click.option("--config", "config_file", type=FILE, help="A TOML file of settings; overrides the preset."),
    click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help="One config key, such as sets.max_sets=100. Repeatable; overrides --config.",
    ),
)

metrics = click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    help="Serve metrics for Prometheus while the command runs, only to this machine unless a host such as"
    " 0.0.0.0 is named. Needs triptych[metrics].",
)

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")


cluster = click.option(
    "--cluster",
    metavar="auto|ADDRESS",
    help="Use all nodes of a Ray cluster: auto for the one that this machine belongs to, or HOST:PORT of its"
    " head node. They share the run's file system. [default: this machine alone]",
)


def settings(*stages: StageName) -> Decorator:
    """--config, --set, --cluster, and --fresh for the ``stages`` of a command."""
    notes = {
        "embeddings": "Embeddings of other encoders are kept, and used again when their encoder is named.",
        "captions": "Old captions are kept (see triptych captions); new ones are made for the jobs that --job"
        " names, or whose settings have changed.",
    }
    text = " ".join(["Redo this stage.", *(notes[each] for each in stages if each in notes), "Repeatable."])
    fresh = click.option("--fresh", type=click.Choice(stages), multiple=True, help=text)
    return _together(config, cluster, fresh)


serving = _together(
    click.option("--model", metavar="ID", help="The vision-language model: a folder or a hub id."),
    click.option(
        "--engine",
        metavar="|".join((AUTO, *ENGINES)),
        help="What runs the model. auto: --server if given, lmdeploy on a GPU, else transformers."
        " MODULE:OBJECT: an engine of your own. [default: auto]",
    ),
    click.option(
        "--server",
        "servers",
        multiple=True,
        metavar="URL",
        help="An OpenAI-compatible endpoint, such as http://host:23333/v1. Repeatable.",
    ),
    click.option(
        "--api-key-env",
        metavar="NAME",
        help="The environment variable with the endpoints' key. The key itself is never stored.",
    ),
    click.option(
        "--header",
        "headers",
        multiple=True,
        metavar="'NAME: VALUE'",
        help="An extra header for every request. $VARIABLE in a value comes from the environment and is never"
        " stored. Repeatable.",
    ),
    click.option(
        "--extra-body", metavar="JSON", help="Extra fields for every request; null removes a field."
    ),
    click.option(
        "--ca-file", metavar="FILE", help="Certificates (PEM) to trust, in addition to the system's."
    ),
    click.option(
        "--tp",
        type=click.IntRange(min=1),
        metavar="N",
        help="GPUs that share one model when Triptych starts lmdeploy. [default: 1]",
    ),
)

captioning = _together(
    serving,
    click.option(
        "--image-cache",
        metavar="SIZE",
        help="Cache images on a local disk for the jobs that follow, up to SIZE such as 500GB.",
    ),
    click.option(
        "--job",
        "jobs",
        metavar="JOB",
        multiple=True,
        help="Only this job: its name, or the definition of a new one, such as"
        " name=tags,subject=set,language=en,prompt=FILE. Repeatable. [default: all]",
    ),
    click.option(
        "--language",
        "languages",
        metavar="CODE",
        multiple=True,
        help="Only jobs in this language, such as en. Repeatable. [default: all]",
    ),
    click.option(
        "--prompt",
        "prompts",
        metavar="JOB=FILE",
        multiple=True,
        help="A job's prompt: a .txt file, or .toml with version, text and, for sets, how images are named."
        " Repeatable.",
    ),
    click.option(
        "--sample",
        type=click.IntRange(min=1),
        metavar="N",
        help="Caption only N images or sets of each job, always the same ones.",
    ),
    click.option(
        "--no-tile-fit",
        is_flag=True,
        help="For models without InternVL's tiles: only limit each image's longer side.",
    ),
)

exporting = _together(
    click.option(
        "--format",
        "row_format",
        type=click.Choice(list(FORMATS)),
        metavar="FORMAT",
        help=f"Row format: {', '.join(FORMATS)}. [default: internvl]",
    ),
    click.option(
        "--file-type",
        type=click.Choice(list(CONTAINERS)),
        metavar="TYPE",
        help=f"Output file type: {', '.join(CONTAINERS)}. images.parquet and tar (WebDataset) contain the"
        " images, too. zst and Parquet need triptych[arrow]. [default: jsonl]",
    ),
    click.option(
        "--rows-per-file",
        type=int,
        metavar="N",
        help="Split each file into parts of N rows. [default: 10,000 with images inside, else no parts]",
    ),
    click.option("--prefix", metavar="NAME", help="Prefix of file names. [default: triptych_caption]"),
    click.option(
        "--image-root",
        metavar="PATH",
        help="Where the trainer finds the images; paths in rows are relative to it.",
    ),
)
