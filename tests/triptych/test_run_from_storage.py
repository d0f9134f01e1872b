"""A run with images in object storage has the same results as one with the images on disk."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import triptych
from tests.support.chat_server import ChatServer
from tests.support.growing_run import Describer, GrowingRun
from tests.support.pile import write_file, write_tar
from tests.support.s3 import BUCKET, CuttingProxy, files, uploaded, using
from tests.support.small_run import encoded, picture
from triptych.errors import SetupError, UsageError
from triptych.report.live.pictures import Pictures
from triptych.report.live.record_index import RecordIndex
from triptych.runs.folder import RunFolder
from triptych.sources import remote_storage
from triptych.upload import push


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """An endpoint whose answers depend only on the bytes of the pictures."""
    with ChatServer(Describer()) as found:
        yield found


def image(number: int) -> bytes:
    """A JPEG that is different for each number."""
    return encoded(picture(number), "JPEG")


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures: four in a tar, four in a Parquet file, four in a folder."""
    folder = tmp_path_factory.mktemp("runs") / "pile"
    write_tar(folder / "a.tar", {f"{n}.jpg": image(n) for n in range(4)})
    table = pyarrow.table({"image": [image(n) for n in range(4, 8)]})
    pyarrow.parquet.write_table(table, folder / "t.parquet", row_group_size=2)
    for number in range(8, 12):
        write_file(folder / "loose" / f"{number}.jpg", image(number))
    return folder


@pytest.fixture(scope="module")
def url(pile: Path, s3_port: int) -> str:
    """The address of a copy of ``pile`` in object storage."""
    return uploaded(pile, "pile-of-runs")


class BothRuns(NamedTuple):
    """The same run from disk and from storage: the files made, and the requests to models."""

    local: GrowingRun
    remote: GrowingRun
    made: tuple[dict[str, bytes], dict[str, bytes]]
    asked: tuple[list[str], list[str]]
    cuts: int


@pytest.fixture(scope="module")
def both(pile: Path, url: str, s3_port: int) -> Iterator[BothRuns]:
    """Both runs. The connections to storage break now and then. No other test uses their server."""
    with ChatServer(Describer()) as server:
        local, remote = (GrowingRun(pile.parent / name, server) for name in ("local", "remote"))
        local.use(pile)
        asked, server.payloads = server.payloads, []
        with CuttingProxy(s3_port, cut_after_bytes=(600, 20_000), seed=5) as proxy, using(proxy.port):
            remote.use(url)
        yield BothRuns(
            local,
            remote,
            (made(local.path), made(remote.path)),
            (_images_of(asked), _images_of(server.payloads)),
            proxy.cuts,
        )


def made(run: Path) -> dict[str, bytes]:
    """The contents of the files that a run made, by name, without times."""
    found = {
        str(path.relative_to(run)): path.read_bytes()
        for pattern in ("embeddings/**/*.npy", "sets.jsonl", "duplicates.jsonl", "export/*.jsonl")
        for path in sorted(run.glob(pattern))
    }
    for path in sorted(run.glob("images/**/*.jsonl")):
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        found[str(path.relative_to(run))] = json.dumps([{**r, "modified_ns": 0} for r in rows]).encode()
    for path in sorted(run.glob("captions/**/*.jsonl")):
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        texts = sorted((row["id"], row.get("text")) for row in rows)
        found[path.parent.parent.name + path.name] = json.dumps(texts).encode()
    return found


def _images_of(payloads: list[dict[str, object]]) -> list[str]:
    return sorted(json.dumps(payload["messages"]) for payload in payloads)


def test_a_run_from_storage_makes_the_same_bytes_as_from_disk(both: BothRuns) -> None:
    """Embeddings, records, sets, captions and the export."""
    assert both.cuts > 0
    assert both.made[0] == both.made[1]


def test_requests_to_models_are_the_same_as_from_disk(both: BothRuns) -> None:
    """Both prompts and pictures."""
    assert len(both.asked[0]) > 12
    assert both.asked[0] == both.asked[1]


def test_the_live_report_reads_original_images_from_storage(both: BothRuns, s3_port: int) -> None:
    """From a tar, a Parquet file and a folder there."""
    with triptych.open_run(both.remote.path, read_only=True) as run, using(s3_port):
        shown = Pictures(RecordIndex())
        found = [shown.picture(run, each.key, None, None) for each in run.images()]

    assert {image(number) for number in range(12)} == {each.content for each in found if each is not None}


