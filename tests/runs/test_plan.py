"""Each job's targets are decided by the corpus alone."""

import itertools
from pathlib import Path

from triptych.records import Duplicate, ImageRecord, ImageSet
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl
from triptych.runs.old_plan import planned_targets


def _run(path: Path) -> RunFolder:
    run = RunFolder.create_or_open(path)
    for shard in ("a", "b"):
        write_jsonl(
            run.images_file(shard),
            [ImageRecord(key=f"{shard}/{n}.jpg", unreadable="empty: " if n == 3 else None) for n in range(6)],
        )
    write_jsonl(
        run.duplicates_file,
        [Duplicate(key="b/0.jpg", of="a/0.jpg", reason="same bytes", cosine_similarity=1)],
    )
    sets = [
        ImageSet(
            id="set_2", keys=("b/1.jpg", "a/2.jpg"), min_cosine_similarity=0.5, mean_cosine_similarity=0.5
        ),
        ImageSet(
            id="set_1", keys=("a/0.jpg", "b/2.jpg"), min_cosine_similarity=0.5, mean_cosine_similarity=0.5
        ),
    ]
    write_jsonl(run.sets_file, sets)
    return run


def test_single_jobs_cover_every_readable_image_that_is_no_duplicate(tmp_path: Path) -> None:
    """In key order, under the image's shard."""
    planned = dict(planned_targets(_run(tmp_path), "single_en", None))

    assert [f"single_en:a/{n}.jpg" for n in (0, 1, 2, 4, 5)] == [t.id for t in planned["a"]]
    assert [f"single_en:b/{n}.jpg" for n in (1, 2, 4, 5)] == [t.id for t in planned["b"]]


def test_multi_jobs_cover_every_set_under_the_shard_of_its_first_image(tmp_path: Path) -> None:
    """Images come in the set's own order."""
    planned = dict(planned_targets(_run(tmp_path), "multi_zh", None))

    assert {"a": ["multi_zh:set_1"], "b": ["multi_zh:set_2"]} == {
        s: [t.id for t in p] for s, p in planned.items()
    }
    assert ["b/1.jpg", "a/2.jpg"] == [image.key for image in planned["b"][0].images]


def test_a_larger_limit_keeps_what_a_smaller_one_chose(tmp_path: Path) -> None:
    """So a sample's captions are reused when the limit is raised."""
    run = _run(tmp_path)
    chosen = [{t.id for _, p in planned_targets(run, "single_zh", limit) for t in p} for limit in range(10)]

    assert list(range(10)) == [len(ids) for ids in chosen]
    assert all(small < large for small, large in itertools.pairwise(chosen))


def test_jobs_sample_different_images(tmp_path: Path) -> None:
    """The hash is of the caption's id, so two jobs don't cover the same corner."""
    run = _run(tmp_path)
    chosen = {
        job: {t.images[0].key for _, p in planned_targets(run, job, 3) for t in p}
        for job in ("single_en", "single_zh")
    }

    assert chosen["single_en"] != chosen["single_zh"]
