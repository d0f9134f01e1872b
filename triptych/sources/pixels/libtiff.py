"""What libtiff has to say about a file, which it would print on the terminal.

libtiff knows one place for its errors, for all threads and files: a function, which is set here to keep them
for the thread that decodes. Pillow leaves it as it is, which prints.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from PIL import _imaging

MAX_BYTES = 300
"""Of one message."""

_of_thread = threading.local()


@contextmanager
def errors_kept() -> Iterator[list[str]]:
    """What libtiff says in this thread meanwhile. Outside of it nothing is said at all."""
    _silence()
    _of_thread.errors = []
    try:
        yield _of_thread.errors
    finally:
        del _of_thread.errors


def _keep(module: bytes | None, form: bytes, values: int) -> None:
    said = ctypes.create_string_buffer(MAX_BYTES)
    ctypes.CDLL(None).vsnprintf(said, ctypes.c_size_t(MAX_BYTES), form, ctypes.c_void_p(values))
    if hasattr(_of_thread, "errors"):
        _of_thread.errors.append(said.value.decode(errors="replace"))


_KEEP = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)(_keep)


@lru_cache
def _silence() -> None:
    """Where Pillow's library doesn't show its libtiff, all stays as it is."""
    library = ctypes.CDLL(_imaging.__file__)
    if hasattr(library, "TIFFSetErrorHandler"):
        library.TIFFSetErrorHandler(_KEEP)
