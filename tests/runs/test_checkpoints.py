"""Files of an unfinished stage are trusted only if they are unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.errors import SetupError
from triptych.repair import find_damage, repair
from triptych.runs.checkpoints import (
    damaged_shards,
    forget_shard,
    is_whole,
    note_shard,
    note_whole,
    refuse_damaged_shards,
)
from triptych.runs.folder import RunFolder


def _checkpoint(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    note_whole(path)
    return path


def test_a_checkpoint_is_whole_as_long_as_it_has_its_bytes_and_its_name(tmp_path: Path) -> None:
    """Another file's bytes are damage, and so is a note with any other content."""
    one, other = _checkpoint(tmp_path / "1.npy", b"one"), _checkpoint(tmp_path / "2.npy", b"other")
    assert is_whole(one)
    assert is_whole(other)

    one.write_bytes(b"other")
    note, theirs = tmp_path / "1.npy.sha256", tmp_path / "2.npy.sha256"
    assert not is_whole(one)
    note.write_bytes(theirs.read_bytes())
    assert not is_whole(one)
    theirs.write_bytes(b"\xff\n")
    assert not is_whole(other)
    theirs.unlink()
    assert not is_whole(other)
    other.unlink()
    assert not is_whole(other)


def test_damage_to_a_shard_of_an_unfinished_stage_is_refused_and_set_aside(tmp_path: Path) -> None:
    """The error says what to do. The other shard stays, and so does one without a note."""
    run = RunFolder.create_or_open(tmp_path / "run")
    run.begin_stage("embeddings", {}, {})
    for shard in ("in/a", "b", "c"):
        for file in (run.images_file(shard), run.embeddings_file(shard)):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")
        note_shard(run, shard)
    forget_shard(run, "c")
    refuse_damaged_shards(run)
    assert [] == [*damaged_shards(run)]

    run.images_file("in/a").write_bytes(b"{}\n")
    run.images_file("c").write_bytes(b"{}\n")
    with pytest.raises(SetupError, match=r"images/in/a\.jsonl was damaged .*`triptych repair .*` sets it"):
        refuse_damaged_shards(run)

    repair(run.path, [each for each in find_damage(run.path) if "images/in/a" in each.what])
    refuse_damaged_shards(run)
    assert not run.is_embedded("in/a")
    assert run.is_embedded("b")
