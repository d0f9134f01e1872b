"""Both stages on run folders: what they write, and when they don't."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.contexts import context_of
from tests.support.made_up import as_unit, make_run
from triptych.errors import SetupError
from triptych.grouping.config import EmbeddingConfig, SetsConfig
from triptych.grouping.sets_stage import make_sets
from triptych.grouping.stage import embed_sources
from triptych.runs.folder import RunFolder
from triptych.runs.ledger import recount
from triptych.runs.ledger.noted import noted_ledger
from triptych.sources.opening import open_sources

THRESHOLDS = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95)


def _corpus(seed: int = 7) -> dict[str, NDArray[np.float32]]:
    """60 images in 15 groups of four, of which two are near duplicates."""
    rng = np.random.default_rng(seed)
    rows = []
    for centre in rng.normal(size=(15, 16)):
        three = centre + rng.normal(0, 0.5, (3, 16))
        rows += [*three, three[0] + rng.normal(0, 0.01, 16)]
    return {f"group/{number:03d}.jpg": row for number, row in enumerate(as_unit(np.array(rows)))}


def _written(run: RunFolder) -> tuple[bytes, bytes]:
    return run.sets_file.read_bytes(), run.duplicates_file.read_bytes()


def test_sets_and_duplicates_are_written_sorted(tmp_path: Path) -> None:
    """15 planted near duplicates are found, and what is grouped is none of them."""
    run = make_run(tmp_path / "run", _corpus())

    assert make_sets(context_of(run), THRESHOLDS) is True

    duplicates, sets = list(run.duplicates()), list(run.sets())
    assert len(duplicates) == 15
    assert [d.key for d in duplicates] == sorted(d.key for d in duplicates)
    assert len(sets) >= 10
    assert not {d.key for d in duplicates} & {key for each in sets for key in each.keys}
    assert run.run_file.stages["sets"].notes["duplicates"] == 15


def test_sets_are_the_same_however_the_images_were_sharded(tmp_path: Path) -> None:
    """One shard, or five in another order: the same bytes in sets.jsonl and duplicates.jsonl."""
    corpus = _corpus()
    shuffled = list(corpus.items())
    Random(8).shuffle(shuffled)
    one = make_run(tmp_path / "one", corpus)
    five = make_run(tmp_path / "five", dict(shuffled), shards=5)

    make_sets(context_of(one), THRESHOLDS)
    make_sets(context_of(five), THRESHOLDS)

    assert _written(one) == _written(five)


def test_making_sets_again_does_nothing_until_embeddings_change(tmp_path: Path) -> None:
    """Same inputs: no work. Other embeddings: made again. Other thresholds: asks for --fresh."""
    run = make_run(tmp_path / "run", _corpus())
    make_sets(context_of(run), THRESHOLDS)
    before = _written(run)

    assert make_sets(context_of(run), THRESHOLDS) is False
    make_run(run.path, _corpus(seed=9))
    assert make_sets(context_of(run), THRESHOLDS) is True
    assert _written(run) != before
    with pytest.raises(SetupError, match=r"related_cosine_similarity = 0\.7, now it is 0\.6"):
        make_sets(
            context_of(run), SetsConfig(related_cosine_similarity=0.6, duplicate_cosine_similarity=0.95)
        )


@pytest.mark.parametrize(
    ("vectors", "duplicates"),
    [
        ({}, 0),
        ({"only.jpg": [1.0, 0.0]}, 0),
        ({f"{n}.jpg": [1.0, 0.0] for n in range(30)}, 29),
        ({"a.jpg": [1.0, 0.0], "b.jpg": [0.0, 1.0]}, 0),
    ],
    ids=["no image", "one image", "thirty alike", "two strangers"],
)
def test_a_corpus_without_related_images_has_an_empty_sets_file(
    tmp_path: Path, vectors: Mapping[str, list[float]], duplicates: int
) -> None:
    """The stage finishes, and the file is there."""
    run = make_run(tmp_path / "run", {key: np.array(row, np.float32) for key, row in vectors.items()})

    assert make_sets(context_of(run), THRESHOLDS) is True

    assert run.sets_file.read_bytes() == b""
    assert len(list(run.duplicates())) == duplicates
    assert run.is_finished("sets")


def test_embeddings_that_do_not_match_their_images_are_refused(tmp_path: Path) -> None:
    """A row too few, and a row of NaN: the file is named, and --fresh embeddings."""
    run = make_run(tmp_path / "run", _corpus())
    path = run.embeddings_file("shard-0")
    rows = np.load(path)

    np.save(path, rows[:-1])
    with pytest.raises(SetupError, match=r"shard-0\.npy has float16\[59, 16\], expected float16\[60, dim\]"):
        make_sets(context_of(run), THRESHOLDS)
    rows[3, 2] = np.nan
    np.save(path, rows)
    with pytest.raises(SetupError, match=r"not finite .*--fresh embeddings"):
        make_sets(context_of(run), THRESHOLDS)


def test_copies_of_one_picture_are_one_image_and_its_duplicates(tiny_clip: Path, tmp_path: Path) -> None:
    """From files to duplicates.jsonl: equal bytes are found whatever the model thinks."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (20, 20), "red").save(source / name)
    run = RunFolder.create_or_open(tmp_path / "run")

    embed_sources(context_of(run), open_sources([source]), EmbeddingConfig(model=str(tiny_clip)))
    make_sets(context_of(run), SetsConfig(duplicate_cosine_similarity=1.0, related_cosine_similarity=0.9))

    assert [(d.key, d.of, d.reason) for d in run.duplicates()] == [
        ("b.png", "a.png", "same bytes"),
        ("c.png", "a.png", "same bytes"),
    ]
    assert list(run.sets()) == []


