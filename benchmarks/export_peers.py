"""Other ways to write rows of JSON, and the speed at which a disk takes the same number of bytes.

Comes in: rows, a path to write them to. Goes out: a file; the caller measures. Not its job: export.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from triptych.runs.folder import RunFolder

Write = Callable[[Path], object]

BUFFER_BYTES = 1024 * 1024


def peers_in_memory(rows: Sequence[dict[str, object]], scratch: Path) -> dict[str, Write]:
    """Writers by name. ``rows`` are converted here to what each one needs, outside the measured time."""
    return {"json_dumps": lambda out: json_dumps_loop(rows, out), **_pandas(rows), **_datasets(rows, scratch)}


def json_dumps_loop(rows: Sequence[dict[str, object]], path: Path) -> None:
    """Plain Python. The captions are ASCII, for which the default is faster than ``ensure_ascii=False``."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


def _pandas(rows: Sequence[dict[str, object]]) -> dict[str, Write]:
    import pandas

    frame = pandas.DataFrame(list(rows))
    return {"pandas_to_json": lambda out: frame.to_json(out, orient="records", lines=True)}


def _datasets(rows: Sequence[dict[str, object]], scratch: Path) -> dict[str, Write]:
    """A dataset loaded from disk, as usual: one in memory would be pickled whole for every batch."""
    import datasets

    datasets.disable_progress_bars()
    cores = len(os.sched_getaffinity(0))
    datasets.Dataset.from_list(list(rows)).save_to_disk(scratch / "dataset")
    dataset = datasets.load_from_disk(scratch / "dataset")
    return {
        "datasets_to_json": dataset.to_json,
        f"datasets_to_json_{cores}_processes": lambda out: dataset.to_json(out, num_proc=cores),
    }


def json_from_files(run: RunFolder, job: str, shards: Sequence[str], prompt: str, path: Path) -> None:
    """What export does, without hashing and counting: read, join and write rows."""
    question = f"<image>\n{prompt}"
    with path.open("w", encoding="utf-8") as file:
        for shard in shards:
            with run.verdicts_file(job, shard).open(encoding="utf-8") as verdicts:
                kept = {verdict["id"] for verdict in map(json.loads, verdicts) if verdict["keep"]}
            with run.captions_file(job, shard).open(encoding="utf-8") as captions:
                texts = {caption["id"]: caption["text"] for caption in map(json.loads, captions)}
            with run.images_file(shard).open(encoding="utf-8") as images:
                for image in map(json.loads, images):
                    identifier = f"{job}:{image['key']}"
                    if identifier not in kept:
                        continue
                    row = {
                        "id": identifier,
                        "image": image["key"],
                        "width": image["width_px"],
                        "height": image["height_px"],
                        "conversations": [
                            {"from": "human", "value": question},
                            {"from": "gpt", "value": texts[identifier]},
                        ],
                    }
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")


def bytes_alone(size_bytes: int, hand_over_bytes: int | None, path: Path) -> None:
    """Write and sync ``size_bytes`` of random data: the limit of the disk.

    After every ``hand_over_bytes`` the system is asked to write them to disk; None: it decides itself.
    """
    buffer = os.urandom(BUFFER_BYTES)
    with path.open("wb", buffering=0) as file:
        for start in range(0, size_bytes, BUFFER_BYTES):
            file.write(buffer[: size_bytes - start])
            if hand_over_bytes and start % hand_over_bytes == 0:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        os.fsync(file.fileno())
