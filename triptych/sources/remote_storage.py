"""Files in object storage and on web servers, through fsspec: what ``os`` is for local ones.

Comes in: URLs. Goes out: what a folder holds, sizes, versions, and answers in spite of connections that drop.
Credentials, endpoints and regions are fsspec's matter: the variables and files of each service, and fsspec's
own config. An object that has gone is FileNotFoundError, as a file is; storage that can't be reached, or
denies access, is a set-up that can't do it, as it says nothing of the images. Not its job: reading (see
remote_file).
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

from triptych.errors import SetupError, TriptychError, UsageError
from triptych.extras import install

T = TypeVar("T")

PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Before each further try: half a minute in all. The services' own clients try several times within each."""

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}
"""What is installed to read such URLs; what others need is there."""

SCHEMES = (*EXTRAS, "hf", "http", "https")

_SAME_AS = {**EXTRAS, "http": "https"}
"""Which scheme leads to the same, by scheme."""

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")

_VERSION_FIELDS = (
    *("ETag", "etag", "md5Hash", "blob_id"),
    *("LastModified", "last_modified", "Last-Modified", "updated", "mtime"),
)
"""What services say that is another where an object was replaced. The first that is there counts."""

_LOGIN = re.compile("Credential|Authenti|ProfileNotFound|TokenRetrieval")
"""In the names of what their clients raise where they know no key, or not this one."""


class UnreachableError(SetupError):
    """Storage doesn't answer, or not to us."""


class ChangedObjectError(OSError):
    """An object was replaced while it was read."""

    def __init__(self, url: str) -> None:
        super().__init__(errno.ESTALE, "changed while it was read", url)


class RemoteEntry(NamedTuple):
    """What a folder holds."""

    name: str
    is_folder: bool
    size_and_version: tuple[int, int] | None
    """As ``size_and_version`` gives it; None where the listing doesn't say."""

    def is_dir(self) -> bool:
        """As os.DirEntry has it."""
        return self.is_folder


def is_url(name: str) -> bool:
    """Whether ``name`` isn't a path on this machine."""
    return _URL.match(name) is not None


def is_web(url: str) -> bool:
    """Whether it is on any web server: each image may be on another, and be gone for good."""
    return url.lower().startswith(("http://", "https://"))


def place_of(url: str) -> str:
    """The same for all URLs of one object, which schemes may be several for: http and https, s3 and s3a."""
    scheme, _, place = url.partition("://")
    return f"{_SAME_AS.get(scheme.lower(), scheme.lower())}://{place}"


def filesystem(url: str) -> tuple[Any, str]:
    """fsspec's file system for ``url``, and the path in it. Raises UsageError, SetupError."""
    import fsspec

    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise UsageError(f"{url}: expected {', '.join(f'{each}://' for each in SCHEMES)}")
    try:
        kind = fsspec.get_filesystem_class(scheme)  # its url_to_fs would take :: in a name for two URLs
        files = kind(**{**kind._get_kwargs_from_urls(url), "use_listings_cache": False})
        return files, kind._strip_protocol(url)
    except ImportError as error:
        command = install(EXTRAS.get(scheme, scheme))
        raise SetupError(f"{url} can't be read, as a library isn't installed ({error}); {command}") from None


def persistently(url: str, action: Callable[[], T]) -> T:
    """What ``action`` returns, which is tried again where it fails for a reason that may pass.

    Raises FileNotFoundError and ChangedObjectError as they are; UnreachableError for the rest.
    """
    for pause_s in (*PAUSES_S, None):
        try:
            return action()
        except (TriptychError, ChangedObjectError, MemoryError):
            raise
        except Exception as error:  # every service's client raises its own
            cause = _cause_of(error) if is_web(url) else error
            if isinstance(cause, FileNotFoundError):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from None
            if pause_s is None or (final := _why_final(cause)) is not None:
                said = " ".join(str(cause).split()) or type(cause).__name__
                what = f"can't be reached after {len(PAUSES_S)} more tries" if pause_s is None else final
                raise UnreachableError(
                    f"{url} {what} ({said}); see to that, and run the same command again: it goes on"
                ) from None
        time.sleep(pause_s)
    raise AssertionError


