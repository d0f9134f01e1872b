"""From a config to the engine that it names.

Comes in: a CaptioningConfig. Goes out: an engine that is ready, or in seconds the reason why there
can be none. Not its job: what an engine does (see engines).
"""

from __future__ import annotations

from captioning.config import CaptioningConfig
from captioning.engines import Engine
from corpus.errors import UsageError


def open_engine(config: CaptioningConfig) -> Engine:
    """Load or connect the configured engine. Raises SetupError in seconds where it isn't there."""
    if config.resolved_engine == "server":
        from captioning.server_engine import ServerEngine

        return ServerEngine(config)
    if not config.model:
        raise UsageError("captioning needs a model; name a folder or a hub id with --model")
    from captioning.transformers_engine import TransformersEngine

    return TransformersEngine(config.model, batch_size=config.batch_size, device=config.device)


def check_engine(config: CaptioningConfig) -> None:
    """Raise in seconds what ``open_engine`` would raise, without loading any weights.

    For a run that has hours of other work to do before it captions.
    """
    if config.resolved_engine == "server":
        open_engine(config).close()
    elif config.model:
        from captioning.model_source import locate

        locate(config.model)
