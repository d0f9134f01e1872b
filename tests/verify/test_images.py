"""Images read again."""

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
    """A run that has listed them, and one that was unreadable."""
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
    """``recheck(count)``, in the sources."""
    return lambda count=None: recheck_images(run, from_sources(open_sources([images])), count, Silent())


def test_untouched_images_are_in_order(run: RunFolder, images: Path, recheck) -> None:
    """In the sources, and below the root that a trainer would be given."""
    assert (3, {}, {}) == recheck()
    assert (3, {}, {}) == recheck_images(run, from_folder(images), None, Silent())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_a_sample_has_as_many_images_as_were_asked_for(recheck, count: int) -> None:
    """Or all there are."""
    assert min(count, 3) == recheck(count).checked


@pytest.mark.parametrize(
    ("damage", "violation"),
    [
        (lambda path: path.unlink(), "can't be read"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "bytes, "),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "other bytes"),
    ],
)
def test_an_image_that_is_not_what_it_was_is_a_violation(
    images: Path, recheck, damage: Callable[[Path], object], violation: str
) -> None:
    """Gone, of another length, or changed."""
    damage(images / "plain.png")

    checked, gone, changed = recheck()
    (found,) = [*gone.values(), *changed.values()]

    assert 3 == checked
    assert "plain.png: " in found and violation in found
    assert bool(gone) == (violation == "can't be read")


def test_a_stated_size_that_is_not_the_pictures_is_a_violation(run: RunFolder, recheck) -> None:
    """Though the bytes are the same."""
    first, *others = run.images("files-00000")
    wrong = ImageRecord(
        key=first.key, width_px=99, height_px=20, size_bytes=first.size_bytes, content_hash=first.content_hash
    )
    write_jsonl(run.images_file("files-00000"), [wrong, *others])

    assert ["plain.png: is 10 x 20 pixels, stated are 99 x 20"] == list(recheck().changed.values())


def test_a_turned_picture_has_the_size_of_the_upright_one() -> None:
    """EXIF orientation 6: a quarter turn."""
    content = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(content, "JPEG", exif=exif)

    assert (20, 30) == upright_size(content.getvalue())


def test_what_is_no_picture_has_no_size() -> None:
    """An error, not a guess."""
    with pytest.raises(UnreadableImageError, match="unknown format"):
        upright_size(b"no picture")
