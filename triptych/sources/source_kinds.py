"""The kinds of archives that can be a source: one line in a table each.

Comes in: a file's name. Goes out: its kind, which opens it. To add one, write a file with a class for its
shards (see shard.Shard) and name it here. Not its job: loose files, folders, lists, patterns (see listing).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from triptych.sources.config import InputConfig
from triptych.sources.parquet import open_parquet
from triptych.sources.shard import Shard
from triptych.sources.tar import TarShard
from triptych.sources.zip import ZipShard


class SourceKind(NamedTuple):
    """One kind of archive."""

    suffix: str
    open: Callable[[str, str, InputConfig], Sequence[Shard]]
    """From the archive's key without the suffix, its path, and what the user has set: its shards. Raises
    UsageError where a setting is missing, SetupError where a library is."""


SOURCE_KINDS: dict[str, SourceKind] = {
    kind.suffix: kind
    for kind in (
        SourceKind(".tar", lambda name, path, _: [TarShard(name, path)]),
        SourceKind(".parquet", lambda name, path, config: open_parquet(name, path, config.parquet)),
        SourceKind(".zip", lambda name, path, _: [ZipShard(name, path)]),
    )
}
"""By suffix, which is in lower case in files' names, too."""

ARCHIVE_SUFFIXES = tuple(SOURCE_KINDS)
