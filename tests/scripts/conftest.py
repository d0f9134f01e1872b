"""The nano models' training modules, for tests of their batches and steps."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from triptych.models import resolve_model

NANO = str(Path(__file__).parents[2] / "scripts" / "nano")


@pytest.fixture(scope="module")
def nano_path() -> Iterator[None]:
    """Makes the training modules importable: they import each other by bare names."""
    sys.path.insert(0, NANO)
    yield
    sys.path.remove(NANO)


@pytest.fixture(scope="module")
def tokenizer(nano_path: None) -> Any:
    """The captioner's."""
    from byte_bpe import load_tokenizer

    return load_tokenizer(Path(resolve_model("builtin:nano-internvl"), "tokenizer.json"))
