"""Small real images and archives for tests of sources."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from PIL import Image

from triptych.sources.opening import open_sources
from triptych.sources.shard import Shard


def jpeg(shade: int = 0) -> bytes:
    """A JPEG of eight by six pixels in a shade of red."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (shade, 0, 0)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write an uncompressed tar of ``members``, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path


def write_zip(
    path: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED, streamed: bool = False
) -> Path:
    """Write a zip of ``members``, in order. ``streamed``: as to a pipe, so that sizes follow the members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("wb") as file,
        zipfile.ZipFile(_Pipe(file) if streamed else file, "w", compression) as archive,  # type: ignore[arg-type]
    ):
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return path


class _Pipe:
    """A file without seek."""

    def __init__(self, file: IO[bytes]) -> None:
        self.write, self.flush = file.write, file.flush


def write_file(path: Path, content: bytes | None = None) -> Path:
    """Write a file, by default a picture, and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg() if content is None else content)
    return path


def keys(*sources: Path) -> list[str]:
    """The keys of all readable files of ``sources``, in the order of the run."""
    return [file.key for shard in open_sources(sources) for file in shard.files() if file.unreadable is None]


def reasons(*sources: Path) -> dict[str, str]:
    """The unreadable files of ``sources``, with the class of the reason."""
    return {
        file.key: file.unreadable.partition(":")[0]
        for shard in open_sources(sources)
        for file in shard.files()
        if file.unreadable is not None
    }


def read_again(shard: Shard) -> list[bool]:
    """For each readable file, whether a later read gives the same bytes."""
    return [
        file.content == shard.read(file.key, file.offset_bytes, len(file.content))
        for file in shard.files()
        if file.unreadable is None
    ]
