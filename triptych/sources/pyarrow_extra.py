"""pyarrow, which comes with an extra.

Comes in: the file that needs it. Goes out: the module, or one line that says what to install.
"""

from __future__ import annotations

from typing import Any

from triptych.errors import SetupError


def import_pyarrow(path: str) -> Any:
    """pyarrow, with its parquet. Raises SetupError where it isn't installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise SetupError(
            f"{path} is read with pyarrow, which isn't installed; install triptych[arrow], or leave it out"
        ) from None
    return pyarrow