def test_cached_images_are_not_fetched_again(
    both: BothRuns, tmp_path: Path, s3_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found in the cache by their digest."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = {"captioning.jobs": ["single_en"], "input.image_cache": "1MB"}
    fetched = []
    for _ in range(2):
        with CuttingProxy(s3_port) as proxy, using(proxy.port):
            with triptych.open_run(both.remote.path, settings=settings) as opened:
                opened.make_again(["captions"])
                opened.caption()
            fetched.append(proxy.answered_bytes)

    assert 12 == len(list(tmp_path.rglob("??/*")))
    assert fetched[1] < fetched[0] - sum(len(image(n)) for n in range(8, 12))


def test_an_outage_of_storage_fails_no_caption(
    tmp_path: Path, url: str, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captioning stops with the reason. Once storage is back, the rest is captioned."""
    run = GrowingRun(tmp_path / "run", server)
    with triptych.open_run(run.path, [url], settings=run.settings) as opened:
        opened.group()
        with monkeypatch.context() as patched, using(1, AWS_MAX_ATTEMPTS="1"):
            patched.setattr(remote_storage, "PAUSES_S", (0.01,))
            with pytest.raises(SetupError, match="can't be reached after 1 more"):
                opened.caption(["single_en"])
        assert [] == [row for row in run.rows("single_en") if row.failure]
        opened.caption(["single_en"])

    assert {f"single_en:loose/{n}.jpg" for n in range(8, 12)} <= {
        row.id for row in run.rows("single_en") if row.text
    }


def test_exports_and_reports_are_uploaded_unchanged(both: BothRuns) -> None:
    """The uploaded files are the same. A place that contains other files is refused."""
    run = both.local
    to = f"s3://{BUCKET}/exports/mine"
    files().pipe_file(f"{BUCKET}/exports/mine/", b"")  # a "folder" that a console made
    for _ in range(2):  # again, over itself
        with triptych.open_run(run.path) as opened:
            folder = opened.export(to, format="llava").folder

    assert run.path / "exports" / "mine" == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.rpartition("/")[2]: files().cat_file(path)
        for path in files().find(f"{BUCKET}/exports/mine")
        if not path.endswith("/")
    }
    with (
        triptych.open_run(run.path) as opened,
        pytest.raises(UsageError, match="nothing is written there"),
    ):
        opened.export("https://host/never")
    assert not (run.path / "exports" / "never").exists()
    with pytest.raises(UsageError, match="a run folder must be on a file system"):
        triptych.open_run(f"s3://{BUCKET}/run", ["x"])
    files().pipe_file(f"{BUCKET}/exports/mine/old.jsonl", b"")
    with triptych.open_run(run.path) as opened, pytest.raises(UsageError, match=r"such as old\.jsonl"):
        opened.export(to)
    page = [sys.executable, "-m", "triptych", "report", str(run.path), "--to", f"s3://{BUCKET}/page.html"]
    subprocess.run(page, check=True, capture_output=True)
    assert (run.path / "report" / "index.html").read_bytes() == files().cat_file(f"{BUCKET}/page.html")


def test_a_failed_push_is_one_line(tmp_path: Path) -> None:
    """With a wrong address, or a hub that doesn't answer. No test pushes to a real hub."""
    for url, message in (
        ("hf://models/x", "expected hf://datasets/NAME"),
        ("hf://datasets/a b", "Repo id must"),
    ):
        with pytest.raises(UsageError, match=message):
            push(tmp_path, url, [], print, private=False)
    line = "from triptych.upload import push; push('.', 'hf://datasets/x', [], print, private=True)"
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:1", "HF_TOKEN": "hf_x"}
    found = subprocess.run([sys.executable, "-c", line], env=environment, capture_output=True, text=True)
    assert "SetupError: hf://datasets/x can't be written (" in found.stderr.splitlines()[-1]


_READ_ALL = """
import resource, sys
from triptych.sources.opening import open_sources

def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

list(open_sources([sys.argv[1]])[0].files())
before = peak_kib()
for shard in open_sources([sys.argv[2]]):
    for file in shard.files():
        assert file.unreadable is None
print(peak_kib() - before)
"""


@pytest.mark.slow
def test_no_archive_is_kept_whole_in_memory_or_on_disk(
    tmp_path: Path, s3_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a tar and a Parquet file of 100 MB each needs little memory and no temporary file."""
    content = [b"\xff\xd8\xff" + np.random.default_rng(n).bytes(1_000_000) for n in range(100)]
    write_tar(tmp_path / "big" / "a.tar", {f"{n}.jpg": each for n, each in enumerate(content)})
    table = pyarrow.table({"image": content})
    pyarrow.parquet.write_table(table, tmp_path / "big" / "t.parquet", row_group_size=100)
    write_tar(tmp_path / "small" / "b.tar", {"1.jpg": content[0]})
    big, small = uploaded(tmp_path / "big", "big"), uploaded(tmp_path / "small", "small")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))

    grown = subprocess.run([sys.executable, "-c", _READ_ALL, small, big], check=True, capture_output=True)
    assert int(grown.stdout) < 80 * 1024
    assert [] == [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()]


def test_the_url_of_a_single_image_is_a_source(tmp_path: Path, s3_port: int) -> None:
    """Its key is the file's name."""
    files().pipe_file(f"{BUCKET}/one/x.jpg", image(1))
    settings = {"embedding.model": "builtin:nano-clip"}
    with triptych.open_run(tmp_path / "run", [f"s3://{BUCKET}/one/x.jpg"], settings=settings) as run:
        run.group()

    assert ["x.jpg"] == [each.key for each in RunFolder.open(tmp_path / "run").all_images()]
