"""The images to caption and the sets that grouping found, as plans need them.

Comes in: a run folder. Goes out: keys and ids, shard by shard; the records of a set's images from any shard.
Not its job: what a job captions (see plan).
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from functools import cached_property
from typing import TypeVar

import msgspec

from triptych.errors import SetupError
from triptych.records import ImageRecord
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import UNDECODABLE, read_jsonl, read_placed_jsonl, read_whole_jsonl


class _Listed(msgspec.Struct, frozen=True, gc=False):
    """The fields of an image's record that decide whether it is captioned."""

    key: str
    unreadable: str | None = None


T = TypeVar("T", _Listed, ImageRecord)


class _SetKeys(msgspec.Struct, frozen=True, gc=False):
    """The fields of a set's record that a plan needs."""

    id: str
    keys: tuple[str, ...]


_OFFSET_BITS = 40
"""A place is one integer: the offset of a line in these low bits, the number of its shard above them."""


class GroupedImages:
    """The images and sets of a run. Each part is read when it is first needed, once for all jobs.

    Ids and keys of sets stay in memory, for millions of sets; the records of their images are read from the
    files each time.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._image_counts: dict[str, int] = {}

    @cached_property
    def left_out(self) -> frozenset[str]:
        """The keys of duplicates and of screened-out images."""
        duplicates, screened = self._folder.duplicates(), self._folder.screened()
        return frozenset([*(each.key for each in duplicates), *(each.key for each in screened)])

    def images(self, shard: str) -> list[ImageRecord]:
        """The images of ``shard`` to caption, in order."""
        return self._captioned(shard, ImageRecord)

    def image_keys(self, shard: str) -> list[str]:
        """The keys of ``images(shard)``."""
        return [each.key for each in self._captioned(shard, _Listed)]

    def image_count(self, shard: str) -> int:
        """The number of ``images(shard)``."""
        if shard not in self._image_counts:
            self._image_counts[shard] = len(self.image_keys(shard))
        return self._image_counts[shard]

    def set_ids(self, shard: str) -> list[str]:
        """The ids of the sets whose first image is in ``shard``, in the order of that image's key."""
        return [each.id for each in self._sets.get(shard, ())]

    def sets(self, shard: str) -> Iterator[tuple[str, tuple[ImageRecord, ...]]]:
        """``(set id, images)`` for each of ``set_ids(shard)``."""
        for each in self._sets.get(shard, ()):
            yield each.id, tuple(map(self._record, each.keys))

    @property
    def members(self) -> Collection[str]:
        """The keys of all images of sets."""
        return self._places.keys()

    def shard_of(self, key: str) -> str:
        """The shard of an image of a set; the images of one set may be in several."""
        return self._shards[self._places[key] >> _OFFSET_BITS]

    def _captioned(self, shard: str, kind: type[T]) -> list[T]:
        listed = read_whole_jsonl(self._folder.images_file(shard), kind)
        return [each for each in listed if each.unreadable is None and each.key not in self.left_out]

    def _record(self, key: str) -> ImageRecord:
        path, place = self._folder.images_file(self.shard_of(key)), self._places[key]
        with path.open("rb") as file:
            file.seek(place & ((1 << _OFFSET_BITS) - 1))
            line = file.readline()
        with contextlib.suppress(*UNDECODABLE):
            record = msgspec.json.decode(line, type=ImageRecord)
            if record.key == key:
                return record
        raise SetupError(f"{path} has changed while it was read; try again", path=path)

    @cached_property
    def _shards(self) -> list[str]:
        return self._folder.shards()

    @cached_property
    def _sorted_sets(self) -> list[_SetKeys]:
        return sorted(read_jsonl(self._folder.sets_file, _SetKeys), key=lambda each: each.keys[0])

    @cached_property
    def _sets(self) -> dict[str, list[_SetKeys]]:
        """By the shard of the first image."""
        by_shard: dict[str, list[_SetKeys]] = {}
        for each in self._sorted_sets:
            by_shard.setdefault(self.shard_of(each.keys[0]), []).append(each)
        return by_shard

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where the record of each image of a set is. Reads the records of all images of the run."""
        places = dict.fromkeys((key for each in self._sorted_sets for key in each.keys), -1)
        for number, shard in enumerate(self._shards if places else ()):
            records, offsets = read_placed_jsonl(self._folder.images_file(shard), _Listed)
            for row, listed in enumerate(records):
                if listed.key in places and listed.unreadable is None:
                    places[listed.key] = number << _OFFSET_BITS | int(offsets[row])
        missing = next((key for key, place in places.items() if place < 0), None)
        if missing is not None:
            raise SetupError(
                f"{self._folder.sets_file} names {missing}, which is no readable image of the run; make the"
                " sets again with --fresh sets",
                path=self._folder.sets_file,
            )
        return places
