"""The captions of a finished run change: the later stages are stale until they run again."""

import json
import shutil
from pathlib import Path

import pytest

from tests.crash.engine import ASKED
from tests.triptych.conftest import Command
from tests.triptych.test_bad_input import assert_one_line
from triptych import open_run

SETTINGS = {
    "captioning.engine": "tests.crash.engine:SPEC",
    "filtering.grounding": False,
    "captioning.jobs": ["single_en", "single_zh"],
}


@pytest.fixture(autouse=True)
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file to which the engine writes its requests."""
    monkeypatch.setenv(ASKED, str(tmp_path / "asked"))
    return tmp_path / "asked"


@pytest.fixture(scope="module")
def finished(few_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of six images and two jobs."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(ASKED, str(folder / "asked"))
        with open_run(folder / "run", [few_images], preset="demo", settings=SETTINGS) as run:
            run.run()
    return folder / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of ``finished``."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def new_prompt(tmp_path: Path) -> str:
    """The option that sets another prompt for single_en."""
    path = tmp_path / "new.toml"
    path.write_text('version = 2\ntext = "Say what you see."\n', "utf-8")
    return f"--set=jobs.single_en.prompt={path}"


def _exported(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / "export").iterdir()}


def _kept(triptych: Command, run: Path) -> dict[str, int | None]:
    jobs = json.loads(triptych("status", run, "--json").stdout)["ledger"]["jobs"]
    return {name: counts["kept"] for name, counts in jobs.items()}


def test_the_loss_of_a_caption_that_was_put_aside_is_noticed(
    triptych: Command, run: Path, new_prompt: str
) -> None:
    """Even if it is a whole line. After `repair`, the remaining captions are accepted."""
    old = next((run / "captions" / "single_en").iterdir())
    for stage in (("caption", new_prompt, "--fresh", "captions"), ("filter",), ("export",)):
        assert 0 == triptych(stage[0], run, *stage[1:]).exit_code
    assert 0 == triptych("verify", run).exit_code

    journal = next(old.rglob("*.jsonl"))
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    verified = triptych("verify", run)

    assert 1 == verified.exit_code
    assert f"{old} has other captions than when" in verified.stdout
    assert 0 == triptych("repair", run, "--yes").exit_code
    assert 0 == triptych("verify", run).exit_code
    assert 0 == triptych("captions", run, "--prune", "--yes").exit_code
    assert 0 == triptych("verify", run).exit_code


def test_stages_after_replaced_captions_are_stale_until_they_run_again(
    triptych: Command, run: Path, new_prompt: str
) -> None:
    """`status`, `verify`, `report` and `export` say so. Verdicts of the other job still count, and the export
    stays."""
    kept, exported = _kept(triptych, run), _exported(run)
    assert 0 == triptych("caption", run, new_prompt, "--fresh", "captions").exit_code

    status = triptych("status", run).stdout
    assert (
        "verdicts                       finished, stale: captions of single_en have changed since" in status
    )
    assert (
        "export                         finished, stale: captions of single_en have changed since" in status
    )
    assert kept | {"single_en": None} == _kept(triptych, run)
    verified = triptych("verify", run)
    assert 1 == verified.exit_code
    assert "BAD  verdicts are stale: captions of single_en have changed since" in verified.stdout
    assert "no verdict" not in verified.stdout
    assert_one_line(
        triptych("export", run), 1, "verdicts are stale: captions of single_en", "triptych filter"
    )
    triptych("report", run)
    assert "verdicts are stale" in (run / "report" / "index.html").read_text("utf-8")
    assert exported == _exported(run)

    assert 0 == triptych("filter", run).exit_code
    assert 0 == triptych("export", run).exit_code

    assert kept.keys() == _kept(triptych, run).keys()
    assert None not in _kept(triptych, run).values()
    assert exported != _exported(run)
    assert 0 == triptych("verify", run).exit_code


def test_another_prompt_and_back_ends_with_the_same_export(
    triptych: Command, few_images: Path, run: Path, new_prompt: str, asked: Path
) -> None:
    """Captions with the first prompt aren't requested again."""
    exported = _exported(run)
    triptych("run", few_images, "--out", run, new_prompt, "--fresh", "captions", "--job", "single_en")
    once = asked.read_bytes()
    back = triptych("run", few_images, "--out", run, "--set", "jobs.single_en.prompt=none")

    assert 0 == back.exit_code, back.stderr
    assert "captions single_en: going on with" in back.stderr
    assert once == asked.read_bytes()
    assert exported == _exported(run)
    assert 0 == triptych("verify", run).exit_code


