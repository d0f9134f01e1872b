"""The pipeline from a shard's files to image records and rows of embeddings."""

from __future__ import annotations

import io
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.contexts import context_of
from tests.support.made_up import save_tiny_clip, seen_by
from triptych.errors import SetupError
from triptych.grouping.config import EmbeddingConfig
from triptych.grouping.embedding.pipeline import Pipeline
from triptych.grouping.embedding.throughput import Throughput
from triptych.grouping.encoders.choice import load_encoder, resolve_encoder
from triptych.grouping.encoders.tower import TorchTower
from triptych.grouping.stage import embed_sources
from triptych.runs.folder import RunFolder
from triptych.sources.opening import open_sources
from triptych.sources.shard import FoundFile


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with seven readable pictures, four other files, and a tar of two more pictures."""
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    rng = np.random.default_rng(5)
    for number in range(7):
        _noise(rng, 40 + number, 60).save(folder / "deep" / f"{number}.jpg")
    (folder / "cut.jpg").write_bytes((folder / "deep" / "0.jpg").read_bytes()[:600])
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    (folder / "note.pdf").write_bytes(b"%PDF")
    Image.new("RGB", (3000, 2)).save(folder / "thread.png")
    with tarfile.open(folder / "more.tar", "w") as archive:
        for number in range(2):
            buffer = io.BytesIO()
            _noise(rng, 30, 30).save(buffer, "PNG")
            member = tarfile.TarInfo(f"sa_{number}.png")
            member.size = len(buffer.getvalue())
            archive.addfile(member, io.BytesIO(buffer.getvalue()))
    return folder


def _noise(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


def _embed(run_path: Path, source: Path, model: Path, batch_size: int = 3, threads: int = 2) -> RunFolder:
    run = RunFolder.create_or_open(run_path)
    config = EmbeddingConfig(model=str(model), batch_size=batch_size, decode_threads=threads)
    embed_sources(context_of(run), open_sources([source]), config)
    return run


def _bytes_of(run: RunFolder) -> dict[str, bytes]:
    return {
        path.relative_to(run.path).as_posix(): path.read_bytes()
        for path in sorted(run.path.rglob("*"))
        if path.is_file() and path.name not in ("run.json", ".run.json.copy")
    }


def test_every_file_found_is_recorded_in_file_order(source: Path, tiny_clip: Path, tmp_path: Path) -> None:
    """Readable images with size and hash, other files with the reason."""
    run = _embed(tmp_path / "run", source, tiny_clip)

    records = list(run.images("files-00000"))

    assert [r.key for r in records] == [
        "cut.jpg",
        *(f"deep/{n}.jpg" for n in range(7)),
        "gone.jpg",
        "note.pdf",
        "thread.png",
    ]
    assert {r.key: r.unreadable for r in records if r.unreadable is not None} == {
        "cut.jpg": records[0].unreadable,
        "gone.jpg": "read error: No such file or directory",
        "note.pdf": "not an image: .pdf",
        "thread.png": "too narrow: 3000 x 2 pixels",
    }
    assert str(records[0].unreadable).startswith("truncated: ")
    assert (records[3].width_px, records[3].height_px) == (42, 60)
    assert records[3].size_bytes == (source / "deep" / "2.jpg").stat().st_size
    assert len(records[3].content_hash) == 32
    assert [r.key for r in run.images("more")] == ["more/sa_0.png", "more/sa_1.png"]


def test_row_i_is_readable_image_i_across_batches(source: Path, tiny_clip: Path, tmp_path: Path) -> None:
    """Seven images in batches of three: each row is the encoder's result for that picture alone."""
    run = _embed(tmp_path / "run", source, tiny_clip)
    encoder = load_encoder(resolve_encoder(str(tiny_clip)), "cpu")

    rows = np.load(run.embeddings_file("files-00000"))

    assert rows.dtype == np.float16
    assert rows.shape == (7, 16)
    for number, row in enumerate(rows):
        with Image.open(source / "deep" / f"{number}.jpg") as picture:
            alone = encoder.encode(seen_by(encoder.shape, [picture.convert("RGB")]))[0]
        assert np.allclose(row, alone, atol=2e-3)


