"""Options that several commands share, and how they become config keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from triptych.captioning.engine_table import AUTO, ENGINES
from triptych.config import parse_assignment
from triptych.export.containers import CONTAINERS
from triptych.export.formats import FORMATS
from triptych.jobs import parse_job
from triptych.runs.folder import STAGE_NAMES

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


def example(line: str) -> str:
    """The epilog of a command's help."""
    return f"Example: {line}"


def _together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order in which help shows them."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def sources(*, required: bool) -> Decorator:
    """SOURCE... --image-column NAME."""
    return _together(
        click.argument(
            "sources", nargs=-1, required=required, type=click.Path(path_type=Path), metavar="SOURCE..."
        ),
        click.option(
            "--image-column",
            metavar="NAME",
            help="Of Parquet files: where the images are, if more than one column could hold them.",
        ),
    )


preset = click.option(
    "--preset", help="Settings to begin with: sa1b or demo. [default: none]", metavar="NAME"
)

preset_and_out = _together(
    click.option(
        "--out", type=FOLDER, required=True, metavar="RUN", help="The run folder; made if it isn't there."
    ),
    preset,
)

stored_embeddings = _together(
    click.option(
        "--embeddings",
        type=click.Path(path_type=Path, exists=True),
        metavar="PATH",
        help="Group these .npy embeddings (a file or a folder) in place of images.",
    ),
    click.option(
        "--keys",
        "keys_file",
        type=FILE,
        help="With --embeddings: a file with one key a row. [default: FILE-STEM/ROW]",
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

settings = _together(
    config,
    click.option(
        "--fresh",
        type=click.Choice(STAGE_NAMES),
        multiple=True,
        help="Discard what this stage made and make it again. Repeatable.",
    ),
)

serving = _together(
    click.option("--model", metavar="ID", help="The captioning model: a folder or a hub id."),
    click.option(
        "--engine",
        metavar="|".join((AUTO, *ENGINES)),
        help="Who runs the model. auto: --server where given, lmdeploy on a GPU, else transformers."
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
        "--tp",
        type=click.IntRange(min=1),
        metavar="N",
        help="GPUs that share one model when Triptych starts lmdeploy. [default: 1]",
    ),
)

captioning = _together(
    serving,
    click.option(
        "--job",
        "jobs",
        metavar="JOB",
        multiple=True,
        help="Only this job: its name, or name=NAME,subject=image|set,language=CODE,prompt=FILE to add one."
        " Repeatable. [default: all]",
    ),
    click.option(
        "--sample",
        type=click.IntRange(min=1),
        metavar="N",
        help="Caption only N targets of each job, always the same ones.",
    ),
    click.option(
        "--no-tile-fit",
        is_flag=True,
        help="For models without InternVL's tiles: only bound each image's longer side.",
    ),
)

exporting = _together(
    click.option(
        "--format",
        "row_format",
        type=click.Choice(list(FORMATS)),
        help="Whose rows to write. [default: internvl]",
    ),
    click.option(
        "--file-type",
        type=click.Choice(list(CONTAINERS)),
        help="What the rows lie in. zst and Parquet need pyarrow. [default: jsonl]",
    ),
    click.option(
        "--image-root",
        metavar="PATH",
        help="Where the trainer will find the images; rows' paths are below it.",
    ),
)

CONFIG_KEYS = {
    "image_column": "input.parquet.image_column",
    "model": "captioning.model",
    "engine": "captioning.engine",
    "tp": "captioning.lmdeploy.tp",
    "sample": "captioning.sample",
    "row_format": "export.format",
    "file_type": "export.file_type",
    "image_root": "export.image_root",
}
"""What an option sets, by its parameter's name, where that is one config key."""


def define_jobs(texts: Sequence[str], flags: dict[str, object]) -> list[str]:
    """The names of the jobs that --job names. Adds to ``flags`` what it says of them."""
    names = []
    for text in texts:
        name, table = parse_job(text)
        names.append(name)
        flags |= {f"jobs.{name}.{key}": value for key, value in table.items()}
    return names


def flags_of(
    assignments: Sequence[str] = (),
    servers: Sequence[str] = (),
    jobs: Sequence[str] = (),
    no_tile_fit: bool = False,
    **given: object,
) -> dict[str, object]:
    """What was given on the command line, as dotted config keys. ``given`` are options of CONFIG_KEYS."""
    flags = dict(map(parse_assignment, assignments))
    if servers:
        flags["captioning.server.urls"] = list(servers)
        flags.setdefault("captioning.engine", "server")
    elif given.get("engine") not in (None, AUTO, "server"):
        flags.setdefault("captioning.server.urls", [])  # those of an earlier call
    if no_tile_fit:
        flags["captioning.tile_fit"] = False
    flags |= {CONFIG_KEYS[name]: value for name, value in given.items() if value is not None}
    if jobs:
        flags["captioning.jobs"] = define_jobs(jobs, flags)
    return flags
