"""What is wrong with one row, by itself and against the caption that should stand in its place.

Comes in: a row's facts, what is expected. Goes out: one line for each mismatch. Not its job: files, order
of rows, repeated ids (see export).
"""

from __future__ import annotations

from collections.abc import Iterator

from triptych.export.check.expected import ExpectedRow
from triptych.export.conversation_text import IMAGE_TAG
from triptych.export.formats.row_format import RowFacts


def row_mismatches(row: RowFacts, expected: ExpectedRow | None, speakers: tuple[str, str]) -> Iterator[str]:
    """Speakers, words, image keys and sizes. ``expected`` is None where no row should be."""
    if row.speakers != speakers:
        yield f"speakers are {' and '.join(row.speakers)}, expected {' and '.join(speakers)}"
    images = row.question.count(None)
    tags = sum(IMAGE_TAG in (words or "") for words in (*row.question, row.answer))
    if images != len(row.images) or tags:
        yield (
            f"{images} images in the question and {tags} stray {IMAGE_TAG} tags,"
            f" expected {len(row.images)} and 0"
        )
    if expected is None:
        yield "not a kept caption: the run has no more of them"
    elif (row.id, row.answer) != (expected.id, expected.answer):
        yield f"not the caption that was kept in this place, {expected.id}"
    else:
        if row.question != expected.question:
            yield "the question is not the manifest's prompt"
        yield from _image_mismatches(row, expected)


def _image_mismatches(row: RowFacts, expected: ExpectedRow) -> Iterator[str]:
    keys = list(expected.images)
    if row.images != keys:
        yield f"its images are {', '.join(row.images)}, expected {', '.join(keys)}"
        return
    for index, (key, size) in enumerate(expected.images.items()):
        if size is None:
            yield f"{key} is no readable image of the run"
        elif row.sizes_px is not None and row.sizes_px[index] != size:
            stated = row.sizes_px[index]
            yield f"{key} is {stated[0]} x {stated[1]} here, but {size[0]} x {size[1]} in the run"
