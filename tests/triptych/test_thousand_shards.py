"""A run of a thousand archives, some damaged, some removed during the run: all are accounted for, and nothing
else is lost."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.made_up import save_tiny_clip
from tests.triptych.conftest import Command
from triptych.api import Run
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene
from triptych.results import CaptionResult
from triptych.sources.shard import FoundFile
from triptych.sources.tar import TarShard

SHARDS = 1000
SCENES = 8
"""The number of different pictures. It is small, as captions cost time: the other 992 are duplicates."""
GARBAGE, EMPTY, NO_MEMBERS, CUT, SPOILT = 100, 200, 300, 400, 600
GONE_BEFORE_EMBEDDING, GONE_BEFORE_CAPTIONING = 500, 3
"""The second one contains a picture that no earlier shard has, so it has to be captioned."""

NOTED = [
    "note: sa_000100.tar: damaged archive",
    "note: sa_000200.tar: empty archive",
    "note: sa_000300.tar: empty archive",
    "note: sa_000400.tar#: truncated archive",
    "note: sa_000500.tar: read error",
    "note: sa_000600.tar#: damaged archive",
]
"""The run's notes on these tars. The one removed before captioning only counts as a failed caption."""


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tars with one picture and its sidecar each. The tar SPOILT has two of each, and is damaged between
    them."""
    folder = tmp_path_factory.mktemp("pile") / "sa1b"
    folder.mkdir()
    scenes = []
    for number in range(SCENES):
        buffer = io.BytesIO()
        paint(imagine_scene("unseen", 900 + number), 168, 112).save(buffer, "JPEG", quality=90)
        scenes.append(buffer.getvalue())
    for number in range(SHARDS):
        pictures = 2 if number == SPOILT else 1
        with tarfile.open(folder / f"sa_{number:06d}.tar", "w") as archive:
            for at in range(pictures):
                content = scenes[(number + at) % SCENES]
                for name, member in ((f"sa_{number}{at}.jpg", content), (f"sa_{number}{at}.json", b"{}")):
                    header = tarfile.TarInfo(name)
                    header.size = len(member)
                    archive.addfile(header, io.BytesIO(member))
    tar = {number: folder / f"sa_{number:06d}.tar" for number in range(SHARDS)}
    tar[GARBAGE].write_bytes(b"<html>502 bad gateway</html>" * 100)
    tar[EMPTY].write_bytes(b"")
    tar[NO_MEMBERS].write_bytes(bytes(10240))
    tar[CUT].write_bytes(tar[CUT].read_bytes()[:2000])
    with tar[SPOILT].open("r+b") as file:  # the first sidecar's header, and so the start of the next member
        file.seek(512 + -(-len(scenes[SPOILT % SCENES]) // 512) * 512)
        file.write(b"\xa5" * 512)
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use one thread, for batches of one image, and skip 4,000 calls of fsync."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr("os.fsync", lambda _: None)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def removed_tars(pile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove one tar while the first is read, and another between embedding and captioning."""
    read, caption = TarShard.files, Run.caption

    def files(self: TarShard) -> Iterator[FoundFile]:
        if self.name == "sa_000000":
            (pile / f"sa_{GONE_BEFORE_EMBEDDING:06d}.tar").unlink()
        return read(self)

    def remove_and_caption(self: Run, jobs: Sequence[str] = ()) -> CaptionResult:
        (pile / f"sa_{GONE_BEFORE_CAPTIONING:06d}.tar").unlink(missing_ok=True)
        return caption(self, jobs)

    monkeypatch.setattr(TarShard, "files", files)
    monkeypatch.setattr(Run, "caption", remove_and_caption)


def test_a_thousand_archives_are_all_accounted_for(
    triptych: Command, pile: Path, removed_tars: None, quick: None, tmp_path: Path
) -> None:
    """The run finishes with a note on each lost archive, has nothing to do when run again, and passes
    `verify`."""
    clip = save_tiny_clip(tmp_path / "clip")
    arguments = (
        *("run", pile, "--preset", "demo", "--out", tmp_path / "run", "--job", "single_en"),
        *("--set", f"embedding.model={clip}", "--set", "filtering.grounding=false"),
        *("--set", "sets.duplicate_cosine_similarity=1.0", "--set", "sets.related_cosine_similarity=0.999"),
        *("--set", "filtering.max_rejected_share=1.0"),
    )
    first = triptych(*arguments)

    assert 0 == first.exit_code, first.stderr

    notes = [line for line in first.stderr.splitlines() if line.startswith("note: sa_")]

    assert NOTED == [re.sub(r"#\d+", "#", ":".join(line.split(":")[:3])) for line in notes]
    assert "captions single_en: 1 of 8 failed" in first.stderr

    ledger = json.loads(triptych("status", tmp_path / "run", "--json").stdout)["ledger"]
    images, captions = ledger["images"], ledger["jobs"]["single_en"]
    in_order = {"empty archive": 2, "damaged archive": 2, "read error": 1, "truncated archive": 2}

    assert SHARDS + 3 == images["found"]  # a cut tar and its picture; two pictures and the damage between
    assert dict(sorted(in_order.items())) == images["unreadable"]
    assert (SCENES, SCENES - 1, {"unreadable image": 1}) == (
        captions["planned"], captions["captioned"], captions["failed"]
    )  # fmt: skip
    assert [] == ledger["contradictions"]

    triptych(*arguments)  # from now on, the removed tars count as gone
    again = triptych(*arguments)

    assert 0 == again.exit_code, again.stderr
    assert "Nothing to do" in again.stderr
    assert ["note: sa_000003.tar is", "note: sa_000500.tar is"] == [
        line.partition(" not in the sources")[0] for line in again.stderr.splitlines() if "any more" in line
    ]

    verified = triptych("verify", tmp_path / "run", "--images", "all")

    assert 0 == verified.exit_code, verified.stdout
    assert "995 of 995 images" in verified.stdout
    assert re.search(r"files gone +1\b", triptych("status", tmp_path / "run").stdout)
