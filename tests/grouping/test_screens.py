"""Which images screens leave out, their counts, and their effect on a run."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from tests.support.contexts import JOBS, context_of
from tests.support.made_up import as_unit, make_run
from triptych.config import checked_config
from triptych.errors import SetupError, UsageError
from triptych.grouping.config import EmbeddingConfig, ScreensConfig, SetsConfig
from triptych.grouping.screens import SCREENS, Screening
from triptych.grouping.sets.explain import explain
from triptych.grouping.sets_stage import make_sets
from triptych.grouping.stage import embed_sources
from triptych.records import ImageRecord, Measures
from triptych.runs.folder import RunFolder
from triptych.runs.ledger import recount
from triptych.runs.ledger.noted import noted_ledger
from triptych.runs.plan import JobPlan
from triptych.runs.rule_scores import RuleScores
from triptych.sources.opening import open_sources

GOOD = Measures(contrast=50.0, darkest=10, brightest=230, sharpness=800.0, text=0.01)
ALL_ON = ScreensConfig(**{screen.name: "on" for screen in SCREENS})  # type: ignore[arg-type]


def image(key: str = "a.jpg", width_px: int = 640, height_px: int = 480, **measured: float) -> ImageRecord:
    """A good photograph, except for the given values."""
    measures = msgspec.structs.replace(GOOD, **measured)
    return ImageRecord(key=key, width_px=width_px, height_px=height_px, content_hash=key, measures=measures)


def reasons(config: ScreensConfig, *records: ImageRecord) -> dict[str, str]:
    """Why images are left out, by key."""
    screening = Screening(config)
    screening.look_at(records)
    return {each.key: each.reason for each in screening.screened}


@pytest.mark.parametrize(
    ("reason", "record", "at_the_threshold"),
    [
        ("too_small", image(width_px=90, height_px=63), image(width_px=90, height_px=64)),
        ("extreme_aspect_ratio", image(width_px=2401), image(width_px=2400)),
        ("nearly_uniform", image(contrast=3.9), image(contrast=4.0)),
        ("too_dark", image(brightest=63), image(brightest=64)),
        ("too_bright", image(darkest=193), image(darkest=192)),
        ("blurred", image(sharpness=49.9), image(sharpness=50.0)),
        ("text_page", image(text=0.23), image(text=0.22)),
    ],
)
def test_each_screen_leaves_out_images_beyond_its_threshold(
    reason: str, record: ImageRecord, at_the_threshold: ImageRecord
) -> None:
    """An image exactly at the threshold stays; with the screen off, all do."""
    assert reasons(ALL_ON, record) == {"a.jpg": reason}
    assert reasons(ALL_ON, at_the_threshold) == {}
    assert reasons(msgspec.structs.replace(ALL_ON, **{reason: "off"}), record) == {}


def test_only_uniform_images_are_left_out_by_default() -> None:
    """All other screens are off."""
    bad = [image("uniform", contrast=1), image("blurred", sharpness=1), image("small", width_px=5)]

    assert reasons(ScreensConfig(), *bad) == {"uniform": "nearly_uniform"}


def test_the_first_screen_in_order_is_the_reason() -> None:
    """A dark picture that is blurred as well is dark."""
    assert reasons(ALL_ON, image(brightest=9, sharpness=2)) == {"a.jpg": "too_dark"}


def test_a_configured_threshold_enables_a_screen() -> None:
    """A config may have a number in place of ``on``."""
    config = checked_config({"sets": {"screens": {"blurred": 100, "nearly_uniform": "off"}}}).sets.screens

    assert reasons(config, image("soft", sharpness=80), image("plain", contrast=0)) == {"soft": "blurred"}


@pytest.mark.parametrize("value", ["yes", True, 0, -3, float("nan")])
def test_invalid_screen_settings_are_refused(value: object) -> None:
    """The error names the setting."""
    with pytest.raises(UsageError, match=r"sets\.screens"):
        checked_config({"sets": {"screens": {"blurred": value}}})


def test_counts_say_what_another_threshold_would_leave_out() -> None:
    """Exactly, also for a screen that is off. Images that other screens leave out are counted separately."""
    config = ScreensConfig(too_dark="on")
    screening = Screening(config)
    sharpness = [3, 20, 47, 50, 52, 71, 300, 4000]
    screening.look_at([image(f"{value}.jpg", sharpness=value) for value in sharpness])
    screening.look_at([image("dark.jpg", brightest=20, sharpness=11)])

    blurred = _scores_of(screening, "blurred")

    assert (True, 50, 5, "below") == (blurred.is_off, blurred.threshold, blurred.step, blurred.violated)
    for steps in (-6, -1, 0, 1, 5, 60):
        threshold = 50 + 5 * steps
        own = sum(value < threshold for value in sharpness)
        assert blurred.beyond(steps) == (own + (11 < threshold), own)
    assert not _scores_of(screening, "too_dark").is_off


def _scores_of(screening: Screening, name: str) -> RuleScores:
    return next(each for each in screening.scores() if each.rule == name)


def _run(path: Path) -> RunFolder:
    """Twelve images. Two are uniform, and one of these has the same vector as a third image."""
    rng = np.random.default_rng(4)
    rows = as_unit(rng.normal(size=(12, 16)))
    rows[1] = rows[2]
    vectors = {f"{number:02d}.jpg": row for number, row in enumerate(rows)}
    measures = dict.fromkeys(vectors, GOOD)
    measures["01.jpg"] = measures["07.jpg"] = msgspec.structs.replace(GOOD, contrast=0.5)
    measures["09.jpg"] = msgspec.structs.replace(GOOD, sharpness=7)
    run = make_run(path, vectors, shards=2, measures=measures)
    run.begin_stage("embeddings", {}, {})
    run.finish_stage("embeddings", {"found": 12, "unreadable": 0, "unreadable_by": "{}", "gone": 0})
    return run


def test_a_screened_image_is_in_no_set_and_no_plan(tmp_path: Path) -> None:
    """It isn't a duplicate either. The ledger and the stored counts include it; explain says why."""
    run = _run(tmp_path / "run")

    make_sets(context_of(run), SetsConfig())

    assert {(each.key, each.reason, each.value) for each in run.screened()} == {
        ("01.jpg", "nearly_uniform", 0.5),
        ("07.jpg", "nearly_uniform", 0.5),
    }
    assert list(run.duplicates()) == []
    planned = [each.target.id for _, some in JobPlan(run, JOBS["single_en"]).read_all() for each in some]
    assert len(planned) == 10
    assert not {"single_en:01.jpg", "single_en:07.jpg"} & set(planned)
    ledger = recount(run, [JOBS["single_en"]])
    assert (ledger.violations(), ledger.images.screened) == ([], {"nearly_uniform": 2})
    noted = noted_ledger(run, [])
    assert noted is not None
    assert noted.images == ledger.images
    assert next(explain(run, "07.jpg")).startswith("07.jpg is screened out: nearly_uniform (0.5;")
    assert any(line.endswith("screened out: nearly_uniform") for line in explain(run, "02.jpg"))


