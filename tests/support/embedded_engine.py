"""An engine with an embedded model, in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from triptych.captioning.engines.config import TransformersConfig
from triptych.captioning.engines.transformers import TransformersEngine
from triptych.models import resolve_model


@contextlib.contextmanager
def embedded_engine(name: str) -> Iterator[TransformersEngine]:
    """An engine for ``builtin:NAME``, on the CPU."""
    engine = TransformersEngine(
        resolve_model(f"builtin:{name}"), TransformersConfig(batch_size=16, device="cpu")
    )
    yield engine
    engine.close()
