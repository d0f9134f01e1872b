"""The Python API: its names, what importing it loads, and a run through it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import triptych
from triptych import Run, SetupError, UsageError, contents, open_run

DOCS = Path(__file__).parents[2] / "docs" / "python-api.md"
SETTINGS = {"filtering.grounding": False, "captioning.transformers.batch_size": 6}


def test_every_exported_name_exists_and_is_documented() -> None:
    """Other names raise AttributeError."""
    page = DOCS.read_text("utf-8")

    assert sorted(triptych.__all__) == triptych.__all__
    assert sorted(triptych._MODULE_OF) == triptych.__all__
    assert [] == [name for name in triptych.__all__ if not hasattr(triptych, name)]
    assert [] == [name for name in triptych.__all__ if f"`{name}" not in page and f".{name}(" not in page]
    with pytest.raises(AttributeError, match="no attribute 'pipeline'"):
        _ = triptych.pipeline


def test_importing_triptych_loads_nothing_else() -> None:
    """Names are imported on first use: before that no library, and no other module of the package."""
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
    """And whether there was anything to do."""
    assert finished.group().did_work is False
    images = finished.group().images
    assert 6 == images.found
    counts = finished.caption().jobs["single_en"]
    assert (counts.planned, {}) == (counts.captioned, counts.failed)
    filtered = finished.filter()
    assert filtered.jobs["single_en"].kept == filtered.kept_share("single_en") * (counts.captioned or 0)
    assert finished.export().folder == finished.path / "export"


def test_records_are_iterated_in_plan_order(finished: Run) -> None:
    """Captions, verdicts and exported rows of a job have the same order."""
    captions = list(finished.captions("single_en"))
    kept = [caption.id for caption in finished.captions("single_en", kept=True)]

    assert 6 == len(list(finished.images()))
    assert [caption.id for caption in captions] == [verdict.id for verdict in finished.verdicts("single_en")]
    assert kept == [row["id"] for row in finished.rows("single_en")]
    for read in (finished.planned, finished.rows):
        with pytest.raises(UsageError, match="no job 'single_fr'"):
            next(iter(read("single_fr")))


def test_captions_are_a_table_for_arrow_pandas_and_datasets(finished: Run) -> None:
    """With one row for each caption, the same in each library."""
    pytest.importorskip("pyarrow")
    table = finished.to_arrow("single_en")

    assert table.num_rows == len(list(finished.planned("single_en")))
    assert table["text"].to_pylist() == list(finished.to_pandas("single_en")["text"])
    assert table["text"].to_pylist() == list(finished.to_dataset("single_en")["text"])


def test_an_error_names_the_package_that_a_table_needs(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No extra of Triptych installs pandas."""
    monkeypatch.setattr(contents, "is_installed", lambda name: name != "pandas")

    with pytest.raises(
        SetupError, match="to_pandas needs pandas, which isn't installed; `uv pip install pandas`"
    ):
        finished.to_pandas("single_en")


def test_a_run_opened_read_only_does_no_work(finished: Run) -> None:
    """It takes no lock, so it can be opened while another process works on it."""
    with open_run(finished.path, read_only=True) as read_only_run:
        assert 6 == read_only_run.ledger().images.found
        with pytest.raises(SetupError, match="opened read-only"):
            read_only_run.group()


def test_opening_a_run_twice_is_refused(finished: Run) -> None:
    """The error names the process that uses the run."""
    with pytest.raises(SetupError, match="is in use by process"):
        open_run(finished.path)


def test_a_closed_run_does_no_work(few_images: Path, tmp_path: Path) -> None:
    """Another process may have opened it since."""
    with open_run(tmp_path / "run", [few_images], preset="demo") as run:
        run.save_settings()

    with open_run(tmp_path / "run"):
        for work in (run.save_settings, run.filter, lambda: run.make_again(["verdicts"])):
            with pytest.raises(SetupError, match="or is closed"):
                work()


def test_a_string_in_place_of_a_list_of_sources_is_refused(few_images: Path, tmp_path: Path) -> None:
    """The error shows how to pass one source."""
    with pytest.raises(UsageError, match=r"a list of sources; write open_run\(\.\.\., \['.*images'\]\)"):
        open_run(tmp_path / "run", str(few_images))


def test_sources_are_refused_when_opening_read_only(few_images: Path, tmp_path: Path) -> None:
    """No run is begun."""
    with pytest.raises(UsageError, match="leave out its sources"):
        open_run(tmp_path / "run", [few_images], read_only=True)
    assert not (tmp_path / "run").exists()