def test_a_failed_export_leaves_the_previous_one(
    triptych: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stage stays finished."""
    exported = _exported(run)
    monkeypatch.setattr("triptych.export.stage.card", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        triptych("export", run, "--fresh", "export", "--set", "export.prefix=other")

    assert exported == _exported(run)
    assert 0 == triptych("verify", run).exit_code


def test_all_conflicting_settings_are_reported_before_any_work(
    triptych: Command, few_images: Path, run: Path, new_prompt: str
) -> None:
    """Those of all stages. Nothing is changed."""
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    outcome = triptych(
        "run", few_images, "--out", run, new_prompt, "--set=sets.max_images=3", "--set=export.prefix=other",
        "--set=filtering.thresholds.too_short=7",
    )  # fmt: skip

    assert 1 == outcome.exit_code
    for message in (
        "sets in", "max_images = 5, now it is 3", "captions of single_en were made with prompt",
        "verdicts in", "export in", "prefix = ",
    ):  # fmt: skip
        assert message in outcome.stderr, outcome.stderr
    assert before == {path: path.read_bytes() for path in before}


def test_generations_are_listed_selected_and_removed(triptych: Command, run: Path, new_prompt: str) -> None:
    """They are selected by the beginning of a name, and removed only with --yes."""
    triptych("caption", run, new_prompt, "--fresh", "captions")
    listed = json.loads(triptych("captions", run, "--json").stdout)
    old, new = (row for row in listed if row["job"] == "single_en")
    lines = triptych("captions", run).stdout

    assert (False, True) == (old["counts"], new["counts"])
    assert old["generation"] in lines and "differs: prompt = 'version" in lines
    assert "older generations" in triptych("status", run).stdout

    assert_one_line(
        triptych("captions", run, "--use", "single_en=nonsense"), 2, "no generation is called", "single_en"
    )
    used = triptych("captions", run, "--use", f"single_en={old['generation'][:5]}")
    assert f"single_en uses {old['generation']} now" in used.stdout
    assert_one_line(triptych("filter", run), 1, "made with prompt")

    assert_one_line(triptych("captions", run, "--prune"), 2, "--yes")
    removed = triptych("captions", run, "--prune", "--yes")

    assert "Removed 1." in removed.stdout
    left = json.loads(triptych("captions", run, "--json").stdout)
    assert [old["generation"]] == [row["generation"] for row in left if row["job"] == "single_en"]
    assert "Nothing to remove" in triptych("captions", run, "--prune").stdout


def test_an_earlier_generation_is_filtered_and_exported_once_it_is_used(triptych: Command, run: Path) -> None:
    """With the same prompt, a complete one needs no captioning, even after a sample of another."""
    before = _exported(run)
    longer = "--set=captioning.max_tokens_single=77"
    triptych("caption", run, longer, "--fresh", "captions", "--job", "single_en", "--sample", "2")
    listed = json.loads(triptych("captions", run, "--json").stdout)
    (old,) = [row for row in listed if row["job"] == "single_en" and not row["counts"]]
    used = triptych("captions", run, "--use", f"single_en={old['generation']}")

    assert f"Next: triptych filter {run}" in used.stderr
    assert 0 == triptych("filter", run).exit_code
    assert 0 == triptych("export", run).exit_code
    exported = _exported(run)
    rows = {name: content for name, content in before.items() if name.endswith(".jsonl")}
    assert rows == {name: exported[name] for name in rows}


def test_a_damaged_line_hides_no_other_caption_of_its_journal(
    triptych: Command, run: Path, new_prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the list of generations, nor in the question before captions are removed."""
    triptych("caption", run, new_prompt, "--fresh", "captions")
    (old,) = [row for row in json.loads(triptych("captions", run, "--json").stdout) if not row["counts"]]
    (journal,) = (run / "captions" / "single_en" / old["generation"]).rglob("*.jsonl")
    journal.write_bytes(journal.read_bytes().replace(b'"text":"', b'"text":"?', 1))

    rows = json.loads(triptych("captions", run, "--json").stdout)
    (row,) = [each for each in rows if each["generation"] == old["generation"]]
    assert (6, 0) == (old["captions"], old["damaged"])
    assert (5, 1) == (row["captions"], row["damaged"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    question = triptych("captions", run, "--prune")
    assert "Remove these 5 captions (1 more lines are damaged) and 0 embeddings for good?" in question.stdout
    assert journal.exists()


def test_stored_counts_equal_recounted_ones(
    triptych: Command, few_images: Path, tmp_path: Path, new_prompt: str
) -> None:
    """With an unreadable image, a sample, and stale verdicts. They aren't used if files are missing."""
    images = Path(shutil.copytree(few_images, tmp_path / "images"))
    (images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n, and no more")
    shutil.copy(images / "00.png", images / "copy.png")
    path = tmp_path / "other"
    with open_run(path, [images], preset="demo", settings=SETTINGS | {"captioning.sample": 3}) as run:
        run.group()
        assert run.noted_ledger() in (None, run.ledger())
        run.caption()
        assert run.noted_ledger() == run.ledger()
        run.filter()
        assert run.noted_ledger() == run.ledger()
    for arguments in (["caption"], ["filter"], ["caption", new_prompt, "--fresh", "captions"], ["filter"]):
        assert 0 == triptych(arguments[0], path, *arguments[1:]).exit_code
        run = open_run(path, read_only=True)
        assert run.noted_ledger() == run.ledger() is not None

    next(path.glob("verdicts/single_en/*.jsonl")).unlink()

    assert open_run(path, read_only=True).noted_ledger() is None
