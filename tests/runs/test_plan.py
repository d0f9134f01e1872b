"""The targets of a job depend only on the images and sets of the run."""

import itertools
from pathlib import Path

import pytest

from tests.support.contexts import JOBS, context_of, limited
from triptych.errors import SetupError
from triptych.records import Caption, Duplicate, ImageRecord, ImageSet, Verdict
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import write_jsonl
from triptych.runs.plan import JobPlan, Target


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


def _planned(run: RunFolder, name: str, limit: int | None = None) -> dict[str, list[Target]]:
    return dict(JobPlan(run, limited(name, limit)).shards())


def _ids(run: RunFolder, name: str, limit: int | None) -> set[str]:
    return {target.id for targets in _planned(run, name, limit).values() for target in targets}


def _caption(identifier: str, text: str = "A boat.", failure: str | None = None) -> Caption:
    return Caption(id=identifier, job="single_en", text=text, failure=failure)


def test_single_jobs_cover_every_readable_image_that_is_no_duplicate(tmp_path: Path) -> None:
    """In key order, under the shard of the image."""
    planned = _planned(_run(tmp_path), "single_en")

    assert [f"single_en:a/{n}.jpg" for n in (0, 1, 2, 4, 5)] == [t.id for t in planned["a"]]
    assert [f"single_en:b/{n}.jpg" for n in (1, 2, 4, 5)] == [t.id for t in planned["b"]]


def test_multi_jobs_cover_every_set_under_the_shard_of_its_first_image(tmp_path: Path) -> None:
    """The images of a set keep its order."""
    planned = _planned(_run(tmp_path), "multi_zh")

    assert {"a": ["multi_zh:set_1"], "b": ["multi_zh:set_2"]} == {
        s: [t.id for t in p] for s, p in planned.items()
    }
    assert ["b/1.jpg", "a/2.jpg"] == [image.key for image in planned["b"][0].images]


def test_a_larger_limit_keeps_the_targets_of_a_smaller_one(tmp_path: Path) -> None:
    """So the captions of a sample are reused if the limit is raised."""
    run = _run(tmp_path)
    chosen = [_ids(run, "single_zh", limit) for limit in range(10)]

    assert list(range(10)) == [len(ids) for ids in chosen]
    assert all(small < large for small, large in itertools.pairwise(chosen))


def test_jobs_sample_different_images(tmp_path: Path) -> None:
    """The sample is drawn by the hash of the caption's id, which names the job."""
    run = _run(tmp_path)
    chosen = [
        {identifier.partition(":")[2] for identifier in _ids(run, job, 3)}
        for job in ("single_en", "single_zh")
    ]

    assert chosen[0] != chosen[1]


def test_a_plan_with_a_given_last_hash_is_the_same(tmp_path: Path) -> None:
    """Another process that gets it can plan one shard without reading the whole run."""
    run, job = _run(tmp_path), limited("single_en", 4)
    last_hash = JobPlan(run, job).last_hash
    of_b = JobPlan(run, job).targets("b")
    run.images_file("a").unlink()

    assert of_b == JobPlan(run, job, last_hash).targets("b")


def test_captions_are_read_in_the_order_of_the_plan(tmp_path: Path) -> None:
    """Not in the order of answers. The last caption with an id counts, and ids that aren't planned don't."""
    run = _run(tmp_path)
    with JournalWriter(run.captions_file("single_en", "a")) as journal:
        journal.commit(
            [
                _caption("single_en:a/2.jpg", "first"),
                _caption("single_en:gone.jpg"),
                _caption("single_en:a/0.jpg", "", failure="timeout: no answer"),
                _caption("single_en:a/2.jpg", "second"),
            ]
        )
    write_jsonl(run.verdicts_file("single_en", "a"), [Verdict(id="single_en:a/2.jpg", keep=True)])
    planned = JobPlan(run, JOBS["single_en"]).read("a", verdicts=True)

    assert [
        ("a/0.jpg", ""),
        ("a/1.jpg", None),
        ("a/2.jpg", "second"),
        ("a/4.jpg", None),
        ("a/5.jpg", None),
    ] == [(each.target.images[0].key, each.caption and each.caption.text) for each in planned]
    assert [False, False, True, False, False] == [each.is_captioned for each in planned]
    assert [False, False, True, False, False] == [each.is_kept for each in planned]


