"""Image encoders: what one is, and what a family of them has to offer.

A family is one file: it turns a name into a Checkpoint, and a Checkpoint into towers. The table of families
is in ``choice``. Not its job: running a tower (see tower), shards and batches (see embedding).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from triptych.grouping.encoders.tower import Placement, TextTower, TorchTower


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A model of a family, checked as far as a file system goes. Small: it is sent to processes."""

    model: str
    """As the config names it, with the family's prefix."""
    name: str
    """As the family's library takes it."""
    folder: Path | None = None
    """Where its files are, if it is a folder."""
    weights: str | None = None
    """A file of weights, or a tag; None where ``name`` or ``folder`` says it all."""
    identity: str
    """Goes with the embeddings: the same wherever a folder is moved, another for other weights."""


class EncoderFamily(NamedTuple):
    """Encoders that one library builds. Add one in a file of its own, and in the table of ``choice``."""

    prefix: str
    """What the names of its models begin with in ``embedding.model``."""
    library: str
    """The module that builds them."""
    resolve: Callable[[str, str | None], Checkpoint]
    """``embedding.model`` without the prefix, and ``embedding.pretrained``, to a Checkpoint. Imports no heavy
    library: a finished run is recognised without it. Raises SetupError where there is no such model."""
    load: Callable[[Checkpoint, Placement], TorchTower]
    """Raises whatever its library raises: the caller makes one line of it."""
    load_text: Callable[[Checkpoint, Placement], TextTower] | None = None
    """Of the text tower whose vectors compare with the image tower's; None where the family has none."""
