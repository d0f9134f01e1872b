"""WebDataset tars: the files of a sample share a name and follow each other.

Comes in: rows with their images. Goes out: for row 17 of a job, from 0, ``single_en-000000017.jpg`` (for a
set ``multi_en-000000017.0.jpg`` and so on), with the same name a ``.txt`` with the caption and a ``.json``
with the row. Names are unique in an export, so all tars can be unpacked into one folder. Images are the
original files, with an extension by their content. Bytes depend on the rows alone. Not its job: which rows
are in which tar (see parts).
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from triptych.export.containers.container import CaptionedFiles, ContainerSpec, Sink
from triptych.sources.image_format import image_format

SUFFIXES = {"JPEG": "jpg", "JPEG 2000": "jp2", "JPEG XL": "jxl", "TIFF": "tif", "Netpbm": "ppm"}
"""For formats whose name in lower case isn't the usual extension."""

_BLOCK_BYTES = 512


class _Tar:
    def __init__(self, file: Sink, row_type: type[msgspec.Struct]) -> None:
        self._file = file

    def write(self, lines: bytes, files: Iterable[CaptionedFiles] = ()) -> None:
        for line, of_row in zip(lines.splitlines(), files, strict=True):
            for field, image in zip(_image_fields(of_row), of_row.images, strict=True):
                self._add(f"{of_row.name}.{field}", image)
            self._add(f"{of_row.name}.txt", of_row.caption.encode())
            self._add(f"{of_row.name}.json", line)

    def close(self) -> None:
        self._file.write(bytes(2 * _BLOCK_BYTES))

    def _add(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        self._file.write(member.tobuf(tarfile.PAX_FORMAT))
        self._file.write(content)
        self._file.write(bytes(-len(content) % _BLOCK_BYTES))


def _image_fields(files: CaptionedFiles) -> list[str]:
    """The extensions of a sample's images, such as ``jpg``; of several ``0.jpg``, ``1.png``."""
    suffixes = map(_suffix, files.images)
    return [f"{n}.{each}" for n, each in enumerate(suffixes)] if len(files.images) > 1 else list(suffixes)


def _suffix(image: bytes) -> str:
    found = image_format(image)
    name = "img" if found is None else found.name
    return SUFFIXES.get(name, name.lower().replace(" ", "-"))


def _read(path: Path) -> Iterator[tuple[bytes, Sequence[bytes]]]:
    images: list[bytes] = []
    try:
        with tarfile.open(path, "r|") as tar:
            for member in tar:
                opened = tar.extractfile(member)
                content = b"" if opened is None else opened.read()
                suffix = member.name.rpartition(".")[2]
                if suffix == "json":
                    yield content + b"\n", images
                    images = []
                elif suffix != "txt":
                    images.append(content)
    except tarfile.TarError as error:
        raise ValueError(f"{path.name}: {error}") from None


TAR = ContainerSpec(
    _Tar,
    _read,
    holds_images=True,
    image_fields=_image_fields,
    rows_a_file=10_000,
    hint="WebDataset tars: sample `JOB-000000017` has the image as `.jpg`, `.png` and so on (those of a set"
    " are `.0.jpg`, `.1.jpg` ...), the caption as `.txt`, and the row as `.json`. Unpacked (`tar xf`), a"
    " caption lies beside its image, as kohya-ss and other trainers of image generators want it.",
)
