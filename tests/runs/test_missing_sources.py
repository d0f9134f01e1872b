"""A run continues when some of its sources are missing."""

import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.pile import jpeg, write_file, write_tar, write_zip
from triptych.runs.folder import RunFolder
from triptych.runs.missing_sources import gone_archives, with_gone_shards, without_gone_archives
from triptych.runs.source_changes import find_changes
from triptych.sources import loose_files
from triptych.sources.loose_files import FILES_PER_SHARD
from triptych.sources.opening import open_sources
from triptych.sources.shard import Shard


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A new run."""
    return RunFolder.create_or_open(tmp_path / "run")


def _note(run: RunFolder, shards: list[Shard]) -> None:
    """What embedding does first."""
    find_changes(run, shards).apply(run)


def _described(shards: list[Shard]) -> list[tuple[str, str]]:
    return [(shard.name, shard.fingerprint()) for shard in shards]


def test_an_archive_that_has_gone_keeps_its_place(tmp_path: Path, run: RunFolder) -> None:
    """Name and fingerprint are as noted; it lists one unreadable file, and reading an image fails."""
    for number in range(3):
        write_tar(tmp_path / "pile" / f"sa_{number}.tar", {"x.jpg": jpeg()})
    before = open_sources([tmp_path / "pile"])
    _note(run, before)
    (tmp_path / "pile" / "sa_1.tar").unlink()
    now = with_gone_shards(run, open_sources([tmp_path / "pile"]))

    assert _described(before) == _described(now)
    assert [("sa_1.tar", "read error: not in the sources any more")] == [
        (file.key, file.unreadable) for file in now[1].files()
    ]
    with pytest.raises(FileNotFoundError):
        now[1].read("sa_1/x.jpg", 512, 10)


def test_archives_of_every_kind_are_named_when_they_have_gone(tmp_path: Path, run: RunFolder) -> None:
    """By their names, a Parquet file of several shards once for each."""
    pile = tmp_path / "pile"
    write_tar(pile / "a.tar", {"x.jpg": jpeg()})
    write_zip(pile / "b.zip", {"x.jpg": jpeg()})
    rows = pa.table({"image": [jpeg()] * (FILES_PER_SHARD + 1)})
    pq.write_table(rows, pile / "c.parquet", row_group_size=FILES_PER_SHARD)
    pq.write_table(rows.slice(0, 1), pile / "d.parquet")
    write_file(pile / "there.jpg")
    _note(run, open_sources([pile]))
    for path in pile.glob("?.*"):
        path.unlink()
    gone = with_gone_shards(run, open_sources([pile]))
    expected = ["a.tar", "b.zip", "c.parquet", f"c.parquet#{FILES_PER_SHARD}", "d.parquet"]

    assert [f"{key} is not in the sources any more" for key in expected] == gone_archives(gone)


def test_loose_files_are_read_again_whatever_shards_they_are_in_now(
    tmp_path: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When one is removed, the files after it move up."""
    monkeypatch.setattr(loose_files, "FILES_PER_SHARD", 2)
    for number in range(5):
        write_file(tmp_path / "pile" / f"{number}.jpg", jpeg(number))
    before = {shard.name: list(shard.files()) for shard in open_sources([tmp_path / "pile"])}
    _note(run, open_sources([tmp_path / "pile"]))
    (tmp_path / "pile" / "0.jpg").unlink()
    now = {shard.name: shard for shard in with_gone_shards(run, open_sources([tmp_path / "pile"]))}

    assert before.keys() == now.keys()
    for name, files in before.items():
        for file in files:
            if file.key != "0.jpg":
                assert file.content == now[name].read(file.key, None, 0)
    with pytest.raises(FileNotFoundError):
        now["files-00000"].read("0.jpg", None, 0)


def test_a_shard_that_goes_to_another_process_takes_its_own_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the list of all files."""
    monkeypatch.setattr(loose_files, "FILES_PER_SHARD", 2)
    for number in range(5):
        write_file(tmp_path / f"{number}.jpg", jpeg(number))
    shard = open_sources([tmp_path])[1]
    sent = pickle.dumps(shard)

    assert b"4.jpg" not in sent
    assert list(shard.files()) == list(pickle.loads(sent).files())
    assert shard.fingerprint() == pickle.loads(sent).fingerprint()


def test_archives_that_were_named_by_themselves_may_go_too(tmp_path: Path, run: RunFolder) -> None:
    """A stored command line may name missing files, but not a missing folder."""
    kept, gone = (write_tar(tmp_path / f"{name}.tar", {"x.jpg": jpeg()}) for name in "ab")
    _note(run, open_sources([kept, gone]))
    gone.unlink()

    named = [str(kept), str(gone), str(tmp_path / "folder")]

    named += [str(tmp_path / "gone.JPG"), str(tmp_path / "*.jpg")]

    assert [named[0], named[2], named[4]] == without_gone_archives(run, named)
    assert [str(gone)] == without_gone_archives(run, [str(gone)])
