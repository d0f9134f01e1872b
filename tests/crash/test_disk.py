"""Changes are seen, and replayed with and without what was not synced."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.crash.changes import Change, Watch
from tests.crash.disk import ANY_ORDER, ORDERED, STRICT, Disk, after_power_cut, tree_of

WRITTEN_WHOLE = (
    Change("mkdir", "run"),
    Change("open", "run/a.part", is_new=True),
    Change("write", "run/a.part", data=b"new"),
    Change("sync", "run/a.part", data=b"new"),
    Change("rename", "run/a.part", "run/a"),
    Change("sync folder", "run"),
    Change("sync folder", "."),
)


def _change_in_every_way(folder: Path) -> None:
    (folder / "one" / "two").mkdir(parents=True)
    (folder / "one" / "text").write_text("grün\n")
    with (folder / "one" / "buffered").open("wb") as file:
        file.write(b"0" * 20_000)
        file.seek(100)
        file.write(b"in the middle")
    with (folder / "one" / "raw").open("ab", buffering=0) as file:
        file.write(b"appended")
        os.fsync(file.fileno())
    with (folder / "one" / "raw").open("rb+") as file:
        file.truncate(3)
    os.truncate(folder / "one" / "buffered", 15_000)
    descriptor = os.open(folder / "low", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"low level")
    os.posix_fallocate(descriptor, 0, 50)
    os.close(descriptor)
    with os.fdopen(os.open(folder / "given", os.O_RDWR | os.O_CREAT), "r+b") as file:
        file.write(b"through a file")
    mapped = np.lib.format.open_memmap(folder / "map.npy", mode="w+", dtype=np.int8, shape=(9,))
    mapped[:] = 7
    with (folder / "map.npy").open("rb+") as file:
        os.fsync(file.fileno())
    (folder / "low").rename(folder / "one" / "two" / "low")
    (folder / "given").replace(folder / "one" / "text")
    (folder / "away").mkdir()
    (folder / "away" / "file").touch()
    shutil.rmtree(folder / "away")
    (folder / "one" / "two" / "low").unlink()


def test_no_change_is_missed(tmp_path: Path) -> None:
    """Replayed, the changes give the folder that is there, also of what came through a map and was synced."""
    (tmp_path / "watched").mkdir()
    child = os.fork()
    if child == 0:  # what is watched stays so
        watch = Watch(tmp_path / "watched", with_data=True)
        watch.install()
        _change_in_every_way(tmp_path / "watched")
        (tmp_path / "log").write_bytes(pickle.dumps(watch.changes))
        os._exit(0)

    assert 0 == os.waitpid(child, 0)[1]

    changes = pickle.loads((tmp_path / "log").read_bytes())
    Disk(changes).write_to(tmp_path / "replayed")

    assert tree_of(tmp_path / "watched") == tree_of(tmp_path / "replayed")
    assert {change.path.partition("/")[0] for change in changes} >= {"one", "away", "map.npy"}


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (0, {}),
        (5, {}),
        (6, {}),
        (7, {"run": None, "run/a": b"new"}),
    ],
)
def test_the_strict_model_keeps_what_was_synced(
    tmp_path: Path, until: int, expected: dict[str, bytes | None]
) -> None:
    """A file's bytes by its own sync, its name by its folder's, the folder's by that of the one above."""
    after_power_cut(STRICT, WRITTEN_WHOLE[:until], "", tmp_path / "after")

    assert expected == tree_of(tmp_path / "after")


def test_the_ordered_model_keeps_names_up_to_a_moment_after_the_last_sync(tmp_path: Path) -> None:
    """The sync of any file commits the names before it; a name after it may be there."""
    found = set()
    for seed in range(20):
        after = tmp_path / str(seed)
        after_power_cut(ORDERED, WRITTEN_WHOLE[:5], str(seed), after)
        found.add(tuple(tree_of(after).items()))

    assert {(("run", None), ("run/a.part", b"new")), (("run", None), ("run/a", b"new"))} == found


def test_in_any_order_each_name_and_byte_that_was_not_synced_may_be_there(tmp_path: Path) -> None:
    """A file without its bytes, bytes without the rest, the name before the old one is gone."""
    unsynced = [change for change in WRITTEN_WHOLE[:5] if change.kind != "sync"]
    found = set()
    for seed in range(200):
        after = tmp_path / str(seed)
        after_power_cut(ANY_ORDER, unsynced, str(seed), after)
        found.add(tuple(tree_of(after).items()))

    assert {(), (("run", None),), (("run", None), ("run/a", b"")), (("run", None), ("run/a", b"new"))} < found


def test_a_kill_keeps_everything() -> None:
    """What a process has handed to the system stays."""
    assert [("run/a.part", b"new")] == [
        (name, bytes(node.live)) for name, node in Disk(WRITTEN_WHOLE[:3]).files()
    ]
