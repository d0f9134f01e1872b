"""The number of files is estimated before any tar is read to its end."""

from pathlib import Path

from tests.support.pile import jpeg, write_file, write_tar
from triptych.sources.opening import open_sources
from triptych.sources.shard import SAMPLED_MEMBERS, CountEstimate, estimate_count


def test_loose_files_are_counted(tmp_path: Path) -> None:
    """The count is exact."""
    for number in range(3):
        write_file(tmp_path / f"{number}.jpg")

    assert CountEstimate(3, False) == estimate_count(open_sources([tmp_path]))


def test_tars_are_estimated_from_the_headers_of_a_few(tmp_path: Path) -> None:
    """Sidecars don't count; an unreadable tar is estimated by its size."""
    for number in range(20):
        members = {f"{n}.{ending}": jpeg() for n in range(5) for ending in ("jpg", "json")}
        write_tar(tmp_path / f"{number:02d}.tar", members)
    (tmp_path / "00.tar").write_bytes(b"\xff" * (tmp_path / "00.tar").stat().st_size)

    assert CountEstimate(100, True) == estimate_count(open_sources([tmp_path]))


def test_only_the_beginning_of_a_long_tar_is_read(tmp_path: Path) -> None:
    """Its count is extrapolated to the whole file."""
    write_tar(tmp_path / "a.tar", {f"{n:05d}.jpg": jpeg() for n in range(4 * SAMPLED_MEMBERS)})
    estimate = estimate_count(open_sources([tmp_path]))

    assert estimate is not None and estimate.is_estimate
    assert abs(estimate.files - 4 * SAMPLED_MEMBERS) <= 0.02 * 4 * SAMPLED_MEMBERS


def test_damaged_tars_alone_give_no_estimate(tmp_path: Path) -> None:
    """No estimate is better than a wrong one."""
    write_file(tmp_path / "a.tar", b"no tar at all")

    assert estimate_count(open_sources([tmp_path])) is None
