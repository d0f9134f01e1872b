"""Settings of a run: how commands change them, and where each value comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.triptych.conftest import Command, run_again
from tests.triptych.test_bad_input import assert_one_line
from triptych.cli.flags import flags_of
from triptych.cli.stages import jobs_in_languages
from triptych.config import Config, as_tree
from triptych.errors import UsageError
from triptych.opening import open_run
from triptych.settings import Settings, leaves, load_settings
from triptych.settings_table import SettingRow, setting_rows


def later_settings(stored: Settings, **given: object) -> Settings:
    """The settings of a later command on a run with the settings ``stored``."""
    return load_settings(stored=stored, **given)  # type: ignore[arg-type]


def toml(folder: Path, text: str) -> Path:
    """A config file with this text."""
    (folder / "my.toml").write_text(text)
    return folder / "my.toml"


def test_a_stored_setting_stays_until_it_is_changed() -> None:
    """Later commands that set other keys leave it alone."""
    stored = load_settings("demo", flags={"sets.max_sets": 7})

    later = later_settings(stored, flags={"export.prefix": "mine"})

    config = later.config
    assert (7, "mine", 112) == (config.sets.max_sets, config.export.prefix, config.captioning.tile_px)


def test_settings_by_name_outrank_the_preset_and_the_file_of_the_first_command(tmp_path: Path) -> None:
    """So the first command, given again, keeps what was changed since."""
    first = {"preset": "demo", "file": toml(tmp_path, "[captioning]\nmax_tiles = 2\n")}
    changed = later_settings(
        load_settings(**first), flags={"captioning.tile_px": 224, "captioning.max_tiles": 3}
    )

    later = later_settings(changed, **first)

    assert (224, 3) == (later.config.captioning.tile_px, later.config.captioning.max_tiles)
    assert "command line" == later.origins["captioning.tile_px"]


def test_a_changed_config_file_changes_settings_from_files_and_presets(tmp_path: Path) -> None:
    """It is read again whenever it is named."""
    stored = load_settings("demo", toml(tmp_path, "[captioning]\ntile_px = 224\n"))

    later = later_settings(stored, file=toml(tmp_path, "[captioning]\ntile_px = 448\n[sets]\n"))

    assert 448 == later.config.captioning.tile_px
    assert f"config file {tmp_path / 'my.toml'}" == later.origins["captioning.tile_px"]


def test_a_later_flag_replaces_an_earlier_one_also_by_none() -> None:
    """TOML can't express none."""
    stored = load_settings(flags={"sets.max_sets": 7})

    assert later_settings(stored, flags={"sets.max_sets": None}).config.sets.max_sets is None


def test_a_threshold_for_all_jobs_replaces_those_by_job() -> None:
    """And vice versa."""
    by_job = load_settings(flags={"filtering.thresholds.too_short.single_en": 4})
    for_all = later_settings(by_job, flags={"filtering.thresholds.too_short": 9})

    assert {"too_short": {"single_en": 4.0}} == by_job.config.filtering.thresholds
    assert {"too_short": 9.0} == for_all.config.filtering.thresholds
    assert ["filtering.thresholds.too_short"] == list(for_all.origins)
    assert (
        by_job.config == later_settings(for_all, flags={"filtering.thresholds.too_short.single_en": 4}).config
    )


def test_a_value_in_place_of_a_table_is_refused() -> None:
    """The error names the key."""
    with pytest.raises(UsageError, match="config key sets is a table, found 3"):
        load_settings(flags={"sets": 3})


def rows(settings: Settings) -> dict[str, SettingRow]:
    """The rows of the settings table, by key."""
    return {row.key: row for row in setting_rows(settings)}


def test_every_setting_has_its_value_default_origin_unit_and_meaning() -> None:
    """The meaning is the docstring after the field."""
    row = rows(load_settings("demo"))["captioning.tile_px"]

    assert (112, 448, "preset demo", "pixels") == (row.value, row.default, row.origin, row.unit)
    assert "Side of the model's square tile in pixels. InternVL: 448." == row.help
    assert all(row.help for row in setting_rows(load_settings()))


def test_inherited_settings_are_explained_too() -> None:
    """Settings of requests are shared by all servers."""
    assert "seconds" == rows(load_settings())["captioning.timeout_s"].unit
    assert rows(load_settings())["captioning.timeout_s"].help.startswith("How long one answer")


