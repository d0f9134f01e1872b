"""Patterns include and exclude files and folders, loose and in archives."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.pile import jpeg, write_file, write_tar, write_zip
from triptych.errors import UsageError
from triptych.sources.config import InputConfig
from triptych.sources.opening import open_sources


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """Images beside their thumbnails and masks."""
    for name in ("a/x.jpg", "a/thumbs/x.jpg", "b/y.png", "b/y.jpg", "z.jpg"):
        write_file(tmp_path / name)
    write_tar(tmp_path / "t.tar", {"1.jpg": jpeg(), "1.mask.png": jpeg(), "thumbs/1.jpg": jpeg()})
    write_zip(tmp_path / "c" / "u.zip", {"1.jpg": jpeg()})
    return tmp_path


def _chosen(pile: Path, **patterns: tuple[str, ...]) -> set[str]:
    shards = open_sources([pile], InputConfig(**patterns))
    return {file.key for shard in shards for file in shard.files() if file.unreadable is None}


ALL = {
    "a/x.jpg", "a/thumbs/x.jpg", "b/y.png", "b/y.jpg", "z.jpg", "t/1.jpg", "t/1.mask.png", "t/thumbs/1.jpg",
    "c/u/1.jpg",
}  # fmt: skip


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ((), ALL),
        (("thumbs",), ALL - {"a/thumbs/x.jpg", "t/thumbs/1.jpg"}),
        (("*.png",), ALL - {"b/y.png", "t/1.mask.png"}),
        (("a/*", "*.mask.png"), ALL - {"a/x.jpg", "a/thumbs/x.jpg", "t/1.mask.png"}),
        (("a/", "c/u.zip"), ALL - {"a/x.jpg", "a/thumbs/x.jpg", "c/u/1.jpg"}),
        (("*.tar", "[bz].*", "c"), {"a/x.jpg", "a/thumbs/x.jpg", "b/y.png", "b/y.jpg"}),
    ],
)
def test_files_that_match_an_exclude_pattern_are_left_out(
    pile: Path, exclude: tuple[str, ...], left: set[str]
) -> None:
    """A pattern matches a name at any depth, or a path below the source, also of archives and members."""
    assert left == _chosen(pile, exclude=exclude)


@pytest.mark.parametrize(
    ("include", "left"),
    [
        (("*.png",), {"b/y.png", "t/1.mask.png"}),
        (("a",), {"a/x.jpg", "a/thumbs/x.jpg"}),
        (("*.tar",), {"t/1.jpg", "t/1.mask.png", "t/thumbs/1.jpg"}),
        (("b/y.*", "t/1.jpg"), {"b/y.png", "b/y.jpg", "t/1.jpg"}),
    ],
)
def test_only_files_that_match_an_include_pattern_are_read(
    pile: Path, include: tuple[str, ...], left: set[str]
) -> None:
    """A matching archive is read completely."""
    assert left == _chosen(pile, include=include)


def test_exclude_takes_precedence_over_include(pile: Path) -> None:
    """So a part of an included folder can be left out."""
    assert {"a/x.jpg"} == _chosen(pile, include=("a/*",), exclude=("thumbs",))


def test_patterns_that_leave_nothing_are_a_usage_error(pile: Path) -> None:
    """They don't give an empty dataset."""
    with pytest.raises(UsageError, match="no images in"):
        open_sources([pile / "a"], InputConfig(include=("*.webp",)))


def test_other_patterns_change_the_fingerprint_of_an_archive(pile: Path) -> None:
    """The images that a run has embedded depend on its patterns."""
    fingerprints = {
        open_sources([pile / "t.tar"], InputConfig(exclude=exclude))[0].fingerprint()
        for exclude in ((), ("*.png",), ("thumbs",))
    }

    assert 3 == len(fingerprints)


def test_tables_are_selected_by_their_names(tmp_path: Path) -> None:
    """Their rows have no names."""
    for name in ("a", "b"):
        pq.write_table(pa.table({"image": [jpeg()]}), tmp_path / f"{name}.parquet")
    write_file(tmp_path / "x.jpg")

    assert {"a/0"} == _chosen(tmp_path, include=("a.parquet",))
    assert {"x.jpg"} == _chosen(tmp_path, include=("*.jpg",))


def test_an_archive_without_matching_members_is_not_called_empty(tmp_path: Path) -> None:
    """Nothing is wrong with it."""
    write_tar(tmp_path / "t.tar", {"val/1.jpg": jpeg()})
    write_tar(tmp_path / "u.tar", {"train/1.jpg": jpeg()})
    shards = open_sources([tmp_path], InputConfig(include=("train",)))

    assert {"t": [], "u": [None]} == {s.name: [f.unreadable for f in s.files()] for s in shards}
