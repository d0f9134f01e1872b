"""The precision computed from a person's verdicts."""

import json
from pathlib import Path

import pytest

from triptych.errors import UsageError
from triptych.report.precision import precisions
from triptych.runs.human_verdicts import STORED, append_verdict, decode_verdict, read_verdicts
from triptych.runs.sampling import wilson_interval


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


def test_a_rewritten_caption_counts_as_bad(tmp_path: Path) -> None:
    """Even if its verdict is good. Text for a rejected caption says that the rejection was right."""
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


def test_an_incomplete_verdict_is_removed_when_the_next_is_stored(tmp_path: Path) -> None:
    """After a crash; it was never confirmed as stored, so it isn't damage."""
    (tmp_path / STORED).write_text(line(1, True) + "\n" + line(2, True)[:40])

    append_verdict(tmp_path, decode_verdict(line(3, False).encode()))

    read = read_verdicts(tmp_path / STORED, "r1")
    assert (["set_1", "set_3"], 0) == ([each.key for each in read.verdicts], read.damaged)


def test_a_stored_verdict_with_a_flipped_bit_does_not_count(tmp_path: Path) -> None:
    """Each line of the run's own file has a checksum; the others count."""
    for number in range(3):
        append_verdict(tmp_path, decode_verdict(line(number, True).encode()))
    stored = tmp_path / STORED
    stored.write_bytes(stored.read_bytes().replace(b"set_1", b"set_3"))

    read = read_verdicts(stored, "r1")

    assert (["set_0", "set_2"], 1) == ([each.key for each in read.verdicts], read.damaged)


def test_each_kind_has_its_own_precision(tmp_path: Path) -> None:
    """A precision of sets says nothing about captions."""
    path = tmp_path / "v.jsonl"
    path.write_text(line(1, True) + "\n" + line(1, False, kind="multi_en") + "\n")

    found = precisions(read_verdicts(path, "r1").verdicts)
    assert [("set", 1), ("multi_en", 0)] == [(each.kind, each.good) for each in found]


def test_an_item_in_two_joined_files_counts_once(tmp_path: Path) -> None:
    """Two downloads of one review overlap."""
    path = tmp_path / "v.jsonl"
    path.write_text("\n".join([line(1, True), line(2, True), line(1, True)]))

    assert 2 == len(read_verdicts(path, "r1").verdicts)


def test_the_latest_verdict_on_an_item_counts(tmp_path: Path) -> None:
    """By the time that the served page stores. If the last one was withdrawn, there is no verdict."""
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
    ("content", "message"),
    [
        (line(1, True) + "\n" + line(1, False), "line 2: set_1 is bad here and good in line 1"),
        (line(1, True, report="r2"), "a verdict on report r2, and none on this run's, which is r1"),
        (line(1, True) + "\nnonsense", "line 2: expected a verdict"),
        ('{"id": 1}', "line 1: expected a verdict"),
        ("\n", "has no verdicts"),
        (b"\xff\xfe", "line 1: expected a verdict"),
    ],
)
def test_an_invalid_file_of_verdicts_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    """The error names the line and the reason."""
    path = tmp_path / "v.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(UsageError, match=message):
        read_verdicts(path, "r1")


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    """The error is one line, not a traceback."""
    with pytest.raises(UsageError, match="No such file"):
        read_verdicts(tmp_path / "v.jsonl", "r1")


def test_the_stored_verdicts_of_a_run_may_include_other_reports_and_an_incomplete_line(
    tmp_path: Path,
) -> None:
    """Verdicts on other reports are counted separately, the incomplete line is skipped, and the last verdict
    counts."""
    path = tmp_path / STORED
    lines = [line(1, True, report="r0"), line(1, True), line(1, False), line(2, True)[:40]]
    path.write_text("\n".join(lines))

    found = read_verdicts(path, "r1")

    assert ["bad"] == [each.verdict for each in found.verdicts]
    assert 1 == found.on_other_reports
