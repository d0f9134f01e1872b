"""What a file's name says: an image, what describes one, what a system or an editor left, or nothing.

Comes in: names, as the file system or an archive has them, and the patterns that a user has set. Goes out:
what they say, keys, and reasons for a record. Where a name says nothing, the first bytes decide. Not its job:
kinds of archives (see source_kinds), what is in an image (see image_format).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from enum import Enum, auto
from fnmatch import fnmatchcase

import msgspec

from triptych.sources.image_format import image_format
from triptych.sources.locations import shown_if_not_utf_8

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
    | {".tif", ".tiff", ".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif", ".jxl"}
    | {".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".pbm", ".pgm", ".ppm", ".pnm", ".ico", ".cur", ".qoi"}
    | {".psd", ".psb", ".xcf", ".exr", ".hdr", ".dds", ".jxr", ".wdp", ".pam", ".pfm", ".fits"}
)
"""Of files that are opened as images. Whether what is in one can be decoded is for image_decoding to say."""

UNSUPPORTED_SUFFIXES = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf"}
    | {".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f", ".svg", ".svgz", ".eps", ".ai", ".tga", ".pcx"}
)
"""Of pictures that nothing here decodes, and whose bytes don't say so: raw files of cameras begin as TIFF."""

SIDECAR_SUFFIXES = frozenset(
    {".json", ".jsonl", ".txt", ".xml", ".caption", ".transcript", ".cls", ".cls2", ".id", ".index", ".inx"}
    | {".csv", ".tsv", ".yaml", ".yml", ".npy", ".npz", ".pyd", ".pickle", ".pth", ".cbor", ".msg", ".mp"}
    | {".xmp", ".aae"}
)
"""Files that describe an image: what WebDataset's decoders know besides pictures, the usual lists, and what
photo programs put beside a picture. They are passed over; any other file is listed as not an image."""

COMPRESSED_TAR_SUFFIXES = tuple(
    f"{tar}{packed}"
    for tar, packers in (
        (".tar", (".gz", ".bz2", ".xz", ".zst", ".zstd", ".lz4", ".lzma", ".z", ".lz", ".lzo", ".br")),
        (".t", ("gz", "az", "bz", "bz2", "xz", "zst", "lz4", "lzma", "lz", "z")),
    )
    for packed in packers
)

_JUNK = re.compile(
    r"\._.*|\.ds_store|__macosx|\.appled(ouble|b|esktop)|\.lsoverride|\.apdisk|\.spotlight-v100|\.fseventsd|icon\r"
    r"|\.trashes|\.trash(-\d+)?|\.temporaryitems|temporary items|network trash folder|\.com\.apple\..*"
    r"|\.documentrevisions-v100|\.volumeicon\.icns|\.metadata_never_index|\.bridgesort"
    r"|(eh)?thumbs(_vista)?\.db(\Wencryptable)?|desktop\.ini|\$recycle\.bin|system volume information"
    r"|(?-i:RECYCLE[RD])|@recycle|@recently-snapshot|\.snapshot|\.dtrash|\.st(versions|folder|ignore)"
    r"|\.(trashed|pending)-.*|\.thumbdata.*|\.tmp\.drive(up|down)load|\.rsync-partial|\.~tmp~"
    r"|~\$.*|\.~lock\..*|zbthumbnail\.info|\.?picasa\.ini|@eadir|#recycle|#snapshot|\.@__thumb|\.synology.*"
    r"|lost\+found|\.directory|\.thumbnails|\.nfs[0-9a-f]+|\.fuse_hidden.*|\.gvfs|\.dropbox(\.cache|\.attr)?"
    r"|\.git|\.gitattributes|\.gitignore|\.gitkeep|\.keep|\.svn|\.hg|\.cache|\.ipynb_checkpoints|__pycache__"
    r"|_(common_)?metadata|_success|_started|_committed_\d+|\..+\.crc",
    re.IGNORECASE | re.DOTALL,
)
"""Names of files and folders that systems, editors and Spark leave. A run doesn't see them."""

_RSYNCED = "|".join(suffix[1:] for suffix in sorted(IMAGE_SUFFIXES | {".tar", ".zip", ".parquet"}))

_JUNK_FILE = re.compile(
    r".+~|#.+#|\.#.*|\..+\.sw[a-p]|.+\.(bak|orig|tmp|part|partial|crdownload|download|swp|swo)"
    r"|.+\Wzone\.identifier|\.nomedia|\.localized|\.hidden|autorun\.inf|\.goutputstream-.+"
    rf"|\..+\.({_RSYNCED})\.[a-z0-9]{{6}}",
    re.IGNORECASE | re.DOTALL,
)
"""Of files alone: what editors, downloads and copies that broke off leave. A folder of such a name was called
so by a person."""


class Says(Enum):
    """What a name can say of its file."""

    IMAGE = auto()
    UNSUPPORTED = auto()
    SIDECAR = auto()
    JUNK = auto()
    NOTHING = auto()
    """Only the bytes can tell."""


