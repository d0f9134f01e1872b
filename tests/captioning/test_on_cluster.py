"""Captioning on four nodes: the same captions as on one machine, each asked for once, whatever dies."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.engine import ASKED
from tests.support import made_up_run
from tests.support.killed_runs import export_digests
from tests.support.made_up_run import QUICK, MadeUpRun, make_up_run
from tests.support.ray_nodes import RayNodes
from tests.support.slow_marks import DIES_OF
from triptych.captioning.metrics import from_notes
from triptych.opening import open_run
from triptych.runs.checks import read_checks
from triptych.runs.folder import RunFolder
from triptych.runs.journal import write_journal

IMAGES, SHARDS = 120, 6
FLAGS = {
    **QUICK,
    "captioning.engine": "tests.support.slow_marks:SPEC",
    "captioning.jobs": ["single_en"],
    "filtering.grounding": False,
    "filtering.workers": 1,
}
MAX_LOST_PER_WORKER = 6
"""Requests that the death of a worker may cost: one in flight, and those of the last tenth of a second."""


class Scene:
    """A grouped run, the file that records requests, and the nodes."""

    def __init__(self, folder: Path, nodes: RayNodes, asked: Path, fatal: Path, made: MadeUpRun) -> None:
        self.nodes, self._asked, self.fatal, self._made, self._folder = nodes, asked, fatal, made, folder

    def copy(self, name: str) -> Path:
        """A copy of the run folder, without captions."""
        self._asked.write_bytes(b"")
        self.fatal.write_bytes(b"")
        return Path(shutil.copytree(self._made.path, self._folder / name))

    @property
    def asked(self) -> Counter[str]:
        """How often each caption was asked for."""
        return Counter(self._asked.read_text().split())

    def when_asked(self, count: int, act: Callable[[], object]) -> threading.Thread:
        """Call ``act`` in a thread once ``count`` requests were made."""

        def watch() -> None:
            while self.asked.total() < count:
                time.sleep(0.02)
            act()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        return thread


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, ray_nodes: RayNodes) -> Iterator[Scene]:
    """The engine uses the same files in this process and on the nodes."""
    folder = tmp_path_factory.mktemp("cluster")
    asked, fatal = (Path(ray_nodes.environment[name]) for name in (ASKED, DIES_OF))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(made_up_run, "IMAGES_A_SHARD", IMAGES // SHARDS)
        made = make_up_run(folder, IMAGES)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(ASKED, str(asked))
        patched.setenv(DIES_OF, str(fatal))
        yield Scene(folder, ray_nodes, asked, fatal, made)


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triptych.captioning.cluster.UNIT_CAPTIONS", 5)
    monkeypatch.setattr("triptych.executors.ray.executor.NODES_EVERY_S", 0.5)


def finish(path: Path, address: str = "") -> dict[str, str]:
    """Caption, filter and export. Returns the digests of the exported files."""
    with open_run(path, settings={**FLAGS, "cluster.address": address}) as run:
        run.caption()
        run.filter()
        run.export()
    return export_digests(path)


@pytest.fixture(scope="module")
def one_machine(scene: Scene) -> dict[str, str]:
    """The digests of what one machine exports."""
    exported = finish(scene.copy("one"))
    assert [1] * IMAGES == [*scene.asked.values()]
    return exported


def test_four_nodes_export_what_one_machine_does(scene: Scene, one_machine: dict[str, str]) -> None:
    """Each caption is asked for once, and no temporary files are left."""
    path = scene.copy("four")

    assert one_machine == finish(path, scene.nodes.address)

    assert [1] * IMAGES == [*scene.asked.values()]
    captions = RunFolder.open(path).run_file.stages["captions"]
    assert 0 < from_notes("single_en", captions.notes).busy_share <= 1.0
    assert not (path / "worker_journals").exists()
    assert not (path / "cluster").exists()


def test_a_killed_worker_costs_only_its_requests_in_flight(scene: Scene, one_machine: dict[str, str]) -> None:
    """Another worker continues its unit."""
    path = scene.copy("worker")
    killing = scene.when_asked(30, scene.nodes.kill_worker)

    assert one_machine == finish(path, scene.nodes.address)

    killing.join()
    assert IMAGES <= scene.asked.total() <= IMAGES + MAX_LOST_PER_WORKER
    assert IMAGES == len(scene.asked)


def test_nodes_may_leave_and_join(scene: Scene, one_machine: dict[str, str]) -> None:
    """A node that leaves costs only its requests in flight."""
    path = scene.copy("node")
    swapping = scene.when_asked(30, scene.nodes.swap)

    assert one_machine == finish(path, scene.nodes.address)

    swapping.join()
    assert IMAGES <= scene.asked.total() <= IMAGES + MAX_LOST_PER_WORKER
    assert IMAGES == len(scene.asked)


def test_captions_of_workers_survive_a_killed_driver(scene: Scene, one_machine: dict[str, str]) -> None:
    """Including those that it had not yet copied to the run. While it lives, a second driver is refused."""
    path = scene.copy("driver")
    driver = start(scene, path)
    scene.when_asked(40, lambda: None).join(60)
    driver.send_signal(signal.SIGSTOP)
    second = subprocess.run(driver.args, capture_output=True, text=True)
    driver.kill()
    driver.wait()

    assert "is in use by process" in second.stderr
    assert one_machine == finish(path, scene.nodes.address)
    assert IMAGES <= scene.asked.total() <= IMAGES + 4 * MAX_LOST_PER_WORKER
    assert IMAGES == len(scene.asked)


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.cluster) for seed in range(3, 20))]
)
def test_the_export_is_the_same_whatever_is_killed_and_when(
    seed: int, scene: Scene, one_machine: dict[str, str]
) -> None:
    """A worker, a node or the driver, at a moment that depends on the seed."""
    path, rng = scene.copy(f"seed-{seed}"), random.Random(seed)
    kind, at = ("worker", "node", "driver")[seed % 3], rng.randrange(1, IMAGES - 20)
    if kind == "driver":
        driver = start(scene, path)
        scene.when_asked(at, driver.kill).join(60)
        driver.wait()
    elif kind == "worker":
        scene.when_asked(at, scene.nodes.kill_worker)
    else:
        scene.when_asked(at, scene.nodes.swap)

    assert one_machine == finish(path, scene.nodes.address)

    workers = 4 if kind == "driver" else 1
    assert IMAGES <= scene.asked.total() <= IMAGES + workers * MAX_LOST_PER_WORKER
    assert IMAGES == len(scene.asked)


def check(path: Path, address: str = "") -> dict[str, str]:
    """Check every caption. Returns the answer or the failure of each question, by its id."""
    flags = {
        "checking.engine": FLAGS["captioning.engine"],
        "checking.captions": 0,
        "checking.canary.every_s": 0,
    }
    with open_run(path, settings={**flags, "cluster.address": address}) as run:
        run.check()
    folder = RunFolder.open(path)
    found = [read_checks(folder, "single_en", shard) for shard in folder.shards()]
    rows = [each for of_shard in found for of_caption in of_shard.values() for each in of_caption]
    return {each.id: each.answer or str(each.failure) for each in rows}


def test_four_nodes_check_what_one_machine_does(scene: Scene) -> None:
    """Each statement is asked about once. A killed worker costs only its requests in flight."""
    path = scene.copy("checked")
    finish(path)
    expected = check(Path(shutil.copytree(path, path.with_name("checked-alone"))))
    before = scene.asked.total()
    killing = scene.when_asked(before + 30, scene.nodes.kill_worker)

    assert expected == check(path, scene.nodes.address)

    killing.join()
    assert len(expected) > IMAGES // 2
    assert len(expected) <= scene.asked.total() - before <= len(expected) + MAX_LOST_PER_WORKER
    assert not (path / "worker_journals").exists()


def test_a_question_that_kills_three_workers_is_a_failure(scene: Scene) -> None:
    """The failure says so, and the same command asks again."""
    path = scene.copy("fatal-check")
    finish(path)
    expected = check(Path(shutil.copytree(path, path.with_name("fatal-check-alone"))))
    question = sorted(expected)[7]
    scene.fatal.write_text(question)

    found = check(path, scene.nodes.address)
    scene.fatal.write_bytes(b"")

    assert "three workers" in found[question]
    assert 1 <= sum("three workers" in each for each in found.values()) <= 5
    assert expected == check(path, scene.nodes.address)


def start(scene: Scene, path: Path) -> subprocess.Popen[bytes]:
    """Start a driver in another process."""
    command = [
        *(sys.executable, "-m", "triptych", "caption", str(path), "--cluster", scene.nodes.address),
        *(f"--set={key}={json.dumps(value)}" for key, value in FLAGS.items()),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_request_that_kills_three_workers_is_a_failure(scene: Scene) -> None:
    """The others of its unit fail too. The same command asks for all of them again."""
    path = scene.copy("fatal")
    key = next(RunFolder.open(path).all_images()).key
    scene.fatal.write_text(f"single_en:{key}\n")

    with open_run(path, settings={**FLAGS, "cluster.address": scene.nodes.address}) as run:
        run.caption()
    rows = {row.id: row for row in MadeUpRun(path, path).rows("single_en")}

    failed = [row.failure for row in rows.values() if row.failure and "three workers" in row.failure]
    assert 1 <= len(failed) <= 5
    assert rows[f"single_en:{key}"].failure in failed
    assert IMAGES == len(rows)

    scene.fatal.write_bytes(b"")
    with open_run(path, settings={**FLAGS, "cluster.address": scene.nodes.address}) as run:
        run.caption()
    again = {row.id: row for row in MadeUpRun(path, path).rows("single_en")}
    assert not any(row.failure and "three workers" in row.failure for row in again.values())


def test_unread_journals_of_workers_are_recovered_without_a_cluster(scene: Scene) -> None:
    """The run already has one of the captions in the worker's journal."""
    whole, path = scene.copy("whole"), scene.copy("left")
    finish(whole)
    rows = MadeUpRun(whole, whole).rows("single_en")
    with open_run(path, settings={**FLAGS, "captioning.sample": 1}) as run:
        run.caption()
    folder = RunFolder.open(path)
    generation, shard = folder.run_file.generations["single_en"], folder.shards()[0]
    of_shard = [row for row in rows if row.id.split(":")[1].startswith(f"{shard}/")]
    worker_journal = folder.worker_journals / "captions" / "single_en" / generation / f"{shard}.abc.jsonl"
    write_journal(worker_journal, of_shard)
    before = scene.asked.total()

    finish(path)

    had = {row.id for row in folder.captions("single_en", shard)}
    assert len(of_shard) == len(had)
    assert scene.asked.total() - before <= IMAGES - len(of_shard)
    assert not folder.worker_journals.exists()
    assert export_digests(whole) == export_digests(path)
