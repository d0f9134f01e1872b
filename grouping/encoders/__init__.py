"""Image encoders: the interface of a family of models, and of a checkpoint.

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
    """A model of a family, whose files were checked to exist. Small, as other processes get a copy."""

    model: str
    """Name in the config, with the family's prefix."""
    name: str
    """Name for the family's library."""
    folder: Path | None = None
    """Folder with its files, if the config names one."""
    weights: str | None = None
    """A weights file, or a tag; None if ``name`` or ``folder`` is sufficient."""
    identity: str
    """Recorded with the embeddings. Differs for other weights, but not if a folder is moved."""


class EncoderFamily(NamedTuple):
    """Encoders of one library. A new one gets a file of its own and a line in the table of ``choice``."""

    prefix: str
    """Prefix of its models' names in ``embedding.model``."""
    library: str
    """Name of the module to import."""
    resolve: Callable[[str, str | None], Checkpoint]
    """From ``embedding.model`` without the prefix and ``embedding.pretrained``. Imports no heavy library, so
    that a finished run is recognised quickly. Raises SetupError if there is no such model."""
    load: Callable[[Checkpoint, Placement], TorchTower]
    """Raises whatever its library raises; the caller turns it into a one-line error."""
    load_text: Callable[[Checkpoint, Placement], TextTower] | None = None
    """Loads the text tower that shares the image tower's vector space; None if the family has none."""
