"""Sources gain and lose images: only what is new or has changed is embedded and captioned."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chat_server import ChatServer
from tests.support.growing_run import Cost, Describer, GrowingRun
from tests.support.pile import write_tar
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene, vary_scene
from triptych.errors import SetupError

pytestmark = pytest.mark.slow

SERIES, IN_A_SERIES = 4, 3

SPARE = "spare.png"
"""A picture that resembles no other."""


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    """An endpoint that answers at once."""
    with ChatServer(Describer()) as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Series of related pictures, by name."""
    folder = tmp_path_factory.mktemp("drawn")
    for series in range(SERIES):
        scene = imagine_scene("unseen", 500 + series)
        for number in range(IN_A_SERIES):
            shown = scene if number == 0 else vary_scene(scene, "unseen", number)
            paint(shown, 168, 112).save(folder / f"{series}{number}.png")
    paint(imagine_scene("unseen", 600), 168, 112).save(folder / SPARE)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _write(folder: Path, pictures: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pictures.items():
        (folder / name).write_bytes(content)


def _check_cost(cost: Cost, embedded: int, singles: int) -> None:
    """Compare with the expected numbers of embedded images and of requests for single images. For sets, those
    that were never captioned need a request."""
    assert (embedded, singles) == (cost.embedded, cost.asked["single_en"])
    assert cost.needed == cost.asked


def test_changes_of_a_folder_cost_only_the_necessary_work(
    tmp_path: Path, server: ChatServer, drawn: dict[str, bytes]
) -> None:
    """Images are added, removed, restored, changed, changed back, touched and moved, and sets are regrouped.
    `verify` passes each time."""
    images, run = tmp_path / "images", GrowingRun(tmp_path / "run", server)
    first = dict(list(drawn.items())[:9])
    later = dict(list(drawn.items())[9:12])

    def expect_cost(embedded: int, singles: int, *sources: Path, regroup: bool = False) -> None:
        before = run.sets
        _check_cost(run.use(*(sources or (images,)), regroup=regroup), embedded, singles)
        assert [] == run.violations()
        touched = {each.key for key in changed for each in run.record(key)}
        stay = [each for each in before if not touched.intersection(each)]
        assert regroup or set(stay) <= set(run.sets)

    changed: set[str] = set()
    _write(images, first)
    _check_cost(run.use(images), 9, 9)
    assert [] == run.violations()
    expect_cost(0, 0)

    _write(images, later)
    expect_cost(3, 3)
    changed = {"00.png", "10.png"}
    for name in changed:
        (images / name).unlink()
    expect_cost(0, 0)
    assert {"gone: not in the sources any more"} == {run.record(name)[0].unreadable for name in changed}
    _write(images, {name: drawn[name] for name in changed})
    expect_cost(0, 0)
    changed = {"20.png"}
    _write(images, {"20.png": drawn[SPARE]})
    expect_cost(1, 1)
    _write(images, {"20.png": drawn["20.png"]})
    expect_cost(0, 0)
    changed = set()
    os.utime(images / "30.png", ns=(1, 1))
    expect_cost(0, 0)
    images.rename(tmp_path / "moved")
    expect_cost(0, 0, tmp_path / "moved")
    shutil.copytree(tmp_path / "moved", tmp_path / "copied", copy_function=shutil.copyfile)
    shutil.rmtree(tmp_path / "moved")
    expect_cost(0, 0, tmp_path / "copied")
    expect_cost(0, 0, tmp_path / "copied", regroup=True)


def test_new_changed_and_missing_archives_cost_only_the_necessary_work(
    tmp_path: Path, server: ChatServer, drawn: dict[str, bytes]
) -> None:
    """New ones are embedded, changed ones as a whole. Captions of images that are still in them stay."""
    pile, run = tmp_path / "pile", GrowingRun(tmp_path / "run", server)
    tars = [dict(list(drawn.items())[at : at + 3]) for at in range(0, 12, 3)]

    def expect_cost(embedded: int, singles: int) -> None:
        _check_cost(run.use(pile), embedded, singles)
        assert [] == run.violations()

    for number in range(2):
        write_tar(pile / f"{number}.tar", tars[number])
    expect_cost(6, 6)
    write_tar(pile / "2.tar", tars[2])
    expect_cost(3, 3)
    sets = run.sets
    write_tar(pile / "1.tar", {**tars[1], "new.png": drawn[SPARE] + b"\0"})
    expect_cost(4, 1)
    assert set(sets) <= set(run.sets)
    same_size = {**tars[1], "new.png": drawn[SPARE] + b"\1"}
    write_tar(pile / "1.tar", same_size)
    expect_cost(4, 1)
    os.utime(pile / "1.tar", ns=(1, 1))
    expect_cost(0, 0)
    (pile / "0.tar").rename(tmp_path / "0.tar")
    expect_cost(0, 0)
    (tmp_path / "0.tar").rename(pile / "0.tar")
    expect_cost(0, 0)


def test_images_added_to_a_half_embedded_run_are_embedded_with_the_rest(
    tmp_path: Path, server: ChatServer, drawn: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished shards stay."""
    monkeypatch.setattr("triptych.sources.loose_files.FILES_PER_SHARD", 4)
    images, run = tmp_path / "images", GrowingRun(tmp_path / "run", server)
    _write(images, dict(list(drawn.items())[:9]))
    from triptych.grouping.embedding import pipeline

    real, written = pipeline.write_jsonl, []

    def dying(path: Path, records: object) -> int:
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(path)
        return real(path, records)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "write_jsonl", dying)
    with pytest.raises(KeyboardInterrupt):
        run.use(images)
    monkeypatch.setattr(pipeline, "write_jsonl", real)
    _write(images, dict(list(drawn.items())[9:12]))
    (images / "22.png").unlink()
    run.newly_embedded()

    _check_cost(run.use(images), 7, 11)
    assert [] == run.violations()


def test_sources_with_none_of_the_images_are_refused(
    tmp_path: Path, server: ChatServer, drawn: dict[str, bytes]
) -> None:
    """They are probably the wrong place. No image is marked as gone."""
    run = GrowingRun(tmp_path / "run", server)
    _write(tmp_path / "images", dict(list(drawn.items())[:3]))
    _write(tmp_path / "other", {"x.png": drawn[SPARE]})
    run.use(tmp_path / "images")
    with pytest.raises(SetupError, match=r"none of the images of .* is in the sources"):
        run.use(tmp_path / "other")

    _check_cost(run.use(tmp_path / "images"), 0, 0)
    _check_cost(run.use(tmp_path / "images", tmp_path / "other"), 1, 1)
