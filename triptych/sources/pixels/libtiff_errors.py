"""Captures errors of libtiff, which Pillow lets it print on the terminal.

libtiff has one error handler for all threads. The one set here collects errors by thread.
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
def captured_errors() -> Iterator[list[str]]:
    """Errors of libtiff in this thread during the block. Outside of such blocks they are dropped."""
    _set_handler()
    _of_thread.errors = []
    try:
        yield _of_thread.errors
    finally:
        del _of_thread.errors


def _collect(module: bytes | None, form: bytes, values: int) -> None:
    message = ctypes.create_string_buffer(MAX_BYTES)
    ctypes.CDLL(None).vsnprintf(message, ctypes.c_size_t(MAX_BYTES), form, ctypes.c_void_p(values))
    if hasattr(_of_thread, "errors"):
        _of_thread.errors.append(message.value.decode(errors="replace"))


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)(_collect)


@lru_cache
def _set_handler() -> None:
    """Without effect if Pillow's library doesn't export libtiff's functions."""
    library = ctypes.CDLL(_imaging.__file__)
    if hasattr(library, "TIFFSetErrorHandler"):
        library.TIFFSetErrorHandler(_HANDLER)
