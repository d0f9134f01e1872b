"""Options that several commands share, and how they become config keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from triptych.captioning.engine_table import AUTO, ENGINES
from triptych.config import parse_assignment
from triptych.export.containers import CONTAINERS
from triptych.export.formats import FORMATS
from triptych.jobs import parse_job
from triptych.runs.folder import STAGE_NAMES

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


def example(line: str) -> str:
    """The epilog of a command's help."""
    return f"Example: {line}"


def sources_and_out(command: F) -> F:
    """SOURCE... --image-column NAME --out RUN --preset NAME."""
    return sources(required=True)(preset_and_out(command))


def sources(*, required: bool) -> Callable[[F], F]:
    """SOURCE... --image-column NAME."""

    def both(command: F) -> F:
        command = click.option(
            "--image-column",
            metavar="NAME",
            help="Of Parquet files: where the images are, if more than one column could hold them.",
        )(command)
        return click.argument(
            "sources", nargs=-1, required=required, type=click.Path(path_type=Path), metavar="SOURCE..."
        )(command)

    return both


def preset_and_out(command: F) -> F:
    """--out RUN --preset NAME."""
    return click.option(
        "--out", type=FOLDER, required=True, metavar="RUN", help="The run folder; made if it isn't there."
    )(preset(command))


def preset(command: F) -> F:
    """--preset NAME."""
    return click.option(
        "--preset", help="Settings to begin with: sa1b or demo. [default: none]", metavar="NAME"
    )(command)


def stored_embeddings(command: F) -> F:
    """--embeddings PATH --keys FILE."""
    command = click.option(
        "--keys",
        "keys_file",
        type=FILE,
        help="With --embeddings: a file with one key a row. [default: FILE-STEM/ROW]",
    )(command)
    return click.option(
        "--embeddings",
        type=click.Path(path_type=Path, exists=True),
        metavar="PATH",
        help="Group these .npy embeddings (a file or a folder) in place of images.",
    )(command)


def settings(command: F) -> F:
    """--config FILE --set KEY=VALUE --fresh STAGE."""
    command = click.option(
        "--fresh",
        type=click.Choice(STAGE_NAMES),
        multiple=True,
        help="Discard what this stage made and make it again. Repeatable.",
    )(command)
    return config(command)


def config(command: F) -> F:
    """--config FILE --set KEY=VALUE."""
    command = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help="One config key, such as sets.max_sets=100. Repeatable; overrides --config.",
    )(command)
    return click.option(
        "--config", "config_file", type=FILE, help="A TOML file of settings; overrides the preset."
    )(command)


def captioning(command: F) -> F:
    """--model, --engine, --server, --tp, --no-tile-fit, --job, --sample."""
    command = click.option(
        "--no-tile-fit",
        is_flag=True,
        help="For models without InternVL's tiles: only bound each image's longer side.",
    )(command)
    command = click.option(
        "--sample",
        type=click.IntRange(min=1),
        metavar="N",
        help="Caption only N targets of each job, always the same ones.",
    )(command)
    command = click.option(
        "--job",
        "jobs",
        metavar="JOB",
        multiple=True,
        help="Only this job: its name, or name=NAME,subject=image|set,language=CODE,prompt=FILE to add one."
        " Repeatable. [default: all]",
    )(command)
    return serving(command)


def serving(command: F) -> F:
    """--model, --engine, --server, --tp."""
    command = click.option(
        "--tp",
        type=click.IntRange(min=1),
        metavar="N",
        help="GPUs that share one model when Triptych starts lmdeploy. [default: 1]",
    )(command)
    command = click.option(
        "--server",
        "servers",
        multiple=True,
        metavar="URL",
        help="An OpenAI-compatible endpoint, such as http://host:23333/v1. Repeatable.",
    )(command)
    command = click.option(
        "--engine",
        metavar="|".join((AUTO, *ENGINES)),
        help="Who runs the model. auto: --server where given, lmdeploy on a GPU, else transformers."
        " MODULE:OBJECT: an engine of your own. [default: auto]",
    )(command)
    return click.option("--model", metavar="ID", help="The captioning model: a folder or a hub id.")(command)


def exporting(command: F) -> F:
    """--format, --file-type, --image-root."""
    command = click.option(
        "--image-root",
        metavar="PATH",
        help="Where the trainer will find the images; rows' paths are below it.",
    )(command)
    command = click.option(
        "--file-type",
        type=click.Choice(list(CONTAINERS)),
        help="What the rows lie in. zst and Parquet need pyarrow. [default: jsonl]",
    )(command)
    return click.option(
        "--format",
        "row_format",
        type=click.Choice(list(FORMATS)),
        help="Whose rows to write. [default: internvl]",
    )(command)


def export_flags(row_format: str | None, file_type: str | None, image_root: str | None) -> dict[str, object]:
    """What was given of --format, --file-type and --image-root, as dotted config keys."""
    given = {"export.format": row_format, "export.file_type": file_type, "export.image_root": image_root}
    return {key: value for key, value in given.items() if value is not None}


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
    model: str | None = None,
    servers: Sequence[str] = (),
    jobs: Sequence[str] = (),
    sample: int | None = None,
    image_column: str | None = None,
    engine: str | None = None,
    tp: int | None = None,
    no_tile_fit: bool = False,
) -> dict[str, object]:
    """What was given on the command line, as dotted config keys."""
    flags = dict(map(parse_assignment, assignments))
    if image_column is not None:
        flags["input.parquet.image_column"] = image_column
    if model is not None:
        flags["captioning.model"] = model
    if servers:
        flags["captioning.server.urls"] = list(servers)
        flags.setdefault("captioning.engine", "server")
    elif engine not in (None, AUTO, "server"):
        flags.setdefault("captioning.server.urls", [])  # those of an earlier call
    if engine is not None:
        flags["captioning.engine"] = engine
    if tp is not None:
        flags["captioning.lmdeploy.tp"] = tp
    if no_tile_fit:
        flags["captioning.tile_fit"] = False
    if jobs:
        flags["captioning.jobs"] = define_jobs(jobs, flags)
    if sample is not None:
        flags["captioning.sample"] = sample
    return flags
