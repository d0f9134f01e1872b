"""The rules that a config selects: built-in ones and a user's own."""

from pathlib import Path

import msgspec
import pytest

from tests.support.contexts import JOBS, filter_jobs_of
from triptych.errors import SetupError, UsageError
from triptych.filtering.caption import CaptionText
from triptych.filtering.config import FilteringConfig
from triptych.filtering.rule import Rule
from triptych.filtering.rule_choice import chosen_rules, make_scorer, versions
from triptych.filtering.rules import RULES
from triptych.filtering.scoring import CaptionInput, FilterJob, Scorer
from triptych.jobs import Job
from triptych.languages import LANGUAGES

OWN_RULES = """
from triptych.filtering.rule import Rule

def has_url(caption):
    return caption.lowered.count("http")

NO_DOGS = Rule(name="no_dogs", measure=lambda caption: caption.units.count("dog"), threshold=1.0,
               needles=frozenset({"dog"}), likely_cause="dogs", version=3)
BROKEN = Rule(name="broken", measure=lambda caption: 1 / 0, threshold=0.0, likely_cause="a bug")
NUMBER = 3
"""

GOOD = (
    "A red boat lies at a wooden pier in a small harbour, and two people stand beside it under a cloudy sky."
)

OWN = FilteringConfig(rules=("own_rules:has_url",))


class CountsDogs:
    """A measure that is an object instead of a function."""

    def __call__(self, caption: CaptionText) -> float:
        return caption.units.count("dog")


@pytest.fixture
def own_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own_rules.py"
    path.write_text(OWN_RULES)
    monkeypatch.chdir(tmp_path)
    return path


def violations(config: FilteringConfig, text: str) -> list[str]:
    scorer = make_scorer(config, filter_jobs_of("single_en"))
    given = CaptionInput("a", "single_en", text)
    return list(scorer.violations("single_en", scorer.all_scores(given)))


def test_all_built_in_rules_run_by_default() -> None:
    """In their order of priority."""
    assert RULES == chosen_rules(FilteringConfig())


def test_only_the_rules_that_are_named_run_in_their_order() -> None:
    """The order is their priority."""
    names = [rule.name for rule in chosen_rules(FilteringConfig(rules=("repeated", "garbled")))]

    assert ["repeated", "garbled"] == names


@pytest.mark.parametrize("where", ["own_rules", "own_rules.py", "{path}"])
def test_a_users_rule_runs_after_the_built_in_ones(own_rules: Path, where: str) -> None:
    """It is a function in a module or a file. A score above 0 rejects."""
    config = FilteringConfig(rules=(f"{where.format(path=own_rules)}:has_url",))

    assert [*RULES, "has_url"] == [*chosen_rules(config)[:-1], chosen_rules(config)[-1].name]
    assert ["has_url"] == violations(config, GOOD + " The page is http://boats.example, in letters.")


def test_a_rule_object_has_its_own_threshold(own_rules: Path) -> None:
    """Two dogs are too many, but one is not."""
    config = FilteringConfig(rules=("own_rules:NO_DOGS",))

    assert [] == violations(config, GOOD + " A dog sits on the pier.")
    assert ["no_dogs"] == violations(config, GOOD + " A dog sits on the pier beside a dog in the boat.")


def test_an_error_in_a_users_rule_names_the_rule_and_the_caption(own_rules: Path) -> None:
    """There is no traceback, because the fault is in the user's file."""
    scorer = make_scorer(FilteringConfig(rules=("own_rules:BROKEN",)), filter_jobs_of("single_en"))

    with pytest.raises(
        SetupError, match=r"rule broken failed on caption a \(ZeroDivisionError.*fix the rule"
    ):
        scorer.score_block([CaptionInput("a", "single_en", GOOD)])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("repeted", r"unknown rule 'repeted' in filtering.rules \(did you mean repeated\?\)"),
        ("own_rules:has_link", "own_rules has no 'has_link'"),
        ("own_rules:NUMBER", "NUMBER is int; expected the name of a rule"),
        ("no_such_module:rule", "can't be loaded .ModuleNotFoundError"),
        ("/no/such/file.py:rule", "can't be loaded .FileNotFoundError"),
    ],
)
def test_a_rule_that_cannot_be_loaded_is_a_usage_error(own_rules: Path, spec: str, message: str) -> None:
    """The message says what is wrong or expected."""
    with pytest.raises(UsageError, match=message):
        chosen_rules(FilteringConfig(rules=(spec,)))


