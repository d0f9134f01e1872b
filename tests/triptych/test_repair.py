"""`triptych repair` names damage and moves it aside, so that only the damaged files are made again. Nothing
is deleted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.triptych.conftest import Command, run_again
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
"""One file of each kind."""


@pytest.fixture
def journal(run: Path) -> str:
    """The run's only journal, relative to the run folder."""
    (path,) = run.glob("captions/single_en/*/files-00000.jsonl")
    return path.relative_to(run).as_posix()


def flip(path: Path, at: int = -3) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def set_aside(run: Path) -> dict[str, bytes]:
    """The files in the folder of damaged files, by the names they had in the run."""
    (folder,) = (run / "damaged").iterdir()
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_place_of_a_file_is_set_aside(
    name: str, triptych: Command, few_images: Path, finished: Path, run: Path
) -> None:
    """The file is then made again."""
    (run / name).unlink()
    (run / name).mkdir()
    assert 1 == triptych("verify", run).exit_code

    assert 0 == triptych("repair", run, "--yes").exit_code
    assert 0 == run_again(triptych, few_images, run).exit_code
    assert (finished / name).is_file() == (run / name).is_file()
    assert 0 == triptych("verify", run).exit_code


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_set_aside_and_made_again(
    name: str, triptych: Command, few_images: Path, finished: Path, run: Path
) -> None:
    """With the same bytes. Before that, `verify` names the file and the command that repairs it."""
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

    assert 0 == run_again(triptych, few_images, run).exit_code
    assert "Nothing to set aside" in triptych("repair", run).stdout
    assert 0 == triptych("verify", run).exit_code
    for path in (run / "export", run / "verdicts" / "single_en"):
        for each in path.iterdir():
            assert (finished / each.relative_to(run)).read_bytes() == each.read_bytes()


def test_only_the_damaged_lines_of_a_journal_are_set_aside(
    triptych: Command, few_images: Path, finished: Path, run: Path, journal: str
) -> None:
    """Their two captions are requested again and are the same; the other lines keep their order."""
    lines = (run / journal).read_bytes().splitlines(keepends=True)
    broken = [lines[1].replace(b'"text":"', b'"text":"?'), b"\xff\xfe\x00\n"]
    (run / journal).write_bytes(b"".join([lines[0], broken[0], *lines[2:-1], broken[1]]))

    assert_one_line(run_again(triptych, few_images, run), 1, journal, "line 2", "triptych repair")
    assert "files-00000.jsonl, line 6: its checksum" in triptych("verify", run).stdout

    triptych("repair", run, "--yes")

    assert {journal: b"".join(broken)} == set_aside(run)
    assert b"".join([lines[0], *lines[2:-1]]) == (run / journal).read_bytes()

    run_again(triptych, few_images, run)

    assert sorted(lines) == sorted((run / journal).read_bytes().splitlines(keepends=True))
    assert 0 == triptych("verify", run).exit_code
    assert (finished / "export/manifest.json").read_bytes() == (run / "export/manifest.json").read_bytes()


def test_a_caption_found_twice_is_reduced_to_one(
    triptych: Command, few_images: Path, run: Path, journal: str
) -> None:
    """The last one counts; earlier ones are set aside."""
    lines = (run / journal).read_bytes().splitlines(keepends=True)
    (run / journal).write_bytes(b"".join([*lines, lines[2]]))

    assert "is captioned twice" in triptych("verify", run).stdout

    triptych("repair", run, "--yes")
    run_again(triptych, few_images, run)

    assert {journal: lines[2]} == set_aside(run)
    assert 6 == len(list(read_journal(run / journal, Caption)))
    assert 0 == triptych("verify", run).exit_code


