"""The kinds of archives that can be a source, and what a file is: an image, an archive, or neither.

Comes in: a file's name and first bytes. Goes out: its kind, which opens it. To add one, write a file with a
class for its shards (see shard.Shard) and name it here. Not its job: folders, lists, patterns (see listing).
"""

from __future__ import annotations

import contextlib
import errno
import re
import tarfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from triptych.errors import SetupError
from triptych.sources.file_names import COMPRESSED_TAR_SUFFIXES, Says, suffix_of, why_not_an_image
from triptych.sources.parquet import open_parquet
from triptych.sources.regular_files import read_head, why_not_read
from triptych.sources.shard import Archive, Shard
from triptych.sources.tar import TarShard, open_compressed_tar
from triptych.sources.unpacking import OTHER_COMPRESSIONS, decompressed, is_compressed
from triptych.sources.zip import ZipShard

HEAD_BYTES = 512
"""As many as tell every kind of archive."""


class SourceKind(NamedTuple):
    """One kind of archive."""

    suffixes: tuple[str, ...]
    """Of files that are called so, in lower case: only some of them are, and others are as well."""
    begins: Callable[[bytes], bool]
    """Whether a file with these first HEAD_BYTES is one."""
    open: Callable[[Sequence[Archive]], Iterable[Sequence[Shard] | str]]
    """Of each, its shards, or why it holds no images. Raises SetupError where a library is missing."""


def _is_tar(head: bytes) -> bool:
    """By its mark, or the checksum of its first header, as the oldest ones have no mark."""
    with contextlib.suppress(Exception):  # it raises anything on other bytes
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        return True
    return head[257:262] == b"ustar"


def _is_zip(head: bytes) -> bool:
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"))


TAR = SourceKind((".tar",), _is_tar, lambda archives: ([TarShard(each)] for each in archives))
PARQUET = SourceKind((".parquet", ".parq", ".pq"), lambda head: head.startswith(b"PAR1"), open_parquet)
ZIP = SourceKind((".zip",), _is_zip, lambda archives: ([ZipShard(each)] for each in archives))
COMPRESSED_TAR = SourceKind(COMPRESSED_TAR_SUFFIXES, is_compressed, partial(map, open_compressed_tar))

SOURCE_KINDS = (TAR, PARQUET, ZIP, COMPRESSED_TAR)

ARCHIVE_SUFFIXES = tuple(suffix for kind in SOURCE_KINDS for suffix in kind.suffixes)


OTHER_ARCHIVES = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar"}
"""How files begin that nothing here unpacks, whatever they are called."""

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
"""Of zips in which programs keep a document, a model or themselves. Their pictures are part of it."""

_DOWNLOADED = re.compile(r"(\.\d+|\?.*)$", re.DOTALL)
"""What wget and browsers put behind a name: the number of a copy, or what was asked for."""


def _is_document(path: str) -> bool:
    return suffix_of(_DOWNLOADED.sub("", path.rpartition("/")[2])) in ZIPPED_SUFFIXES


def _holds_tar(path: str) -> bool:
    """Whether what ``path`` unpacks to begins as a tar does."""
    try:
        with decompressed(path) as (stream, _):
            return _is_tar(stream.read(HEAD_BYTES))
    except SetupError:  # a library, or the storage
        raise
    except Exception:  # each library raises its own
        return False


def without_suffix(path: str) -> str:
    """What the keys of an archive's images begin with."""
    suffix = max((each for each in ARCHIVE_SUFFIXES if path.lower().endswith(each)), key=len, default="")
    return path[: len(path) - len(suffix)]


def recognise(path: str, says: Says) -> SourceKind | str | None:
    """The kind of archive that ``path`` is, whose name says ``says``; None for what can be an image; else
    why it is neither.

    What is called like an image is not opened. Else bytes count before names, for archives that are called
    like others, and for images that are called like nothing.
    """
    if says is Says.IMAGE:
        return None
    head = b""
    if says is Says.UNSUPPORTED:
        return why_not_an_image(path, lambda: head)
    named = next((kind for kind in SOURCE_KINDS if path.lower().endswith(kind.suffixes)), None)
    try:
        head = read_head(path, HEAD_BYTES)
    except OSError as error:
        if named is None and error.errno in (errno.ENOENT, errno.ELOOP):  # a link to nothing
            return why_not_an_image(path, lambda: head)
        return why_not_read(error)
    if other := next((OTHER_ARCHIVES[begin] for begin in OTHER_ARCHIVES if head.startswith(begin)), None):
        return f"unsupported archive: {other}; unpack it, or make it a zip or a tar"
    found = next((kind for kind in SOURCE_KINDS if kind.begins(head)), None)
    if named is None and found is ZIP and _is_document(path):
        found = None
    if named is TAR and found is None and head.startswith(OTHER_COMPRESSIONS):
        found = COMPRESSED_TAR  # which says that it can't be unpacked
    if named is None and found is COMPRESSED_TAR and not _holds_tar(path):
        found = None
    return found or named or why_not_an_image(path, lambda: head)
