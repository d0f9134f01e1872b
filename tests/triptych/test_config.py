"""Settings from presets, files and flags. Unknown keys are refused."""

from pathlib import Path

import pytest

from triptych.config import as_tree, checked_config
from triptych.errors import UsageError
from triptych.settings import PRESETS, load_config, parse_assignment


def test_flags_override_the_file_and_the_file_the_preset(tmp_path: Path) -> None:
    """Each layer changes only the keys it names."""
    file = tmp_path / "mine.toml"
    file.write_text('[captioning]\ntile_px = 224\n[export]\nprefix = "from_file"\n')
    config = load_config("demo", file, {"export.prefix": "from_flag"})

    assert "builtin:nano-internvl" == config.captioning.model
    assert 224 == config.captioning.tile_px
    assert "from_flag" == config.export.prefix


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_loads_and_survives_storage(preset: str) -> None:
    """The config read back from what run.json stores is the same."""
    config = load_config(preset)

    assert config == checked_config(as_tree(config))


def test_an_unknown_key_is_refused_with_the_closest_known_one() -> None:
    """A typo must not be silently ignored."""
    with pytest.raises(UsageError, match=r"unknown config key sets\.max_set \(did you mean max_sets\?\)"):
        load_config(flags={"sets.max_set": 5})


def test_a_key_of_a_nested_table_is_suggested_too() -> None:
    """A user may expect an engine's settings beside the model's name."""
    with pytest.raises(UsageError, match=r"batch_size \(did you mean transformers\.batch_size\?\)"):
        load_config(flags={"captioning.batch_size": 4})


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    """And with the closest one."""
    with pytest.raises(
        UsageError, match=r"unknown preset 'sa1'; there are sa1b, demo \(did you mean sa1b\?\)"
    ):
        load_config("sa1")


@pytest.mark.parametrize(
    "flags",
    [{"sets.max_sets": "many"}, {"captioning.jobs": ["single_fr"]}, {"sets": 3}, {"sets.max_sets.deep": 1}],
)
def test_a_value_of_the_wrong_kind_is_a_usage_error(flags: dict[str, object]) -> None:
    """A wrong type, an unknown job, or a value in place of a table."""
    with pytest.raises(UsageError, match="config"):
        load_config(flags=flags)


def test_an_invalid_or_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    """The error names the file."""
    (tmp_path / "bad.toml").write_text("[sets\n")
    with pytest.raises(UsageError, match=r"bad\.toml is not TOML"):
        load_config(file=tmp_path / "bad.toml")
    with pytest.raises(UsageError, match=r"none\.toml: No such file"):
        load_config(file=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sets.max_sets=100", ("sets.max_sets", 100)),
        ("export.prefix=mine", ("export.prefix", "mine")),
        ('captioning.jobs=["single_en"]', ("captioning.jobs", ["single_en"])),
    ],
)
def test_an_assignment_takes_toml_values_and_bare_words(text: str, expected: tuple[str, object]) -> None:
    """So strings on a command line need no quotes."""
    assert expected == parse_assignment(text)


def test_an_error_about_a_value_names_its_key() -> None:
    """In the form in which a user writes it."""
    with pytest.raises(UsageError, match=r"config key sets\.max_sets: Expected `int \| null`, got `str`"):
        load_config(flags={"sets.max_sets": "many"})
    with pytest.raises(UsageError, match=r'filtering\.accepted: Expected a list, such as \["a", "b"\]'):
        load_config(flags={"filtering.accepted": "ungrounded"})


def test_extreme_nesting_is_refused_in_one_line(tmp_path: Path) -> None:
    """In a config file. On the command line, it is taken for a string."""
    nested = "[" * 100_000
    (tmp_path / "deep.toml").write_text(f"a = {nested}")
    with pytest.raises(UsageError, match=r"deep\.toml is not TOML"):
        load_config(None, tmp_path / "deep.toml")

    assert ("a", nested) == parse_assignment(f"a={nested}")


def test_an_unknown_word_is_answered_with_the_known_ones() -> None:
    """Also for an optional setting."""
    with pytest.raises(
        UsageError, match=r"filtering\.untrue: Invalid .* 'remove'; expected reject or repair"
    ):
        load_config(flags={"filtering.untrue": "remove"})
    with pytest.raises(UsageError, match="expected auto or bf16 or fp16 or fp32"):
        load_config(flags={"embedding.precision": "fp8"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("languages = 3", "config key languages: Expected `object`, got `int`"),
        (
            "[languages.xx]\nscript = 3",
            r"unknown config key languages\.xx\.script \(did you mean scripts\?\)",
        ),
        (
            '[languages.xx]\nscripts = ["Latn"]',
            r"languages\.xx\.scripts is \['Latn'\]; expected the first words",
        ),
        ("[languages.xx]\nscripts = []", r"languages\.xx\.scripts is \[\]"),
        ("[languages.xx]\nunits_per_english_word = nan", "is nan; expected a number above 0"),
        ("[languages.xx]\nunits_per_english_word = 0", "is 0; expected a number above 0"),
        (
            "[captioning.sampling.single_en]\ntemprature = 1",
            r"single_en\.temprature \(did you mean temperature\?",
        ),
        ("[[jobs]]\nname = 'a'\n[[jobs]]\nname = 'a'", "two are named 'a'; give one another name"),
    ],
)
def test_tables_with_the_users_own_names_are_checked_too(tmp_path: Path, text: str, message: str) -> None:
    """The error contains the name."""
    (tmp_path / "mine.toml").write_text(text)

    with pytest.raises(UsageError, match=message):
        load_config(file=tmp_path / "mine.toml")


def test_a_prefix_too_long_for_a_file_name_is_refused() -> None:
    """Otherwise the error would come after all rows have been made."""
    with pytest.raises(UsageError, match="prefix has 250 characters; expected at most 150"):
        load_config(flags={"export.prefix": "x" * 250})


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    """Windows editors write one."""
    (tmp_path / "mine.toml").write_text("[sets]\nmax_sets = 3\n", "utf-8-sig")

    assert 3 == load_config(file=tmp_path / "mine.toml").sets.max_sets
