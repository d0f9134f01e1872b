"""Grouping without a run folder: vectors in, sets out; images in, vectors out.

Comes in: arrays, paths, pictures. Goes out: typed results, in memory. Does the work of the stages, in a
temporary folder. Not its job: resuming, accounting, captions (see triptych.open_run).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from triptych.errors import UnreadableImageError, UsageError, expect
from triptych.executors.processes import core_count
from triptych.grouping.config import Precision, SetsConfig
from triptych.models import resolve_model
from triptych.progress import Silent
from triptych.records import Duplicate, ImageRecord, ImageSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray
    from PIL import Image

    from triptych.grouping.embedding.pipeline import Encoder
    from triptych.grouping.embedding.preprocess import InputShape
    from triptych.grouping.sets.groups import GroupConstraint
    from triptych.grouping.sets.image_table import ImageTable
    from triptych.grouping.sets.thresholds import Thresholds

    Picture = str | Path | bytes | Image.Image


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """The result of ``group``: each image is in one set, a duplicate, or single."""

    sets: list[ImageSet]
    """Disjoint, sorted by their smallest key."""
    duplicates: list[Duplicate]
    """Sorted by key; each names an image that is kept."""
    single: list[str]
    """Keys of all other images, sorted."""
    thresholds: Thresholds | None
    """Those applied, and why; None if there were no images."""


def group(
    embeddings: ArrayLike,
    keys: Sequence[str] | None = None,
    *,
    content_hashes: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    config: SetsConfig | None = None,
) -> Groups:
    """Find duplicates and sets of related images from their embeddings.

    ``embeddings`` is ``float[n, dim]``, one row per image; only a row's direction counts, rounded to float16.
    ``keys`` name the images, by default by row number; with keys the order of the rows makes no difference.
    Images with the same content hash are duplicates whatever their vectors. ``groups`` names each image's
    group, such as an album or video, for the config's ``together`` or ``apart``; "" where it has none.

    >>> import numpy as np
    >>> angles = np.radians([0, 25, 26, 120])
    >>> vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> groups = group(vectors, ["hill.jpg", "lake.jpg", "lake2.jpg", "cat.jpg"])
    >>> [each.keys for each in groups.sets]
    [('hill.jpg', 'lake.jpg')]
    >>> [(each.key, each.of) for each in groups.duplicates]
    [('lake2.jpg', 'lake.jpg')]
    >>> groups.single
    ['cat.jpg']
    >>> groups.thresholds.why
    '4 images are too few to tell; thresholds of ViT-B/32'

    Raises UsageError for rows that are zero or not finite; keys, hashes or groups of the wrong number or
    type; keys that aren't unique; and groups without ``together`` or ``apart``, or the reverse.
    """
    from triptych.grouping.embedding.stored_embeddings import unit_float16
    from triptych.grouping.sets import group_images

    rows = _checked_rows(embeddings)
    names = [str(row) for row in range(len(rows))] if keys is None else list(keys)
    hashes = [""] * len(rows) if content_hashes is None else list(content_hashes)
    _check_names(names, {"keys": names, "content_hashes": hashes, "groups": groups}, len(rows))
    expect(config, SetsConfig | None, "config")
    config = config or SetsConfig()
    if (groups is not None) != bool(config.together or config.apart):
        raise UsageError("groups and the config's together or apart need each other; give both or neither")
    table = _image_table(unit_float16(rows), names, hashes)
    group_of = None if groups is None else dict(zip(names, groups, strict=True))
    with tempfile.TemporaryDirectory(prefix="triptych-group-") as scratch:
        grouped = group_images(
            table, config, Path(scratch), Silent(), groups=_constraint(table, group_of, config)
        )
    placed = {key for each in grouped.sets for key in each.keys} | {each.key for each in grouped.duplicates}
    return Groups(
        sets=grouped.sets,
        duplicates=grouped.duplicates,
        single=[key for key in table.keys if key not in placed],
        thresholds=grouped.thresholds,
    )


def _constraint(
    table: ImageTable, group_of: Mapping[str, str] | None, config: SetsConfig
) -> GroupConstraint | None:
    from triptych.grouping.sets.groups import group_constraint

    if group_of is None:
        return None
    return group_constraint([group_of[key] for key in table.keys], together=bool(config.together))


def _image_table(units: NDArray[np.float16], keys: Sequence[str], hashes: Sequence[str]) -> ImageTable:
    import numpy as np

    from triptych.grouping.neighbours.inverted_lists import StoredBlock
    from triptych.grouping.sets.image_table import make_image_table

    records = [ImageRecord(key=key, content_hash=each) for key, each in zip(keys, hashes, strict=True)]
    return make_image_table(records, [StoredBlock(np.arange(len(units)), lambda: units)], units.shape[1])


def _check_names(keys: Sequence[str], columns: Mapping[str, Sequence[str] | None], count: int) -> None:
    for what, found in columns.items():
        if found is not None and len(found) != count:
            raise UsageError(f"{len(found)} {what} for {count} embeddings; expected one each")
        for row, each in enumerate(found if found is not None else ()):
            if not isinstance(each, str):
                none = "" if what == "keys" else ", '' where it has none"
                raise UsageError(f"{what}: row {row} is {each!r}; expected a str{none}")
    key, count_of_key = Counter(keys).most_common(1)[0] if keys else ("", 0)
    if count_of_key > 1:
        raise UsageError(f"the key {key!r} comes twice; keys must be unique")


def _checked_rows(embeddings: ArrayLike) -> NDArray[np.floating]:
    import numpy as np

    from triptych.grouping.embedding.stored_embeddings import have_direction

    rows = np.asarray(embeddings)
    if rows.ndim != 2 or not np.issubdtype(rows.dtype, np.floating):
        raise UsageError(
            f"embeddings are {rows.dtype}{list(rows.shape)}; expected floating-point numbers, a row per image"
        )
    bad = np.flatnonzero(~have_direction(rows))
    if len(bad):
        raise UsageError(
            f"row {bad[0]} of the embeddings, of {len(bad)} such rows, is zero or not finite; leave those out"
        )
    return rows


def embed(
    images: Iterable[Picture],
    model: str,
    *,
    pretrained: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    batch_size: int = 64,
) -> NDArray[np.float16]:
    """``float16[n, dim]`` unit vectors of ``images``: paths, the bytes of files, or Pillow images.

    ``model`` and ``pretrained`` are as in a config's ``embedding``; paths and bytes get the vectors that a
    run would give them. ``device`` is ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. An image for which the model
    returns no finite vector gets a row of NaN. Raises UnreadableImageError for an image that can't be
    read or decoded, UsageError for what is no image, SetupError if the model can't be loaded.
    """
    from triptych.grouping.encoders.choice import load_encoder, resolve_encoder, usable_devices

    expect(model, str, "model")
    threads = core_count()
    where = usable_devices("auto" if device == "auto" else (device,))[0]
    encoder = load_encoder(resolve_encoder(resolve_model(model), pretrained), where, precision, threads)
    return embed_with(encoder, images, batch_size)


def embed_with(encoder: Encoder, images: Iterable[Picture], batch_size: int = 64) -> NDArray[np.float16]:
    """Like ``embed``, with an encoder that is already loaded."""
    import numpy as np

    if isinstance(images, str | Path | bytes):
        raise UsageError("embed takes a list of images, found one; write embed([image], model)")
    threads = core_count()
    remaining, vectors = iter(images), []
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        for batch in iter(lambda: list(islice(remaining, batch_size)), []):
            framed = pool.map(lambda image: _framed(image, encoder.shape), batch)
            vectors.append(encoder.encode(np.stack(list(framed))))
    if not vectors:
        return encoder.encode(encoder.shape.grey())[:0]
    return np.concatenate(vectors)


def _framed(image: Picture, shape: InputShape) -> NDArray[np.uint8]:
    """Pixels as a tower of ``shape`` takes them."""
    from triptych.grouping.embedding.prepare import decode_to
    from triptych.grouping.embedding.preprocess import resize_to
    from triptych.runs.image_reader import image_read_error
    from triptych.sources.pixels.to_rgb import to_rgb

    if not isinstance(image, (str, Path, bytes)):
        picture = to_rgb(image)
        return resize_to(shape, picture, *picture.size).framed
    try:
        content = image if isinstance(image, bytes) else Path(image).read_bytes()
        return decode_to(shape, content).framed
    except OSError as error:
        raise image_read_error(error, str(image)) from None
    except UnreadableImageError as error:
        name = f"{len(image):,} bytes" if isinstance(image, bytes) else str(image)
        raise UnreadableImageError(f"{name}: {error}") from None