@pytest.fixture
def run(few_images: Path, tmp_path: Path) -> Path:
    """A run with stored settings and no results."""
    with open_run(tmp_path / "run", [few_images], preset="demo") as opened:
        opened.save_settings()
    return tmp_path / "run"


def test_config_changes_a_run_for_all_commands(run: Path, triptych: Command) -> None:
    """`config` then shows the new value and its origin."""
    changed = triptych("config", run, "export.prefix=mine", "sets.max_sets=none")
    shown = triptych("config", run, "export.prefix", "--json")

    assert 0 == changed.exit_code
    assert "export.prefix = mine  (command line; default triptych_caption)" in changed.stdout
    (row,) = json.loads(shown.stdout)
    assert ("mine", "command line") == (row["value"], row["origin"])


def test_config_removes_what_the_user_added(run: Path, triptych: Command) -> None:
    """And shows what is left of its table."""
    triptych("config", run, "filtering.thresholds.too_short=25")
    removed = triptych("config", run, "filtering.thresholds.too_short=none")

    assert 0 == removed.exit_code, removed.stderr
    assert removed.stdout.startswith("filtering.thresholds = {}  (")


def test_config_shows_no_unchanged_setting_with_changed(run: Path, triptych: Command) -> None:
    """Though it knows the key."""
    outcome = triptych("config", run, "sets.max_sets", "--changed")

    assert (0, "") == (outcome.exit_code, outcome.stdout)


def test_settings_are_written_once(run: Path) -> None:
    """Not again when the run is closed."""
    with open_run(run, settings={"export.prefix": "mine"}) as opened:
        opened.save_settings()
        written = (run / "run.json").stat().st_ino
    assert written == (run / "run.json").stat().st_ino
    assert "mine" == open_run(run, read_only=True).config.export.prefix


def test_a_command_given_again_keeps_changed_settings(run: Path, few_images: Path, triptych: Command) -> None:
    """Here a prefix, changed between two calls of the same command."""
    triptych("config", run, "export.prefix=other")
    with open_run(run, [few_images], preset="demo") as opened:
        opened.save_settings()

    assert "export.prefix = other" in triptych("config", run, "export").stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["export.prefix=x"], "export.prefix=x changes a run: name its folder"),
        (["export.prefx"], "unknown config key export.prefx (did you mean export.prefix?)"),
        (["RUN", "export.prefix=a b"], "export.prefix is 'a b'; expected letters"),
        (["RUN", "--preset", "demo"], "--preset shows the settings of a preset, RUN those of a run"),
        (
            ["RUN", "captioning.sample=20"],
            "captioning.sample applies to one command only: give it as --sample N",
        ),
        (["RUN", "captioning={sample=20}"], "captioning.sample applies to one command only"),
        (
            ["RUN", "cluster.address=auto"],
            "cluster.address applies to one command only: give it as --cluster",
        ),
    ],
)
def test_config_refuses_invalid_arguments_in_one_line(
    words: list[str], expected: str, run: Path, triptych: Command
) -> None:
    """Nothing is stored."""
    outcome = triptych("config", *(run if word == "RUN" else word for word in words))

    assert_one_line(outcome, 2, expected)


def test_config_without_a_run_shows_the_defaults(triptych: Command) -> None:
    """Each with its meaning."""
    outcome = triptych("config", "captioning.max_in_flight")

    assert outcome.stdout.startswith("captioning.max_in_flight = 64  (default)\n    Requests in flight")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"set_size": "2-4"}, {"sets.min_images": 2, "sets.max_images": 4}),
        ({"set_size": "3"}, {"sets.min_images": 3, "sets.max_images": 3}),
        ({"prompts": ["multi_en=/p.txt"]}, {"jobs.multi_en.prompt": "/p.txt"}),
        ({"encoder": "timm:resnet18"}, {"embedding.model": "timm:resnet18"}),
        ({"api_key_env": "KEY"}, {"captioning.server.api_key_env": "KEY"}),
        ({"prefix": "mine"}, {"export.prefix": "mine"}),
    ],
)
def test_common_settings_have_flags(given: dict[str, object], expected: dict[str, object]) -> None:
    """Each flag sets a config key, so it is stored."""
    assert expected == flags_of(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"set_size": "few"}, "expected MIN-MAX"),
        ({"prompts": ["p.txt"]}, "expected JOB=FILE"),
    ],
)
def test_an_invalid_flag_is_refused(given: dict[str, object], message: str) -> None:
    """The error shows the expected form."""
    with pytest.raises(UsageError, match=message):
        flags_of(**given)  # type: ignore[arg-type]


