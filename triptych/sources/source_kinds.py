"""The kinds of archives, and whether a file is an image, an archive, or neither.

Comes in: a file's name and first bytes. Goes out: its kind, which opens it. To add a kind, write a module
with a shard class (see shard.Shard), and list it here. Not its job: folders, lists, patterns (see listing).
"""

from __future__ import annotations

import contextlib
import re
import tarfile
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from triptych.errors import SetupError
from triptych.sources.file_names import COMPRESSED_TAR_SUFFIXES, FileKind, suffix_of, why_not_an_image
from triptych.sources.image_format import GIT_LFS, GIT_LFS_START
from triptych.sources.parquet import open_parquet
from triptych.sources.regular_files import read_head, why_not_read
from triptych.sources.shard import Archive, Shard
from triptych.sources.tar import CompressedTarShard, TarShard
from triptych.sources.unpacking import OTHER_COMPRESSIONS, decompressed, is_compressed
from triptych.sources.zip import ZipShard

HEAD_BYTES = 512
"""Enough to recognise every kind of archive."""


class SourceKind(NamedTuple):
    """One kind of archive."""

    suffixes: tuple[str, ...]
    """In lower case. A hint only: the first bytes count before the name."""
    matches: Callable[[bytes], bool]
    """Whether a file with these first HEAD_BYTES is one."""
    open: Callable[[Sequence[Archive]], Iterable[Sequence[Shard] | str]]
    """Gives the shards of each archive, or why it holds no images. Raises SetupError without its library."""


def _is_tar(head: bytes) -> bool:
    """By its magic number, or by the checksum of its first header, as the oldest tars have none."""
    with contextlib.suppress(Exception):  # tarfile raises anything on other bytes
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        return True
    return head[257:262] == b"ustar"


def _is_zip(head: bytes) -> bool:
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"))


TAR = SourceKind((".tar",), _is_tar, lambda archives: ([TarShard(each)] for each in archives))
PARQUET = SourceKind((".parquet", ".parq", ".pq"), lambda head: head.startswith(b"PAR1"), open_parquet)
ZIP = SourceKind((".zip",), _is_zip, lambda archives: ([ZipShard(each)] for each in archives))
COMPRESSED_TAR = SourceKind(
    COMPRESSED_TAR_SUFFIXES, is_compressed, lambda archives: ([CompressedTarShard(each)] for each in archives)
)

SOURCE_KINDS = (TAR, PARQUET, ZIP, COMPRESSED_TAR)

ARCHIVE_SUFFIXES = tuple(suffix for kind in SOURCE_KINDS for suffix in kind.suffixes)


OTHER_ARCHIVES = {
    b"7z\xbc\xaf\x27\x1c": "unsupported archive: 7z; unpack it, or make it a zip or a tar",
    b"Rar!\x1a\x07": "unsupported archive: rar; unpack it, or make it a zip or a tar",
    GIT_LFS_START: f"unsupported format: {GIT_LFS}",
}
"""Why archives can't be read, by their first bytes."""

ZIPPED_SUFFIXES = frozenset(
    f".{suffix}"
    for suffixes in (
        "docx docm dotx dotm xlsx xlsm xlsb xltx xltm pptx pptm potx potm ppsx ppsm vsdx vsdm xps oxps",
        "odt ott ods ots odp otp odg otg odf odb sxw sxc sxi hwpx pages numbers key epub ibooks idml",
        "xmind mscz mxl qgz pbix twbx h5p apkg colpkg sb3",
        "ora kra krz procreate sketch fig xd 3mf usdz kmz f3d fcstd",
        "jar war ear aar apk apks apkm xapk aab ipa whl egg pyz conda xpi vsix nupkg snupkg wgt",
        "appx appxbundle msix msixbundle pk3 mcpack mcworld love",
        "npz pt pth ptl ckpt pkl keras mar",
    )
    for suffix in suffixes.split()
)
"""Zips that are a program's document, model or package: their pictures are not images of a data set."""

_DOWNLOADED = re.compile(r"(\.\d+|\?.*)$", re.DOTALL)
"""What wget and browsers append to a name: the number of a copy, or a URL's query."""


def _is_document(path: str) -> bool:
    return suffix_of(_DOWNLOADED.sub("", path.rpartition("/")[2])) in ZIPPED_SUFFIXES


def _holds_tar(path: str) -> bool:
    """Whether ``path`` is a compressed tar."""
    try:
        with decompressed(path) as (stream, _):
            return _is_tar(stream.read(HEAD_BYTES))
    except SetupError:  # a library, or the storage
        raise
    except Exception:  # each library raises its own
        return False


def without_suffix(path: str) -> str:
    """``path`` without the suffix of an archive: what the keys of its images begin with."""
    suffix = max((each for each in ARCHIVE_SUFFIXES if path.lower().endswith(each)), key=len, default="")
    return path[: len(path) - len(suffix)]


def recognise(path: str, file_kind: FileKind) -> SourceKind | str | None:
    """The kind of archive at ``path``; None if it can be an image; else the reason why it is neither.

    Files with the suffix of an image (``file_kind``) are not opened. For others the first bytes count before
    the name: archives may have another's suffix, and images none.
    """
    if file_kind is FileKind.IMAGE:
        return None
    if file_kind is FileKind.UNSUPPORTED:
        return why_not_an_image(path, lambda: b"")
    named = next((kind for kind in SOURCE_KINDS if path.lower().endswith(kind.suffixes)), None)
    try:
        head = read_head(path, HEAD_BYTES)
    except OSError as error:
        return why_not_read(error)
    for begin, reason in OTHER_ARCHIVES.items():
        if head.startswith(begin):
            return reason
    found = next((kind for kind in SOURCE_KINDS if kind.matches(head)), None)
    if named is None and found is ZIP and _is_document(path):
        found = None
    if named is None and found is COMPRESSED_TAR and not _holds_tar(path):
        found = None
    if named in (TAR, COMPRESSED_TAR) and found is None:
        if head.startswith(OTHER_COMPRESSIONS) or path.lower().endswith(".br"):
            return "compressed tar: its kind of compression can't be read; unpack it to a plain .tar"
        if named is COMPRESSED_TAR and head:
            return "damaged archive: neither a tar nor compressed"
        return TAR
    return found or named or why_not_an_image(path, lambda: head)
