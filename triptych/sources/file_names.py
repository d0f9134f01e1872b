"""File names: which are images, sidecars or junk, which become keys, and which patterns match.

Comes in: names from the file system or an archive, and the user's patterns. Goes out: kinds, keys, and
reasons for records. If a name is not enough, the first bytes decide. Not its job: kinds of archives (see
source_kinds), image formats (see image_format).
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
"""Files with these are opened as images. image_decoding finds out whether they can be decoded."""

UNSUPPORTED_SUFFIXES = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf"}
    | {".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f", ".svg", ".svgz", ".eps", ".ai", ".tga", ".pcx"}
)
"""Pictures that can't be decoded, and whose first bytes don't show it: camera raw files begin as TIFF."""

SIDECAR_SUFFIXES = frozenset(
    {".json", ".jsonl", ".txt", ".xml", ".caption", ".transcript", ".cls", ".cls2", ".id", ".index", ".inx"}
    | {".csv", ".tsv", ".yaml", ".yml", ".npy", ".npz", ".pyd", ".pickle", ".pth", ".cbor", ".msg", ".mp"}
    | {".xmp", ".aae"}
)
"""Files that describe an image: what WebDataset's decoders know besides pictures, the usual lists, and the
files of photo programs. They are skipped; any other file is listed as not an image."""

COMPRESSED_TAR_SUFFIXES = (
    *(f".tar.{each}" for each in ["gz", "bz2", "xz", "zst", "zstd", "lz4", "lzma", "z", "lz", "lzo", "br"]),
    *(f".t{each}" for each in ["gz", "az", "bz", "bz2", "xz", "zst", "lz4", "lzma", "lz", "z"]),
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
"""Names of files and folders that systems, editors and Spark leave behind. A run ignores them."""

_RSYNCED = "|".join(suffix[1:] for suffix in sorted(IMAGE_SUFFIXES | {".tar", ".zip", ".parquet"}))

_JUNK_FILE = re.compile(
    r".+~|#.+#|\.#.*|\..+\.sw[a-p]|.+\.(bak|orig|tmp|part|partial|crdownload|download|swp|swo)"
    r"|.+\Wzone\.identifier|\.nomedia|\.localized|\.hidden|autorun\.inf|\.goutputstream-.+"
    rf"|\..+\.({_RSYNCED})\.[a-z0-9]{{6}}",
    re.IGNORECASE | re.DOTALL,
)
"""Names of files, not folders, that editors and interrupted downloads and copies leave behind."""


class FileKind(Enum):
    """What a file is, by its name."""

    IMAGE = auto()
    UNSUPPORTED = auto()
    SIDECAR = auto()
    JUNK = auto()
    UNKNOWN = auto()
    """Only the first bytes can tell."""


_KIND_BY_SUFFIX = {
    **dict.fromkeys(IMAGE_SUFFIXES, FileKind.IMAGE),
    **dict.fromkeys(UNSUPPORTED_SUFFIXES, FileKind.UNSUPPORTED),
    **dict.fromkeys(SIDECAR_SUFFIXES, FileKind.SIDECAR),
}


def kind_by_name(name: str, *, is_folder: bool = False) -> FileKind:
    """The kind of a file by its ``name``, without a folder. Of a folder, only whether it is junk counts."""
    kind = _KIND_BY_SUFFIX.get(suffix_of(name), FileKind.UNKNOWN)
    if kind is FileKind.IMAGE and name[0].isalnum():  # the common case, without the slow patterns
        return kind
    is_junk = _JUNK.fullmatch(name) or (not is_folder and _JUNK_FILE.fullmatch(name))
    return FileKind.JUNK if is_junk else kind


def is_passed_over(path: str) -> bool:
    """Whether a member of an archive is a sidecar, or junk at any depth."""
    *folders, name = path.split("/")
    is_skipped = kind_by_name(name) in (FileKind.SIDECAR, FileKind.JUNK)
    return is_skipped or any(_JUNK.fullmatch(folder) for folder in folders)


def suffix_of(name: str) -> str:
    """The suffix with its dot, in lower case; empty if there is none."""
    ending = name.rpartition(".")[2]
    return f".{ending.lower()}" if len(ending) < len(name) and "/" not in ending else ""


def stems_of(path: str) -> tuple[str, ...]:
    """Possible names of a sidecar of ``path``, without suffix: ``a.b`` for ``a.b.jpg``, as trainers expect,
    or ``a``, as WebDataset does."""
    folder, slash, name = path.rpartition("/")
    stem, first = name.rpartition(".")[0] or name, name.partition(".")[0]
    return tuple(f"{folder}{slash}{each}" for each in ((stem, first) if first not in ("", stem) else (stem,)))


def why_not_an_image(name: str, head: Callable[[], bytes]) -> str | None:
    """The reason to record for a file that can't be an image; None if it can. ``head`` returns its first
    bytes, and is called only if the name is not enough."""
    suffix = suffix_of(name)
    kind = _KIND_BY_SUFFIX.get(suffix)
    if kind is FileKind.UNSUPPORTED:
        return f"unsupported format: {suffix}; convert it to PNG or JPEG"
    if kind is FileKind.IMAGE or image_format(head()) is not None:
        return None
    if name.lower().endswith((".tar", ".zip", ".parquet", *COMPRESSED_TAR_SUFFIXES)):
        return "archive in archive: unpack the outer one"
    return f"not an image: {suffix or 'no suffix'}"


def usable_key(name: str) -> tuple[str, str | None]:
    """``name`` as a key, and the reason why it can't be one, if any.

    Keys are written as JSON, in UTF-8, and trainers look for files of that name. Bytes that are not UTF-8 are
    shown as ``\\xNN``, in a key that only the failure's record has.
    """
    if (shown := shown_if_not_utf_8(name)) is not None:
        return shown, "unusable name: it is not UTF-8; rename the file"
    if "\0" in name:
        return name.replace("\0", "\\x00"), "unusable name: it has a NUL; rename the file"
    return name, None


def member_key(archive: str, name: str) -> tuple[str, str | None]:
    """The key of a member of ``archive``, which counts as a folder, and why it can't be one, if any."""
    inside = posixpath.normpath(name).lstrip("/")
    key, unusable = usable_key(f"{archive}/{inside}")
    if inside in (".", "..") or inside.startswith("../"):
        return key, "unusable name: it leads out of the archive"
    return key, unusable


