"""Every kind of source and every format in one run, from the command line to the report."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.triptych.conftest import Command
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene
from triptych.terminal import printable

FORMATS = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tiff",
    "AVIF": "avif",
}
ORIENTED = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")


def _scene(seed: int) -> Image.Image:
    return paint(imagine_scene("unseen", 700 + seed), 168, 112)


def _encode(image: Image.Image, kind: str) -> bytes:
    """The image rotated by 90 degrees with an EXIF orientation, if the format has one."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    if kind in ORIENTED:
        image.transpose(Image.Transpose.ROTATE_90).save(buffer, kind, exif=exif)
    else:
        image.save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """A folder with every format, a WebDataset tar, a Parquet file, a zip, a list, and a file for a
    pattern."""
    pile = tmp_path / "pile"
    for number, (kind, suffix) in enumerate(FORMATS.items()):
        path = pile / "folder" / "deep er" / f"{number} ☀\n.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_encode(_scene(number), kind))
    with tarfile.open(pile / "train-0.tar", "w") as archive:
        for name, content in (
            ("a/1.cls", b"3"),
            ("a/1.jpg", _encode(_scene(10), "JPEG")),
            ("a/1.json", b"{}"),
        ):
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    rows = [{"bytes": _encode(_scene(20 + n), "PNG"), "path": None} for n in range(2)]
    pq.write_table(pa.table({"image": rows, "label": [0, 1]}), pile / "validation.parquet")
    with zipfile.ZipFile(pile / "photos.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b/2.jpg", _encode(_scene(40), "JPEG"))
        archive.writestr("b/2.txt", "a caption")
    for name in ("listed/here.jpg", "matched/x/y.jpg"):
        (pile / name).parent.mkdir(parents=True)
        (pile / name).write_bytes(_encode(_scene(30 + len(name)), "JPEG"))
    (pile / "listed" / "list.txt").write_text("here.jpg\ngone.jpg\n")
    return pile


def test_one_run_reads_every_kind_of_source(triptych: Command, pile: Path, tmp_path: Path) -> None:
    """Sizes are those of upright images, source files stay unchanged, and `verify` finds all images again."""
    originals = {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in pile.rglob("*") if path.is_file()
    }
    sources = [pile / name for name in ("folder", "train-0.tar", "validation.parquet", "photos.zip")]
    sources += [pile / "listed" / "list.txt", pile / "matched" / "**" / "*.jpg"]
    outcome = triptych("run", *sources, "--preset", "demo", "--job", "single_en", "--out", tmp_path / "run")

    assert 0 == outcome.exit_code, outcome.stderr

    records = [
        json.loads(line)
        for path in (tmp_path / "run" / "images").rglob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    sizes = {
        each["key"]: (each["width_px"], each["height_px"]) for each in records if "unreadable" not in each
    }
    keys = {f"deep er/{number} ☀\n.{suffix}" for number, suffix in enumerate(FORMATS.values())}

    keys |= {"train-0/a/1.jpg", "validation/0", "validation/1", "photos/b/2.jpg", "here.jpg", "x/y.jpg"}

    assert keys == sizes.keys()
    assert {(168, 112)} == set(sizes.values())
    assert ["gone.jpg"] == [each["key"] for each in records if "unreadable" in each]
    assert originals == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in originals}

    verified = triptych("verify", tmp_path / "run", "--images", "all")

    assert 0 == verified.exit_code, verified.stdout
    assert "13 of 13 images" in verified.stdout
    assert "missing" not in triptych("report", tmp_path / "run").stdout

    exported = json.loads(
        next((tmp_path / "run" / "export").glob("*single*.jsonl")).read_text().splitlines()[0]
    )
    for path in pile.rglob(exported["image"].rpartition("/")[2]):
        path.unlink()
    verified = triptych("verify", tmp_path / "run", "--images", "all")

    assert 1 == verified.exit_code
    assert f"{printable(exported['image'])}: can't be read" in verified.stdout


def test_a_run_folder_inside_its_source_is_refused(triptych: Command, few_images: Path) -> None:
    """Its files would be taken for images."""
    for source in (few_images, few_images.parent / f"{few_images.name[:-1]}*", f"{few_images}/r?n"):
        outcome = triptych("group", source, "--preset", "demo", "--out", few_images / "run")

        assert 2 == outcome.exit_code
        assert "lies in the source" in outcome.stderr
        assert not (few_images / "run").exists()


def test_ambiguous_image_columns_are_refused(triptych: Command, tmp_path: Path) -> None:
    """The run remembers --image-column."""
    source = tmp_path / "a.parquet"
    picture = _encode(_scene(1), "PNG")
    pq.write_table(pa.table({"left": [picture], "right": [picture]}), source)
    arguments = ("group", source, "--preset", "demo", "--out", tmp_path / "run")
    refused = triptych(*arguments)

    assert 2 == refused.exit_code
    assert "name one with --image-column" in refused.stderr

    named = triptych(*arguments, "--image-column", "right")

    assert 0 == named.exit_code, named.stderr
    assert "1 of 1 images in their sources" in triptych("verify", tmp_path / "run").stdout


def test_files_are_chosen_by_patterns(triptych: Command, tmp_path: Path) -> None:
    """The run remembers the patterns. Junk such as .DS_Store is only counted."""
    pile = tmp_path / "pile"
    for name in ("a/x.png", "a/y.png", "thumbs/x.png", "masks/x.png"):
        (pile / name).parent.mkdir(parents=True, exist_ok=True)
        (pile / name).write_bytes(_encode(_scene(len(name)), "PNG"))
    (pile / ".DS_Store").write_bytes(b"Bud1")
    columns = {"left": [_encode(_scene(1), "PNG")], "right": [_encode(_scene(2), "PNG")]}
    pq.write_table(pa.table(columns), pile / "a" / "pairs.parquet")
    arguments = ("group", pile, "--preset", "demo", "--out", tmp_path / "run")
    chosen = ("--exclude", "thumbs", "--exclude", "masks/*", "--include", "*.p*")
    outcome = triptych(*arguments, *chosen, "--image-column", "a/*=right")

    assert 0 == outcome.exit_code, outcome.stderr
    assert "1 names such as .DS_Store" in outcome.stderr

    listed = sorted((tmp_path / "run" / "images").rglob("*.jsonl"))
    lines = [line for path in listed for line in path.read_text().splitlines()]

    assert ["a/pairs/0", "a/x.png", "a/y.png"] == sorted(json.loads(line)["key"] for line in lines)
    assert "Nothing to do" in triptych(*arguments).stderr