@pytest.mark.parametrize(
    ("verdict", "is_kept"),
    [
        (Verdict(id="single_en:a/0.jpg", keep=True), True),
        (Verdict(id="single_en:a/0.jpg", keep=False, reason="too_short"), False),
        (Verdict(id="single_en:a/0.jpg", keep=True, reason="too_short"), False),
        (Verdict(id="single_en:a/1.jpg", keep=True), False),
    ],
)
def test_only_a_caption_that_was_kept_without_a_reason_to_reject_is_kept(
    tmp_path: Path, verdict: Verdict, is_kept: bool
) -> None:
    """A contradictory verdict keeps nothing, and neither does a verdict on another caption."""
    run = _run(tmp_path)
    with JournalWriter(run.captions_file("single_en", "a")) as journal:
        journal.commit([_caption("single_en:a/0.jpg")])
    write_jsonl(run.verdicts_file("single_en", "a"), [verdict])

    assert is_kept == JobPlan(run, JOBS["single_en"]).read("a", verdicts=True)[0].is_kept


def test_repeated_and_stray_rows_of_a_shard_are_listed(tmp_path: Path) -> None:
    """Checks of a run report them."""
    run = _run(tmp_path)
    first, second = "single_en:a/0.jpg", "single_en:a/1.jpg"
    with JournalWriter(run.captions_file("single_en", "a")) as journal:
        journal.commit([_caption(first), _caption(first), _caption(second, failure="timeout: x")])
    write_jsonl(
        run.verdicts_file("single_en", "a"),
        [Verdict(id=each, keep=True) for each in (first, first, second, "single_en:gone.jpg")],
    )
    shard = JobPlan(run, JOBS["single_en"]).read_shard("a")

    assert [first] == shard.repeated_captions
    assert [first] == shard.repeated_verdicts
    assert [second, "single_en:gone.jpg"] == shard.stray_verdicts


def test_jobs_share_the_sets_that_were_read(tmp_path: Path) -> None:
    """All plans from one context use the same list of sets."""
    run = _run(tmp_path)
    context = context_of(run, "multi_en", "multi_zh")
    english = dict(context.plan(JOBS["multi_en"]).shards())
    run.sets_file.unlink()
    chinese = dict(context.plan(JOBS["multi_zh"]).shards())

    assert [[target.images for target in targets] for targets in english.values()] == [
        [target.images for target in targets] for targets in chinese.values()
    ]


def test_a_set_with_an_unreadable_image_is_refused(tmp_path: Path) -> None:
    """The plan fails at once and names the image, not hours later when the set is captioned."""
    run = _run(tmp_path)
    keys = ("a/0.jpg", "a/3.jpg")
    unreadable = ImageSet(id="set_3", keys=keys, min_cosine_similarity=0.5, mean_cosine_similarity=0.5)
    write_jsonl(run.sets_file, [*run.sets(), unreadable])

    with pytest.raises(SetupError, match=r"names a/3\.jpg, which is no readable image"):
        _planned(run, "multi_en")


@pytest.mark.parametrize("limit", [None, 3])
@pytest.mark.parametrize("job", ["single_en", "multi_en"])
def test_the_number_of_targets_is_that_of_the_plan(tmp_path: Path, job: str, limit: int | None) -> None:
    """They are counted shard by shard without making the targets."""
    run = _run(tmp_path)
    plan = JobPlan(run, limited(job, limit))

    assert {shard: len(plan.targets(shard)) for shard in "ab"} == {s: plan.count(s) for s in "ab"}
