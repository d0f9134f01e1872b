"""Files of rows while they are written."""

import resource
from pathlib import Path

import pytest

from triptych.export.containers import CONTAINERS
from triptych.export.containers.container import CaptionedFiles
from triptych.export.containers.parquet import ROWS_A_GROUP
from triptych.export.containers.rows_file import RowsFile
from triptych.export.formats.fiftyone import FiftyOneRow
from triptych.export.formats.internvl import SingleRow
from triptych.runs.jsonl import sha256_of

ROW = (
    '{"id":"%d","image":"%d.jpg","width":3,"height":4,"conversations":'
    '[{"from":"human","value":"<image>\\n描"},{"from":"gpt","value":"\\"船\\" \u2028"}]}\n'
)


CSV_ROW = '{"filepath":["%d.jpg","a,b.jpg"],"caption_id":"%d","caption":"\\"船\\", \\r\\n  "}\n'
"""A row that can be written to CSV."""


def lines(count: int, file_type: str = "jsonl") -> list[bytes]:
    row = CSV_ROW if file_type == "csv" else ROW
    return [(row % (number, number)).encode() for number in range(count)]


def write(path: Path, file_type: str, pieces: list[bytes]) -> RowsFile:
    with RowsFile(path, file_type, FiftyOneRow if file_type == "csv" else SingleRow) as file:
        number = 0
        for piece in pieces:
            end = number + piece.count(b"\n")
            file.write(piece, (CaptionedFiles("船", [image(each)]) for each in range(number, end)))
            number = end
    return file


def image(number: int) -> bytes:
    """The beginning of a JPEG, which is all that file types read."""
    return b"\xff\xd8\xff" + str(number).encode() * number


@pytest.mark.parametrize("count", [0, 1, ROWS_A_GROUP + 3])
@pytest.mark.parametrize("file_type", CONTAINERS)
def test_rows_are_read_back_as_they_were_written(tmp_path: Path, file_type: str, count: int) -> None:
    """The same bytes in the same order, in every file type."""
    rows = lines(count, file_type)
    write(tmp_path / "rows", file_type, [b"".join(rows[:5]), b"".join(rows[5:])])

    assert rows == list(CONTAINERS[file_type].lines(tmp_path / "rows"))


@pytest.mark.parametrize("file_type", [name for name, each in CONTAINERS.items() if each.holds_images])
def test_images_are_read_back_as_they_were_written(tmp_path: Path, file_type: str) -> None:
    """They are stored with their rows."""
    write(tmp_path / "rows", file_type, lines(100))

    read = CONTAINERS[file_type].read(tmp_path / "rows")
    assert [[image(number)] for number in range(100)] == [list(images) for _, images in read]


@pytest.mark.parametrize("file_type", CONTAINERS)
def test_size_and_checksum_are_those_of_the_file(tmp_path: Path, file_type: str) -> None:
    """So the manifest can be written without reading the file again."""
    written = write(tmp_path / "rows", file_type, lines(10, file_type))

    assert (tmp_path / "rows").stat().st_size == written.size_bytes
    assert sha256_of(tmp_path / "rows") == written.sha256


@pytest.mark.parametrize("file_type", CONTAINERS)
def test_the_same_rows_give_the_same_bytes(tmp_path: Path, file_type: str) -> None:
    """Whatever the number of writes."""
    rows = lines(50, file_type)

    one = write(tmp_path / "one", file_type, [b"".join(rows)])
    many = write(tmp_path / "many", file_type, rows)

    assert one.sha256 == many.sha256


def test_rows_written_to_the_null_device_are_counted_in_bytes() -> None:
    """A dry run writes there."""
    assert sum(map(len, lines(3))) == write(Path("/dev/null"), "jsonl", lines(3)).size_bytes


def test_a_full_disk_is_an_error() -> None:
    """The file isn't truncated silently."""
    with pytest.raises(OSError, match="No space left"):
        write(Path("/dev/full"), "jsonl", lines(1))


def test_a_partial_write_is_an_error(tmp_path: Path) -> None:
    """The system reports it only when the remaining bytes are written."""
    rows = b"".join(lines(3))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(rows) - 1, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write(tmp_path / "rows", "jsonl", [rows])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_is_flushed_while_it_grows_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of it are written to disk early, so that they don't occupy memory."""
    monkeypatch.setattr("triptych.export.containers.rows_file.WRITE_BACK_BYTES", 100)
    rows = lines(50)

    written = write(tmp_path / "rows", "jsonl", rows)

    assert b"".join(rows) == (tmp_path / "rows").read_bytes()
    assert sha256_of(tmp_path / "rows") == written.sha256
