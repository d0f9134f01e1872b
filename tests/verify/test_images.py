"""`triptych verify` reads images again and compares them with their records."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from triptych.errors import UnreadableImageError
from triptych.progress import Silent
from triptych.records import ImageRecord
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl
from triptych.sources.image_decoding import upright_size
from triptych.sources.opening import open_sources
from triptych.verify.images import Rechecked, from_folder, from_sources, recheck_images

NAMES = ("plain.png", 'sub/with "quotes" & 🙂.png', "مرحبا.png")


def picture(width: int, height: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (width, height)).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of three pictures."""
    folder = tmp_path / "images"
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(10 + number, 20))
    return folder


@pytest.fixture
def run(tmp_path: Path, images: Path) -> RunFolder:
    """A run with records of these images, and of one that was unreadable."""
    run = RunFolder.create_or_open(tmp_path / "run")
    records = [
        ImageRecord(
            key=name,
            width_px=10 + number,
            height_px=20,
            size_bytes=(images / name).stat().st_size,
            content_hash=hashlib.blake2b((images / name).read_bytes(), digest_size=16).hexdigest(),
        )
        for number, name in enumerate(NAMES)
    ]
    records.append(ImageRecord(key="cut.png", unreadable="truncated: cut"))
    write_jsonl(run.images_file("files-00000"), records)
    return run


@pytest.fixture
def recheck(run: RunFolder, images: Path) -> Callable[..., Rechecked]:
    """``recheck_images`` with the run's sources."""
    return lambda count=None: recheck_images(run, from_sources(open_sources([images])), count, Silent())


def test_unchanged_images_pass(run: RunFolder, images: Path, recheck) -> None:
    """In the sources, and below the root that a trainer would get."""
    assert (3, {}, {}) == recheck()
    assert (3, {}, {}) == recheck_images(run, from_folder(images), None, Silent())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_a_sample_has_as_many_images_as_requested(recheck, count: int) -> None:
    """Or all, if there are fewer."""
    assert min(count, 3) == recheck(count).checked


@pytest.mark.parametrize(
    ("damage", "violation"),
    [
        (lambda path: path.unlink(), "can't be read"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "bytes, "),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "other bytes"),
    ],
)
def test_a_missing_or_changed_image_is_a_violation(
    images: Path, recheck, damage: Callable[[Path], object], violation: str
) -> None:
    """Removed, of another length, or with another byte."""
    damage(images / "plain.png")

    checked, gone, changed = recheck()
    (found,) = [*gone.values(), *changed.values()]

    assert 3 == checked
    assert "plain.png: " in found and violation in found
    assert bool(gone) == (violation == "can't be read")


def test_a_wrong_recorded_size_is_a_violation(run: RunFolder, recheck) -> None:
    """Even if the bytes are the same."""
    first, *others = run.images("files-00000")
    wrong = ImageRecord(
        key=first.key, width_px=99, height_px=20, size_bytes=first.size_bytes, content_hash=first.content_hash
    )
    write_jsonl(run.images_file("files-00000"), [wrong, *others])

    assert ["plain.png: is 10 x 20 pixels, stated are 99 x 20"] == list(recheck().changed.values())


def test_the_size_of_a_rotated_picture_is_that_of_the_upright_one() -> None:
    """EXIF orientation 6: a quarter turn."""
    content = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(content, "JPEG", exif=exif)

    assert (20, 30) == upright_size(content.getvalue())


def test_the_size_of_a_file_that_is_no_picture_is_an_error() -> None:
    """It isn't guessed."""
    with pytest.raises(UnreadableImageError, match="unknown format"):
        upright_size(b"no picture")
