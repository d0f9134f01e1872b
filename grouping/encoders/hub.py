"""What is said between open_clip and the Hugging Face hub: whether it answers, only its cache, no log.

Not its job: loading models (see encoder). Import this file only when there is a model to load.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import httpx
from huggingface_hub import constants as hub_constants

HUB_ANSWERS_WITHIN_S = 10.0
"""huggingface_hub by itself retries for 46 s before it says that there is no network."""


def hub_answers() -> bool:
    """Whether the hub gives any answer at all: one request, no retries."""
    try:
        httpx.head(hub_constants.ENDPOINT, timeout=HUB_ANSWERS_WITHIN_S, follow_redirects=False)
    except httpx.HTTPError:
        return False
    return True


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Let huggingface_hub look at its cache only: a cached model loads at once, with or without network."""
    before = hub_constants.HF_HUB_OFFLINE
    hub_constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        hub_constants.HF_HUB_OFFLINE = before


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep open_clip's log off stderr: what matters of it comes out as an error.

    The root logger gets a handler that drops everything, as ``logging.info`` would give it one that prints.
    """
    root, drop = logging.getLogger(), logging.NullHandler()
    before = logging.root.manager.disable
    root.addHandler(drop)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
        root.removeHandler(drop)
