"""The command explains itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.triptych.conftest import Command
from triptych import open_run
from triptych.cli import cli

HEAVY = ("torch", "transformers", "open_clip", "faiss", "numpy", "PIL", "httpx", "rich")


def test_help_loads_nothing_heavy() -> None:
    """So that it answers at once. The time itself: python -m benchmarks.help_time."""
    code = "import sys; sys.argv=['triptych','--help']; from triptych.cli import main\ntry: main()\n"
    code += f"except SystemExit: pass\nprint([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert "[]" == answer.stderr.strip()
    assert "Turn a pile of images into a caption dataset" in answer.stdout


def test_ctrl_c_before_anything_began_is_one_line() -> None:
    """While commands are imported, too."""
    code = (
        "import sys\nclass Interrupts:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'triptych.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupts())\nfrom triptych.__main__ import main\nmain()"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (130, "triptych: interrupted before anything began\n") == (answer.returncode, answer.stderr)


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_help_and_an_example(name: str, triptych: Command) -> None:
    """And every option says what it does."""
    outcome = triptych(name, "--help")

    assert 0 == outcome.exit_code
    assert f"Example: triptych {name}" in outcome.stdout
    for parameter in cli.commands[name].params:
        if parameter.param_type_name == "option":
            assert parameter.to_info_dict()["help"], parameter.name


def test_the_reference_is_what_the_commands_say() -> None:
    """docs/cli.md is made, not written. In a process of its own: click remembers how help was asked for."""
    answer = subprocess.run(
        [sys.executable, "-m", "scripts.cli_reference", "--check"], capture_output=True, text=True
    )

    assert (0, "") == (answer.returncode, answer.stderr)


def test_no_command_shows_the_help(triptych: Command) -> None:
    """A bare `triptych` is a question."""
    outcome = triptych()

    assert 2 == outcome.exit_code
    assert "Commands:" in outcome.stderr


def test_doctor_finds_the_embedded_models(triptych: Command) -> None:
    """They are part of the package."""
    outcome = triptych("doctor", "--json")

    assert 0 == outcome.exit_code, outcome.stdout
    assert '"builtin:nano-internvl"' in outcome.stdout


def test_each_stage_names_the_command_that_comes_next(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """On stderr: what a script reads stays as it is."""
    run = tmp_path / "my run"
    said = [
        triptych("group", few_images, "--preset", "demo", "--set", "filtering.grounding=false", "--out", run),
        triptych("caption", run, "--sample", "1", "--job", "single_en"),
        triptych("filter", run),
        triptych("export", run),
    ]

    assert ["caption", "filter", "export", "report"] == [
        line.split()[2] for each in said for line in each.stderr.splitlines() if line.startswith("Next: ")
    ]
    assert f"Next: triptych report '{run}'" in said[-1].stderr
    assert not any("Next:" in each.stdout for each in said)


def test_what_would_be_filtered_is_said_of_a_folder_that_can_not_be_written(
    triptych: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while another process works on it; nothing in it changes."""
    access = os.access
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK and access(path, mode))
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    with open_run(run):
        said = triptych("filter", run, "--dry-run", "--set", "filtering.thresholds.too_short=5")
        of_one = triptych("filter", run, "--explain", "single_en:00.png")

    assert (0, 0) == (said.exit_code, of_one.exit_code)
    assert "kept" in said.stdout
    assert {path: time for path, time in before.items() if path.name != ".lock"} == {
        path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"
    }
