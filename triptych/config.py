"""The config of a run: every setting.

Comes in: tables and values. Goes out: one validated Config. An unknown key is an error that names the closest
known one. Not its job: where the values come from (see settings), what a setting does (see the config of each
stage).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec

from triptych.captioning.checking.config import CheckingConfig
from triptych.captioning.config import CaptioningConfig
from triptych.errors import UsageError, closest, expect_fields
from triptych.executors import ClusterConfig
from triptych.export.config import ExportConfig
from triptych.filtering.config import FilteringConfig
from triptych.grouping.config import EmbeddingConfig, SetsConfig
from triptych.jobs import Job, jobs_from, select_jobs
from triptych.languages import Language
from triptych.sources.config import InputConfig


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting, one table per stage."""

    input: InputConfig = InputConfig()
    """How sources are read."""
    embedding: EmbeddingConfig = EmbeddingConfig()
    """How images become vectors."""
    sets: SetsConfig = SetsConfig()
    """Which images are duplicates, which belong together."""
    captioning: CaptioningConfig = CaptioningConfig()
    """How captions are made, and by which model."""
    checking: CheckingConfig = CheckingConfig()
    """Which model checks captions for truth."""
    filtering: FilteringConfig = FilteringConfig()
    """Which captions are rejected."""
    export: ExportConfig = ExportConfig()
    """Names and formats of the exported files."""
    cluster: ClusterConfig = ClusterConfig()
    """A cluster of other machines to work on."""
    jobs: dict[str, dict[str, Any]] = {}
    """Jobs by name, ``[[jobs]]`` in TOML: changes to the four built-in ones, and others (see jobs.Job)."""
    languages: dict[str, Language] = {}
    """Additional languages, by code (see languages.Language)."""

    def __post_init__(self) -> None:
        """Raises UsageError for an invalid job, or the name of an undefined one."""
        expect_fields(self, "config")
        jobs = self.all_jobs()
        select_jobs(jobs, self.captioning.jobs, "config key captioning.jobs: ")
        select_jobs(jobs, self.captioning.sampling, "config key captioning.sampling: ")
        select_jobs(jobs, self.checking.sampling, "config key checking.sampling: ")
        for rule, threshold in self.filtering.thresholds.items():
            if isinstance(threshold, dict):
                select_jobs(jobs, threshold, f"config key filtering.thresholds.{rule}: ")

    def all_jobs(self) -> tuple[Job, ...]:
        """Every job that is defined, in order."""
        return jobs_from(self.jobs, self.languages)

    def chosen_jobs(self) -> tuple[Job, ...]:
        """The jobs that ``captioning.jobs`` names; all if it names none."""
        return select_jobs(self.all_jobs(), self.captioning.jobs)


def checked_config(tree: Mapping[str, Any]) -> Config:
    """The config with these tables and values. Raises UsageError for an unknown key or an invalid value."""
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
    """The allowed words of the setting ``key``; empty unless it is an enumeration."""
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
    """The keys of a table and of its subtables, by their last part: hints may point one table deeper."""
    keys = {name: name for name in fields}
    for table, kind in fields.items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for name in kind.__struct_fields__:
                keys.setdefault(name, f"{table}.{name}")
    return keys
