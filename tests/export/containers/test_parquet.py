"""The columns of Parquet files, derived from the type of a row."""

from pathlib import Path
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.export.conftest import KINDS
from triptych.export.containers import CONTAINERS
from triptych.export.containers.parquet import arrow_schema
from triptych.export.containers.rows_file import RowsFile
from triptych.export.formats import FORMATS


class Box(msgspec.Struct, frozen=True):
    """A nested type, which no format has yet."""

    corner: tuple[int, int]
    label: str | None = None


class Row(msgspec.Struct, frozen=True):
    """A row with every kind of field."""

    id: str
    kind: Literal["a", "b"]
    score: float
    is_good: bool
    words: tuple[str, ...]
    tables: list[list[int]]
    boxes: list[Box]
    best: Box | None = None
    source: str | None = msgspec.field(name="from", default=None)


ROWS = [
    Row("1", "a", 0.5, True, ("x", "y"), [[1], [2, 3]], [Box((1, 2), "b")], Box((3, 4)), "here"),
    Row("2", "b", 1.0, False, (), [], []),
]


def test_fields_of_every_type_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    """Optional fields, tuples of any length, nested lists, and Structs in lists."""
    with RowsFile(tmp_path / "rows", "parquet", Row) as file:
        file.write(msgspec.json.Encoder().encode_lines(ROWS))

    lines = CONTAINERS["parquet"].lines(tmp_path / "rows")

    assert ROWS == [msgspec.json.decode(line, type=Row) for line in lines]


def test_only_optional_fields_have_nullable_columns() -> None:
    """Those of nested types, too."""
    schema = arrow_schema(Row)

    assert ["best", "from"] == [field.name for field in schema if field.nullable]
    assert schema.field("best").type.field("label").nullable


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("name", [name for name, file_type in KINDS if file_type == "parquet"])
def test_a_file_without_rows_has_all_columns(tmp_path: Path, name: str, several: bool) -> None:
    """Its schema is that of a file with rows, in every format."""
    row_type = FORMATS[name].row_type(several_images=several)
    with RowsFile(tmp_path / "rows", "parquet", row_type):
        pass

    schema = pq.read_schema(tmp_path / "rows")

    assert [field.encode_name for field in msgspec.structs.fields(row_type)] == schema.names
    assert pa.string() == schema.field("id").type


def test_a_field_type_without_an_arrow_type_is_an_error() -> None:
    """Its message is meant for developers of a format."""

    class Mixed(msgspec.Struct):
        value: int | str

    with pytest.raises(TypeError, match="no Arrow type"):
        arrow_schema(Mixed)
