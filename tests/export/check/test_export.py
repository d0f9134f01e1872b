"""The check of an export finds mismatches with the run."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.export.conftest import KINDS
from triptych.export.check.export import check_export
from triptych.progress import Silent
from triptych.runs.folder import RunFolder
from triptych.runs.journal import write_journal
from triptych.runs.jsonl import sha256_of

NAME = "triptych_caption_9_single_image_en.jsonl"


@pytest.fixture
def exported(judged_run, export) -> RunFolder:
    """A run with a sound export."""
    run = judged_run()
    export(run)
    return run


def rewrite(run: RunFolder, change: Callable[[list[dict]], object]) -> None:
    """Change rows of a file, and adapt its manifest entry as a careful forger would."""
    path = run.export_folder / NAME
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    manifest_path = run.export_folder / "manifest.json"
    manifest = json.loads(manifest_path.read_text("utf-8"))
    manifest["files"][NAME] |= {"sha256": sha256_of(path), "size_bytes": path.stat().st_size}
    manifest_path.write_text(json.dumps(manifest), "utf-8")


def first_mismatch(run: RunFolder) -> str:
    return check_export(run, Silent())[1][0]


def test_a_sound_export_has_no_mismatch(exported: RunFolder) -> None:
    """The checks are listed with counts."""
    checks, mismatches = check_export(exported, Silent())

    assert [] == mismatches
    assert f"export: rows of {NAME}, each the caption that was kept: 9" in map(str, checks)


def test_a_file_with_mismatches_is_not_listed_as_checked(exported: RunFolder) -> None:
    """The other files are."""
    rewrite(exported, lambda rows: rows.reverse())
    passed = [str(check) for check in check_export(exported, Silent())[0] if "rows of" in str(check)]

    assert 3 == len(passed)
    assert not [line for line in passed if NAME in line]


@pytest.mark.parametrize(("name", "file_type"), KINDS)
def test_an_export_in_any_format_is_checked_row_by_row(judged_run, export, name: str, file_type: str) -> None:
    """It has no mismatch at first. If a caption of the run changes, its row is a mismatch."""
    run = judged_run()
    export(run, format=name, file_type=file_type)

    assert [] == check_export(run, Silent())[1]

    others = [
        msgspec.structs.replace(each, text=each.text.replace("一艘船", "两艘船"))
        for each in run.captions("multi_zh", "sub/b")
    ]
    write_journal(run.captions_file("multi_zh", "sub/b"), others)

    (mismatch,) = check_export(run, Silent())[1]
    assert "两艘船" in mismatch


def test_a_changed_file_is_found(exported: RunFolder) -> None:
    """Its checksum differs, although its size is the same."""
    path = exported.export_folder / NAME
    path.write_bytes(path.read_bytes().replace(b"red", b"bed"))

    assert "have the checksum in the manifest" in first_mismatch(exported)


def test_a_missing_file_is_found(exported: RunFolder) -> None:
    """It is in the manifest."""
    (exported.export_folder / NAME).unlink()

    assert "missing" in first_mismatch(exported)


def test_a_file_that_is_not_in_the_manifest_is_found(exported: RunFolder) -> None:
    """The export didn't write it."""
    (exported.export_folder / "extra.txt").write_text("?")

    assert "extra.txt is not in the manifest" in first_mismatch(exported)


def test_a_missing_export_is_a_mismatch(judged_run) -> None:
    """Nothing was exported, or it was removed."""
    assert "manifest.json is missing" in first_mismatch(judged_run())


@pytest.mark.parametrize(
    ("change", "mismatch"),
    [
        (lambda rows: rows[0].pop("width"), "row 1: .*width"),
        (lambda rows: rows[0].update(extra=1), "row 1: .*extra"),
        (lambda rows: rows[0].update(width=7), "width is 7, expected 1502"),
        (lambda rows: rows[0].update(image="no.jpg"), 'image is "no.jpg", expected "a/2.jpg"'),
        (
            lambda rows: rows[0]["conversations"][0].update(value="?"),
            'conversations is .*"value":"\\?"}.*, expected .*<image>',
        ),
        (
            lambda rows: rows[0]["conversations"][1].update(value="?"),
            "conversations is .*, expected .*A red boat",
        ),
        (
            lambda rows: rows[0]["conversations"][0].update({"from": "gpt"}),
            'conversations is .*"from":"gpt".*, expected .*"from":"human"',
        ),
        (
            lambda rows: rows.__setitem__(1, rows[0]),
            'single_en:a/4.jpg.: id is "single_en:a/2.jpg", expected',
        ),
        (lambda rows: rows.pop(), "1 kept captions are not in it"),
    ],
)
def test_a_wrong_row_is_found(
    exported: RunFolder, change: Callable[[list[dict]], object], mismatch: str
) -> None:
    """Even if the manifest has the checksum of the edited file."""
    rewrite(exported, change)

    with pytest.raises(AssertionError, match=mismatch):
        assert "" == "; ".join(check_export(exported, Silent())[1])


def test_a_long_list_of_mismatches_is_shortened_and_counted(exported: RunFolder, tmp_path: Path) -> None:
    """So one broken file doesn't flood the output."""
    rewrite(exported, lambda rows: rows.extend([{}] * 100))

    assert any("more mismatches" in mismatch for mismatch in check_export(exported, Silent())[1])