def test_the_bytes_do_not_depend_on_the_number_of_threads(
    source: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    """With one decoding thread or eight, images/ and embeddings/ are identical."""
    one = _embed(tmp_path / "one", source, tiny_clip, threads=1)
    eight = _embed(tmp_path / "eight", source, tiny_clip, threads=8)

    assert _bytes_of(one) == _bytes_of(eight)


def test_a_shard_without_a_readable_image_has_no_rows(tiny_clip: Path, tmp_path: Path) -> None:
    """Its embeddings file exists, with shape [0, dim]."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.jpg").write_bytes(b"no picture")

    run = _embed(tmp_path / "run", tmp_path / "source", tiny_clip)

    assert np.load(run.embeddings_file("files-00000")).shape == (0, 16)
    assert [r.unreadable for r in run.images("files-00000")] == [
        "unknown format: no image format matches the bytes"
    ]


def test_embedding_again_does_nothing(source: Path, tiny_clip: Path, tmp_path: Path) -> None:
    """The second call returns False and touches no file."""
    run = RunFolder.create_or_open(tmp_path / "run")
    config = EmbeddingConfig(model=str(tiny_clip))
    sources = open_sources([source])

    assert embed_sources(context_of(run), sources, config) is True
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    assert embed_sources(context_of(run), sources, config) is False

    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


class _Killed(BaseException):
    """Simulates a kill: nothing catches it."""


def test_a_killed_run_resumes_with_the_missing_shards(
    source: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the second shard: the first isn't made again, and all bytes are as without the kill."""
    uninterrupted = _embed(tmp_path / "undisturbed", source, tiny_clip)
    encode = TorchTower.encode

    def die_in_the_second_shard(self: TorchTower, pixels: NDArray[np.uint8]) -> object:
        if len(pixels) == 2:
            while not (tmp_path / "run" / "images" / "files-00000.jsonl").exists():
                time.sleep(0.01)
            raise _Killed
        return encode(self, pixels)

    with monkeypatch.context() as patched, pytest.raises(_Killed):
        patched.setattr(TorchTower, "encode", die_in_the_second_shard)
        _embed(tmp_path / "run", source, tiny_clip)
    first = (tmp_path / "run" / "images" / "files-00000.jsonl").stat().st_mtime_ns
    assert not (tmp_path / "run" / "images" / "more.jsonl").exists()

    resumed = _embed(tmp_path / "run", source, tiny_clip)

    assert (tmp_path / "run" / "images" / "files-00000.jsonl").stat().st_mtime_ns == first
    assert _bytes_of(resumed) == _bytes_of(uninterrupted)


def test_a_changed_model_is_refused_without_fresh(source: Path, tiny_clip: Path, tmp_path: Path) -> None:
    """Its vectors can't be mixed with the existing ones."""
    _embed(tmp_path / "run", source, tiny_clip)

    with pytest.raises(SetupError, match=r"made with encoder = .*add --fresh embeddings"):
        _embed(tmp_path / "run", source, save_tiny_clip(tmp_path / "other", seed=1))


def test_a_model_that_fails_to_load_leaves_no_trace(source: Path, tiny_clip: Path, tmp_path: Path) -> None:
    """After a wrong name, the right one works in the same run folder without --fresh."""
    run = RunFolder.create_or_open(tmp_path / "run")
    with pytest.raises(SetupError, match="neither a folder nor a name"):
        embed_sources(context_of(run), open_sources([source]), EmbeddingConfig(model="ViT-B-33"))

    config = EmbeddingConfig(model=str(tiny_clip))
    assert embed_sources(context_of(run), open_sources([source]), config) is True


def test_an_image_without_a_finite_vector_is_recorded_with_its_reason(
    tiny_clip: Path, tmp_path: Path
) -> None:
    """It has no row; the rows of the others still match their images."""
    encoder = load_encoder(resolve_encoder(str(tiny_clip)), "cpu")
    run = RunFolder.create_or_open(tmp_path / "run")

    class Overflowing:
        """The tiny CLIP, with an overflow for white pictures."""

        shape = encoder.shape

        def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
            rows = encoder.encode(pixels)
            rows[pixels.min(axis=(1, 2, 3)) == 255] = np.nan
            return rows

    Pipeline(run, Overflowing(), 8, 2).run([_ThreePictures()], _NoReport())

    assert [record.unreadable for record in run.images("three")] == [
        None,
        "not embeddable: the embedding model gave no finite vector",
        None,
    ]
    assert np.load(run.embeddings_file("three")).shape == (2, 16)


class _ThreePictures:
    """A shard of a black, a white and a grey picture."""

    name = "three"

    def fingerprint(self) -> str:
        return "three"

    def files(self) -> list[FoundFile]:  # type: ignore[override]
        return [FoundFile(key=f"three/{level}.png", content=_png(level)) for level in (0, 255, 128)]

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        raise OSError(key)


class _NoReport:
    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        pass

    def wrote(self, shard: str) -> None:
        pass


def _png(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (level, level, level)).save(buffer, "PNG")
    return buffer.getvalue()
