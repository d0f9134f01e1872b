"""Damage is named, set aside, and made again alone; nothing is deleted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.triptych.conftest import Command, again
from tests.triptych.test_bad_input import assert_one_line
from triptych.records import Caption
from triptych.repair import find_damage
from triptych.runs.folder import RunFolder
from triptych.runs.generations import begin_generation
from triptych.runs.journal import read_journal

FILES = [
    "run.json",
    ".run.json.copy",
    "sources.jsonl",
    "images/files-00000.jsonl",
    "embeddings/files-00000.npy",
    "sets.jsonl",
    "verdicts/single_en/files-00000.jsonl",
    "verdicts/scores.jsonl",
    "export/README.md",
    "export/manifest.json",
]
"""One of each kind."""


@pytest.fixture
def journal(run: Path) -> str:
    """The only one of the run, by its name in it."""
    (path,) = run.glob("captions/single_en/*/files-00000.jsonl")
    return path.relative_to(run).as_posix()


def flip(path: Path, at: int = -3) -> None:
    """Another byte of the same file, as long as before."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def set_aside(run: Path) -> dict[str, bytes]:
    """What lies in the folder of damaged files, by the name that it had in the run."""
    (folder,) = (run / "damaged").iterdir()
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_the_place_of_a_file_is_set_aside(
    name: str, triptych: Command, few_images: Path, finished: Path, run: Path
) -> None:
    """It is none of the run's."""
    (run / name).unlink()
    (run / name).mkdir()
    assert 1 == triptych("verify", run).exit_code

    assert 0 == triptych("repair", run, "--yes").exit_code
    assert 0 == again(triptych, few_images, run).exit_code
    assert (finished / name).is_file() == (run / name).is_file()
    assert 0 == triptych("verify", run).exit_code


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_set_aside_and_made_again(
    name: str, triptych: Command, few_images: Path, finished: Path, run: Path
) -> None:
    """As it was; verify names it, and how to mend it, before."""
    flip(run / name)
    damaged = (run / name).read_bytes()

    outcome = triptych("verify", run)

    assert 1 == outcome.exit_code
    assert name in outcome.stdout + outcome.stderr
    assert f"triptych repair {run}" in outcome.stdout + outcome.stderr

    outcome = triptych("repair", run, "--yes")

    assert 0 == outcome.exit_code
    assert f"{run / name}" in outcome.stdout.partition("\n")[0]
    assert {name: damaged} == set_aside(run)

    assert 0 == again(triptych, few_images, run).exit_code
    assert "Nothing to set aside" in triptych("repair", run).stdout
    assert 0 == triptych("verify", run).exit_code
    for path in (run / "export", run / "verdicts" / "single_en"):
        for each in path.iterdir():
            assert (finished / each.relative_to(run)).read_bytes() == each.read_bytes()


def test_of_a_journal_only_the_damaged_lines_go(
    triptych: Command, few_images: Path, finished: Path, run: Path, journal: str
) -> None:
    """Two captions are asked for again, and come out as before; the others stay where they are."""
    lines = (run / journal).read_bytes().splitlines(keepends=True)
    broken = [lines[1].replace(b'"text":"', b'"text":"?'), b"\xff\xfe\x00\n"]
    (run / journal).write_bytes(b"".join([lines[0], broken[0], *lines[2:-1], broken[1]]))

    assert_one_line(again(triptych, few_images, run), 1, journal, "line 2", "triptych repair")
    assert "files-00000.jsonl, line 6: its checksum" in triptych("verify", run).stdout

    triptych("repair", run, "--yes")

    assert {journal: b"".join(broken)} == set_aside(run)
    assert b"".join([lines[0], *lines[2:-1]]) == (run / journal).read_bytes()

    again(triptych, few_images, run)

    assert sorted(lines) == sorted((run / journal).read_bytes().splitlines(keepends=True))
    assert 0 == triptych("verify", run).exit_code
    assert (finished / "export/manifest.json").read_bytes() == (run / "export/manifest.json").read_bytes()


def test_a_caption_that_is_there_twice(triptych: Command, few_images: Path, run: Path, journal: str) -> None:
    """The last one counts, so the others are set aside."""
    lines = (run / journal).read_bytes().splitlines(keepends=True)
    (run / journal).write_bytes(b"".join([*lines, lines[2]]))

    assert "is captioned twice" in triptych("verify", run).stdout

    triptych("repair", run, "--yes")
    again(triptych, few_images, run)

    assert {journal: lines[2]} == set_aside(run)
    assert 6 == len(list(read_journal(run / journal, Caption)))
    assert 0 == triptych("verify", run).exit_code