def test_another_threshold_makes_sets_again_without_embedding(tmp_path: Path) -> None:
    """It requires --fresh, like all settings of sets."""
    run = _run(tmp_path / "run")
    make_sets(context_of(run), SetsConfig())
    embedded = {path: path.read_bytes() for path in run.files_of("embeddings", "images")}

    config = SetsConfig(screens=ScreensConfig(blurred="on"))
    with pytest.raises(SetupError, match=r"screens\.blurred = None, now it is 50"):
        make_sets(context_of(run), config)
    run.fresh_stages.add("sets")
    make_sets(context_of(run), config)

    assert recount(run, []).images.screened == {"blurred": 1, "nearly_uniform": 2}
    assert {path: path.read_bytes() for path in embedded} == embedded


def test_images_without_measures_are_kept(tmp_path: Path) -> None:
    """Screens that need no measures still apply."""
    rows = as_unit(np.random.default_rng(4).normal(size=(6, 8)))
    vectors = {f"{number}.jpg": row for number, row in enumerate(rows)}
    run = make_run(tmp_path / "run", vectors, width_px={"3.jpg": 12})

    make_sets(context_of(run), SetsConfig(screens=ScreensConfig(too_small="on")))

    assert [(each.key, each.reason) for each in run.screened()] == [("3.jpg", "too_small")]
    assert run.run_file.stages["sets"].notes["screened"] == 1


def test_embedding_measures_the_images_that_it_decodes(tmp_path: Path, tiny_clip: Path) -> None:
    """A plain picture and its copy are screened out, and all counts add up."""
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(8)
    for number in range(5):
        Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(photos / f"{number}.jpg")
    for name in ("plain.png", "copy.png"):
        Image.new("RGB", (90, 60), (200, 200, 200)).save(photos / name)
    run = RunFolder.create_or_open(tmp_path / "run")
    context = context_of(run)

    embed_sources(context, open_sources([photos]), EmbeddingConfig(model=str(tiny_clip)))
    make_sets(context, SetsConfig())

    assert {each.key.rpartition("/")[2] for each in run.screened()} == {"plain.png", "copy.png"}
    assert recount(run, []).violations() == []
    measured = {record.key.rpartition("/")[2]: record.measures for record in run.all_images()}
    assert measured["plain.png"] == Measures(contrast=0, darkest=200, brightest=200, sharpness=0, text=0)
    assert measured["3.jpg"] is not None
    assert measured["3.jpg"].sharpness > 1000
