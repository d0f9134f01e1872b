"""Both stages on run folders: what they write, and when they have nothing to do."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.contexts import context_of
from tests.support.made_up import as_unit, at_degrees, make_run
from triptych.errors import SetupError, UsageError
from triptych.grouping.config import EmbeddingConfig, SetsConfig
from triptych.grouping.sets.explain import explain
from triptych.grouping.sets_stage import make_sets
from triptych.grouping.stage import embed_sources
from triptych.progress import Silent, Task
from triptych.runs.folder import RunFolder
from triptych.runs.ledger import recount
from triptych.runs.ledger.noted import noted_ledger
from triptych.sources.opening import open_sources
from triptych.sources.shard import Shard

THRESHOLDS = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95)


def _corpus(seed: int = 7) -> dict[str, NDArray[np.float32]]:
    """60 images in 15 groups of four; two images of each group are near duplicates."""
    rng = np.random.default_rng(seed)
    rows = []
    for centre in rng.normal(size=(15, 16)):
        three = centre + rng.normal(0, 0.5, (3, 16))
        rows += [*three, three[0] + rng.normal(0, 0.01, 16)]
    return {f"group/{number:03d}.jpg": row for number, row in enumerate(as_unit(np.array(rows)))}


def _written(run: RunFolder) -> tuple[bytes, bytes]:
    return run.sets_file.read_bytes(), run.duplicates_file.read_bytes()


def test_sets_and_duplicates_are_written_sorted(tmp_path: Path) -> None:
    """The 15 planted near duplicates are found, and no set contains one."""
    run = make_run(tmp_path / "run", _corpus())

    assert make_sets(context_of(run), THRESHOLDS) is True

    duplicates, sets = list(run.duplicates()), list(run.sets())
    assert len(duplicates) == 15
    assert [d.key for d in duplicates] == sorted(d.key for d in duplicates)
    assert len(sets) >= 10
    assert not {d.key for d in duplicates} & {key for each in sets for key in each.keys}
    assert run.run_file.stages["sets"].notes["duplicates"] == 15


def test_sets_do_not_depend_on_the_shards(tmp_path: Path) -> None:
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
    """Same inputs: no work. Other embeddings: sets are made again. Other thresholds: an error."""
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
    ids=["no image", "one image", "thirty alike", "two unrelated"],
)
def test_a_corpus_without_related_images_has_an_empty_sets_file(
    tmp_path: Path, vectors: Mapping[str, list[float]], duplicates: int
) -> None:
    """The stage finishes with an empty file."""
    run = make_run(tmp_path / "run", {key: np.array(row, np.float32) for key, row in vectors.items()})

    assert make_sets(context_of(run), THRESHOLDS) is True

    assert run.sets_file.read_bytes() == b""
    assert len(list(run.duplicates())) == duplicates
    assert run.is_finished("sets")


def test_embeddings_that_do_not_match_their_images_are_refused(tmp_path: Path) -> None:
    """With a missing row or a row of NaN, the error names the file or --fresh embeddings."""
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


def test_files_of_equal_bytes_are_duplicates(tiny_clip: Path, tmp_path: Path) -> None:
    """From files to duplicates.jsonl: files of equal bytes are found whatever their vectors."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.linear_gradient("L").resize((20, 20)).save(source / name)
    run = RunFolder.create_or_open(tmp_path / "run")

    embed_sources(context_of(run), open_sources([source]), EmbeddingConfig(model=str(tiny_clip)))
    make_sets(context_of(run), SetsConfig(duplicate_cosine_similarity=1.0, related_cosine_similarity=0.9))

    assert [(d.key, d.of, d.reason) for d in run.duplicates()] == [
        ("b.png", "a.png", "same bytes"),
        ("c.png", "a.png", "same bytes"),
    ]
    assert list(run.sets()) == []


def test_real_photographs_are_all_accounted_for(photos: Path, tiny_clip: Path, tmp_path: Path) -> None:
    """Each file is listed, and each readable one has a row."""
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
    """torch, open_clip and faiss take seconds to import; a finished stage doesn't import them."""
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


