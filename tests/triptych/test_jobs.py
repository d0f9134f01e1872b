"""Jobs and languages: a config can change them and add to them."""

import subprocess
import sys
from pathlib import Path

import pytest

from triptych.config import as_tree, checked_config
from triptych.errors import UsageError
from triptych.jobs import SEED_JOBS, Job, jobs_from, parse_job
from triptych.languages import LANGUAGES, language_of, script_of
from triptych.settings import load_config

JAPANESE = '[[jobs]]\nname = "single_ja"\nsubject = "image"\nlanguage = "ja"\nprompt = "ja.toml"\n'


def test_the_default_jobs_are_the_four_seed_jobs() -> None:
    """In the order of captioning and export."""
    assert SEED_JOBS == load_config().all_jobs()
    assert ["single_en", "single_zh", "multi_en", "multi_zh"] == [job.name for job in SEED_JOBS]


def test_a_file_adds_a_job_and_changes_another(tmp_path: Path) -> None:
    """The job is found by its name; fields that the file doesn't mention stay. run.json stores both jobs."""
    file = tmp_path / "mine.toml"
    file.write_text(JAPANESE + '[[jobs]]\nname = "single_zh"\nlimit = 1000\n')

    config = load_config(file=file)
    jobs = {job.name: job for job in config.all_jobs()}

    beside = str(tmp_path / "ja.toml")
    assert Job(name="single_ja", subject="image", language="ja", prompt=beside) == jobs["single_ja"]
    assert (1000, "zh") == (jobs["single_zh"].limit, jobs["single_zh"].language)
    assert config == checked_config(as_tree(config))


def test_a_job_on_the_command_line_is_a_name_or_a_definition() -> None:
    """A definition is written as KEY=VALUE pairs."""
    definition = "name=short,subject=image,language=en,prompt=short.toml,limit=5"

    assert ("single_en", {}) == parse_job("single_en")
    name, table = parse_job(definition)
    assert (
        Job(name="short", subject="image", language="en", prompt="short.toml", limit=5)
        == (jobs_from({name: table})[-1])
    )


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        (
            {"Single": {"subject": "image", "language": "en"}},
            "job name 'Single': expected at most 60 lower-case letters",
        ),
        ({"short": {"subject": "image"}}, "jobs.short: Object missing required field `language`"),
        ({"short": {"subject": "text", "language": "en"}}, "jobs.short: Invalid enum value 'text'"),
        ({"short": {"subject": "image", "language": "xx"}}, "unknown language 'xx'; expected a code"),
        ({"single_en": {"limit": -1}}, "jobs.single_en.limit is -1; expected 0 or more"),
        ({"single_en": {"structured": True}}, "jobs.single_en.structured is for sets, and this job captions"),
        ({"single_en": {"promt": "x"}}, "jobs.single_en: Object contains unknown field `promt`"),
    ],
)
def test_an_invalid_job_is_refused_in_one_line(jobs: dict[str, object], message: str) -> None:
    """The error names the job, and what was expected."""
    with pytest.raises(UsageError) as caught:
        load_config(flags={"jobs": jobs})

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sample_limits_every_job() -> None:
    """Smaller limits of jobs stay."""
    jobs = load_config(flags={"jobs": {"single_zh": {"limit": 1000}, "multi_en": {"limit": 7}}}).all_jobs()

    assert [50, 50, 7, 50] == [job.limited_to(50).limit for job in jobs]


def test_chosen_jobs_are_those_named() -> None:
    """All jobs if none is named."""
    assert ["multi_en"] == [
        job.name for job in load_config(flags={"captioning.jobs": ["multi_en"]}).chosen_jobs()
    ]
    assert 4 == len(load_config().chosen_jobs())


def test_a_config_may_add_a_language() -> None:
    """With its scripts and its unit of length."""
    config = load_config(
        flags={
            "languages.tlh": {"name": "Klingon", "scripts": ["LATIN"], "unit": "word"},
            "jobs": {"single_tlh": {"subject": "image", "language": "tlh", "prompt": "tlh.toml"}},
        }
    )

    assert "Klingon" == language_of("tlh", config.languages).name


def test_every_language_of_py3langid_is_known() -> None:
    """Except for zxx, its code for no language."""
    code = "import py3langid as p; p.classify('x'); print(*p.langid.IDENTIFIER.nb_classes)"
    detected = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()

    assert {"zxx"} == set(detected) - set(LANGUAGES)


@pytest.mark.parametrize(
    ("letter", "script"),
    [
        ("é", "LATIN"),
        ("Ａ", "LATIN"),
        ("字", "CJK"),
        ("か", "HIRAGANA"),
        ("한", "HANGUL"),
        ("я", "CYRILLIC"),
        ("7", ""),
    ],
)
def test_a_letter_has_a_script(letter: str, script: str) -> None:
    """With Unicode's name. Other characters have none."""
    assert script == script_of(letter)