@pytest.mark.parametrize(
    "settings",
    [{"thresholds": {"too_shrt": 3}}, {"flags": ("too_shrt",)}, {"accepted": ("too_shrt",)}],
)
def test_a_setting_of_an_unknown_rule_is_refused(settings: dict[str, object]) -> None:
    """The error suggests the rule with the most similar name."""
    with pytest.raises(UsageError, match=r"'too_shrt' \(did you mean too_short\?\)"):
        chosen_rules(FilteringConfig(**settings))  # type: ignore[arg-type]


def test_a_threshold_can_be_set_for_one_job() -> None:
    """Other jobs keep the rule's own."""
    config = FilteringConfig(thresholds={"too_short": {"multi_en": 40}})
    scorer = make_scorer(config, filter_jobs_of())
    thresholds = {
        job: next(each.threshold for each in scorer.job_rules(job) if each.rule.name == "too_short")
        for job in JOBS
    }

    assert {"single_en": 15, "single_zh": 22, "multi_en": 40, "multi_zh": 38} == thresholds


def test_thresholds_that_reject_every_caption_are_refused() -> None:
    """Here the least length is above the greatest."""
    config = FilteringConfig(thresholds={"too_short": 400})

    with pytest.raises(UsageError, match="every caption of single_en violates too_short or too_long"):
        make_scorer(config, filter_jobs_of("single_en"))


def test_a_threshold_above_1_is_refused_for_a_share() -> None:
    """The error says what is expected."""
    with pytest.raises(UsageError, match=r"thresholds.repeated is 1.5; expected a share"):
        make_scorer(FilteringConfig(thresholds={"repeated": 1.5}), filter_jobs_of("single_en"))


def test_a_rule_can_be_set_to_flag_only() -> None:
    """The caption is kept, and has the score."""
    scorer = make_scorer(FilteringConfig(flags=("too_short",)), filter_jobs_of("single_en"))

    assert not scorer.is_rejected("single_en", {"too_short": 3.0})


def test_rules_that_cannot_read_a_language_are_listed() -> None:
    """Nothing is listed for English and Chinese; a rule on Traditional Chinese isn't missing in English."""
    japanese = FilterJob(Job(name="single_ja", subject="image", language="ja"), LANGUAGES["ja"])
    scorer = make_scorer(FilteringConfig(), [*filter_jobs_of(), japanese])

    assert {"Japanese": ["speculation", "disagreement", "unnamed_image"]} == scorer.skipped


def test_versions_include_each_rule_and_a_users_file(own_rules: Path) -> None:
    """So verdicts are made again when a rule changes."""
    config = FilteringConfig(rules=("garbled", "own_rules.py:NO_DOGS"))
    before = versions(chosen_rules(config))

    assert before.startswith("garbled 5, no_dogs 3 ")


def test_the_version_of_a_users_rule_changes_with_all_its_parts(own_rules: Path) -> None:
    """That is, with its threshold, action and code. The measure may be an object."""
    base = Rule(name="mine", measure=CountsDogs(), threshold=5.0, likely_cause="")

    fifty = versions([msgspec.structs.replace(base, threshold=50.0)])
    flagged = versions([msgspec.structs.replace(base, action="flag")])
    other_code = versions([msgspec.structs.replace(base, measure=chosen_rules(OWN)[-1].measure)])

    assert 4 == len({versions([base]), fifty, flagged, other_code})


@pytest.mark.parametrize("score", ["nan", "inf"])
def test_an_error_names_a_rule_that_returns_no_finite_number_and_the_caption(score: str) -> None:
    """A share of an empty text is easily not a number."""
    rule = Rule(name="shares", measure=lambda _: float(score), threshold=0.0, likely_cause="")
    scorer = Scorer(FilteringConfig(), filter_jobs_of("single_en"), (rule,))

    with pytest.raises(
        SetupError, match=rf"rule shares failed on caption a \(ValueError: it returned {score}\)"
    ):
        scorer.score_block([CaptionInput("a", "single_en", GOOD)])


@pytest.mark.parametrize(
    ("code", "reason"), [("import sys; sys.exit(3)", "SystemExit: 3"), ("x = ", "SyntaxError")]
)
def test_a_file_of_rules_that_cannot_be_imported_is_a_usage_error(
    tmp_path: Path, code: str, reason: str
) -> None:
    """Importing a script may even end the process."""
    (tmp_path / "script.py").write_text(code)

    with pytest.raises(UsageError, match=f"can't be loaded .{reason}"):
        chosen_rules(FilteringConfig(rules=(f"{tmp_path / 'script.py'}:rule",)))


def test_an_entry_point_with_a_missing_module_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that was only partly uninstalled leaves one."""
    described = tmp_path / "gone-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Name: gone\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[triptych.rules]\nwordy = gone_rules:wordy\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(
        UsageError, match=r"wordy can't be loaded .ModuleNotFoundError: No module .*gone_rules"
    ):
        chosen_rules(FilteringConfig(rules=("wordy",)))
