"""The states in which a run is damaged: finished, or killed with one of its stages half done.

Comes in: the changes of an uninterrupted run. Goes out: run folders. Not its job: damage (see trials).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.crash.disk import Disk, tree_of
from tests.crash.points import CrashPoints
from triptych.runs.folder import RunFolder

EXPORTS = (
    ("llava", "--format=llava"),
    ("chat", "--format=chat-parts", "--file-type=jsonl.zst"),
    ("table", "--format=ms-swift", "--file-type=parquet"),
)
"""The name and the options of each export besides the first."""

UNFINISHED = {
    "shards half embedded": "run/images/in/side/a.jsonl.part",
    "neighbours half found": "run/grouping/join/from-000000000.npz.part",
    "duplicates half written": "run/duplicates.jsonl.part",
    "sets half written": "run/sets.jsonl.part",
    "captions half made": "run/captions/multi_zh/",
    "verdicts half written": "run/verdicts/single_en/in/side/a.jsonl.part",
    "an export half written": "run/export.part/manifest.json.part",
}
"""For each state: the run was killed at its first write to this file or folder."""


class State(NamedTuple):
    """A run folder, which is copied and then damaged."""

    name: str
    run: Path
    damaged: tuple[str, ...]
    """Only files whose names begin with one of these are damaged."""
    exports: tuple[str, ...]
    """The names of the exports besides the first."""
    expected: dict[str, bytes | None]
    """All exports after the run has finished."""
    captions: tuple[str, ...]
    """Only captions in journals whose names begin with one of these count."""
    is_finished: bool


def states_of(folder: Path, first: CrashPoints) -> Iterator[State]:
    """All states, with their runs below ``folder``."""
    for name, run, damaged, exports in (
        ("finished", folder / "finished" / "run", ("",), ("llava",)),
        ("with exports in other files", folder / "exported" / "run", ("exports/",), ("chat", "table")),
    ):
        Disk(first.changes).write_to(run.parent)
        commands = [
            [*first.runs.run_command(run), "--fresh=captions"],
            *export_commands(run, exports),
            ["triptych", "report", str(run)],
            ["triptych", "verify", str(run)],
        ]
        ended = first.runs.run(commands)
        assert ended.status == 0, ended.output
        current = RunFolder.open(run).run_file.generations.items()
        captions = tuple(f"captions/{job}/{generation}/" for job, generation in current)
        yield State(name, run, damaged, exports, exports_of(run), captions, is_finished=True)
    expected = {f"export/{name}": content for name, content in first.expected.items()}
    for number, (name, file) in enumerate(UNFINISHED.items()):
        until = next(
            at for at, change in enumerate(first.changes) if _is_first_write(change.kind, change.path, file)
        )
        run = folder / f"unfinished-{number}" / "run"
        Disk(first.changes[:until]).write_to(run.parent)
        yield State(name, run, ("",), (), expected, ("captions/",), is_finished=False)


def _is_first_write(kind: str, path: str, file: str) -> bool:
    return kind == "write" and (
        path == file or (file.endswith("/") and path.startswith(file) and path.endswith(".jsonl"))
    )


def export_commands(run: Path, exports: Sequence[str]) -> list[list[str]]:
    """The commands that make the exports of these names."""
    return [
        ["triptych", "export", str(run), f"--to={name}", *options]
        for name, *options in EXPORTS
        if name in exports
    ]


def exports_of(run: Path) -> dict[str, bytes | None]:
    """Every file of every export."""
    found = {}
    for root in ("export", "exports"):
        if (run / root).is_dir():
            found |= {f"{root}/{name}": content for name, content in tree_of(run / root).items()}
    return found
