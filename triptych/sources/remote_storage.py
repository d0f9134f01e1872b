"""Access to object storage and web servers through fsspec, with retries.

Comes in: URLs. Goes out: listings, sizes, versions. fsspec handles credentials, endpoints and regions: the
variables and files of each service, and fsspec's own config. A missing object is FileNotFoundError, like a
missing file; storage that can't be reached or denies access is a SetupError. Not its job: reading files (see
remote_file).
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

from triptych.errors import SetupError, TriptychError, UsageError
from triptych.extras import install_command

T = TypeVar("T")

PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Before each retry: half a minute in all. The services' own clients may retry within each try."""

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}
"""The extra that each scheme needs; others need none."""

SCHEMES = (*EXTRAS, "hf", "http", "https")

_CANONICAL_SCHEMES = {**EXTRAS, "http": "https"}

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")

_VERSION_FIELDS = (
    *("ETag", "etag", "md5Hash", "blob_id"),
    *("LastModified", "last_modified", "Last-Modified", "updated", "mtime"),
)
"""What changes when an object is replaced, by service. The first that is present counts."""

_LOGIN = re.compile("Credential|Authenti|ProfileNotFound|TokenRetrieval")
"""In the names of exceptions for missing or invalid credentials."""


class UnreachableError(SetupError):
    """Storage doesn't answer or denies access."""


class ChangedObjectError(OSError):
    """An object was replaced while it was read."""

    def __init__(self, url: str) -> None:
        super().__init__(errno.ESTALE, "changed while it was read", url)


class FolderEntry(msgspec.Struct, frozen=True):
    """An entry of a folder."""

    name: str
    is_folder: bool
    size_and_version: tuple[int, int] | None = None
    """See ``size_and_version``; None if the listing doesn't have it."""


def is_url(name: str) -> bool:
    """Whether ``name`` is a URL rather than a local path."""
    return "://" in name and _URL.match(name) is not None


def is_web(url: str) -> bool:
    """Whether it is on a web server. Each image may be on a different one, which may be gone for good."""
    return url.lower().startswith(("http://", "https://"))


def canonical_url(url: str) -> str:
    """The same for all URLs of one object: schemes may be synonyms, such as s3 and s3a, http and https."""
    scheme, _, rest = url.partition("://")
    return f"{_CANONICAL_SCHEMES.get(scheme.lower(), scheme.lower())}://{rest}"


def filesystem(url: str) -> tuple[Any, str]:
    """fsspec's file system for ``url``, and the path in it. Raises UsageError, SetupError."""
    import fsspec

    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise UsageError(f"{url}: expected {', '.join(f'{each}://' for each in SCHEMES)}")
    try:
        kind = fsspec.get_filesystem_class(scheme)  # url_to_fs would take :: in a name for chained URLs
        files = kind(**{**kind._get_kwargs_from_urls(url), "use_listings_cache": False})
        return files, kind._strip_protocol(url)
    except ImportError as error:
        command = install_command(EXTRAS.get(scheme, scheme))
        raise SetupError(f"{url} can't be read, as a library isn't installed ({error}); {command}") from None


def with_retries(url: str, action: Callable[[], T]) -> T:
    """The result of ``action``, which is retried after errors that may be temporary.

    Raises FileNotFoundError, ChangedObjectError, and UnreachableError for all other errors.
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
                message = " ".join(str(cause).split()) or type(cause).__name__
                what = f"can't be reached after {len(PAUSES_S)} more tries" if pause_s is None else final
                raise UnreachableError(
                    f"{url} {what} ({message}); once that is mended, the same command resumes from here"
                ) from None
        time.sleep(pause_s)
    raise AssertionError


def _cause_of(error: Exception) -> Exception:
    """The real error of a web server: fsspec raises FileNotFoundError whatever the status is."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or not isinstance(cause, Exception):
        return error
    return error if getattr(cause, "status", None) in (404, 410) else cause


def _why_final(error: Exception) -> str | None:
    """The reason not to retry; None for an error that may be temporary."""
    status = getattr(error, "status", 0)
    asks_for_login = _LOGIN.search(type(error).__name__) is not None
    if isinstance(error, PermissionError) or asks_for_login or status in (401, 403):
        return "denies access; credentials may be missing or have expired"
    is_invalid = isinstance(error, OSError) and error.errno in (errno.EINVAL, errno.ENOSYS, errno.EPERM)
    if is_invalid and "range" not in str(error):  # a range error: the object is shorter now
        return "refuses the request"
    if isinstance(error, ValueError) or (status in range(400, 500) and status not in (408, 429)):
        return "can't be read in parts"
    return None


def version_of(info: Mapping[str, Any]) -> int:
    """A number that changes when the object is replaced; 0 if the service has none.

    It takes the place of a file's time of change in ns, and is a time before 2007, which any file system can
    store.
    """
    version = next((info[field] for field in _VERSION_FIELDS if info.get(field)), None)
    if version is None:
        return 0
    is_text = isinstance(version, str)
    text = version.strip('"') if is_text else repr(getattr(version, "timestamp", lambda: version)())
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 4


def size_and_version(url: str) -> tuple[int | None, int]:
    """Size in bytes and version, or (None, 0) if it doesn't exist."""
    try:
        info = info_of(url)
    except FileNotFoundError:
        return None, 0
    return info.get("size"), version_of(info)


def info_of(url: str) -> dict[str, Any]:
    """fsspec's info on a file or folder. Raises FileNotFoundError, UnreachableError."""
    files, path = filesystem(url)
    return with_retries(url, lambda: files.info(path))


def read_whole_object(url: str) -> bytes | None:
    """An object's content in one request; None if that fails: reading it in blocks may succeed, or raises the
    error. None for web servers too, whose answers may have any size."""
    if is_web(url):
        return None
    files, path = filesystem(url)
    try:
        content: bytes = files.cat_file(path, start=0)  # without a start s3fs asks for the size first
        return content
    except Exception:  # every service's client raises its own
        return None


def is_remote_folder(url: str) -> bool:
    """Whether ``url`` is a folder: on a web server, whether it ends with a slash. Raises as ``info_of``."""
    return url.endswith("/") if is_web(url) else info_of(url)["type"] == "directory"


def remote_entries(url: str) -> list[FolderEntry]:
    """The entries of a folder, sorted by name. Raises as ``info_of``."""
    files, path = filesystem(f"{url.rstrip('/')}/" if is_web(url) else url)
    found = []
    for info in with_retries(url, lambda: files.ls(path, detail=True)):
        full_name, is_folder = info["name"], info["type"] == "directory"
        known = None if is_folder or info.get("size") is None else (info["size"], version_of(info))
        name = full_name.rstrip("/").rpartition("/")[2]
        if full_name.rstrip("/") == path.rstrip("/"):
            if not is_folder:
                continue  # an empty object as a placeholder of the folder
            name = ""  # the key has // in it
        elif is_web(url) and (not full_name.startswith(path) or "?" in name):
            continue  # a link to elsewhere, or to this page in another sort order
        found.append(FolderEntry(name, is_folder, known))
    return sorted(found, key=lambda entry: entry.name)
