"""Keeps memory that arrays were in for the next ones.

Comes in: nothing. Goes out: nothing. Not its job: how much memory there is.

A block's arrays are some megabytes each. The C library gives such pieces back to the system one by one and
asks for them again, page by page, for the next block: a seventh of a filter's time on Linux with glibc.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of mallopt(3), from malloc.h."""
_KEPT_BYTES = 64 * 1024 * 1024
"""What a process may keep that it doesn't use: about the arrays of a block."""


def keep_freed_memory() -> None:
    """For the rest of this process. Does nothing where the C library has no such setting."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, _KEPT_BYTES // 2)
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
