"""Sources in object storage give the same files as on disk, whatever the network does."""

import tarfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tests.support.pile import jpeg, read_again, write_file, write_tar, write_zip
from tests.support.s3 import BUCKET, PAGE_OBJECTS, CuttingProxy, files, uploaded, using
from triptych.errors import SetupError, UsageError
from triptych.sources import remote_file, remote_storage
from triptych.sources.config import InputConfig
from triptych.sources.opening import open_sources
from triptych.sources.prefetching import prefetched
from triptych.sources.regular_files import open_regular
from triptych.sources.remote_storage import UnreachableError
from triptych.sources.shard import FoundFile, Shard, estimate_count
from triptych.sources.texts import Texts

pytestmark = pytest.mark.usefixtures("s3_port")

IMAGE_BYTES, LARGE_IMAGES = 300_000, 60


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses between attempts."""
    monkeypatch.setattr(remote_storage, "PAUSES_S", (0.01,) * 7)


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of every kind of source, with some files that aren't images."""
    folder = tmp_path_factory.mktemp("storage") / "pile"
    for number in range(30):
        write_file(folder / "loose" / f"{number:02d}.jpg", jpeg(number))
    write_file(folder / "loose" / "00.txt", b"a red thing")
    write_file(folder / "loose" / "notes.doc", b"no image")
    write_tar(folder / "sub" / "sa_0.tar", {f"sa_{n}.jpg": jpeg(n) for n in range(9)} | {"sa_0.txt": b"red"})
    write_file(folder / "sub" / "cut.tar", (folder / "sub" / "sa_0.tar").read_bytes()[:5000])
    write_zip(folder / "z.zip", {f"{n}.jpg": jpeg(n) for n in range(9)})
    with tarfile.open(folder / "packed.tar.gz", "w:gz") as archive:
        archive.add(folder / "loose", "loose")
    table = pyarrow.table({"image": [jpeg(n) for n in range(50)], "caption": [f"red {n}" for n in range(50)]})
    pyarrow.parquet.write_table(table, folder / "t.parquet", row_group_size=20)
    return folder


@pytest.fixture(scope="module")
def url(pile: Path, s3_port: int) -> str:
    """The URL of a copy of ``pile``."""
    return uploaded(pile, "pile")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tar and a table of bytes that begin like JPEGs, each larger than two blocks."""
    folder = tmp_path_factory.mktemp("storage") / "large"
    rng = np.random.default_rng(7)
    images = [b"\xff\xd8\xff" + rng.bytes(IMAGE_BYTES) for _ in range(LARGE_IMAGES)]
    write_tar(folder / "a.tar", {f"{n}.jpg": content for n, content in enumerate(images)})
    pyarrow.parquet.write_table(pyarrow.table({"image": images}), folder / "t.parquet", row_group_size=10)
    return folder


@pytest.fixture(scope="module")
def large_url(large: Path, s3_port: int) -> str:
    """The URL of a copy of ``large``."""
    return uploaded(large, "large")


def contents(shards: list[Shard]) -> dict[str, list[tuple[str, bytes, int | None, str | None]]]:
    """All files of each shard, without their modification times."""
    return {
        shard.name: [(file.key, file.content, file.offset_bytes, file.unreadable) for file in shard.files()]
        for shard in shards
    }


def test_every_kind_of_source_gives_the_same_files_as_on_disk(pile: Path, url: str, tmp_path: Path) -> None:
    """Keys, bytes, offsets and reasons; and each file can be reread."""
    local = open_sources([pile], unpack_to=tmp_path / "local")
    remote = open_sources([url], unpack_to=tmp_path / "remote")

    assert contents(local) == contents(remote)
    assert all(all(read_again(shard)) for shard in remote)


def test_texts_beside_images_are_read(pile: Path, url: str, tmp_path: Path) -> None:
    """From files, archive members and columns of tables."""
    shards = {shard.name: shard for shard in open_sources([url], unpack_to=tmp_path)}

    assert "a red thing" == Texts(shards["files-00000"], "txt").of("loose/00.jpg")
    assert "red" == Texts(shards["sub/sa_0"], "txt").of("sub/sa_0/sa_0.jpg")
    assert "red 49" == Texts(shards["t"], "caption").of("t/49")


def test_patterns_and_filters_select_objects(url: str) -> None:
    """As they select files."""
    assert ["sa_0"] == [shard.name for shard in open_sources([f"{url}/sub/sa_*.tar"])]
    (loose,) = open_sources([f"{url}/**/0[0-3].jpg"], InputConfig(exclude=("02.jpg",)))
    assert ["loose/00.jpg", "loose/01.jpg", "loose/03.jpg"] == [file.key for file in loose.files()]


def test_a_list_may_name_urls_and_paths(pile: Path, url: str, tmp_path: Path) -> None:
    """A file's key is its path below the list's folder, a URL's key the part after ``//``."""
    here = write_file(tmp_path / "here.jpg")
    lines = f"{url}/loose/03.jpg\n{url}/sub/sa_0.tar\nhere.jpg\n"
    shards = open_sources([write_file(tmp_path / "list.txt", lines.encode())])

    found = {file.key: file.content for shard in shards for file in shard.files()}
    assert {"here.jpg", f"{BUCKET}/pile/loose/03.jpg"} | {
        f"{BUCKET}/pile/sub/sa_0/sa_{n}.jpg" for n in range(9)
    } == set(found)
    assert here.read_bytes() == found["here.jpg"]
    files().pipe_file(f"{BUCKET}/lists/list.txt", b"../pile/loose/04.jpg\n")
    (listed,) = open_sources([f"s3://{BUCKET}/lists/list.txt"])
    assert [jpeg(4)] == [file.content for file in listed.files()]


