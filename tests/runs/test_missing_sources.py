"""A run continues if some of its sources are missing."""

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


def _record_sources(run: RunFolder, shards: list[Shard]) -> None:
    """Record the sources of a run, as embedding does first."""
    find_changes(run, shards).apply(run)


def _names_and_fingerprints(shards: list[Shard]) -> list[tuple[str, str]]:
    return [(shard.name, shard.fingerprint()) for shard in shards]


def test_a_missing_archive_is_replaced_by_an_unreadable_shard(tmp_path: Path, run: RunFolder) -> None:
    """The shard has the same name and fingerprint and lists one unreadable file; reading an image from it
    fails."""
    for number in range(3):
        write_tar(tmp_path / "pile" / f"sa_{number}.tar", {"x.jpg": jpeg()})
    before = open_sources([tmp_path / "pile"])
    _record_sources(run, before)
    (tmp_path / "pile" / "sa_1.tar").unlink()
    now = with_gone_shards(run, open_sources([tmp_path / "pile"]))

    assert _names_and_fingerprints(before) == _names_and_fingerprints(now)
    assert [("sa_1.tar", "read error: not in the sources any more")] == [
        (file.key, file.unreadable) for file in now[1].files()
    ]
    with pytest.raises(FileNotFoundError):
        now[1].read("sa_1/x.jpg", 512, 10)


def test_missing_archives_of_every_kind_are_named(tmp_path: Path, run: RunFolder) -> None:
    """A Parquet file with several shards is named once for each."""
    pile = tmp_path / "pile"
    write_tar(pile / "a.tar", {"x.jpg": jpeg()})
    write_zip(pile / "b.zip", {"x.jpg": jpeg()})
    rows = pa.table({"image": [jpeg()] * (FILES_PER_SHARD + 1)})
    pq.write_table(rows, pile / "c.parquet", row_group_size=FILES_PER_SHARD)
    pq.write_table(rows.slice(0, 1), pile / "d.parquet")
    write_file(pile / "there.jpg")
    _record_sources(run, open_sources([pile]))
    for path in pile.glob("?.*"):
        path.unlink()
    gone = with_gone_shards(run, open_sources([pile]))
    expected = ["a.tar", "b.zip", "c.parquet", f"c.parquet#{FILES_PER_SHARD}", "d.parquet"]

    assert [f"{key} is not in the sources any more" for key in expected] == gone_archives(gone)


def test_loose_files_can_be_read_by_their_old_shard_after_they_moved(
    tmp_path: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a file is removed, the files after it move up, some into other shards."""
    monkeypatch.setattr(loose_files, "FILES_PER_SHARD", 2)
    for number in range(5):
        write_file(tmp_path / "pile" / f"{number}.jpg", jpeg(number))
    before = {shard.name: list(shard.files()) for shard in open_sources([tmp_path / "pile"])}
    _record_sources(run, open_sources([tmp_path / "pile"]))
    (tmp_path / "pile" / "0.jpg").unlink()
    now = {shard.name: shard for shard in with_gone_shards(run, open_sources([tmp_path / "pile"]))}

    assert before.keys() == now.keys()
    for name, files in before.items():
        for file in files:
            if file.key != "0.jpg":
                assert file.content == now[name].read(file.key, None, 0)
    with pytest.raises(FileNotFoundError):
        now["files-00000"].read("0.jpg", None, 0)


def test_a_pickled_shard_contains_only_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the list of all loose files."""
    monkeypatch.setattr(loose_files, "FILES_PER_SHARD", 2)
    for number in range(5):
        write_file(tmp_path / f"{number}.jpg", jpeg(number))
    shard = open_sources([tmp_path])[1]
    sent = pickle.dumps(shard)

    assert b"4.jpg" not in sent
    assert list(shard.files()) == list(pickle.loads(sent).files())
    assert shard.fingerprint() == pickle.loads(sent).fingerprint()


def test_missing_archives_and_images_that_were_named_directly_are_skipped(
    tmp_path: Path, run: RunFolder
) -> None:
    """Folders and patterns are never skipped, and neither are all sources at once."""
    kept, gone = (write_tar(tmp_path / f"{name}.tar", {"x.jpg": jpeg()}) for name in "ab")
    _record_sources(run, open_sources([kept, gone]))
    gone.unlink()

    named = [str(kept), str(gone), str(tmp_path / "folder")]

    named += [str(tmp_path / "gone.JPG"), str(tmp_path / "*.jpg")]

    assert [named[0], named[2], named[4]] == without_gone_archives(run, named)
    assert [str(gone)] == without_gone_archives(run, [str(gone)])