def test_real_photographs_are_all_accounted_for(photos: Path, tiny_clip: Path, tmp_path: Path) -> None:
    """Photographs as they are found: each one is listed, and readable ones have a row."""
    run = RunFolder.create_or_open(tmp_path / "run")
    sources = open_sources([photos])
    found = [file.key for shard in sources for file in shard.files()]

    embed_sources(context_of(run), sources, EmbeddingConfig(model=str(tiny_clip)))
    make_sets(context_of(run), SetsConfig())

    records = list(run.all_images())
    assert sorted(record.key for record in records) == sorted(found)
    readable = [record for record in records if record.unreadable is None]
    rows = sum(len(np.load(run.embeddings_file(shard))) for shard in run.shards())
    assert len(readable) == rows >= 1
    assert all(min(record.width_px, record.height_px) > 0 for record in readable)


def test_a_stage_that_has_nothing_to_do_loads_no_model(tmp_path: Path) -> None:
    """torch, open_clip and faiss take seconds to import; a finished stage must not need them."""
    run = make_run(tmp_path / "run", _corpus())
    make_sets(context_of(run), THRESHOLDS)
    again = (
        "import sys\nfrom pathlib import Path\n"
        "from triptych.runs.context import RunContext\nfrom triptych.runs.folder import RunFolder\n"
        "from triptych.grouping.config import SetsConfig\n"
        "from triptych.grouping.sets_stage import make_sets\n"
        "config = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95)\n"
        "assert make_sets(RunContext(folder=RunFolder.open(Path(sys.argv[1]))), config) is False\n"
        "print(sorted({'torch', 'open_clip', 'faiss'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", again, run.path], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_what_is_noted_while_images_are_embedded_is_what_a_recount_finds(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each shard, also where others were embedded before: status needn't read what there is."""
    source = tmp_path / "source"
    source.mkdir()
    for name, colour in (("a.png", "red"), ("d.png", "green")):
        Image.new("RGB", (20, 20), colour).save(source / name)
    (source / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n, and no more")
    run = RunFolder.create_or_open(tmp_path / "run")
    config = EmbeddingConfig(model=str(tiny_clip))
    embed_sources(context_of(run), open_sources([source]), config)
    assert noted_ledger(run, ()) == recount(run, ())
    Image.new("RGB", (20, 20), "blue").save(source / "c.png")
    (source / "a.png").unlink()

    monkeypatch.setattr(RunFolder, "finish_stage", _stop)
    with pytest.raises(InterruptedError):
        embed_sources(context_of(run), open_sources([source]), config)

    stopped = RunFolder.open(run.path)
    assert not stopped.is_finished("embeddings")
    noted = noted_ledger(stopped, ())
    assert noted == recount(stopped, ())
    assert noted is not None
    assert (3, {"truncated": 1}, 1) == (noted.images.found, noted.images.unreadable, noted.images.gone)


def _stop(*_: object) -> None:
    raise InterruptedError
