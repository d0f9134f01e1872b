"""The same input gives the same bytes from one version to the next.

If these digests change, so does the data: raise the stage's data version too.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tests.support.colour_encoder import ColourOn, bytes_of, save_tars
from tests.support.contexts import context_of
from tests.support.made_up import as_unit, make_run
from triptych.grouping.config import SetsConfig
from triptych.grouping.embedding.device_workers import open_devices
from triptych.grouping.embedding.throughput import Throughput
from triptych.grouping.sets_stage import make_sets
from triptych.runs.folder import RunFolder
from triptych.sources.opening import open_sources


class _NoReport:
    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        pass

    def wrote(self, shard: str) -> None:
        pass


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def test_embeddings_and_image_records_have_known_digests(tmp_path: Path) -> None:
    """Embeddings are mean colours of plain pictures, which round equally on every machine."""
    tars = save_tars(tmp_path / "tars", count=2, images=7)
    run = RunFolder.create_or_open(tmp_path / "run")

    with open_devices(context_of(run), ["cpu"], ColourOn(), batch_size=3, decode_threads=2) as embed:
        embed(open_sources([tars]), _NoReport())

    assert {
        "embeddings/sa_000000.npy": "a0798e7ea44f8e60",
        "embeddings/sa_000001.npy": "995fa8198f0d021f",
        "images/sa_000000.jsonl": "242909d5392eafe2",
        "images/sa_000001.jsonl": "71d1e2bb2d75fa8a",
    } == {name: _digest(content) for name, content in bytes_of(run.path).items()}


@pytest.mark.parametrize(
    ("config", "sets", "duplicates"),
    [
        (SetsConfig(), "18e0acca9d01d32b", "43447acef7380cf3"),
        (
            SetsConfig(related_cosine_similarity=0.6, duplicate_cosine_similarity=0.95, max_sets=100),
            "27841638e51e1696",
            "43447acef7380cf3",
        ),
    ],
    ids=["auto", "as configured"],
)
def test_sets_and_duplicates_have_known_digests(
    config: SetsConfig, sets: str, duplicates: str, tmp_path: Path
) -> None:
    """Of 700 themes of five images, with a copy in every tenth theme."""
    rng = np.random.default_rng(11)
    centres = rng.normal(size=(700, 64))
    units = as_unit(np.repeat(centres, 5, axis=0) + rng.normal(0, 0.55, (3500, 64)))
    units[::50] = as_unit(units[1::50] + rng.normal(0, 0.001, (70, 64)))
    run = make_run(tmp_path / "run", {f"k{n:05d}": unit for n, unit in enumerate(units)}, shards=3)

    make_sets(context_of(run), config)

    assert sets == _digest(run.sets_file.read_bytes())
    assert duplicates == _digest(run.duplicates_file.read_bytes())
