"""What a person's verdicts come to."""

import json
from pathlib import Path

import pytest

from triptych.errors import UsageError
from triptych.report.precision import precisions
from triptych.runs.human_verdicts import STORED, append_verdict, decode_verdict, read_verdicts
from triptych.runs.shares import wilson_interval


def line(number: int, good: bool, **changes: object) -> str:
    verdict = "good" if good else "bad"
    row = {"report": "r1", "kind": "set", "key": f"set_{number}", "verdict": verdict, "drawn": "even"}
    return json.dumps(row | changes)


@pytest.mark.parametrize(
    ("good", "judged", "interval"),
    [(8, 10, (0.4902, 0.9433)), (0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (81, 263, (0.2553, 0.3662))],
)
def test_the_interval_is_wilsons(good: int, judged: int, interval: tuple[float, float]) -> None:
    """The last is Newcombe's (1998) example without continuity correction."""
    assert interval == pytest.approx(wilson_interval(good, judged), abs=5e-5)


def test_rare_items_do_not_count_towards_the_precision(tmp_path: Path) -> None:
    """They were not drawn evenly."""
    path = tmp_path / "v.jsonl"
    lines = [line(1, True), line(2, True), line(3, False), line(4, False, drawn="rare")]
    path.write_text("\n".join(lines))
    (found,) = precisions(read_verdicts(path, "r1").verdicts)

    assert (2, 3, 0, 1) == (found.good, found.judged, found.other_good, found.other_judged)
    assert wilson_interval(2, 3) == (found.low, found.high)


def test_a_caption_that_was_rewritten_was_not_right(tmp_path: Path) -> None:
    """Whatever else is said of it. Words for a rejected one say that its rejection was right."""
    path = tmp_path / "v.jsonl"
    changes = {"job": "single_en", "text": "A red boat."}
    lines = [
        line(1, True, kind="single_en", **changes),
        line(2, True, kind="single_en", job="single_en"),
        line(3, True, kind="rejected: garbled", **changes),
    ]
    path.write_text("\n".join(lines))

    found = precisions(read_verdicts(path, "r1").verdicts)

    assert [("single_en", 1, 2), ("rejected: garbled", 1, 1)] == [
        (each.kind, each.good, each.judged) for each in found
    ]


def test_a_verdict_that_a_crash_cut_short_is_gone_when_the_next_comes(tmp_path: Path) -> None:
    """Nobody was told that it is stored, and it is no damage."""
    (tmp_path / STORED).write_text(line(1, True) + "\n" + line(2, True)[:40])

    append_verdict(tmp_path, decode_verdict(line(3, False).encode()))

    read = read_verdicts(tmp_path / STORED, "r1")
    assert (["set_1", "set_3"], 0) == ([each.key for each in read.verdicts], read.damaged)


def test_kinds_are_counted_apart(tmp_path: Path) -> None:
    """A precision of sets says nothing of captions."""
    path = tmp_path / "v.jsonl"
    path.write_text(line(1, True) + "\n" + line(1, False, kind="multi_en") + "\n")

    found = precisions(read_verdicts(path, "r1").verdicts)
    assert [("set", 1), ("multi_en", 0)] == [(each.kind, each.good) for each in found]


def test_files_joined_end_to_end_count_each_item_once(tmp_path: Path) -> None:
    """Two downloads of one review overlap."""
    path = tmp_path / "v.jsonl"
    path.write_text("\n".join([line(1, True), line(2, True), line(1, True)]))

    assert 2 == len(read_verdicts(path, "r1").verdicts)


def test_the_later_of_two_words_on_one_item_counts(tmp_path: Path) -> None:
    """As the served page stores them; what was withdrawn last is no verdict."""
    path = tmp_path / "v.jsonl"
    at = "2026-11-29T10:00:0{}.000Z".format
    lines = [
        line(1, True, time=at(1)),
        line(2, True, time=at(2)),
        line(1, False, time=at(3)),
        line(2, True, verdict="withdrawn", time=at(4)),
        line(1, True, time=at(2)),
    ]
    path.write_text("\n".join(lines))

    assert [("set_1", "bad")] == [(each.key, each.verdict) for each in read_verdicts(path, "r1").verdicts]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (line(1, True) + "\n" + line(1, False), "line 2: set_1 is bad here and good in line 1"),
        (line(1, True, report="r2"), "a verdict on report r2, and none on this run's, which is r1"),
        (line(1, True) + "\nnonsense", "line 2: expected a verdict"),
        ('{"id": 1}', "line 1: expected a verdict"),
        ("\n", "has no verdicts"),
        (b"\xff\xfe", "line 1: expected a verdict"),
    ],
)
def test_a_file_that_cannot_be_counted_is_refused(tmp_path: Path, content: str | bytes, says: str) -> None:
    """With the line and what to do."""
    path = tmp_path / "v.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(UsageError, match=says):
        read_verdicts(path, "r1")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """It is a usage error, not a crash."""
    with pytest.raises(UsageError, match="No such file"):
        read_verdicts(tmp_path / "v.jsonl", "r1")


def test_a_runs_own_file_outlives_a_changed_report_and_a_crash(tmp_path: Path) -> None:
    """Lines on another report are counted beside, one that was cut short is passed over, the last counts."""
    path = tmp_path / STORED
    lines = [line(1, True, report="r0"), line(1, True), line(1, False), line(2, True)[:40]]
    path.write_text("\n".join(lines))

    found = read_verdicts(path, "r1")

    assert ["bad"] == [each.verdict for each in found.verdicts]
    assert 1 == found.on_other_reports
