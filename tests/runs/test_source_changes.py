"""How a run's records and shards change if its sources do."""

import errno
import hashlib
import os
import pickle
from pathlib import Path
from typing import IO

import msgspec
import numpy as np
import pytest

from tests.support.pile import jpeg, write_file, write_tar, write_zip
from tests.support.s3 import BUCKET, files, uploaded
from triptych.errors import SetupError
from triptych.records import GONE, REPLACED, ImageRecord
from triptych.runs.folder import RunFolder, StageState
from triptych.runs.jsonl import write_jsonl, written_whole
from triptych.runs.missing_sources import with_gone_shards
from triptych.runs.source_changes import SourceChanges, find_changes
from triptych.sources import image_format, loose_files
from triptych.sources.image_format import HEIC, missing_decoder
from triptych.sources.members import Member
from triptych.sources.opening import open_sources
from triptych.sources.regular_files import read_regular
from triptych.sources.tar import TarShard
from triptych.sources.texts import Texts


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A new run."""
    return RunFolder.create_or_open(tmp_path / "run")


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """A folder with five pictures."""
    for number in range(5):
        write_file(tmp_path / "pile" / f"{number}.jpg", jpeg(number))
    return tmp_path / "pile"


def _embed(run: RunFolder, *sources: Path | str, at_most: int = 100) -> SourceChanges:
    """Do what the stage does, but without a model. Returns the changes that were found."""
    changes = find_changes(run, open_sources(sources))
    run.run_file.stages["embeddings"] = StageState(settings={}, finished=False)
    changes.apply(run)
    for shard in changes.todo[:at_most]:
        records = [
            ImageRecord(
                key=file.key,
                size_bytes=len(file.content),
                content_hash=hashlib.blake2b(file.content, digest_size=16).hexdigest()
                if file.unreadable is None
                else "",
                modified_ns=file.modified_ns,
                offset_bytes=file.offset_bytes,
                unreadable=file.unreadable or (None if file.content else "damaged: empty"),
            )
            for file in shard.files()
        ]
        with written_whole(run.embeddings_file(shard.name)) as file:
            np.save(file, np.ones((sum(record.is_embedded for record in records), 2), np.float16))
        write_jsonl(run.images_file(shard.name), records)
    run.run_file.stages["embeddings"].finished = at_most >= len(changes.todo)
    return changes


def _keys(run: RunFolder) -> dict[str, list[str | None]]:
    """For each key, the ``unreadable`` of its records, in the order of shards."""
    found: dict[str, list[str | None]] = {}
    for record in run.all_images():
        found.setdefault(record.key, []).append(record.unreadable)
    return found


def _todo(changes: SourceChanges) -> dict[str, list[str]]:
    return {shard.name: [file.key for file in shard.files()] for shard in changes.todo}


def test_unchanged_sources_need_no_work(run: RunFolder, pile: Path) -> None:
    """Even after the run has been opened again."""
    _embed(run, pile)

    assert find_changes(RunFolder(run.path, run.run_file), open_sources([pile])).is_empty


def test_new_files_make_new_shards(run: RunFolder, pile: Path) -> None:
    """Embedded shards stay unchanged, even if keys of new files sort between theirs."""
    _embed(run, pile)
    write_file(pile / "2b.jpg", jpeg(20))
    write_file(pile / "9.jpg", jpeg(90))

    assert {"files-00001": ["2b.jpg", "9.jpg"]} == _todo(_embed(run, pile))
    assert 7 == len(_keys(run))


def test_archives_named_like_shards_of_loose_files_do_not_affect_their_numbers(
    run: RunFolder, pile: Path
) -> None:
    """Shards of loose files are numbered consecutively."""
    write_tar(pile / "files-2023.tar", {"1.jpg": jpeg(50)})
    write_tar(pile / "files-by-year" / "2020.tar", {"1.jpg": jpeg(60)})
    _embed(run, pile)
    write_file(pile / "9.jpg", jpeg(90))

    assert {"files-00001": ["9.jpg"]} == _todo(_embed(run, pile))


def test_a_missing_file_is_marked_and_counts_again_when_it_is_back(run: RunFolder, pile: Path) -> None:
    """Its row in the embeddings stays in place."""
    _embed(run, pile)
    content = (pile / "1.jpg").read_bytes()
    (pile / "1.jpg").unlink()
    lines = _embed(run, pile).lines

    assert ["1 file is not in the sources any more: 1.jpg"] == lines
    assert [GONE] == _keys(run)["1.jpg"]
    assert 5 == len(np.load(run.embeddings_file("files-00000")))

    write_file(pile / "1.jpg", content)
    changes = _embed(run, pile)

    assert ({}, [None]) == (_todo(changes), _keys(run)["1.jpg"])


def test_a_changed_file_is_embedded_again_and_its_old_row_stays(run: RunFolder, pile: Path) -> None:
    """Even if its size is the same. If the file gets its old content back, the old row counts again."""
    _embed(run, pile)
    before = (pile / "1.jpg").read_bytes()
    (pile / "1.jpg").write_bytes(before[:-3] + b"\0" + before[-2:])

    assert {"files-00001": ["1.jpg"]} == _todo(_embed(run, pile))
    assert [REPLACED, None] == _keys(run)["1.jpg"]

    (pile / "1.jpg").write_bytes(before)

    assert {} == _todo(_embed(run, pile))
    assert [None, REPLACED] == _keys(run)["1.jpg"]


def test_a_file_of_which_only_the_time_has_changed_is_not_embedded_again(run: RunFolder, pile: Path) -> None:
    """This happens if the folder is copied. The file is read once, and its new time is recorded."""
    _embed(run, pile)
    os.utime(pile / "1.jpg", ns=(5, 5))
    changes = _embed(run, pile)

    assert ({}, ["files-00000"], []) == (_todo(changes), list(changes.edits), changes.lines)
    assert find_changes(run, open_sources([pile])).is_empty


def test_a_file_that_was_no_image_is_read_again_when_it_has_changed(run: RunFolder, pile: Path) -> None:
    """Its old record is removed, because it has no row in the embeddings."""
    write_file(pile / "x.jpg", b"")
    _embed(run, pile)
    write_file(pile / "x.jpg", jpeg(7))
    _embed(run, pile)

    assert [None] == _keys(run)["x.jpg"]


def test_a_run_that_was_killed_continues_with_the_same_shards(
    run: RunFolder, pile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New files join a shard that isn't embedded yet, or form a new one."""
    monkeypatch.setattr(loose_files, "FILES_PER_SHARD", 2)
    _embed(run, pile, at_most=1)

    assert {"files-00001": ["2.jpg", "3.jpg"], "files-00002": ["4.jpg"]} == _todo(
        find_changes(run, open_sources([pile]))
    )

    write_file(pile / "0b.jpg", jpeg(10))
    write_file(pile / "2b.jpg", jpeg(20))
    (pile / "3.jpg").unlink()

    assert {
        "files-00001": ["2.jpg", "2b.jpg"],
        "files-00002": ["4.jpg"],
        "files-00003": ["0b.jpg"],
    } == _todo(_embed(run, pile))
    assert find_changes(run, open_sources([pile])).is_empty


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_a_changed_archive_is_embedded_again(write: object, run: RunFolder, tmp_path: Path) -> None:
    """Even if its size is the same, but not if only its time differs."""
    archive = tmp_path / "pile" / f"a.{'tar' if write is write_tar else 'zip'}"
    write(archive, {"x.jpg": jpeg(1), "y.jpg": jpeg(2)})  # type: ignore[operator]
    _embed(run, tmp_path / "pile")
    os.utime(archive, ns=(5, 5))

    assert find_changes(run, open_sources([tmp_path / "pile"])).is_empty

    write(archive, {"x.jpg": jpeg(1), "y.jpg": jpeg(3)})  # type: ignore[operator]
    changes = _embed(run, tmp_path / "pile")

    assert [f"{archive.name} has changed, or can be read now: all of it is embedded again"] == changes.lines
    assert {"a": ["a/x.jpg", "a/y.jpg"]} == _todo(changes)
    assert find_changes(run, open_sources([tmp_path / "pile"])).is_empty


