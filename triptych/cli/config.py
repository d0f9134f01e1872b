"""The command config: shows and changes the settings of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from triptych.cli import options
from triptych.errors import UsageError, did_you_mean
from triptych.progress import for_stderr
from triptych.terminal import echo, echo_json

if TYPE_CHECKING:
    from triptych.settings import Settings
    from triptych.settings_table import SettingRow


@click.command(epilog=options.example("triptych config run filtering.thresholds.too_short=25"))
@click.argument("folder", metavar="[RUN]", required=False)
@click.argument("keys", metavar="[KEY[=VALUE]]...", nargs=-1)
@options.preset
@click.option("--changed", is_flag=True, help="Show only settings that aren't the default.")
@options.as_json
def config(
    folder: str | None, keys: tuple[str, ...], preset: str | None, changed: bool, as_json: bool
) -> None:
    """Show all settings, or change those of a run.

    Shows each setting of RUN, or the defaults if RUN is left out: its value, where the value comes from, its
    default, its unit and its meaning. KEY shows one setting or table; KEY=VALUE changes it for all later
    commands (none means no value, and removes a job or a threshold that you added). Results made with other
    settings stay until they are made again.
    """
    run, words = _run_and_keys(folder, keys)
    changes = [word for word in words if "=" in word]
    if run is None and changes:
        raise UsageError(f"{changes[0]} changes a run: name its folder, triptych config RUN KEY=VALUE")
    if run is not None and preset is not None:
        raise UsageError("--preset shows the settings of a preset, RUN those of a run; leave out one of them")
    settings = _settings(run, preset, changes)
    _show(settings, words, changed=changed, as_json=as_json)


def _run_and_keys(folder: str | None, keys: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The run folder and the keys. If the first word is a key and not a folder, there is no run folder."""
    from triptych.config import Config

    if folder is None:
        return None, []
    is_key = folder.split("=")[0].split(".")[0] in Config.__struct_fields__ and not Path(folder).is_dir()
    return (None, [folder, *keys]) if is_key else (Path(folder), list(keys))


def _settings(run: Path | None, preset: str | None, changes: Sequence[str]) -> Settings:
    from triptych.opening import open_run, stored_settings
    from triptych.runs.folder import RunFolder
    from triptych.settings import NOT_STORED, leaves, load_settings, parse_assignment

    if run is None:
        return load_settings(preset)
    if not changes:
        return stored_settings(RunFolder.open(run))[0]
    flags = dict(map(parse_assignment, changes))
    for key, _ in leaves(flags):
        if key in NOT_STORED:
            raise UsageError(f"{key} applies to one command only: give it as {NOT_STORED[key]}", key=key)
    with open_run(run, settings=flags, progress=for_stderr()) as opened:
        opened.save_settings()
        return opened.settings


def _show(settings: Settings, words: Sequence[str], *, changed: bool, as_json: bool) -> None:
    from triptych.settings_table import setting_rows

    rows = list(setting_rows(settings))
    keys = [_shown_key(word, rows) for word in words]
    rows = [row for row in rows if not changed or row.origin != "default"]
    rows = [row for row in rows if not keys or any(_is_below(row, key) for key in keys)]
    if as_json:
        echo_json(rows)
    else:
        for row in rows:
            _print(row)


def _shown_key(word: str, rows: Sequence[SettingRow]) -> str:
    """The key in ``word``; of a key that the word has removed, the table."""
    key, is_change, _ = (part.strip() for part in word.partition("="))
    if any(_is_below(row, key) for row in rows):
        return key
    if is_change:
        return key.rpartition(".")[0]
    close = did_you_mean(key, [row.key for row in rows])
    raise UsageError(f"unknown config key {key}{close}; `triptych config` shows all", key=key)


def _is_below(row: SettingRow, key: str) -> bool:
    return row.key == key or row.key.startswith(f"{key}.")


def _print(row: SettingRow) -> None:
    from triptych.settings_table import assignable_text

    about = [row.origin]
    if row.origin != "default":
        about.append(f"default {assignable_text(row.default)}")
    if row.unit:
        about.append(row.unit)
    echo(f"{row.key} = {assignable_text(row.value)}  ({'; '.join(about)})")
    echo(*click.wrap_text(row.help, 100, "    ", "    ").splitlines())
