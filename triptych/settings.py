"""Where the settings of a run come from: its stored ones, a preset, a TOML file, the command line.

Comes in: a run's stored settings, a preset's name, a file, dotted keys. Goes out: Settings, with the origin
of each value. Not its job: which settings there are (see config).

One rule for all commands: a run's stored settings hold until they are changed. A value that was set by name
(a flag, ``--set``, ``triptych config``) outranks a config file, which outranks a preset; among equals the
later one wins. So a repeated command keeps what was changed in the meantime.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from triptych.config import Config, as_tree, checked_config
from triptych.errors import UsageError, did_you_mean, expect
from triptych.prompts import BUILTIN

PRESETS = ("sa1b", "demo")
COMMAND_LINE = "command line"
IN_PYTHON = "Python"

_USER_KEYED_TABLES = (
    ("jobs",),
    ("languages",),
    ("filtering", "thresholds"),
    ("captioning", "sampling"),
    ("captioning", "server", "headers"),
    ("checking", "sampling"),
    ("checking", "server", "headers"),
    ("input", "parquet", "image_columns"),
    ("cluster", "labels"),
)
"""Tables whose keys are chosen by the user: a value of None removes an entry."""

NOT_STORED = {"captioning.sample": "--sample N", "cluster.address": "--cluster ADDRESS"}
"""Settings that apply to one command only and are never stored in a run, and their options."""

_PRESET, _FILE = "preset ", "config file "


class Settings(NamedTuple):
    """A config, and where its values come from."""

    config: Config
    origins: dict[str, str]
    """By dotted key; keys that are missing here have their default."""

    @classmethod
    def from_config(cls, config: Config) -> Settings:
        """The settings of a config that was made in Python."""
        defaults = dict(leaves(as_tree(Config())))
        tree, origins = as_tree(config), {}
        for path, value in list(_paths(tree)):
            if defaults.get(key := ".".join(path)) != value:
                origins[key] = IN_PYTHON
                _set(tree, path, _with_absolute_files(path, value, Path.cwd()))
        return cls(checked_config(tree), origins)


def load_config(
    preset: str | None = None, file: str | Path | None = None, flags: Mapping[str, object] | None = None
) -> Config:
    """The config of ``preset``, overridden by the TOML ``file``, overridden by ``flags``.

    ``flags`` has dotted keys (``sets.max_sets``). Raises UsageError for an unknown preset or key, a value
    of the wrong type, or a file that can't be read.
    """
    return load_settings(preset, file, flags).config


def load_settings(
    preset: str | None = None,
    file: str | Path | None = None,
    flags: Mapping[str, object] | None = None,
    stored: Settings | None = None,
    flags_from: str = COMMAND_LINE,
) -> Settings:
    """``stored`` settings, overridden by ``preset``, ``file`` and ``flags`` by the rule above.

    Raises UsageError as ``load_config`` does.
    """
    expect(preset, str | None, "preset")
    expect(file, str | PathLike | None, "config file")
    expect(flags, Mapping | None, "settings")
    tree: dict[str, Any] = {} if stored is None else as_tree(stored.config)
    origins = {} if stored is None else dict(stored.origins)
    if preset is not None:
        _overlay(tree, origins, _read_preset(preset), f"{_PRESET}{preset}")
    if file is not None:
        _overlay(tree, origins, _read_toml(Path(file)), f"{_FILE}{file}", Path(file).absolute().parent)
    for dotted, value in (flags or {}).items():
        expect(dotted, str, "a key of settings")
        named: dict[str, Any] = {}
        _set(named, dotted.split("."), value)
        _overlay(tree, origins, named, flags_from)
    languages = tree.get("languages")
    for code, table in languages.items() if isinstance(languages, dict) else ():
        if isinstance(table, dict):
            table["code"] = code
    return Settings(checked_config(tree), origins)


def parse_assignment(text: str) -> tuple[str, object]:
    """Parse ``sets.max_sets=100`` to a key and a TOML value; ``none`` is None, invalid TOML is a string.

    >>> parse_assignment("sets.max_sets=none")
    ('sets.max_sets', None)
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r}: expected KEY=VALUE, such as sets.max_sets=100")
    if value.strip() == "none":
        return key.strip(), None
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return key.strip(), value