def test_records_of_a_missing_archive_are_marked_until_it_is_back(run: RunFolder, tmp_path: Path) -> None:
    """This includes its files that aren't images. When it is back, the records are as before."""
    pile = tmp_path / "pile"
    write_tar(pile / "a.tar", {"x.jpg": jpeg(1), "y.psd": b"8BPS"})
    write_tar(pile / "b.tar", {"x.jpg": jpeg(2)})
    _embed(run, pile)
    before = _keys(run)
    (pile / "a.tar").rename(tmp_path / "a.tar")
    lines = _embed(run, pile).lines

    assert ["a.tar is not in the sources any more"] == lines
    assert {"a/x.jpg", "a/y.psd"} == {each.key for each in run.all_images() if each.is_gone}

    (tmp_path / "a.tar").rename(pile / "a.tar")
    changes = _embed(run, pile)

    assert ({}, before) == (_todo(changes), _keys(run))


def test_an_archive_that_disappears_before_it_is_embedded_has_one_record_until_it_is_back(
    run: RunFolder, tmp_path: Path
) -> None:
    """When it is back, it is embedded."""
    pile = tmp_path / "pile"
    write_tar(pile / "a.tar", {"x.jpg": jpeg(1)})
    write_tar(pile / "b.tar", {"x.jpg": jpeg(2)})
    _embed(run, pile, at_most=1)
    (pile / "b.tar").rename(tmp_path / "b.tar")
    _embed(run, pile)

    assert ["read error: not in the sources any more"] == _keys(run)["b.tar"]

    (tmp_path / "b.tar").rename(pile / "b.tar")
    _embed(run, pile)

    assert {"a/x.jpg": [None], "b/x.jpg": [None]} == _keys(run)


