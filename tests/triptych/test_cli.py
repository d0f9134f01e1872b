"""The command line: help, completion, and what commands print."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.triptych.conftest import Command
from triptych import open_run
from triptych.cli import cli

HEAVY = ("torch", "transformers", "open_clip", "faiss", "numpy", "PIL", "httpx", "rich")


def test_help_imports_no_heavy_library() -> None:
    """So `triptych --help` answers at once. python -m benchmarks.help_time measures the time itself."""
    code = "import sys; sys.argv=['triptych','--help']; from triptych.cli import main\ntry: main()\n"
    code += f"except SystemExit: pass\nprint([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert "[]" == answer.stderr.strip()
    assert "Turn a pile of images into a caption dataset" in answer.stdout


def test_ctrl_c_during_start_up_prints_one_line() -> None:
    """Also while the commands are still being imported."""
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
    """Each of its options is described as well."""
    outcome = triptych(name, "--help")

    assert 0 == outcome.exit_code
    assert f"Example: triptych {name}" in outcome.stdout
    for parameter in cli.commands[name].params:
        if parameter.param_type_name == "option":
            assert parameter.to_info_dict()["help"], parameter.name


def test_the_command_reference_is_up_to_date() -> None:
    """docs/cli.md is generated from the commands. The check has a process of its own, because click remembers
    how help was requested."""
    answer = subprocess.run(
        [sys.executable, "-m", "scripts.cli_reference", "--check"], capture_output=True, text=True
    )

    assert (0, "") == (answer.returncode, answer.stderr)


def test_triptych_without_a_command_shows_the_help(triptych: Command) -> None:
    """On stderr, with the exit code of a usage error."""
    outcome = triptych()

    assert 2 == outcome.exit_code
    assert "Commands:" in outcome.stderr


def test_doctor_finds_the_embedded_models(triptych: Command) -> None:
    """They are part of the package."""
    outcome = triptych("doctor", "--json")

    assert 0 == outcome.exit_code, outcome.stdout
    assert '"builtin:nano-internvl"' in outcome.stdout


def test_each_stage_names_the_next_command(triptych: Command, few_images: Path, tmp_path: Path) -> None:
    """On stderr, so that scripts can read stdout."""
    run = tmp_path / "my run"
    outcomes = [
        triptych("group", few_images, "--preset", "demo", "--set", "filtering.grounding=false", "--out", run),
        triptych("caption", run, "--sample", "1", "--job", "single_en"),
        triptych("filter", run),
        triptych("export", run),
        triptych("report", run),
    ]

    assert ["caption", "filter", "export", "report", "it"] == [
        line.split()[2] for each in outcomes for line in each.stderr.splitlines() if line.startswith("Next: ")
    ]
    assert f"Next: triptych report '{run}'" in outcomes[-2].stderr
    assert not any("Next:" in each.stdout for each in outcomes)


def test_a_filter_dry_run_works_in_a_read_only_run_folder(
    triptych: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while another process has the run open. Nothing in the folder changes."""
    access = os.access
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK and access(path, mode))
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    with open_run(run):
        dry_run = triptych("filter", run, "--dry-run", "--set", "filtering.thresholds.too_short=5")
        explained = triptych("filter", run, "--explain", "single_en:00.png")

    assert (0, 0) == (dry_run.exit_code, explained.exit_code)
    assert "kept" in dry_run.stdout
    assert {path: time for path, time in before.items() if path.name != ".lock"} == {
        path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"
    }


def test_a_quiet_command_prints_only_results(triptych: Command, run: Path, few_images: Path) -> None:
    """No progress, no notes, no next command."""
    normal = triptych("filter", run, "--fresh", "verdicts")
    quiet = triptych("filter", run, "--fresh", "verdicts", "--quiet")

    assert "Next: triptych export" in normal.stderr
    assert (0, "") == (quiet.exit_code, quiet.stderr)
    assert normal.stdout == quiet.stdout != ""


def test_a_quiet_command_still_prints_its_error(triptych: Command, tmp_path: Path) -> None:
    """In one line; --verbose adds the traceback."""
    quiet = triptych("status", tmp_path / "none", "-q")
    verbose = triptych("status", tmp_path / "none", "-v")

    assert 1 == len(quiet.stderr.splitlines())
    assert verbose.stderr.startswith("Traceback") and verbose.stderr.endswith(quiet.stderr)


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {}])
def test_no_color_removes_the_colours_of_progress_bars(variables: dict[str, str]) -> None:
    """The bars themselves are still shown on a terminal."""
    bar = "from triptych.progress import Bars\\nwith Bars().task('embed', 3, 'images') as t: t.advance(3)"
    code = f"import pty, sys; pty.spawn([sys.executable, '-c', \"{bar}\"])"
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env={**environment, "TERM": "xterm-256color", **variables},
    )

    assert b"embed" in answer.stdout
    assert ("NO_COLOR" in variables) == (re.search(rb"\x1b\[[0-9;]*3[0-9]", answer.stdout) is None)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_command_names(shell: str, tmp_path: Path) -> None:
    """With the line that docs/install.md adds to the shell's start-up file."""
    command = tmp_path / "triptych"
    command.write_text(f"#!{sys.executable}\nfrom triptych.__main__ import main\nmain()\n")
    command.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    script = subprocess.run(
        [command],
        env={**environment, "_TRIPTYCH_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
    )
    words = (
        {"COMP_WORDS": "triptych ver", "COMP_CWORD": "1"}
        if shell != "fish"
        else {"COMP_WORDS": "triptych ver", "COMP_CWORD": "ver"}
    )
    found = subprocess.run(
        [command],
        env={**environment, **words, "_TRIPTYCH_COMPLETE": f"{shell}_complete"},
        capture_output=True,
        text=True,
    )

    assert f"_TRIPTYCH_COMPLETE={shell}_complete" in script.stdout, script.stderr
    assert "verify" in found.stdout


def test_the_version_is_printed(triptych: Command) -> None:
    """Also if Triptych isn't installed, but only on PYTHONPATH."""
    outcome = triptych("--version")

    assert (0, "0.1.0") == (outcome.exit_code, outcome.stdout.split()[-1])