def test_listings_of_several_pages_are_read(s3_port: int) -> None:
    """The test server lists few objects at a time."""
    files().pipe({f"{BUCKET}/many/{n:04d}.jpg": b"\xff\xd8\xff" for n in range(2 * PAGE_OBJECTS + 1)})

    assert 2 * PAGE_OBJECTS + 1 == sum(
        shard.file_count or 0 for shard in open_sources([f"s3://{BUCKET}/many"])
    )


def test_missing_objects_and_buckets_are_usage_errors(url: str) -> None:
    """So is a pattern without a match."""
    for missing in (f"{url}/none", "s3://no-such-bucket/x", f"{url}/*.webp"):
        with pytest.raises(UsageError, match=r"does not exist|matches nothing"):
            open_sources([missing])


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to install it. An unknown scheme is a usage error."""
    with pytest.raises(SetupError, match=r"uv pip install \"triptych\[gs\]"):
        open_sources(["gs://bucket/x"])
    with pytest.raises(UsageError, match="ftps://x: expected s3://"):
        open_sources(["ftps://x"])


@pytest.mark.parametrize("seed", range(3))
def test_no_byte_is_lost_if_connections_break(large: Path, large_url: str, s3_port: int, seed: int) -> None:
    """They break at moments that depend on the seed, from within a header to after several blocks."""
    expected = contents(open_sources([large]))

    with CuttingProxy(s3_port, cut_after_bytes=(20_000, 12_000_000), seed=seed) as proxy, using(proxy.port):
        shards = open_sources([large_url])
        found = contents(shards)
        again = [shards[0].read(file[0], file[2], IMAGE_BYTES + 3) for file in found["a"][::9]]

    assert proxy.cuts > 0
    assert expected == found
    assert [file[1] for file in expected["a"][::9]] == again


def test_reading_an_object_takes_one_request(url: str, s3_port: int) -> None:
    """Its size is known from the listing, or was recorded when it was embedded."""
    (shard,) = open_sources([f"{url}/loose"])
    with CuttingProxy(s3_port) as proxy, using(proxy.port):
        found = list(shard.files())
        after_files = proxy.requests
        again = shard.read(found[0].key, None, len(found[0].content))

    images = sum(file.unreadable is None for file in found)
    assert (images, images + 1) == (after_files, proxy.requests)
    assert found[0].content == again


def test_an_object_is_complete_if_connections_break(tmp_path: Path, s3_port: int) -> None:
    """An object that doesn't arrive in one request is read in parts."""
    content = b"\xff\xd8\xff" + np.random.default_rng(3).bytes(3_000_000)
    write_file(tmp_path / "cut" / "a.jpg", content)
    place = uploaded(tmp_path / "cut", "cut")
    with CuttingProxy(s3_port, cut_after_bytes=(900_000, 2_000_000)) as proxy, using(proxy.port):
        (shard,) = open_sources([place])
        found = [file.content for file in shard.files()]

    assert proxy.cuts > 0
    assert [content] == found


