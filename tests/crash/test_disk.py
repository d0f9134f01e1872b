"""All changes are recorded, and can be replayed with or without those that were not synced."""

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


def test_replayed_changes_give_the_real_folder(tmp_path: Path) -> None:
    """No change is missed, not even one through a memory map, if it was synced."""
    (tmp_path / "watched").mkdir()
    child = os.fork()
    if child == 0:  # a watch lasts until its process ends
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
def test_the_strict_model_keeps_only_what_was_synced(
    tmp_path: Path, until: int, expected: dict[str, bytes | None]
) -> None:
    """A file's own sync keeps its bytes, its folder's keeps its name, and so on upwards."""
    after_power_cut(STRICT, WRITTEN_WHOLE[:until], "", tmp_path / "after")

    assert expected == tree_of(tmp_path / "after")


def test_the_ordered_model_may_keep_names_changed_after_the_last_sync(tmp_path: Path) -> None:
    """The sync of any file commits all earlier names; later ones may be there or not."""
    found = set()
    for seed in range(20):
        after = tmp_path / str(seed)
        after_power_cut(ORDERED, WRITTEN_WHOLE[:5], str(seed), after)
        found.add(tuple(tree_of(after).items()))

    assert {(("run", None), ("run/a.part", b"new")), (("run", None), ("run/a", b"new"))} == found


def test_the_any_order_model_may_keep_any_unsynced_name_and_bytes(tmp_path: Path) -> None:
    """Nothing, a folder without its files, a file without its bytes, or everything."""
    unsynced = [change for change in WRITTEN_WHOLE[:5] if change.kind != "sync"]
    found = set()
    for seed in range(200):
        after = tmp_path / str(seed)
        after_power_cut(ANY_ORDER, unsynced, str(seed), after)
        found.add(tuple(tree_of(after).items()))

    assert {(), (("run", None),), (("run", None), ("run/a", b"")), (("run", None), ("run/a", b"new"))} < found


def test_a_kill_keeps_unsynced_changes() -> None:
    """The system keeps what a process has written, synced or not."""
    assert [("run/a.part", b"new")] == [
        (name, bytes(file.live)) for name, file in Disk(WRITTEN_WHOLE[:3]).files()
    ]
