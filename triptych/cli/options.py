"""Options that several commands share, and how they become config keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from triptych.captioning.engine_table import AUTO, ENGINES
from triptych.errors import UsageError
from triptych.export.containers import CONTAINERS
from triptych.export.formats import FORMATS
from triptych.jobs import parse_job
from triptych.runs.folder import StageName
from triptych.settings import parse_assignment

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


def _given(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[str] | None:
    """A repeatable option's values; None where it wasn't given, so that a config file's stay."""
    return list(values) or None


def sources(*, required: bool) -> Decorator:
    """SOURCE... --include PATTERN --exclude PATTERN --image-column NAME."""
    return _together(
        click.argument(
            "sources", nargs=-1, required=required, type=click.Path(path_type=Path), metavar="SOURCE..."
        ),
        click.option(
            "--include",
            multiple=True,
            callback=_given,
            metavar="PATTERN",
            help="Only files whose name or path below the source matches, such as '*.jpg'. Repeatable.",
        ),
        click.option(
            "--exclude",
            multiple=True,
            callback=_given,
            metavar="PATTERN",
            help="Leave out files and folders whose name or path matches, such as thumbs. Repeatable.",
        ),
        click.option(
            "--image-column",
            "image_columns",
            multiple=True,
            metavar="NAME",
            help="Of Parquet files: where the images are, if more than one column could hold them."
            " PATTERN=NAME: of files whose name or path matches only. Repeatable.",
        ),
    )


moved = click.option(
    "--moved",
    "moved",
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
    click.option(
        "--set-size",
        metavar="MIN-MAX",
        help="Images in a set, such as 2-5 or 3. [default: 2-5]",
    ),
)

preset_and_out = _together(
    click.option(
        "--out", type=FOLDER, required=True, metavar="RUN", help="The run folder; created if missing."
    ),
    preset,
)