class PathFilter(msgspec.Struct, frozen=True):
    """Include and exclude patterns. ``*`` matches any characters, also ``/``.

    A pattern without ``/`` is matched against each name on the path, folders included; one with ``/`` against
    the whole path below the source and each of its parent folders.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def excludes(self, path: str) -> bool:
        """Whether an exclude pattern matches ``path``, a file or a folder, or one of its parents."""
        return any(_matches(path, pattern) for pattern in self.exclude)

    def leaves_out(self, path: str) -> bool:
        """Whether the file at ``path`` is excluded, or there are include patterns and none matches."""
        if self.excludes(path):
            return True
        return bool(self.include) and not any(_matches(path, pattern) for pattern in self.include)

    def of_members(self, path: str) -> PathFilter:
        """The filter of members of the archive at ``path``: if it is included itself, so are all of them."""
        return PathFilter(self.include if self.leaves_out(path) else (), self.exclude)

    def described(self) -> str:
        """Part of a fingerprint; empty without patterns."""
        both = (("include", self.include), ("exclude", self.exclude))
        return "".join(f"\t{name} {' '.join(map(repr, patterns))}" for name, patterns in both if patterns)


def _matches(path: str, pattern: str) -> bool:
    pattern = pattern.removesuffix("/")
    parts = path.split("/")
    if "/" not in pattern:
        return any(fnmatchcase(part, pattern) for part in parts)
    return any(fnmatchcase("/".join(parts[: n + 1]), pattern.removeprefix("/")) for n in range(len(parts)))


EVERYTHING = PathFilter()