def test_sources_with_none_of_the_images_are_refused(run: RunFolder, pile: Path, tmp_path: Path) -> None:
    """So naming another folder by mistake does no harm."""
    _embed(run, pile)
    write_file(tmp_path / "other" / "x.jpg", jpeg(7))
    with pytest.raises(SetupError, match=r"none of the images .* name the place that they have moved to"):
        find_changes(run, open_sources([tmp_path / "other"]))


def test_an_archive_may_be_gone_together_with_the_list_of_sources(run: RunFolder, pile: Path) -> None:
    """Its records are marked as usual, and captioning finds a shard for each of them."""
    write_tar(pile / "a.tar", {"x.jpg": jpeg(1)})
    _embed(run, pile)
    run.sources_file.unlink()
    (pile / "a.tar").unlink()
    _embed(run, pile)

    assert [GONE] == _keys(run)["a/x.jpg"]
    assert ["a", "files-00000"] == [shard.name for shard in with_gone_shards(run, open_sources([pile]))]


def test_records_without_images_and_embeddings_are_removed(run: RunFolder, pile: Path) -> None:
    """Nothing could make those embeddings again: the next stage would miss them for ever."""
    _embed(run, pile)
    write_file(pile / "5.jpg", jpeg(5))
    _embed(run, pile)
    (pile / "5.jpg").unlink()
    for shard in run.shards():
        run.embeddings_file(shard).unlink()

    assert {"files-00000": [f"{number}.jpg" for number in range(5)]} == _todo(_embed(run, pile))
    assert ["files-00000"] == run.shards()
    write_file(pile / "5.jpg", jpeg(5))
    assert [["5.jpg"]] == [*_todo(_embed(run, pile)).values()]


def test_a_lost_list_of_sources_is_recreated(run: RunFolder, pile: Path) -> None:
    """Loose files are listed from the records, and archives are compared by their content."""
    write_tar(pile / "a.tar", {"x.jpg": jpeg(1)})
    _embed(run, pile)
    before = run.sources_file.read_bytes()
    run.sources_file.unlink()

    assert {} == _todo(_embed(run, pile))
    assert before == run.sources_file.read_bytes()


def test_added_and_removed_files_that_are_no_images_change_nothing(run: RunFolder, pile: Path) -> None:
    """They are listed together with the next new images."""
    write_file(pile / "a.xyz", b"hello")
    _embed(run, pile)
    (pile / "a.xyz").rename(pile / "b.xyz")

    assert find_changes(run, open_sources([pile])).is_empty

    write_file(pile / "9.jpg", jpeg(9))

    assert {"files-00001": ["9.jpg", "b.xyz"]} == _todo(_embed(run, pile))


