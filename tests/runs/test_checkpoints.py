"""Files of an unfinished stage are reused only if they are unchanged."""

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


def test_a_checkpoint_is_whole_while_it_matches_its_note(tmp_path: Path) -> None:
    """It isn't whole with another file's content or note, with a damaged or missing note, or if it is
    missing."""
    one, other = _checkpoint(tmp_path / "1.npy", b"one"), _checkpoint(tmp_path / "2.npy", b"other")
    assert is_whole(one)
    assert is_whole(other)

    one.write_bytes(b"other")
    note, other_note = tmp_path / "1.npy.sha256", tmp_path / "2.npy.sha256"
    assert not is_whole(one)
    note.write_bytes(other_note.read_bytes())
    assert not is_whole(one)
    other_note.write_bytes(b"\xff\n")
    assert not is_whole(other)
    other_note.unlink()
    assert not is_whole(other)
    other.unlink()
    assert not is_whole(other)


def test_a_damaged_shard_of_an_unfinished_stage_is_refused_until_it_is_repaired(tmp_path: Path) -> None:
    """The error says how. Undamaged shards stay, and shards without a note aren't checked."""
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
