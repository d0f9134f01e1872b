"""A grouped run of any number of small pictures, no two alike, and `triptych caption` on it as a process.

Comes in: a folder and a count. Goes out: tars of JPEGs of some hundred bytes, a run folder ready for
captioning, commands. For measurements that don't depend on what is captioned: throughput, faults, kills,
memory.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from triptych.records import Caption, ImageRecord
from triptych.runs.folder import RunFolder, StageState
from triptych.runs.jsonl import write_jsonl
from triptych.sources.image_decoding import decode_rgb
from triptych.sources.opening import open_sources
from triptych.sources.shard import FoundFile

ROOT = Path(__file__).parents[2]
IMAGES_A_SHARD = 4096
BLOCKS = (8, 6)
QUICK = {
    "captioning.tile_px": 112,
    "captioning.max_tiles": 1,
    "captioning.first_token_timeout_s": 3.0,
    "captioning.token_timeout_s": 3.0,
    "captioning.canary.every_s": 0,
}
"""Small requests, short timeouts, and no canary: stand-in servers can't see pictures."""


class MadeUpRun(msgspec.Struct, frozen=True):
    """The run folder, and the folder of its images."""

    path: Path
    pile: Path

    def command(self, urls: Sequence[str], jobs: Sequence[str], **settings: object) -> list[str]:
        """The command `triptych caption`. ``settings`` are settings of captioning."""
        chosen = QUICK | {f"captioning.{name}": value for name, value in settings.items()}
        return [
            sys.executable, "-m", "triptych", "caption", str(self.path),
            *(f"--server={url}" for url in urls),
            *(f"--job={job}" for job in jobs),
            *(f"--set={name}={value}" for name, value in chosen.items()),
        ]  # fmt: skip

    def start(self, *arguments: object, **settings: object) -> subprocess.Popen[str]:
        """Start this command as a process, with a pipe for its stderr."""
        return subprocess.Popen(
            self.command(*arguments, **settings),  # type: ignore[arg-type]
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def rows(self, job: str) -> list[Caption]:
        """All rows in the journals of ``job``, in order."""
        run = RunFolder.open(self.path)
        return [row for shard in run.shards() for row in run.captions(job, shard)]


def make_up_run(folder: Path, images: int) -> MadeUpRun:
    """Write ``images`` pictures and the run folder below ``folder``, always the same."""
    pile = folder / "pile"
    pile.mkdir(parents=True)
    for start in range(0, images, IMAGES_A_SHARD):
        numbers = range(start, min(start + IMAGES_A_SHARD, images))
        with tarfile.open(pile / f"made_up_{start // IMAGES_A_SHARD:06d}.tar", "w") as archive:
            for number in numbers:
                content = _jpeg(number)
                member = tarfile.TarInfo(f"{number}.jpg")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    run = RunFolder.create_or_open(folder / "run")
    for shard in open_sources([pile]):
        write_jsonl(run.images_file(shard.name), map(_record, shard.files()))
    write_jsonl(run.duplicates_file, [])
    write_jsonl(run.sets_file, [])
    run.run_file.stages["embeddings"] = StageState(settings={}, finished=True)
    run.run_file.stages["sets"] = StageState(settings={}, finished=True)
    run.run_file.config = {"sources": [str(pile)]}
    run.save()
    return MadeUpRun(run.path, pile)


def _jpeg(number: int) -> bytes:
    rng = np.random.default_rng(number)
    blocks = Image.fromarray(rng.integers(0, 2, (BLOCKS[1], BLOCKS[0], 3), dtype=np.uint8) * 200 + 20)
    buffer = io.BytesIO()
    blocks.resize((BLOCKS[0] * 8, BLOCKS[1] * 8), Image.Resampling.NEAREST).save(buffer, "JPEG")
    return buffer.getvalue()


def _record(file: FoundFile) -> ImageRecord:
    _, width_px, height_px = decode_rgb(file.content)
    return ImageRecord(
        key=file.key,
        width_px=width_px,
        height_px=height_px,
        size_bytes=len(file.content),
        offset_bytes=file.offset_bytes,
    )