def test_rereading_an_image_fetches_only_its_bytes(large_url: str, s3_port: int) -> None:
    """From a tar; from a table, only its row group."""
    tar, table = open_sources([large_url])
    offset = next(iter(tar.files())).offset_bytes
    with CuttingProxy(s3_port) as proxy, using(proxy.port):
        tar.read("a/0.jpg", offset, IMAGE_BYTES + 3)
        assert IMAGE_BYTES < proxy.answered_bytes < IMAGE_BYTES + 100_000
        table.read("t/55", None, IMAGE_BYTES + 3)
        assert proxy.answered_bytes < 13 * IMAGE_BYTES


def test_a_page_larger_than_the_block_cache_is_fetched_once(tmp_path: Path, s3_port: int) -> None:
    """pyarrow writes a row group of images as one page, and reads it at once."""
    rng = np.random.default_rng(1)
    images = [b"\xff\xd8\xff" + rng.bytes(IMAGE_BYTES) for _ in range(120)]
    table = tmp_path / "page" / "t.parquet"
    table.parent.mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"image": images}), table, use_dictionary=False)
    place = uploaded(table.parent, "page")

    with CuttingProxy(s3_port) as proxy, using(proxy.port):
        (shard,) = open_sources([place])
        found = [file.content for file in shard.files()]
        fetched = proxy.answered_bytes

    assert images == found
    assert fetched < 1.1 * table.stat().st_size


def test_prefetching_is_bounded_and_passes_errors_on() -> None:
    """Few items are made ahead, closing ends the thread, and its errors are raised."""
    made = list[int]()

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number
        raise SetupError("the storage")

    found = prefetched(items(), 5)
    assert 0 == next(found)
    time.sleep(0.1)
    assert 5 <= len(made) <= 7
    found.close()  # type: ignore[attr-defined]

    got = list[int]()
    with pytest.raises(SetupError, match="the storage"):
        got.extend(prefetched(items(), 5))
    assert list(range(100)) == got
    assert [] == list(prefetched(iter(()), 5))


def test_counting_reads_little(large_url: str, s3_port: int) -> None:
    """Only headers are read."""
    shards = open_sources([f"{large_url}/a.tar"])
    with CuttingProxy(s3_port) as proxy, using(proxy.port):
        estimate = estimate_count(shards)

    assert estimate is not None
    assert LARGE_IMAGES == pytest.approx(estimate.files, rel=0.1)
    assert proxy.answered_bytes < 1_000_000


def test_an_object_removed_after_listing_is_recorded(s3_port: int) -> None:
    """With the same reason as a file."""
    s3 = files()
    s3.pipe_file(f"{BUCKET}/going/a.jpg", jpeg())
    s3.pipe_file(f"{BUCKET}/going/b.jpg", jpeg())
    (shard,) = open_sources([f"s3://{BUCKET}/going"])
    s3.rm(f"{BUCKET}/going/a.jpg")

    assert ["read error: No such file or directory", None] == [file.unreadable for file in shard.files()]
    with pytest.raises(FileNotFoundError):
        shard.read("a.jpg", None, 1)


@pytest.mark.parametrize("kept_bytes", [10_000_000, 15_000_000])
def test_an_archive_that_changes_while_it_is_read_is_recorded(
    large: Path, s3_port: int, kept_bytes: int
) -> None:
    """Old and new bytes aren't mixed, whether or not the new archive is long enough for the next read."""
    path = f"{BUCKET}/changing/a.tar"
    files().put_file(str(large / "a.tar"), path)
    (shard,) = open_sources([f"s3://{path}"])
    found = shard.files()
    first = next(found)
    files().pipe_file(path, (large / "a.tar").read_bytes()[:kept_bytes])
    rest = list(found)

    assert first.unreadable is None
    assert (rest[-1].key, rest[-1].unreadable) == ("a.tar", "read error: changed while it was read")