def leaves(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Values by dotted key; an empty table is a value."""
    yield from ((".".join(path), value) for path, value in _paths(tree))


def _paths(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The same, by the names of the tables and the value: each may contain dots."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _paths(value, (*above, key))
        else:
            yield (*above, key), value


def _overlay(
    tree: dict[str, Any],
    origins: dict[str, str],
    over: Mapping[str, Any],
    origin: str,
    folder: Path | None = None,
) -> None:
    """Merge ``over`` into ``tree``, except where ``tree`` outranks it. Its files are relative to ``folder``,
    by default the working directory."""
    if "jobs" in over:
        over = {**over, "jobs": _by_name(over["jobs"])}
    for path, value in _paths(over):
        key = ".".join(path)
        outranked = key in origins and _rank(origins[key]) > _rank(origin)
        if outranked or (value == {} and origin != COMMAND_LINE):  # an empty table in a file changes nothing
            continue
        if value is None and any(path[: len(table)] == table for table in _USER_KEYED_TABLES):
            _remove(tree, path)
        else:
            _set(tree, path, _with_absolute_files(path, value, folder or Path.cwd()))
        for below in [each for each in origins if each.startswith(f"{key}.")]:
            del origins[below]
        origins[key] = origin


def _rank(origin: str) -> int:
    return 0 if origin.startswith(_PRESET) else 1 if origin.startswith(_FILE) else 2


def _with_absolute_files(path: tuple[str, ...], value: object, folder: Path) -> object:
    """``value`` with the files that it names made absolute: commands may be run in other folders later."""
    if path[0] == "jobs" and path[-1] == "prompt" and isinstance(value, str):
        return value if value.startswith(BUILTIN) else str(folder / Path(value).expanduser())
    if path == ("filtering", "rules") and isinstance(value, list):
        return [_with_absolute_rule_file(spec, folder) for spec in value]
    return value


def _with_absolute_rule_file(spec: object, folder: Path) -> object:
    """``my_rules.py:NAME`` with an absolute path; other rules unchanged."""
    file, _, name = spec.rpartition(":") if isinstance(spec, str) else ("", "", "")
    return f"{folder / Path(file).expanduser()}:{name}" if file.endswith(".py") else spec


def _set(tree: dict[str, Any], path: Sequence[str], value: object) -> None:
    *tables, name = path
    for table in tables:
        if not isinstance(tree.get(table), dict):
            tree[table] = {}
        tree = tree[table]
    tree[name] = value


def _remove(tree: dict[str, Any], path: Sequence[str]) -> None:
    *tables, name = path
    for table in tables:
        if not isinstance(tree := tree.get(table, {}), dict):
            return
    tree.pop(name, None)


def _read_preset(name: str) -> dict[str, Any]:
    if name not in PRESETS:
        raise UsageError(
            f"unknown preset {name!r}; there are {', '.join(PRESETS)}{did_you_mean(name, PRESETS)}"
        )
    return tomllib.loads((resources.files("triptych") / "presets" / f"{name}.toml").read_text("utf-8"))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"config file {path}: {error.strerror}", path=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"config file {path} is not TOML: {error}", path=path) from None


def _by_name(jobs: object) -> dict[str, Any]:
    """``[[jobs]]`` as tables by name; tables by name are returned unchanged."""
    if isinstance(jobs, Mapping):
        return dict(jobs)
    by_name: dict[str, Any] = {}
    for table in jobs if isinstance(jobs, list) else [jobs]:
        if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
            raise UsageError(f"config key jobs: found {table!r}; expected [[jobs]] tables, each with a name")
        if table["name"] in by_name:
            raise UsageError(f"config key jobs: two are named {table['name']!r}; give one another name")
        by_name[table["name"]] = {key: value for key, value in table.items() if key != "name"}
    return by_name