@pytest.mark.parametrize("options", [["--dry-run"], []])
def test_nothing_is_set_aside_without_confirmation(options: list[str], triptych: Command, run: Path) -> None:
    """A dry run only lists the damage; without a terminal to ask on, the command requires --yes."""
    flip(run / "sets.jsonl")
    outcome = triptych("repair", run, *options)

    assert "sets.jsonl is not what sets left" in outcome.stdout
    assert bool(options) == (outcome.exit_code == 0)
    assert not (run / "damaged").exists()


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"\xff"), flip])
def test_run_json_is_repaired_from_its_copy(
    damage: Callable[[Path], object], triptych: Command, few_images: Path, run: Path
) -> None:
    """If both are damaged, the run can't be continued."""
    damage(run / "run.json")
    triptych("repair", run, "--yes")

    assert 0 == triptych("verify", run).exit_code

    damage(run / "run.json")
    (run / ".run.json.copy").write_bytes(b"{}")

    assert_one_line(triptych("repair", run, "--yes"), 1, "both damaged", "put one of them back")


def test_a_damaged_generation_json_is_repaired_from_its_copy(
    triptych: Command, few_images: Path, run: Path
) -> None:
    """Whether it is unreadable or that of another job. No caption is made again."""
    (path,) = (run / "captions" / "single_en").glob("*/generation.json")
    before = path.read_bytes()
    other = begin_generation(RunFolder.open(run), "other", {}, {}, fresh=False)
    for damaged in (b"{", b"", (run / "captions" / "other" / other.name / "generation.json").read_bytes()):
        path.write_bytes(damaged)

        assert 1 == triptych("verify", run).exit_code
        assert_one_line(run_again(triptych, few_images, run), 1, "generation.json", "triptych repair")

        triptych("repair", run, "--yes")

        assert before == path.read_bytes()
        assert "Nothing to do" in run_again(triptych, few_images, run).stderr


def test_a_file_that_no_stage_wrote_is_set_aside(triptych: Command, few_images: Path, run: Path) -> None:
    """It is neither used nor deleted."""
    (run / "images" / "more.jsonl").write_bytes(b"")

    assert "images/more.jsonl is not a file that embeddings wrote" in triptych("verify", run).stdout
    assert_one_line(run_again(triptych, few_images, run), 1, "images/more.jsonl", "triptych repair")

    triptych("repair", run, "--yes")

    assert 0 == run_again(triptych, few_images, run).exit_code
    assert 0 == triptych("verify", run).exit_code


def test_repair_refuses_a_folder_that_is_no_run(triptych: Command, tmp_path: Path) -> None:
    """As every command does."""
    assert_one_line(triptych("repair", tmp_path), 1, "is not a run folder")


def test_an_interrupted_repair_leaves_the_rest_of_the_damage_to_be_found(
    triptych: Command, few_images: Path, run: Path
) -> None:
    """A stage stays finished until all its damaged files are moved, so the rest of them is found again."""
    for name in ("images/files-00000.jsonl", "embeddings/files-00000.npy"):
        flip(run / name)
    one, other = find_damage(run)

    one.fix(run / "damaged" / "before")

    assert [other.what] == [each.what for each in find_damage(run)]
    assert 1 == run_again(triptych, few_images, run).exit_code
    assert 0 == triptych("repair", run, "--yes").exit_code
    assert 0 == run_again(triptych, few_images, run).exit_code
    assert 0 == triptych("verify", run).exit_code


def test_a_damaged_named_export_is_made_again_by_its_own_command(triptych: Command, run: Path) -> None:
    """`repair` names the command, and `verify` fails until it has run."""
    triptych("export", run, "--to", "lf", "--format", "llama-factory")
    (rows, *_) = sorted((run / "exports" / "lf").glob("*.jsonl"))
    flip(rows)
    command = f"triptych export {run} --to lf"

    assert f"made again by `{command}`" in triptych("repair", run, "--yes").stdout
    outcome = triptych("verify", run)
    assert 1 == outcome.exit_code
    assert f"exports/lf was begun and not finished; `{command}` resumes" in outcome.stdout

    assert 0 == triptych(*command.split()[1:]).exit_code
    assert 0 == triptych("verify", run).exit_code