def test_a_language_chooses_its_jobs(run: Path) -> None:
    """Among those that --job names, or among all. For a language without a job, the error shows how to add
    one."""
    with open_run(run) as opened:
        assert ["single_zh", "multi_zh"] == jobs_in_languages(opened, [], ["zh"])
        assert ["multi_en"] == jobs_in_languages(opened, ["multi_en", "multi_zh"], ["en"])
        with pytest.raises(UsageError, match="only en, zh; add one with --job name=single_ja"):
            jobs_in_languages(opened, [], ["ja"])


def test_names_in_tables_may_have_dots(tmp_path: Path) -> None:
    """Names of files and of fields."""
    columns = toml(tmp_path, '[input.parquet.image_columns]\n"train-*.parquet" = "img"\n')
    stored = load_settings(file=columns, flags={"captioning.server.extra_body": {"a.b": {"c.d": 1}}})

    config = later_settings(stored, flags={"input.parquet.image_columns": {"a*.parquet": "x"}}).config

    assert {"train-*.parquet": "img", "a*.parquet": "x"} == config.input.parquet.image_columns
    assert {"a.b": {"c.d": 1}} == config.captioning.server.extra_body


def test_an_api_key_in_place_of_its_variable_is_refused_and_not_shown(triptych: Command, run: Path) -> None:
    """Otherwise it would be stored."""
    outcome = triptych("caption", run, "--server", "http://127.0.0.1:9", "--api-key-env", "sk-proj-12ab")

    assert_one_line(outcome, 2, "captioning.server.api_key_env isn't a variable's name")
    assert "12ab" not in outcome.stderr + (run / "run.json").read_text("utf-8")


def stored_config(run: Path) -> object:
    return json.loads((run / "run.json").read_text("utf-8"))["config"]


def test_settings_of_a_failed_command_are_not_stored(triptych: Command, few_images: Path, run: Path) -> None:
    """The run can be resumed with its own."""
    before = stored_config(run)
    (run / "export.part").write_text("")  # so that no export can be built

    assert 1 == triptych("export", run, "--fresh", "export", "--format", "llava").exit_code

    (run / "export.part").unlink()
    assert before == stored_config(run)
    assert 0 == run_again(triptych, few_images, run).exit_code


def test_files_named_by_settings_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths in a config file are relative to the file, others to the working directory."""
    (folder := tmp_path / "settings").mkdir()
    file = toml(
        folder,
        '[[jobs]]\nname = "single_en"\nprompt = "short.txt"\n[[jobs]]\nname = "multi_en"\n'
        'prompt = "builtin:multi_en"\n[filtering]\nrules = ["mine.py:has_url", "garbled"]\n',
    )
    monkeypatch.chdir(tmp_path)

    read = load_settings(file=file, flags={"jobs.single_zh.prompt": "zh.txt"}).config
    in_python = Settings.from_config(Config(jobs={"single_en": {"prompt": "short.txt"}})).config

    prompts = {name: table["prompt"] for name, table in read.jobs.items()}
    assert {
        "single_en": str(folder / "short.txt"),
        "multi_en": "builtin:multi_en",
        "single_zh": str(tmp_path / "zh.txt"),
    } == prompts
    assert (f"{folder / 'mine.py'}:has_url", "garbled") == read.filtering.rules
    assert {"single_en": {"prompt": str(tmp_path / "short.txt")}} == in_python.jobs


@pytest.mark.parametrize(
    ("key", "left"),
    [
        ("filtering.thresholds.to_short", {"filtering.thresholds.too_long": 9}),
        ("filtering.thresholds.too_long.single_en", {"filtering.thresholds.too_long": 9}),
        ("jobs.mine", {"jobs": {}}),
        ("jobs.mine.limit", {"jobs.mine.subject": "image", "jobs.mine.language": "en"}),
    ],
)
def test_none_removes_a_name_that_the_user_added(key: str, left: dict[str, object]) -> None:
    """Otherwise a mistyped name would stay in the run."""
    stored = load_settings(
        flags={
            "filtering.thresholds.to_short": 5,
            "filtering.thresholds.too_long": 9,
            "jobs.mine": {"subject": "image", "language": "en", "limit": 3},
        }
    )

    later = as_tree(later_settings(stored, flags={"filtering.thresholds.to_short": None, key: None}).config)

    table = "jobs" if key.startswith("jobs") else "filtering.thresholds"
    assert left == {name: value for name, value in leaves(later) if name.startswith(table)}
