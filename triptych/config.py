"""The config of a run: everything that can be set.

Comes in: tables and values. Goes out: one checked Config. A key that doesn't exist is an error that names
the closest one that does. Not its job: where the values come from (see settings), what a setting does; each
stage's config says that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec

from triptych.captioning.checking.config import CheckingConfig
from triptych.captioning.config import CaptioningConfig
from triptych.errors import UsageError, closest
from triptych.executors.config import ClusterConfig
from triptych.export.config import ExportConfig
from triptych.filtering.config import FilteringConfig
from triptych.grouping.config import EmbeddingConfig, SetsConfig
from triptych.jobs import Job, jobs_from, named
from triptych.languages import Language
from triptych.sources.config import InputConfig


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set, one table a stage."""

    input: InputConfig = InputConfig()
    """How sources are read."""
    embedding: EmbeddingConfig = EmbeddingConfig()
    """How images become vectors."""
    sets: SetsConfig = SetsConfig()
    """Which images are duplicates, which belong together."""
    captioning: CaptioningConfig = CaptioningConfig()
    """What is asked of which model."""
    checking: CheckingConfig = CheckingConfig()
    """Who is asked whether captions are true."""
    filtering: FilteringConfig = FilteringConfig()
    """Which captions are rejected."""
    export: ExportConfig = ExportConfig()
    """What the files are called."""
    cluster: ClusterConfig = ClusterConfig()
    """Other machines that work for a command."""
    jobs: dict[str, dict[str, Any]] = {}
    """Jobs by name, ``[[jobs]]`` in TOML: what to change of the four that ship, and others (see jobs.Job)."""
    languages: dict[str, Language] = {}
    """Languages that Triptych doesn't know, by code (see languages.Language)."""

    def __post_init__(self) -> None:
        """Raises UsageError where a job can't be, or one is named that isn't defined."""
        jobs = self.all_jobs()
        named(jobs, self.captioning.jobs, "config key captioning.jobs: ")
        named(jobs, self.captioning.sampling, "config key captioning.sampling: ")
        named(jobs, self.checking.sampling, "config key checking.sampling: ")
        for rule, threshold in self.filtering.thresholds.items():
            if isinstance(threshold, dict):
                named(jobs, threshold, f"config key filtering.thresholds.{rule}: ")

    def all_jobs(self) -> tuple[Job, ...]:
        """Every job that is defined, in order."""
        return jobs_from(self.jobs, self.languages)

    def chosen_jobs(self) -> tuple[Job, ...]:
        """Of those the ones that captioning.jobs names; all if it names none."""
        return named(self.all_jobs(), self.captioning.jobs)


def checked_config(tree: Mapping[str, Any]) -> Config:
    """The config of these tables and values.

    Raises UsageError for an unknown key or a value of another kind.
    """
    _refuse_unknown_keys(tree, Config, "")
    try:
        return msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        expected, _, where = str(error).partition(" - at ")
        is_kind = expected.startswith(("Expected", "Invalid enum"))
        expected = expected.replace("Expected `array`", 'Expected a list, such as ["a", "b"]')
        key = where.strip("`").removeprefix("$.") if is_kind else None
        if key is not None and (choices := _choices(key)):
            expected += f"; expected {' or '.join(choices)}"
        raise UsageError(f"config{'' if key is None else f' key {key}'}: {expected}", key=key) from None


def _choices(key: str) -> list[str]:
    """The words that the setting ``key`` may be; nothing where it isn't one of some words."""
    found: list[msgspec.inspect.Type] = [msgspec.inspect.type_info(Config)]
    for name in key.split("."):
        fields = [f for each in found if isinstance(each, msgspec.inspect.StructType) for f in each.fields]
        kinds = [field.type for field in fields if field.name == name]
        found = [one for kind in kinds for one in getattr(kind, "types", (kind,))]
    return [str(v) for each in found if isinstance(each, msgspec.inspect.LiteralType) for v in each.values]


def as_tree(config: Config) -> dict[str, object]:
    """The config as plain tables and values."""
    tree: dict[str, object] = msgspec.to_builtins(config)
    return tree


def _refuse_unknown_keys(tree: Mapping[str, Any], kind: type[msgspec.Struct], prefix: str) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in tree.items():
        if key not in fields:
            below = _keys_below(fields)
            close = closest(key, below)
            hint = f" (did you mean {below[close]}?)" if close is not None else ""
            raise UsageError(
                f"unknown config key {prefix}{key}{hint};"
                f" keys of {prefix.rstrip('.') or 'the run'} are {', '.join(fields)}",
                key=f"{prefix}{key}",
            )
        field = fields[key]
        if isinstance(field, type) and issubclass(field, msgspec.Struct):
            if not isinstance(value, Mapping):
                raise UsageError(
                    f"config key {prefix}{key} is a table, found {value!r}", key=f"{prefix}{key}"
                )
            _refuse_unknown_keys(value, field, f"{prefix}{key}.")
        entry = get_args(field)[-1] if get_origin(field) is dict else None
        if isinstance(entry, type) and issubclass(entry, msgspec.Struct) and isinstance(value, Mapping):
            for name, table in value.items():
                if isinstance(table, Mapping):
                    _refuse_unknown_keys(table, entry, f"{prefix}{key}.{name}.")


def _keys_below(fields: Mapping[str, Any]) -> dict[str, str]:
    """The keys of a table and of the tables in it, by their own name: a setting may lie one table deeper."""
    keys = {name: name for name in fields}
    for table, kind in fields.items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for name in kind.__struct_fields__:
                keys.setdefault(name, f"{table}.{name}")
    return keys