@pytest.mark.parametrize("asked", [["--dry-run"], []])
def test_nothing_is_set_aside_unasked(asked: list[str], triptych: Command, run: Path) -> None:
    """A dry run says what would be; without a terminal to ask on, the command wants --yes."""
    flip(run / "sets.jsonl")
    outcome = triptych("repair", run, *asked)

    assert "sets.jsonl is not what sets left" in outcome.stdout
    assert bool(asked) == (outcome.exit_code == 0)
    assert not (run / "damaged").exists()


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"\xff"), flip])
def test_both_copies_of_what_a_run_was_made_with(
    damage: Callable[[Path], object], triptych: Command, few_images: Path, run: Path
) -> None:
    """One that is damaged or gone is mended by the other; without both, the run can't be gone on with."""
    damage(run / "run.json")
    triptych("repair", run, "--yes")

    assert 0 == triptych("verify", run).exit_code

    damage(run / "run.json")
    (run / ".run.json.copy").write_bytes(b"{}")

    assert_one_line(triptych("repair", run, "--yes"), 1, "both damaged", "put one of them back")


def test_what_captions_were_made_with(triptych: Command, few_images: Path, run: Path) -> None:
    """Damaged, or that of another job: its copy is put in its place, and no caption is made again."""
    (path,) = (run / "captions" / "single_en").glob("*/generation.json")
    before = path.read_bytes()
    other = begin_generation(RunFolder.open(run), "other", {}, {}, fresh=False)
    for damaged in (b"{", b"", (run / "captions" / "other" / other.name / "generation.json").read_bytes()):
        path.write_bytes(damaged)

        assert 1 == triptych("verify", run).exit_code
        assert_one_line(again(triptych, few_images, run), 1, "generation.json", "triptych repair")

        triptych("repair", run, "--yes")

        assert before == path.read_bytes()
        assert "Nothing to do" in again(triptych, few_images, run).stderr


def test_a_file_that_a_stage_did_not_leave(triptych: Command, few_images: Path, run: Path) -> None:
    """Neither used nor deleted."""
    (run / "images" / "more.jsonl").write_bytes(b"")

    assert "images/more.jsonl is not a file that embeddings wrote" in triptych("verify", run).stdout
    assert_one_line(again(triptych, few_images, run), 1, "images/more.jsonl", "triptych repair")

    triptych("repair", run, "--yes")

    assert 0 == again(triptych, few_images, run).exit_code
    assert 0 == triptych("verify", run).exit_code


def test_a_folder_that_is_no_run(triptych: Command, tmp_path: Path) -> None:
    """As every command says it."""
    assert_one_line(triptych("repair", tmp_path), 1, "is not a run folder")


def test_a_repair_that_ended_early_forgets_nothing(triptych: Command, few_images: Path, run: Path) -> None:
    """The stage stays finished until all is moved, so what is left is damaged still."""
    for name in ("images/files-00000.jsonl", "embeddings/files-00000.npy"):
        flip(run / name)
    one, other = find_damage(run)

    one.fix(run / "damaged" / "before")

    assert [other.what] == [each.what for each in find_damage(run)]
    assert 1 == again(triptych, few_images, run).exit_code
    assert 0 == triptych("repair", run, "--yes").exit_code
    assert 0 == again(triptych, few_images, run).exit_code
    assert 0 == triptych("verify", run).exit_code


def test_a_damaged_export_of_its_own_name_is_made_again_by_its_own_command(
    triptych: Command, run: Path
) -> None:
    """The repair says so, and until then it is no sound run."""
    triptych("export", run, "--to", "lf", "--format", "llama-factory")
    (rows, *_) = sorted((run / "exports" / "lf").glob("*.jsonl"))
    flip(rows)
    command = f"triptych export {run} --to lf"

    assert f"made again by `{command}`" in triptych("repair", run, "--yes").stdout
    outcome = triptych("verify", run)
    assert 1 == outcome.exit_code
    assert f"exports/lf was begun and not finished; `{command}` goes on" in outcome.stdout

    assert 0 == triptych(*command.split()[1:]).exit_code
    assert 0 == triptych("verify", run).exit_code