def _cause_of(error: Exception) -> Exception:
    """fsspec calls whatever a web server does at first FileNotFoundError."""
    cause = error.__cause__
    is_other = isinstance(error, FileNotFoundError) and isinstance(cause, Exception)
    return cause if is_other and getattr(cause, "status", None) not in (404, 410) else error  # type: ignore[return-value]


def _why_final(error: Exception) -> str | None:
    """What is the matter, where another try would fail as well; None where it may pass."""
    status = getattr(error, "status", 0)
    asks_for_login = _LOGIN.search(type(error).__name__) is not None
    if isinstance(error, PermissionError) or asks_for_login or status in (401, 403):
        return "denies access; credentials may be missing or have expired"
    is_invalid = isinstance(error, OSError) and error.errno in (errno.EINVAL, errno.ENOSYS, errno.EPERM)
    if is_invalid and "range" not in str(error):  # of an object that is shorter now
        return "refuses the request"
    if isinstance(error, ValueError) or (status in range(400, 500) and status not in (408, 429)):
        return "can't be read in parts"
    return None


def version_of(info: Mapping[str, Any]) -> int:
    """A number that is another where the object was replaced; 0 where the service doesn't say.

    It stands where a file's time of change does, in ns, and is that of a time before 2007, which any file
    system can keep.
    """
    said = next((info[field] for field in _VERSION_FIELDS if info.get(field)), None)
    if said is None:
        return 0
    text = said.strip('"') if isinstance(said, str) else repr(getattr(said, "timestamp", lambda: said)())
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 4


def size_and_version(url: str) -> tuple[int | None, int]:
    """In bytes, and its version; None, 0 where it isn't there."""
    try:
        info = info_of(url)
    except FileNotFoundError:
        return None, 0
    return info.get("size"), version_of(info)


def info_of(url: str) -> dict[str, Any]:
    """What fsspec knows of a file or folder. Raises FileNotFoundError, UnreachableError."""
    files, path = filesystem(url)
    return persistently(url, lambda: files.info(path))


def read_at_once(url: str) -> bytes | None:
    """All of an object, in one request; None where that fails, for whatever reason: reading it in parts says
    why, or goes on where connections are cut. None for web servers too, where nobody knows how much comes."""
    if is_web(url):
        return None
    files, path = filesystem(url)
    try:
        content: bytes = files.cat_file(path, start=0)  # without a start s3fs asks for the size first
        return content
    except Exception:  # every service's client raises its own
        return None


def is_remote_folder(url: str) -> bool:
    """Whether files may lie below ``url``: on a web server, where it ends so. Raises as above."""
    return url.endswith("/") if is_web(url) else info_of(url)["type"] == "directory"


def remote_entries(url: str) -> list[RemoteEntry]:
    """What lies in the folder, by name; asked for a page at a time. Raises as above."""
    files, path = filesystem(f"{url.rstrip('/')}/" if is_web(url) else url)
    found = []
    for info in persistently(url, lambda: files.ls(path, detail=True)):
        full_name, is_folder = info["name"], info["type"] == "directory"
        known = None if is_folder or info.get("size") is None else (info["size"], version_of(info))
        name = full_name.rstrip("/").rpartition("/")[2]
        if full_name.rstrip("/") == path.rstrip("/"):
            if not is_folder:
                continue  # an empty object that stands for the folder
            name = ""  # of a key with // in it
        elif is_web(url) and (not full_name.startswith(path) or "?" in name):
            continue  # links to elsewhere, or to the same in another order
        found.append(RemoteEntry(name, is_folder, known))
    return sorted(found, key=lambda entry: entry.name)