_SUFFIXES_SAY = {
    **dict.fromkeys(IMAGE_SUFFIXES, Says.IMAGE),
    **dict.fromkeys(UNSUPPORTED_SUFFIXES, Says.UNSUPPORTED),
    **dict.fromkeys(SIDECAR_SUFFIXES, Says.SIDECAR),
}


def what_it_says(name: str, *, is_folder: bool = False) -> Says:
    """What ``name``, without a folder, says of a file or, if it is junk, of a folder."""
    said = _SUFFIXES_SAY.get(suffix_of(name), Says.NOTHING)
    if said is Says.IMAGE and name[0].isalnum():  # as most are
        return said
    is_junk = _JUNK.fullmatch(name) or (not is_folder and _JUNK_FILE.fullmatch(name))
    return Says.JUNK if is_junk else said


def is_passed_over(path: str) -> bool:
    """Whether a member of an archive is no file of its own: a sidecar, or junk at any depth."""
    *folders, name = path.split("/")
    said = what_it_says(name)
    return said in (Says.SIDECAR, Says.JUNK) or any(_JUNK.fullmatch(folder) for folder in folders)


def suffix_of(name: str) -> str:
    """With its dot, in lower case."""
    ending = name.rpartition(".")[2]
    return f".{ending.lower()}" if len(ending) < len(name) and "/" not in ending else ""


def stems_of(path: str) -> tuple[str, ...]:
    """What a file that describes ``path`` may be called, but for its suffix: ``a.b`` for ``a.b.jpg``, as
    trainers put it, or ``a``, as WebDataset does."""
    folder, slash, name = path.rpartition("/")
    stem, first = name.rpartition(".")[0] or name, name.partition(".")[0]
    return tuple(f"{folder}{slash}{each}" for each in ((stem, first) if first not in ("", stem) else (stem,)))


def why_not_an_image(name: str, head: Callable[[], bytes]) -> str | None:
    """None for what can be an image by its name, else by its first bytes, which are asked for then; else the
    reason that its record keeps."""
    suffix = suffix_of(name)
    said = _SUFFIXES_SAY.get(suffix)
    if said is Says.UNSUPPORTED:
        return f"unsupported format: {suffix}; convert it to PNG or JPEG"
    if said is Says.IMAGE or image_format(head()) is not None:
        return None
    if name.lower().endswith(COMPRESSED_TAR_SUFFIXES):
        return "compressed tar: in another archive; unpack that"
    return f"not an image: {suffix or 'no suffix'}"


def usable_key(name: str) -> tuple[str, str | None]:
    """``name`` as a key, and why nothing of that name can have one.

    A key is written as JSON, in UTF-8, and a trainer looks for a file of that name: bytes that are no
    UTF-8 are shown as ``\\xNN``, in a key that only the record of the failure has.
    """
    if (shown := shown_if_not_utf_8(name)) is not None:
        return shown, "unusable name: it is not UTF-8; rename the file"
    if "\0" in name:
        return name.replace("\0", "\\x00"), "unusable name: it has a NUL; rename the file"
    return name, None


def member_key(archive: str, name: str) -> tuple[str, str | None]:
    """The key of the member ``name`` of ``archive``, which stands for a folder, and why it can't have one."""
    inside = posixpath.normpath(name).lstrip("/")
    key, unusable = usable_key(f"{archive}/{inside}")
    if inside in (".", "..") or inside.startswith("../"):
        return key, "unusable name: it leads out of the archive"
    return key, unusable


class PathFilter(msgspec.Struct, frozen=True):
    """``*`` stands for any letters, ``/`` included. A pattern without ``/`` is compared with each name on the
    path, folders included, one with ``/`` with the whole path below the source and the folders on it."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def excludes(self, path: str) -> bool:
        """Whether ``path``, of a file or a folder, or a folder on it, is named by an exclude pattern."""
        return any(_matches(path, pattern) for pattern in self.exclude)

    def leaves_out(self, path: str) -> bool:
        """Whether the file at ``path`` is excluded, or there are include patterns and none names it."""
        if self.excludes(path):
            return True
        return bool(self.include) and not any(_matches(path, pattern) for pattern in self.include)

    def of_members(self, path: str) -> PathFilter:
        """The filter of what is in the archive at ``path``: one that is included itself is so with all."""
        return PathFilter(() if not self.leaves_out(path) else self.include, self.exclude)

    def described(self) -> str:
        """Part of a fingerprint; empty where nothing is left out."""
        both = (("include", self.include), ("exclude", self.exclude))
        return "".join(f"\t{name} {' '.join(map(repr, patterns))}" for name, patterns in both if patterns)


def _matches(path: str, pattern: str) -> bool:
    pattern = pattern.removesuffix("/")
    parts = path.split("/")
    if "/" not in pattern:
        return any(fnmatchcase(part, pattern) for part in parts)
    return any(fnmatchcase("/".join(parts[: n + 1]), pattern.removeprefix("/")) for n in range(len(parts)))


EVERYTHING = PathFilter()