stored_embeddings = _together(
    click.option(
        "--embeddings",
        type=click.Path(path_type=Path, exists=True),
        metavar="PATH",
        help="Group these .npy embeddings in place of images: a file, or a folder, whose files are taken in"
        " the order of their numbers (img_emb_2 before img_emb_10).",
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

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")


def settings(*stages: StageName) -> Decorator:
    """--config, --set, and --fresh of the ``stages`` that a command makes."""
    helps = {
        "embeddings": "Those there are stay, and count again when their encoder is named.",
        "captions": "Those there are stay (see triptych captions); new ones are made of the jobs that --job"
        " names, or whose settings have changed.",
    }
    told = " ".join(["Redo this stage.", *(helps[each] for each in stages if each in helps)])
    fresh = click.option("--fresh", type=click.Choice(stages), multiple=True, help=f"{told} Repeatable.")
    return _together(config, fresh)


serving = _together(
    click.option("--model", metavar="ID", help="The captioning model: a folder or a hub id."),
    click.option(
        "--engine",
        metavar="|".join((AUTO, *ENGINES)),
        help="What runs the model. auto: --server where given, lmdeploy on a GPU, else transformers."
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
        "--extra-body",
        metavar="JSON",
        help="Extra fields for every request; null removes a field.",
    ),
    click.option(
        "--ca-file",
        metavar="FILE",
        help="Certificates (PEM) to trust, in addition to the system's.",
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
        help="What a job asks: a .txt file, or .toml with version, text and, for sets, how images are named."
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
        help="For models that don't use InternVL's tiles: only limit each image's longer side.",
    ),
)

exporting = _together(
    click.option(
        "--format",
        "row_format",
        type=click.Choice(list(FORMATS)),
        help="Row format. [default: internvl]",
    ),
    click.option(
        "--file-type",
        type=click.Choice(list(CONTAINERS)),
        help="Output file type. zst and Parquet need pyarrow. [default: jsonl]",
    ),
    click.option("--prefix", metavar="NAME", help="Prefix of file names. [default: triptych_caption]"),
    click.option(
        "--image-root",
        metavar="PATH",
        help="Where the trainer finds the images; paths in rows are relative to it.",
    ),
)

CONFIG_KEYS = {
    "include": "input.include",
    "exclude": "input.exclude",
    "model": "captioning.model",
    "engine": "captioning.engine",
    "encoder": "embedding.model",
    "api_key_env": "captioning.server.api_key_env",
    "prefix": "export.prefix",
    "ca_file": "captioning.server.ca_file",
    "tp": "captioning.lmdeploy.tp",
    "sample": "captioning.sample",
    "row_format": "export.format",
    "file_type": "export.file_type",
    "image_root": "export.image_root",
}
"""What an option sets, by its parameter's name, where that is one config key."""


def moves(texts: Sequence[str]) -> list[tuple[Path, Path]]:
    """What --moved says."""
    pairs = [text.partition("=") for text in texts]
    for text, (old, _, new) in zip(texts, pairs, strict=True):
        if not old or not new:
            raise UsageError(f"--moved {text!r}: expected OLD=NEW, two folders")
    return [(Path(old), Path(new)) for old, _, new in pairs]


def moved_sources(sources: Sequence[Path], texts: Sequence[str]) -> list[Path]:
    """``sources`` where --moved says that they are now."""
    found = [path.absolute() for path in sources]
    for old, new in moves(texts):
        was, now = old.absolute(), new.absolute()
        found = [now / path.relative_to(was) if path.is_relative_to(was) else path for path in found]
    return found if texts else list(sources)


def remember_moves(run: Path, texts: Sequence[str]) -> None:
    """Store in ``run`` what --moved says."""
    if not texts:
        return
    from triptych.opening import open_run

    with open_run(run) as opened:
        for old, new in moves(texts):
            opened.move_sources(old, new)


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
    headers: Sequence[str] = (),
    extra_body: str | None = None,
    prompts: Sequence[str] = (),
    image_columns: Sequence[str] = (),
    set_size: str | None = None,
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
    if headers:
        flags["captioning.server.headers"] = dict(map(_header, headers))
    if extra_body is not None:
        flags["captioning.server.extra_body"] = _json_object(extra_body)
    if no_tile_fit:
        flags["captioning.tile_fit"] = False
    flags |= {f"jobs.{job}.prompt": file for job, file in map(_prompt_of, prompts)}
    flags |= _image_columns(image_columns)
    if set_size is not None:
        flags["sets.min_images"], flags["sets.max_images"] = _least_and_most(set_size)
    flags |= {CONFIG_KEYS[name]: value for name, value in given.items() if value is not None}
    return flags


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:  # without the text: it may be a secret
        raise UsageError("--header: expected 'NAME: VALUE'", key="captioning.server.headers")
    return name.strip(), value.strip()


def _json_object(text: str) -> dict[str, object]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"--extra-body is no JSON object ({error}); expected such as"
            ' \'{"chat_template_kwargs": {"enable_thinking": false}}\'',
            key="captioning.server.extra_body",
        ) from None


def _image_columns(texts: Sequence[str]) -> dict[str, object]:
    flags: dict[str, object] = {}
    by_pattern: dict[str, str] = {}
    for text in texts:
        pattern, equals, name = text.rpartition("=")
        if equals:
            by_pattern[pattern] = name
            flags["input.parquet.image_columns"] = by_pattern
        else:
            flags["input.parquet.image_column"] = name
    return flags


def _prompt_of(text: str) -> tuple[str, str]:
    job, equals, file = text.partition("=")
    if not equals or not job or not file:
        raise UsageError(f"--prompt {text!r}: expected JOB=FILE, such as single_en=my_prompt.txt")
    return job, str(Path(file).expanduser().absolute())


def _least_and_most(text: str) -> tuple[int, int]:
    least, dash, most = text.partition("-")
    try:
        return int(least), int(most if dash else least)
    except ValueError:
        raise UsageError(f"--set-size {text!r}: expected MIN-MAX, such as 2-5, or one number") from None
