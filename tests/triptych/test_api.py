"""The library: what it exports, what it costs to import, and a run through it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import triptych
from triptych import Run, SetupError, UsageError, contents, open_run

DOCS = Path(__file__).parents[2] / "docs" / "python-api.md"
SETTINGS = {"filtering.grounding": False, "captioning.transformers.batch_size": 6}


def test_every_exported_name_is_there_and_documented() -> None:
    """And nothing else is promised."""
    page = DOCS.read_text("utf-8")

    assert sorted(triptych.__all__) == triptych.__all__
    assert sorted(triptych._MODULE_OF) == triptych.__all__
    assert [] == [name for name in triptych.__all__ if not hasattr(triptych, name)]
    assert [] == [name for name in triptych.__all__ if f"`{name}" not in page and f".{name}(" not in page]
    with pytest.raises(AttributeError, match="no attribute 'pipeline'"):
        _ = triptych.pipeline


def test_importing_it_loads_nothing_but_itself() -> None:
    """Names are imported when they are used: no library, and no other module of the package."""
    code = """
import sys
before = set(sys.modules)
import triptych
new = {name for name in set(sys.modules) - before if name.partition(".")[0] not in sys.stdlib_module_names}
print(*new)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert "triptych\n" == ran.stdout


@pytest.fixture(scope="module")
def finished(few_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run of one job on six pictures, through all stages."""
    folder = tmp_path_factory.mktemp("api") / "run"
    settings = {**SETTINGS, "captioning.jobs": ["single_en"]}
    with open_run(folder, [few_images], preset="demo", settings=settings) as run:
        result = run.run()
        assert result.did_work
        yield run


def test_stages_return_counts(finished: Run) -> None:
    """Of what is there now, and whether there was anything to do."""
    assert finished.group().did_work is False
    images = finished.group().images
    assert 6 == images.found
    counts = finished.caption().jobs["single_en"]
    assert (counts.planned, {}) == (counts.captioned, counts.failed)
    filtered = finished.filter()
    assert filtered.jobs["single_en"].kept == filtered.kept_share("single_en") * (counts.captioned or 0)
    assert finished.export().folder == finished.path / "export"


def test_records_are_iterated_in_plan_order(finished: Run) -> None:
    """Captions, verdicts and exported rows of a job agree."""
    captions = list(finished.captions("single_en"))
    kept = [caption.id for caption in finished.captions("single_en", kept=True)]

    assert 6 == len(list(finished.images()))
    assert [caption.id for caption in captions] == [verdict.id for verdict in finished.verdicts("single_en")]
    assert kept == [row["id"] for row in finished.rows("single_en")]
    for read in (finished.planned, finished.rows):
        with pytest.raises(UsageError, match="no job 'single_fr'"):
            next(iter(read("single_fr")))


def test_captions_are_a_table_for_arrow_pandas_and_datasets(finished: Run) -> None:
    """A row a caption, the same in each."""
    pytest.importorskip("pyarrow")
    table = finished.to_arrow("single_en")

    assert table.num_rows == len(list(finished.planned("single_en")))
    assert table["text"].to_pylist() == list(finished.to_pandas("single_en")["text"])
    assert table["text"].to_pylist() == list(finished.to_dataset("single_en")["text"])


def test_a_table_says_which_package_it_lacks(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No extra brings pandas."""
    monkeypatch.setattr(contents, "is_installed", lambda name: name != "pandas")

    with pytest.raises(
        SetupError, match="to_pandas needs pandas, which isn't installed; `uv pip install pandas`"
    ):
        finished.to_pandas("single_en")


def test_a_run_that_was_opened_to_look_at_does_no_work(finished: Run) -> None:
    """It needs no lock, so it opens while another process has the folder."""
    with open_run(finished.path, read_only=True) as looked_at:
        assert 6 == looked_at.ledger().images.found
        with pytest.raises(SetupError, match="opened read-only"):
            looked_at.group()


def test_a_second_opening_is_refused_until_the_first_is_closed(finished: Run) -> None:
    """In one line that names the owner."""
    with pytest.raises(SetupError, match="is in use by process"):
        open_run(finished.path)


def test_a_closed_run_does_no_work(few_images: Path, tmp_path: Path) -> None:
    """Another process may have it by then."""
    with open_run(tmp_path / "run", [few_images], preset="demo") as run:
        run.save_settings()

    with open_run(tmp_path / "run"):
        for work in (run.save_settings, run.filter, lambda: run.make_again(["verdicts"])):
            with pytest.raises(SetupError, match="or is closed"):
                work()


def test_one_source_is_no_list_of_letters(few_images: Path, tmp_path: Path) -> None:
    """It says how to pass one."""
    with pytest.raises(UsageError, match=r"a list of sources; write open_run\(\.\.\., \['.*images'\]\)"):
        open_run(tmp_path / "run", str(few_images))


def test_what_is_opened_to_look_at_has_its_sources(few_images: Path, tmp_path: Path) -> None:
    """With others, a run would begin."""
    with pytest.raises(UsageError, match="leave out its sources"):
        open_run(tmp_path / "run", [few_images], read_only=True)
    assert not (tmp_path / "run").exists()