def test_unreachable_storage_is_an_error_instead_of_records(pile: Path, url: str, tmp_path: Path) -> None:
    """The images may be fine, so they aren't recorded as unreadable."""
    shards = open_sources([url], unpack_to=tmp_path)
    with using(1, AWS_MAX_ATTEMPTS="1"):
        for shard in shards[-2:]:
            with pytest.raises(UnreachableError, match="can't be reached after 7 more tries"):
                list(shard.files())


class TestReading:
    """One object is read like a file."""

    def test_any_range_can_be_read(self, large: Path, large_url: str) -> None:
        """In any order, across the borders of blocks, and beyond the end."""
        expected = (large / "a.tar").read_bytes()
        rng = np.random.default_rng(3)
        for in_ranges in (False, True):
            with open_regular(f"{large_url}/a.tar", in_ranges=in_ranges) as file:
                for _ in range(20):
                    at, size = int(rng.integers(len(expected) + 10)), int(rng.integers(200_000))
                    file.seek(at)
                    assert expected[at : at + size] == file.read(size)

    def test_cached_blocks_are_bounded(self, monkeypatch: pytest.MonkeyPatch, large_url: str) -> None:
        """For an archive of any size, to a few blocks."""
        monkeypatch.setattr(remote_file, "BLOCK_BYTES", 100_000)
        with open_regular(f"{large_url}/a.tar") as file:
            while file.read(30_000):
                cache = file._file.cache._fetch_block_cached  # type: ignore[attr-defined]
                assert cache.cache_info().currsize <= remote_file.CACHED_BLOCKS


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server that only serves whole files, like the simplest ones."""
    handler = partial(_QuietHandler, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_dead_links_to_web_servers_are_recorded(web: str, tmp_path: Path) -> None:
    """Lists of images on the web always have dead links. Each is recorded, and the rest are read."""
    write_file(tmp_path / "web" / "a.jpg", jpeg(1))
    lines = f"{web}/a.jpg\n{web}/gone.jpg\nhttp://127.0.0.1:1/dead.jpg\n"
    (shard,) = open_sources([write_file(tmp_path / "list.txt", lines.encode())])

    found: list[FoundFile] = list(shard.files())
    assert [jpeg(1)] == [file.content for file in found if file.unreadable is None]
    gone, dead = sorted(file.unreadable for file in found if file.unreadable is not None)
    assert "read error: No such file or directory" == gone
    assert dead.startswith("read error: http://127.0.0.1:1/dead.jpg can't be reached after 7 more tries")


def test_a_folder_of_a_web_server_is_read(web: str, tmp_path: Path) -> None:
    """Its page lists the files."""
    write_file(tmp_path / "web" / "photos" / "a.jpg", jpeg(1))
    write_tar(tmp_path / "web" / "photos" / "sub" / "t.tar", {"b.jpg": jpeg(2)})

    found = [file.key for shard in open_sources([f"{web}/photos/"]) for file in shard.files()]
    assert ["a.jpg", "sub/t/b.jpg"] == found


def test_large_reads_for_pyarrow_reuse_memory_only_when_nothing_refers_to_it(
    large: Path, large_url: str
) -> None:
    table = (large / "t.parquet").read_bytes()
    size = remote_file.BLOCK_BYTES + 1
    file = remote_file.RemoteFile(f"{large_url}/t.parquet", in_ranges=False)

    first = file.read_buffer(size)
    second = file.read_buffer(size)
    assert (table[:size], table[size : 2 * size]) == (first, second)

    address = np.frombuffer(second, np.uint8).ctypes.data
    del first, second
    file.seek(1)
    third = file.read_buffer(size)
    assert table[1 : size + 1] == third
    assert address == np.frombuffer(third, np.uint8).ctypes.data
    assert table[size + 1 : size + 4] == file.read_buffer(3)
