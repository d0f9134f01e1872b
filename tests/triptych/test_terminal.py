"""Text from outside, such as file names, can't control the terminal or forge lines of output."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.triptych.conftest import Command
from triptych.progress import Lines
from triptych.terminal import echo, echo_json, printable

TITLE = "\x1b]0;PWNED\x07\x1b[2J"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TITLE, r"\x1b]0;PWNED\x07\x1b[2J"),
        ("a\nBAD  forged\rb", r"a\nBAD  forged\rb"),
        ("a\x9b2J\x85", r"a\x9b2J\x85"),
        ("a\u202egnp.exe\u2028b", r"a\u202egnp.exe\u2028b"),
        (os.fsdecode(b"caf\xe9.jpg"), r"caf\udce9.jpg"),
        ("图1：\u3000一只猫 café 👩‍👩‍👧", "图1：\u3000一只猫 café 👩‍👩‍👧"),
    ],
)
def test_control_characters_are_escaped_and_letters_stay(text: str, expected: str) -> None:
    """In any script."""
    assert expected == printable(text)


def test_output_and_progress_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout and on stderr."""
    echo(TITLE)
    Lines().say(TITLE)

    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert captured.out == captured.err


def test_json_output_is_escaped_and_stays_valid(capsys: pytest.CaptureFixture[str]) -> None:
    """A reader of the JSON gets the original text."""
    echo_json({"name": "a\x9b\x1b\u2028"})

    printed = capsys.readouterr().out
    assert {"name": "a\x9b\x1b\u2028"} == json.loads(printed)
    assert not {"\x9b", "\x1b", "\u2028"} & set(printed)


def test_no_command_prints_file_names_unescaped(triptych: Command, few_images: Path, tmp_path: Path) -> None:
    """Neither in notes, explanations and violations, nor in errors."""
    images = tmp_path / "images"
    images.mkdir()
    for number, path in enumerate(sorted(few_images.iterdir())):
        (images / f"{number}{TITLE.replace('/', '')}\n.png").write_bytes(path.read_bytes())
    (images / f"{TITLE}.tar").write_bytes(b"no tar")
    run = tmp_path / "run"
    key = f"0{TITLE}\n.png"

    outcomes = [
        triptych("group", images, "--preset", "demo", "--out", run),
        triptych("explain", run, key),
        triptych("explain", run, f"{TITLE}none"),
        triptych("status", run),
        triptych("verify", run, "--images", "all"),
        triptych("run", images / f"{TITLE}none", "--preset", "demo", "--out", run),
    ]

    assert 0 == outcomes[0].exit_code == outcomes[1].exit_code
    assert not [outcome for outcome in outcomes if "\x1b" in outcome.stdout + outcome.stderr]
