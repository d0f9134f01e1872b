"""Translates command-line options into config keys.

Comes in: the values of the options in options.py. Goes out: dotted config keys with their values, moved
folders, jobs. Not its job: what a key means (triptych/config.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from triptych.captioning.engine_table import AUTO
from triptych.errors import UsageError
from triptych.jobs import parse_job
from triptych.settings import parse_assignment

CONFIG_KEYS = {
    "cluster": "cluster.address",
    "include": "input.include",
    "exclude": "input.exclude",
    "image_cache": "input.image_cache",
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
    "rows_per_file": "export.rows_per_file",
    "image_root": "export.image_root",
}
"""The config key that an option sets, by its parameter's name."""


def moves(texts: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of --moved: (old folder, new folder)."""
    pairs = []
    for text in texts:
        old, _, new = text.partition("=")
        if not old or not new:
            raise UsageError(f"--moved {text!r}: expected OLD=NEW, two folders")
        pairs.append((old, new))
    return pairs


def moved_sources(sources: Sequence[str], texts: Sequence[str]) -> list[str]:
    """``sources`` at their new locations, given the texts of --moved."""
    from triptych.sources.locations import absolute_source
    from triptych.sources.locations import moved as moved_source

    found = [absolute_source(source) for source in sources]
    for old, new in moves(texts):
        found = [moved_source(source, absolute_source(old), absolute_source(new)) for source in found]
    return found if texts else list(sources)


def remember_moves(run: Path, texts: Sequence[str]) -> None:
    """Store the pairs of --moved in ``run``."""
    if not texts:
        return
    from triptych.opening import open_run

    with open_run(run) as opened:
        for old, new in moves(texts):
            opened.move_sources(old, new)


def define_jobs(texts: Sequence[str], flags: dict[str, object]) -> list[str]:
    """The names of the jobs in --job. Adds the settings of jobs that it defines to ``flags``."""
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
    """Options as dotted config keys. ``given`` are options of CONFIG_KEYS; None and () mean left out."""
    flags = dict(map(parse_assignment, assignments))
    if servers:
        flags["captioning.server.urls"] = list(servers)
        flags.setdefault("captioning.engine", "server")
    elif given.get("engine") not in (None, AUTO, "server"):
        flags.setdefault("captioning.server.urls", [])  # of an earlier command
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
    for name, value in given.items():
        if value not in (None, ()):
            flags[CONFIG_KEYS[name]] = list(value) if isinstance(value, tuple) else value
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
            f"--extra-body is not a JSON object ({error}); expected for example"
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