def test_changed_and_removed_objects_in_storage_are_detected(
    run: RunFolder, pile: Path, tmp_path: Path, s3_port: int
) -> None:
    """An object with the same size and time is recognised as changed by its ETag."""
    write_tar(pile / "a.tar", {"1.jpg": jpeg(1)})
    url = uploaded(pile, "changing")
    _embed(run, url)
    assert _embed(run, url).is_empty
    files().pipe_file(f"{BUCKET}/changing/1.jpg", jpeg(77))
    files().pipe_file(f"{BUCKET}/changing/2.jpg", jpeg(2))  # with the same content
    files().rm(f"{BUCKET}/changing/3.jpg")
    other = write_tar(tmp_path / "other.tar", {"1.jpg": jpeg(2)})
    assert other.stat().st_size == (pile / "a.tar").stat().st_size
    files().put_file(str(other), f"{BUCKET}/changing/a.tar")
    changes = _embed(run, url)

    assert [
        "a.tar has changed, or can be read now: all of it is embedded again",
        "1 file is not in the sources any more: 3.jpg",
        "1 file is changed: 1.jpg",
    ] == changes.lines
    assert {"1.jpg", "a/1.jpg"} == {file.key for shard in changes.todo for file in shard.files()}


def test_files_that_move_between_disk_and_storage_are_unchanged(
    run: RunFolder, pile: Path, s3_port: int
) -> None:
    """Although their times differ."""
    write_tar(pile / "a.tar", {"1.jpg": jpeg(1)})
    _embed(run, pile)
    url = uploaded(pile, "moving")

    assert [] == _embed(run, url).todo
    assert _embed(run, url).is_empty
    assert [] == _embed(run, pile).todo


def test_a_file_that_could_not_be_read_is_read_again(
    run: RunFolder, pile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is embedded once the disk works again."""

    def failing(path: str, size_bytes: int | None = None) -> bytes:
        if path.endswith("1.jpg"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read_regular(path, size_bytes)

    with monkeypatch.context() as patched:
        patched.setattr(loose_files, "read_regular", failing)
        _embed(run, pile)

    assert ["read error: Input/output error"] == _keys(run)["1.jpg"]
    assert {"files-00001": ["1.jpg"]} == _todo(_embed(run, pile))
    assert [None] == _keys(run)["1.jpg"]


def test_an_archive_with_a_file_that_could_not_be_read_is_embedded_again(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Completely, once the file can be read."""
    tar = write_tar(tmp_path / "a.tar", {f"{n}.jpg": jpeg(n) for n in range(3)})
    whole = TarShard.content

    def failing(self: TarShard, raw: IO[bytes], member: Member, most_bytes: int | None = None) -> bytes:
        if member.name == "1.jpg":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return whole(self, raw, member, most_bytes)

    with monkeypatch.context() as patched:
        patched.setattr(TarShard, "content", failing)
        _embed(run, tar)
        assert {} == _todo(_embed(run, tar))

    assert ["read error: Input/output error"] == _keys(run)["a/1.jpg"]
    assert {"a": ["a/0.jpg", "a/1.jpg", "a/2.jpg"]} == _todo(_embed(run, tar))
    assert [None] == _keys(run)["a/1.jpg"]


@pytest.mark.parametrize("name", ["pile", "a.tar"])
def test_pictures_are_embedded_once_their_decoder_is_installed(
    name: str, run: RunFolder, pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both loose files and those in an archive."""
    write_tar(tmp_path / "a.tar", {"0.jpg": jpeg()})
    _embed(run, tmp_path / name)
    (shard,) = run.shards()
    records = list(run.images(shard))
    records[0] = msgspec.structs.replace(records[0], unreadable=missing_decoder(HEIC))
    write_jsonl(run.images_file(shard), records)
    monkeypatch.setattr(image_format, "is_installed", lambda _: False)

    assert {} == _todo(find_changes(run, open_sources([tmp_path / name])))

    monkeypatch.undo()
    found = _todo(find_changes(run, open_sources([tmp_path / name])))
    assert [records[0].key] == [key for keys in found.values() for key in keys]


def test_an_embedded_shard_keeps_its_files_however_the_sources_are_divided_now(
    run: RunFolder, pile: Path
) -> None:
    """In another process, too. It reads its images and the text files beside them."""
    _embed(run, pile)
    write_file(pile / "0a.jpg", jpeg(20))
    write_file(pile / "0a.txt", b"new")
    _embed(run, pile)

    shards = {shard.name: shard for shard in with_gone_shards(run, open_sources([pile]))}
    sent = pickle.loads(pickle.dumps(shards["files-00001"]))

    assert ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"] == [f.key for f in shards["files-00000"].files()]
    assert jpeg(20) == sent.read("0a.jpg", None, 0)
    assert ["new", "new"] == [Texts(shard, "txt").of("0a.jpg") for shard in (sent, shards["files-00001"])]
