"""The config of a run: preset, then TOML file, then flags, each over the one before.

Comes in: a preset's name, a file, dotted flags. Goes out: one checked Config. A key that doesn't
exist is an error that names the closest one that does. Not its job: what a setting does; each
stage's config says that.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from triptych.captioning.config import CaptioningConfig
from triptych.errors import UsageError, closest, did_you_mean
from triptych.export.config import ExportConfig
from triptych.filtering.config import FilteringConfig
from triptych.grouping.config import EmbeddingConfig, SetsConfig
from triptych.jobs import Job, jobs_from, named
from triptych.languages import Language
from triptych.sources.config import InputConfig

PRESETS = ("sa1b", "demo")


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
    filtering: FilteringConfig = FilteringConfig()
    """Which captions are rejected."""
    export: ExportConfig = ExportConfig()
    """What the files are called."""
    jobs: dict[str, dict[str, Any]] = {}
    """Jobs by name, ``[[jobs]]`` in TOML: what to change of the four that ship, and others (see jobs.Job)."""
    languages: dict[str, Language] = {}
    """Languages that Triptych doesn't know, by code (see languages.Language)."""

    def __post_init__(self) -> None:
        """Raises UsageError where a job can't be, or one is named that isn't defined."""
        jobs = self.all_jobs()
        named(jobs, self.captioning.jobs, "config key captioning.jobs: ")
        named(jobs, self.captioning.sampling, "config key captioning.sampling: ")
        for rule, threshold in self.filtering.thresholds.items():
            if isinstance(threshold, dict):
                named(jobs, threshold, f"config key filtering.thresholds.{rule}: ")

    def all_jobs(self) -> tuple[Job, ...]:
        """Every job that is defined, in order."""
        return jobs_from(self.jobs, self.languages)

    def limited_jobs(self) -> tuple[Job, ...]:
        """The same with captioning.sample in their limits."""
        sample = self.captioning.sample
        return tuple(job if sample is None else job.limited_to(sample) for job in self.all_jobs())

    def chosen_jobs(self) -> tuple[Job, ...]:
        """Of those the ones that captioning.jobs names; all if it names none."""
        return named(self.limited_jobs(), self.captioning.jobs)


def load_config(
    preset: str | None = None,
    file: str | Path | None = None,
    flags: Mapping[str, object] | None = None,
    base: Mapping[str, object] | None = None,
) -> Config:
    """Merge ``base`` (a run's stored config), ``preset``, ``file`` and ``flags``, in this order.

    ``flags`` has dotted keys (``sets.max_sets``). Raises UsageError for an unknown preset or key, a
    value of the wrong kind, or a file that can't be read.
    """
    tree: dict[str, Any] = {}
    if base is not None:
        _merge(tree, base)
    if preset is not None:
        _merge(tree, _read_preset(preset))
    if file is not None:
        _merge(tree, _read_toml(Path(file)))
    for dotted, value in (flags or {}).items():
        table = tree
        *parents, name = dotted.split(".")
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise UsageError(f"config key {dotted}: {parent} is a value, not a table", key=dotted)
        table[name] = value
    tree["jobs"] = _by_name(tree.get("jobs", {}))
    for code, table in tree.get("languages", {}).items():
        if isinstance(table, dict):
            table["code"] = code
    _refuse_unknown_keys(tree, Config, "")
    try:
        return msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        expected, _, where = str(error).partition(" - at ")
        key = where.strip("`").removeprefix("$.") if expected.startswith("Expected") else None
        raise UsageError(f"config{'' if key is None else f' key {key}'}: {expected}", key=key) from None


def parse_assignment(text: str) -> tuple[str, object]:
    """``sets.max_sets=100`` as a key and a TOML value; what isn't TOML is taken as a string."""
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text!r}: expected KEY=VALUE, such as sets.max_sets=100")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return key.strip(), value


def as_tree(config: Config) -> dict[str, object]:
    """The config as plain tables and values."""
    tree: dict[str, object] = msgspec.to_builtins(config)
    return tree


def _read_preset(name: str) -> dict[str, Any]:
    if name not in PRESETS:
        raise UsageError(
            f"unknown preset {name!r}; there are {', '.join(PRESETS)}{did_you_mean(name, PRESETS)}"
        )
    return tomllib.loads((resources.files("triptych") / "presets" / f"{name}.toml").read_text("utf-8"))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"config file {path}: {error.strerror}", path=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"config file {path} is not TOML: {error}", path=path) from None


def _by_name(jobs: object) -> dict[str, Any]:
    """``[[jobs]]`` as tables by name; tables by name as they are."""
    if isinstance(jobs, Mapping):
        return dict(jobs)
    by_name: dict[str, Any] = {}
    for table in jobs if isinstance(jobs, list) else [jobs]:
        if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
            raise UsageError(f"config key jobs: found {table!r}; expected [[jobs]] tables, each with a name")
        by_name[table["name"]] = {key: value for key, value in table.items() if key != "name"}
    return by_name


def _merge(into: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if key == "jobs":
            value = _by_name(value)
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


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


def _keys_below(fields: Mapping[str, Any]) -> dict[str, str]:
    """The keys of a table and of the tables in it, by their own name: a setting may lie one table deeper."""
    keys = {name: name for name in fields}
    for table, kind in fields.items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for name in kind.__struct_fields__:
                keys.setdefault(name, f"{table}.{name}")
    return keys
