"""Preset, then file, then flags; and no key that doesn't exist."""

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
    """What run.json keeps gives the same config again."""
    config = load_config(preset)

    assert config == checked_config(as_tree(config))


def test_an_unknown_key_is_refused_with_the_closest_known_one() -> None:
    """A typo must not be silently ignored."""
    with pytest.raises(UsageError, match=r"unknown config key sets\.max_set \(did you mean max_sets\?\)"):
        load_config(flags={"sets.max_set": 5})


def test_a_key_of_a_table_one_deeper_is_found_too() -> None:
    """A table of an engine has settings that one may look for beside the model's name."""
    with pytest.raises(UsageError, match=r"batch_size \(did you mean transformers\.batch_size\?\)"):
        load_config(flags={"captioning.batch_size": 4})


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    """Likewise for presets."""
    with pytest.raises(
        UsageError, match=r"unknown preset 'sa1'; there are sa1b, demo \(did you mean sa1b\?\)"
    ):
        load_config("sa1")


@pytest.mark.parametrize(
    "flags",
    [{"sets.max_sets": "many"}, {"captioning.jobs": ["single_fr"]}, {"sets": 3}, {"sets.max_sets.deep": 1}],
)
def test_a_value_of_the_wrong_kind_is_a_usage_error(flags: dict[str, object]) -> None:
    """In one line that names the key."""
    with pytest.raises(UsageError, match="config"):
        load_config(flags=flags)


def test_a_file_that_is_no_toml_or_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """With the file's name."""
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
    """So that quotes are not needed for strings on a command line."""
    assert expected == parse_assignment(text)


def test_a_value_of_the_wrong_kind_is_said_with_its_key() -> None:
    """As a user writes it."""
    with pytest.raises(UsageError, match=r"config key sets\.max_sets: Expected `int \| null`, got `str`"):
        load_config(flags={"sets.max_sets": "many"})
    with pytest.raises(UsageError, match=r'filtering\.accepted: Expected a list, such as \["a", "b"\]'):
        load_config(flags={"filtering.accepted": "ungrounded"})


def test_a_file_nested_beyond_all_reason_is_refused_in_one_line(tmp_path: Path) -> None:
    """In a config and on the command line, where it is taken for a string."""
    nested = "[" * 100_000
    (tmp_path / "deep.toml").write_text(f"a = {nested}")
    with pytest.raises(UsageError, match=r"deep\.toml is not TOML"):
        load_config(None, tmp_path / "deep.toml")

    assert ("a", nested) == parse_assignment(f"a={nested}")


def test_a_word_that_a_setting_does_not_know_is_answered_with_those_it_knows() -> None:
    """Also where it may be left out."""
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
def test_a_table_of_the_users_own_names_is_checked_as_others_are(
    tmp_path: Path, text: str, message: str
) -> None:
    """With the name in the message."""
    (tmp_path / "mine.toml").write_text(text)

    with pytest.raises(UsageError, match=message):
        load_config(file=tmp_path / "mine.toml")


def test_a_prefix_fits_into_a_file_name() -> None:
    """Else it is found out when all rows have been made."""
    with pytest.raises(UsageError, match="prefix has 250 characters; expected at most 150"):
        load_config(flags={"export.prefix": "x" * 250})


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    """As Windows' editors write it."""
    (tmp_path / "mine.toml").write_text("[sets]\nmax_sets = 3\n", "utf-8-sig")

    assert 3 == load_config(file=tmp_path / "mine.toml").sets.max_sets