def test_stored_counts_of_an_interrupted_embedding_match_a_recount(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are stored after each shard and include earlier shards, so that status needs no recount."""
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


def _in_albums(folder: Path) -> tuple[RunFolder, list[Shard]]:
    """A tar of 96 pictures, whose .json sidecars name one of four albums; the last picture has no album."""
    corpus = as_unit(np.repeat(np.random.default_rng(3).normal(size=(12, 16)), 8, axis=0))
    corpus = as_unit(corpus + np.random.default_rng(4).normal(0, 0.12, corpus.shape))
    files = {f"{number:02d}.jpg": b"\xff\xd8\xff\xe0 nobody looks" for number in range(96)}
    sidecars = {f"{number:02d}.json": json.dumps({"album": number % 4}).encode() for number in range(95)}
    with tarfile.open(folder / "pile.tar", "w") as archive:
        for name, content in {**files, **sidecars}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    rows = {f"pile/{name}": row for name, row in zip(files, corpus, strict=True)}
    run = make_run(folder / "run", rows)
    (folder / "run" / "images" / "shard-0.jsonl").rename(folder / "run" / "images" / "pile.jsonl")
    (folder / "run" / "embeddings" / "shard-0.npy").rename(folder / "run" / "embeddings" / "pile.npy")
    return run, open_sources([folder / "pile.tar"])


def test_groups_are_read_from_the_source(tmp_path: Path) -> None:
    """Each set is of one album; an image without an album is in no set, and is counted."""
    run, sources = _in_albums(tmp_path)
    config = SetsConfig(related_cosine_similarity=0.6, duplicate_cosine_similarity=0.999, together="album")

    make_sets(context_of(run), config, sources)

    sets = list(run.sets())
    assert 20 < len(sets)
    assert all(len({int(key[5:7]) % 4 for key in each.keys}) == 1 for each in sets)
    assert "pile/95.jpg" not in {key for each in sets for key in each.keys}
    assert 1 == run.run_file.stages["sets"].notes["images_without_group"]
    assert f'{{"related":{len(sets)}}}' == run.run_file.stages["sets"].notes["sets_by_kind"]


def test_a_group_field_that_no_image_has_is_an_error(tmp_path: Path) -> None:
    """The error names the field and what is expected."""
    run, sources = _in_albums(tmp_path)

    with pytest.raises(
        UsageError, match=r"sets.apart is 'albun', but no image has that; expected folder, a key"
    ):
        make_sets(context_of(run), SetsConfig(apart="albun"), sources)


def test_a_misspelt_group_keeps_the_existing_sets(tmp_path: Path) -> None:
    """The stage stays finished, and nothing has to be made again."""
    run, sources = _in_albums(tmp_path)
    config = SetsConfig(related_cosine_similarity=0.6, duplicate_cosine_similarity=0.999, together="album")
    make_sets(context_of(run), config, sources)
    before, state = _written(run), RunFolder.open(run.path).run_file.stages["sets"]

    fresh = RunFolder.open(run.path)
    fresh.fresh_stages.add("sets")
    with pytest.raises(UsageError, match=r"sets.together is 'albun', but no image has that"):
        make_sets(context_of(fresh), msgspec.structs.replace(config, together="albun"), sources)

    again = RunFolder.open(run.path)
    assert state == again.run_file.stages["sets"]
    assert before == _written(again)
    assert make_sets(context_of(again), config, sources) is False


def test_a_misspelt_group_can_be_corrected(tmp_path: Path) -> None:
    """Without --fresh, in a run without sets, as none were made with the wrong group."""
    run = make_run(tmp_path / "run", {f"{'ab'[at % 2]}/{at:03d}.jpg": row for at, row in _rows()})
    with pytest.raises(UsageError, match=r"sets.apart is 'foldr'"):
        make_sets(context_of(run), msgspec.structs.replace(THRESHOLDS, apart="foldr"))

    run = RunFolder.open(run.path)
    assert make_sets(context_of(run), msgspec.structs.replace(THRESHOLDS, apart="folder")) is True


def _rows() -> Iterable[tuple[int, NDArray[np.float32]]]:
    return enumerate(_corpus().values())


def test_folders_can_be_groups(tmp_path: Path) -> None:
    """Two photographers of the same subjects, a folder each: no set has two images of one folder."""
    run = make_run(tmp_path / "run", {f"{'ab'[at % 2]}/{at:03d}.jpg": row for at, row in _rows()})

    make_sets(context_of(run), msgspec.structs.replace(THRESHOLDS, apart="folder"))

    sets = list(run.sets())
    assert 5 < len(sets)
    assert all(len({key[0] for key in each.keys}) == len(each.keys) for each in sets)


def test_missing_kinds_are_reported(tmp_path: Path) -> None:
    """In one theme no images are unlike: sets stay related, and a note says why."""
    rng = np.random.default_rng(3)
    rows = as_unit(rng.normal(size=(80, 64)) * 0.5 + 4 * np.eye(64)[0])
    run = make_run(tmp_path / "run", {f"{at:03d}.jpg": row for at, row in enumerate(rows)})
    lines: list[str] = []
    progress = Silent()
    progress.say = lines.append  # type: ignore[method-assign]
    config = SetsConfig(related_cosine_similarity=0.4, duplicate_cosine_similarity=0.95, contrast_share=0.5)

    make_sets(context_of(run, progress=progress), config)

    count = len(list(run.sets()))
    assert f"sets: {count} related, 0 varied, 0 contrast" in lines
    wanted = round(0.5 * count)
    assert f"note: {wanted} contrast sets were requested; too few single images are unlike enough" in lines


def test_missing_kinds_because_of_kept_sets_are_reported(tmp_path: Path) -> None:
    """First sets of one theme; then a related pair and many images unlike all others are added."""
    rng = np.random.default_rng(3)
    theme = {f"{at:03d}.jpg": rng.normal(size=64) * 0.5 + 4 * np.eye(64)[0] for at in range(80)}
    pair = rng.normal(size=64) + rng.normal(0, 0.5, (2, 64))
    others = {f"new-{at:03d}.jpg": row for at, row in enumerate([*pair, *rng.normal(size=(30, 64))])}
    config = SetsConfig(related_cosine_similarity=0.4, duplicate_cosine_similarity=0.95, contrast_share=0.5)
    run = make_run(tmp_path / "run", {key: as_unit(row[None])[0] for key, row in theme.items()})
    make_sets(context_of(run), config)
    kept = len(list(run.sets()))
    lines: list[str] = []
    progress = Silent()
    progress.say = lines.append  # type: ignore[method-assign]

    run = make_run(run.path, {key: as_unit(row[None])[0] for key, row in {**theme, **others}.items()})
    make_sets(context_of(run, progress=progress), config)

    kinds = Counter(each.kind for each in run.sets())
    assert kinds["related"] == kept
    assert 1 <= kinds["contrast"] < kept
    wanted = round(0.5 * kinds.total())
    assert [line for line in lines if "contrast sets" in line] == [
        f"note: {wanted} contrast sets were requested; too few sets are new, and earlier ones are kept"
        " unchanged: `triptych group --regroup` makes all again"
    ]


class _InterruptedAt(Silent):
    """Raises KeyboardInterrupt when the task ``label`` begins."""

    def __init__(self, label: str) -> None:
        self._label = label

    def task(self, label: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        if label == self._label:
            raise KeyboardInterrupt
        return super().task(label, total, unit)


@pytest.mark.parametrize("bound", [{"apart": "folder"}, {"together": "folder"}])
def test_kinds_and_groups_are_the_same_after_interruptions(bound: dict[str, str], tmp_path: Path) -> None:
    """Interrupted before duplicates and before packing, then resumed with more threads."""
    rng = np.random.default_rng(5)
    rows = np.repeat(rng.normal(size=(60, 32)), 6, axis=0) + rng.normal(0, 0.5, (360, 32))
    rows = as_unit(np.concatenate([rows, rng.normal(size=(120, 32))]))
    corpus = {f"{'abc'[at % 3]}/{at:03d}.jpg": row for at, row in enumerate(rows)}
    config = SetsConfig(contrast_share=0.2, varied_share=0.2, threads=1, **bound)  # type: ignore[arg-type]
    whole, stopped = make_run(tmp_path / "whole", corpus), make_run(tmp_path / "stopped", corpus, shards=3)
    make_sets(context_of(whole), config)

    for label in ("duplicates", "packing sets"):
        with pytest.raises(KeyboardInterrupt):
            make_sets(context_of(stopped, progress=_InterruptedAt(label)), config)
        stopped = RunFolder.open(stopped.path)
    make_sets(context_of(stopped), msgspec.structs.replace(config, threads=3))

    assert _written(whole) == _written(stopped)
    assert {"related", "contrast", "varied"} == {each.kind for each in whole.sets()}


def test_an_explanation_names_the_odd_image(tmp_path: Path) -> None:
    """The explanation doesn't call every pair related."""
    rng = np.random.default_rng(5)
    rows = np.repeat(rng.normal(size=(30, 32)), 3, axis=0) + rng.normal(0, 0.5, (90, 32))
    rows = as_unit(np.concatenate([rows, rng.normal(size=(60, 32))]))
    run = make_run(tmp_path / "run", {f"{at:03d}.jpg": row for at, row in enumerate(rows)})
    make_sets(context_of(run), SetsConfig(contrast_share=1.0))
    contrast = next(each for each in run.sets() if each.kind == "contrast")

    first = next(iter(explain(run, contrast.keys[0])))

    assert f"a contrast set, whose odd image is {contrast.odd}; the others are related" in first


@pytest.mark.parametrize(
    ("bound", "reason"),
    [
        (
            {"together": "folder"},
            "kept apart by `sets.together = folder`: only images of one folder share",
        ),
        ({"apart": "folder"}, "kept apart by `sets.apart = folder`: images of one folder share no set"),
    ],
    ids=["together", "apart"],
)
def test_an_explanation_says_that_groups_keep_images_apart(
    bound: dict[str, str], reason: str, tmp_path: Path
) -> None:
    """Two related pictures, in two folders or in one: nothing else keeps them from being a set."""
    folders = "ab" if "together" in bound else "aa"
    run = make_run(
        tmp_path / "run", {f"{folders[at]}/{at}.jpg": row for at, row in enumerate(at_degrees(0, 30))}
    )
    make_sets(context_of(run), msgspec.structs.replace(THRESHOLDS, **bound))

    first = next(iter(explain(run, "a/0.jpg")))

    assert "a/0.jpg is in no set: 1 of its nearest are related; 0 of them" in first
    assert f"some may be {reason}" in first
