"""A run goes on when some of its sources have gone."""

import pickle
from pathlib import Path

import pytest

from corpus import folders
from corpus.inventory import note_sources, with_gone_shards
from corpus.runfolder import RunFolder
from corpus.sources import Shard, open_sources
from tests.corpus.pile import jpeg, write_file, write_tar


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A new run."""
    return RunFolder.create_or_open(tmp_path / "run")


def _described(shards: list[Shard]) -> list[tuple[str, str]]:
    return [(shard.name, shard.fingerprint()) for shard in shards]


def test_an_archive_that_has_gone_keeps_its_place(tmp_path: Path, run: RunFolder) -> None:
    """Name and fingerprint are as noted; listing it is one record, reading from it an error."""
    for number in range(3):
        write_tar(tmp_path / "pile" / f"sa_{number}.tar", {"x.jpg": jpeg()})
    before = open_sources([tmp_path / "pile"])
    note_sources(run, before)
    (tmp_path / "pile" / "sa_1.tar").unlink()
    now = with_gone_shards(run, open_sources([tmp_path / "pile"]))

    assert _described(before) == _described(now)
    assert [("sa_1.tar", "read error: not in the sources any more")] == [
        (file.key, file.unreadable) for file in now[1].files()
    ]
    with pytest.raises(FileNotFoundError):
        now[1].read("sa_1/x.jpg", 512, 10)


def test_loose_files_are_read_again_whatever_shards_they_are_in_now(
    tmp_path: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When one goes, those behind it move up."""
    monkeypatch.setattr(folders, "FILES_PER_SHARD", 2)
    for number in range(5):
        write_file(tmp_path / "pile" / f"{number}.jpg", jpeg(number))
    before = {shard.name: list(shard.files()) for shard in open_sources([tmp_path / "pile"])}
    note_sources(run, open_sources([tmp_path / "pile"]))
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
    """Not the list of all."""
    monkeypatch.setattr(folders, "FILES_PER_SHARD", 2)
    for number in range(5):
        write_file(tmp_path / f"{number}.jpg", jpeg(number))
    shard = open_sources([tmp_path])[1]
    sent = pickle.dumps(shard)

    assert b"4.jpg" not in sent
    assert list(shard.files()) == list(pickle.loads(sent).files())
    assert shard.fingerprint() == pickle.loads(sent).fingerprint()


def test_the_first_note_stays(tmp_path: Path, run: RunFolder) -> None:
    """What a resumed run finds is not what the run was begun with."""
    write_tar(tmp_path / "pile" / "a.tar", {"x.jpg": jpeg()})
    note_sources(run, open_sources([tmp_path / "pile"]))
    before = run.sources_file.read_bytes()
    write_tar(tmp_path / "pile" / "b.tar", {"x.jpg": jpeg()})
    note_sources(run, open_sources([tmp_path / "pile"]))

    assert before == run.sources_file.read_bytes()
