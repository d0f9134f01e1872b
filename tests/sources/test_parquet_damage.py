"""Parquet files that can't be read, in whole or in part, are recorded, and the rest is read."""

import base64
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.parquet_files import image_structs, write_parquet
from tests.support.pile import jpeg, keys, reasons, write_file
from triptych.sources.opening import open_sources
from triptych.sources.parquet_footers import why_unreadable


@pytest.mark.parametrize("plaintext_footer", [False, True])
def test_an_encrypted_file_has_its_true_reason(tmp_path: Path, plaintext_footer: bool) -> None:
    """Also if only its columns are encrypted; reading one would crash the process."""
    from pyarrow.parquet import encryption

    class Keys(encryption.KmsClient):
        def wrap_key(self, key: bytes, _: str) -> bytes:
            return base64.b64encode(key)

    config = encryption.EncryptionConfiguration(
        footer_key="1", column_keys={"2": ["image"]}, plaintext_footer=plaintext_footer
    )
    properties = encryption.CryptoFactory(lambda _: Keys()).file_encryption_properties(
        encryption.KmsConnectionConfig(), config
    )
    table = pa.table({"image": [jpeg()]})
    with pq.ParquetWriter(tmp_path / "a.parquet", table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    write_file(tmp_path / "x.jpg")

    assert {"a.parquet": "encrypted archive"} == reasons(tmp_path)


def test_a_type_that_pyarrow_lacks_is_not_called_damage() -> None:
    """Such as 128-bit integers, which polars writes."""
    error = pa.ArrowNotImplementedError("Integers with more than 64 bits not implemented")

    assert f"unsupported archive: {error}" == why_unreadable(error)


def test_a_footer_that_crashes_its_reader_affects_one_file(tmp_path: Path) -> None:
    """For example, a schema says that a column can't be null, but its statistics count nulls."""
    source = write_parquet(tmp_path / "good.parquet", {"image": [jpeg()]})
    content = source.read_bytes()
    footer_at = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for number, at in enumerate(range(footer_at, len(content) - 8)):
        if content[at] == 2:  # OPTIONAL, in its encoding
            write_file(tmp_path / f"{number}.parquet", content[:at] + b"\0" + content[at + 1 :])
    why = {file.key: file.unreadable or "" for shard in open_sources([tmp_path]) for file in shard.files()}

    assert any(
        reason.startswith("damaged archive: ") and "ended the process" in reason for reason in why.values()
    )
    assert why["good/0"] == ""
    assert ["good/0"] == [key for key in keys(tmp_path) if key.startswith("good")]


@pytest.mark.parametrize("seed", range(3))
def test_no_damage_ends_a_run(tmp_path: Path, seed: int) -> None:
    """With bytes changed in footers and pages, every image can be reread, or has a reason."""
    chance = random.Random(seed)
    contents = [jpeg(n) for n in range(20)]
    sources = []
    for number in range(60):
        path = tmp_path / f"{number}.parquet"
        column = image_structs(contents) if number % 2 else pa.array([[each] for each in contents])
        pq.write_table(
            pa.table({"image": column, "n": range(20)}), path, row_group_size=8, compression="none"
        )
        damaged = bytearray(path.read_bytes())
        footer = int.from_bytes(damaged[-8:-4], "little") + 8
        for _ in range(chance.randint(1, 5)):
            at = chance.randrange(len(damaged) - footer if chance.random() < 0.2 else 0, len(damaged))
            damaged[at] = chance.choice(
                [chance.randrange(256), damaged[at] ^ 1 << chance.randrange(8), 0, 255]
            )
        path.write_bytes(damaged[: chance.randrange(len(damaged)) if chance.random() < 0.1 else None])
        sources.append(path)
    for shard in open_sources([write_file(tmp_path / "x.jpg"), *sources]):
        files = list(shard.files())

        assert files
        assert len(files) == len({file.key for file in files})
        for file in files:
            if file.unreadable is None:
                assert file.content == shard.read(file.key, file.offset_bytes, len(file.content))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: b"", "empty archive"),
        (lambda content: content[: len(content) // 2], "damaged archive"),
        (lambda content: content[:200] + b"\xff" * 900 + content[1100:], "damaged archive"),
    ],
)
def test_a_damaged_file_is_recorded(tmp_path: Path, damage: object, reason: str) -> None:
    """Empty, truncated, or damaged in the middle."""
    source = write_parquet(
        tmp_path / "a.parquet", {"image": image_structs([jpeg(n) * 3 for n in range(50)])}, 10
    )
    source.write_bytes(damage(source.read_bytes()))  # type: ignore[operator]
    found = {key.partition("#")[0]: why for key, why in reasons(source).items()}

    assert {"a.parquet": reason} == found


def test_the_row_groups_around_a_damaged_one_are_read(tmp_path: Path) -> None:
    """The damaged one has a record."""
    source = write_parquet(tmp_path / "a.parquet", {"image": image_structs([jpeg(n) for n in range(30)])}, 10)
    chunk = pq.ParquetFile(source).metadata.row_group(1).column(0)
    content = bytearray(source.read_bytes())
    begin = chunk.data_page_offset
    content[begin : begin + 100] = b"\xff" * 100
    source.write_bytes(content)

    assert [f"a/{row}" for row in (*range(10), *range(20, 30))] == keys(source)
    assert {"a.parquet#10": "damaged archive"} == reasons(source)


def test_a_file_removed_after_listing_is_recorded(tmp_path: Path) -> None:
    """As a read error; rereading an image of it is an error, too."""
    (shard,) = open_sources([write_parquet(tmp_path / "a.parquet", {"image": [jpeg()]})])
    (tmp_path / "a.parquet").unlink()
    (lost,) = shard.files()

    assert lost.unreadable is not None and lost.unreadable.startswith("read error: ")
    with pytest.raises(OSError, match="No such file"):
        shard.read("a/0", None, 10)


def test_without_pyarrow_an_error_says_what_to_install(tmp_path: Path) -> None:
    """In a process that can't import it."""
    source = write_parquet(tmp_path / "a.parquet", {"image": [jpeg()]})
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path; from triptych.errors import SetupError\n"
        "from triptych.sources.opening import open_sources\n"
        "try: open_sources([Path(sys.argv[1])])\n"
        "except SetupError as error: print(error)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(source)], capture_output=True, text=True, check=True
    )

    assert "a.parquet needs pyarrow" in answer.stdout
    assert "triptych[arrow]" in answer.stdout
