"""The report of a run, made from its files."""

import json
import os
import re
import shutil

import msgspec
import pytest

from tests.report.conftest import (
    BREAKS_OUT,
    CLOSES_SCRIPT,
    PROMPTS,
    RIGHT_TO_LEFT,
    SET_ID,
    SET_KEYS,
    Shown,
    make_run,
    shown,
)
from tests.support.contexts import context_of, limited
from triptych.errors import SetupError
from triptych.jobs import SEED_JOBS, Job
from triptych.languages import Language
from triptych.prompts import Prompt
from triptych.report.identity import report_id
from triptych.report.write_report import write_report
from triptych.runs.folder import RunFolder
from triptych.sources.opening import open_sources

NAMES = [job.name for job in SEED_JOBS]


def content_of(shown: Shown) -> dict:
    page = shown.written.path.read_text("utf-8")
    return json.loads(re.search('id="content">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_of_an_unchanged_run_has_the_same_bytes(nasty_run: Shown) -> None:
    """Samples are drawn by hash."""
    before = nasty_run.written.path.read_bytes()
    write_report(context_of(nasty_run.run, prompts=PROMPTS), nasty_run.sources, [])

    assert before == nasty_run.written.path.read_bytes()


def test_a_set_is_shown_with_its_cosines_and_the_nearest_image_outside(nasty_run: Shown) -> None:
    """That image is at 62 degrees from one in the set, before float16 rounding. The duplicate at 1 degree is
    ignored."""
    content = content_of(nasty_run)
    (card,) = content["sets"]
    left_out = card["left_out"]

    assert (SET_ID, list(SET_KEYS)) == (card["id"], [content["pictures"][n]["key"] for n in card["pictures"]])
    assert [[1, 0.934, 0.755], [0.934, 1, 0.94], [0.755, 0.94, 1]] == [
        [pytest.approx(value, abs=2e-3) for value in row] for row in card["cosine_similarities"]
    ]
    assert RIGHT_TO_LEFT == content["pictures"][left_out["picture"]]["key"]
    assert left_out["why"].startswith("0.470 to image 1, below 0.75, where related images begin")


def test_automatic_thresholds_are_shown_with_their_reason(own_run) -> None:
    """Their settings are "auto"; the stage noted the values that it chose."""
    run, images = own_run()
    state = run.run_file.stages["sets"]
    state.settings = dict.fromkeys(("related_cosine_similarity", "duplicate_cosine_similarity"), "auto")
    noted = {
        "related_cosine_similarity": 0.6,
        "duplicate_cosine_similarity": 0.97,
        "thresholds_why": "midway",
    }
    run.finish_stage("sets", noted)
    similarity = content_of(shown(run, images))["similarity"]

    assert (0.6, 0.97, "midway") == tuple(similarity[key] for key in ("related", "duplicate", "why"))


def test_every_caption_is_shown_with_its_state(nasty_run: Shown) -> None:
    """A rejected one has the rules, and a failed one the reason."""
    content = content_of(nasty_run)
    found = {c["id"]: (c["state"], c["why"]) for s in content["singles"] for c in s["captions"]}
    found |= {c["id"]: (c["state"], c["why"]) for c in content["sets"][0]["captions"]}

    assert ("kept", "") == found["single_en:single a.png"]
    assert ("failed", "timeout: <b>no</b> answer") == found["single_zh:single a.png"]
    assert ("rejected", "too_short, exact_duplicate") == found["single_en:single b.png"]
    assert ("rejected", "too_short") == found[f"multi_zh:{SET_ID}"]


def test_a_duplicate_caption_is_shown_beside_the_caption_that_it_repeats(nasty_run: Shown) -> None:
    """With that caption's text and image. Other captions repeat none."""
    content = content_of(nasty_run)
    (rule,) = [rule for rule in content["rules"] if rule["rule"] == "too_short"]
    repeats = {each["caption"]["id"]: each["repeats"] for each in rule["examples"]}
    repeated = repeats["single_en:single b.png"]

    assert ("single_en:single a.png", BREAKS_OUT) == (repeated["id"], repeated["text"])
    assert ["single a.png"] == [content["pictures"][place]["key"] for place in repeated["pictures"]]
    assert repeats[f"multi_zh:{SET_ID}"] is None


def test_failures_are_listed_by_class(nasty_run: Shown) -> None:
    """For images and for captions."""
    rows = [(f["where"], f["name"], f["count"]) for f in content_of(nasty_run)["failures"]]

    assert [("images", "unknown format", 1), ("single_zh", "timeout", 1)] == rows


def test_a_duplicate_is_shown_beside_the_image_that_is_kept(nasty_run: Shown) -> None:
    """With their cosine."""
    content = content_of(nasty_run)
    (pair,) = content["duplicates"]

    assert ("copy.png", 0.9998) == (pair["key"], pair["cosine_similarity"])
    assert CLOSES_SCRIPT == content["pictures"][pair["kept"]]["key"]


def test_no_path_of_this_machine_is_on_the_page(nasty_run: Shown) -> None:
    """Neither that of a model nor that of the sources."""
    page = nasty_run.written.path.read_text("utf-8")

    assert "/opt/models" not in page
    assert str(nasty_run.run.path.parent) not in page


def test_without_its_sources_a_run_is_shown_without_pictures(own_run) -> None:
    """The reason is shown in place of each picture."""
    run, images = own_run()
    shutil.rmtree(images)
    gone = shown(run, images)

    assert (0, 7) == (gone.written.pictures, gone.written.missing_pictures)
    assert {"its source is not there any more"} == {p["why_not"] for p in content_of(gone)["pictures"]}


def test_a_picture_that_has_been_damaged_is_replaced_by_the_reason(own_run) -> None:
    """The others are shown."""
    run, images = own_run()
    (images / "single a.png").write_bytes(b"no picture")
    (damaged,) = [p for p in content_of(shown(run, images))["pictures"] if p["why_not"]]

    assert ("single a.png", None) == (damaged["key"], damaged["url"])
    assert damaged["why_not"].startswith("unknown format")


def test_a_job_with_few_captions_does_not_hide_the_single_images_of_another(own_run) -> None:
    """If single_zh has a limit of 0, single images are drawn from single_en."""
    run, images = own_run()
    for made in (run.captions_file, run.verdicts_file):
        made("single_zh", "files-00000").unlink()
    jobs = [limited(job, 0 if job == "single_zh" else None) for job in NAMES]
    written = write_report(context_of(run, *jobs, prompts=PROMPTS), open_sources([images]), [])
    singles = content_of(Shown(run, [], written))["singles"]

    assert 6 == len(singles)
    assert {("single_zh", "not made")} == {
        (c["job"], c["state"]) for s in singles for c in s["captions"] if c["language"] == "zh"
    }


def test_a_run_without_captions_is_shown_with_its_sets(own_run) -> None:
    """So sets can be reviewed before they are captioned."""
    run, images = own_run()
    for stage in ("captions", "verdicts"):
        run.discard(stage)
    content = content_of(shown(run, images))

    assert ["not made"] * 2 == [caption["state"] for caption in content["sets"][0]["captions"]]
    assert ([], []) == (content["singles"], content["rules"])


def test_a_run_without_sets_has_no_report(tmp_path) -> None:
    """The error names the command to run first."""
    run = RunFolder.create_or_open(tmp_path / "run")

    with pytest.raises(SetupError, match="has no finished sets to report on; run `triptych group"):
        write_report(context_of(run, prompts=PROMPTS), [], [])


def test_an_error_names_missing_embeddings(own_run) -> None:
    """The error is one line, not a traceback."""
    run, images = own_run()
    run.embeddings_file("files-00000").unlink()

    with pytest.raises(SetupError, match=r"files-00000.npy is missing"):
        shown(run, images)


def test_other_verdicts_change_the_id_of_the_report(own_run) -> None:
    """So people's verdicts on the old report don't count for the new one."""
    run, _ = own_run()
    before = report_id(run)
    run.run_file.stages["verdicts"].settings["min_words_single"] = 12

    assert before != report_id(run)


def test_throughput_has_a_point_for_each_journal_if_the_times_of_files_fit(own_run) -> None:
    """The journals were written 10, 20, 30 and 40 seconds after the sets. A failure is no caption."""
    run, images = own_run()
    run.run_file.stages["captions"].notes = {
        f"{job}.{name}": 10 for job in NAMES for name in ("seconds", "made")
    }
    began = run.sets_file.stat().st_mtime
    for number, job in enumerate(NAMES, start=1):
        os.utime(run.captions_file(job, "files-00000"), (began, began + 10 * number))

    assert [[10.0, 6], [20.0, 11], [30.0, 12], [40.0, 13]] == [
        point[:2] for point in content_of(shown(run, images))["throughput"]["points"]
    ]


def test_a_copied_folder_has_no_throughput_over_time(own_run) -> None:
    """All its files have the same time. The recorded durations are still shown."""
    run, images = own_run()
    run.run_file.stages["captions"].notes = {
        f"{job}.{name}": 10 for job in NAMES for name in ("seconds", "made")
    }
    throughput = content_of(shown(run, images))["throughput"]

    assert [] == throughput["points"]
    assert "don't fit the recorded durations" in throughput["note"]
    assert 6 == len(throughput["stages"])


def test_jobs_are_labelled_by_their_language(tmp_path) -> None:
    """Two jobs that would have the same label have their own names instead."""
    jobs = [
        Job(name="short_ja", subject="image", language="ja"),
        Job(name="long_ja", subject="image", language="ja"),
        Job(name="sets_ko", subject="set", language="ko"),
        Job(name="odd", subject="set", language="tlh"),
    ]
    run = make_run(tmp_path, jobs)
    prompts = {job.name: Prompt(version=1, text=f"Describe for {job.name}.") for job in jobs}
    context = msgspec.structs.replace(
        context_of(run, *jobs, prompts=prompts), added_languages={"tlh": Language(code="tlh")}
    )
    content = content_of(Shown(run, [], write_report(context, open_sources([tmp_path / "images"]), [])))

    assert ["short_ja", "long_ja", "Multi Korean", "Multi tlh"] == [job["label"] for job in content["jobs"]]
    assert ["short_ja", "long_ja", "Korean", "tlh"] == [job["short_label"] for job in content["jobs"]]
    assert [("sets_ko", "ko"), ("odd", "tlh")] == [
        (caption["job"], caption["language"]) for caption in content["sets"][0]["captions"]
    ]
    assert {"short_ja", "long_ja"} == {c["job"] for s in content["singles"] for c in s["captions"]}
