"""Screens on the page: examples of those that are on and off, and their scores."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.report.conftest import Shown, shown
from tests.support.contexts import context_of
from triptych.grouping.config import ScreensConfig
from triptych.grouping.screens import Screening
from triptych.records import ImageRecord, Measures
from triptych.report.content import Content, ScreenShown
from triptych.report.write_report import read_content
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import read_jsonl, write_jsonl
from triptych.sources.opening import open_sources

OwnRun = Callable[[], tuple[RunFolder, Path]]
GOOD = Measures(contrast=50.0, darkest=10, brightest=230, sharpness=800.0, text=0.01)


def screened_run(own_run: OwnRun) -> Shown:
    """A run in which ``single b.png`` is uniform and screened out. ``single a.png`` is blurred; that screen
    is off."""
    run, images = own_run()
    (shard,) = run.shards()
    measured = {
        "single a.png": msgspec.structs.replace(GOOD, sharpness=20),
        "single b.png": msgspec.structs.replace(GOOD, contrast=1),
    }
    records = [
        record
        if record.unreadable
        else msgspec.structs.replace(record, measures=measured.get(record.key, GOOD))
        for record in read_jsonl(run.images_file(shard), ImageRecord)
    ]
    write_jsonl(run.images_file(shard), records)
    screening = Screening(ScreensConfig())
    screening.look_at([record for record in records if record.unreadable is None])
    write_jsonl(run.screened_file, screening.screened)
    write_jsonl(run.screen_scores_file, screening.scores())
    return shown(run, images)


def content_of_screened(own_run: OwnRun) -> Content:
    """The content of that run's page."""
    run, sources, _ = screened_run(own_run)
    return read_content(context_of(run), sources, [], None)


def test_screens_have_examples_whether_they_are_on_or_off(own_run: OwnRun) -> None:
    """If a screen is off, they are the images that it would leave out."""
    content = content_of_screened(own_run)
    screens = {each.name: each for each in content.screens}

    def examples(screen: ScreenShown) -> list[tuple[str, float]]:
        return [(content.pictures[picture].key, value) for picture, value in screen.examples]

    assert examples(screens["nearly_uniform"]) == [("single b.png", 1)]
    assert examples(screens["blurred"]) == [("single a.png", 20)]
    assert (screens["nearly_uniform"].count, screens["blurred"].count) == (1, 0)
    assert (screens["nearly_uniform"].scores.is_off, screens["blurred"].scores.is_off) == (False, True)
    assert screens["blurred"].scores.beyond(0) == (1, 1)
    assert screens["too_dark"].examples == []


def test_a_screened_image_is_counted_and_not_shown_among_single_images(own_run: OwnRun) -> None:
    """It is in the ledger, which adds up."""
    content = content_of_screened(own_run)

    assert not [line for line in content.violations if line.startswith("images")]
    assert content.ledger.images.screened == {"nearly_uniform": 1}
    assert "single b.png" not in {content.pictures[each.picture].key for each in content.singles}


def test_a_run_from_before_screens_existed_shows_none(own_run: OwnRun) -> None:
    """Its page says so."""
    run, images = own_run()

    assert read_content(context_of(run), open_sources([images]), [], None).screens == []
