"""A run folder as grouping leaves it, of a few small pictures.

Eight pictures are in a tar and six are files. One of these is a duplicate. Of the four sets, two have images
from both.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from tests.support.contexts import JOBS, context_of
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.stage import caption_run
from triptych.jobs import SEED_JOBS, Job
from triptych.records import Caption, Duplicate, ImageRecord, ImageSet
from triptych.runs.folder import RunFolder, StageState
from triptych.runs.jsonl import write_jsonl
from triptych.sources.image_decoding import decode_rgb
from triptych.sources.opening import open_sources
from triptych.sources.shard import Shard

TAR_IMAGES = 8
LOOSE_IMAGES = 6
SETS = (
    ("sa_000000/sa_0.jpg", "sa_000000/sa_1.jpg"),
    ("sa_000000/sa_2.jpg", "sa_000000/sa_3.jpg", "loose/p0.png"),
    ("loose/p1.png", "loose/p2.png"),
    ("loose/p3.png", "sa_000000/sa_7.jpg"),
)
PLANNED = {"single_en": 13, "single_zh": 13, "multi_en": 4, "multi_zh": 4}


class SmallRun(msgspec.Struct):
    """The run, and the folder of its images."""

    run: RunFolder
    pile: Path

    @property
    def sources(self) -> list[Shard]:
        """The shards of the images as they are now."""
        return open_sources([self.pile])

    def caption(self, config: CaptioningConfig, sources: Sequence[Shard] | None = None) -> bool:
        """Run the stage from what is on disk, as a new process would."""
        self.run = RunFolder.open(self.run.path)
        return self.caption_jobs(SEED_JOBS, config, sources)

    def caption_jobs(
        self,
        jobs: Sequence[Job],
        config: CaptioningConfig,
        sources: Sequence[Shard] | None = None,
        *,
        fresh: bool = False,
    ) -> bool:
        """The same with these jobs, instead of the built-in ones."""
        self.run = RunFolder.open(self.run.path)
        context = context_of(self.run, *jobs)
        return caption_run(
            context, sources or self.sources, config, config.jobs, fresh=fresh, are_named=bool(config.jobs)
        )

    def rows(self) -> dict[str, Caption]:
        """All captions by id. Fails the test if an id occurs twice."""
        found: dict[str, Caption] = {}
        for job in JOBS:
            for shard in self.run.shards():
                for caption in self.run.captions(job, shard):
                    assert caption.id not in found, f"{caption.id} is in the journals twice"
                    found[caption.id] = caption
        return found


def changed(config: CaptioningConfig, **settings: object) -> CaptioningConfig:
    """The config with some settings replaced."""
    return msgspec.structs.replace(config, **settings)


def journals(small_run: SmallRun) -> dict[str, bytes]:
    """The bytes of all journals, by path."""
    folder = small_run.run.path / "captions"
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*.jsonl"))}


def picture(seed: int, width_px: int = 90, height_px: int = 60) -> Image.Image:
    """Soft blotches of colour, different for each seed."""
    rng = np.random.default_rng(seed)
    blotches = Image.fromarray(rng.integers(0, 255, (4, 6, 3), dtype=np.uint8))
    return blotches.resize((width_px, height_px), Image.Resampling.BICUBIC)


def make_small_run(folder: Path) -> SmallRun:
    """Write the images and the run folder below ``folder``."""
    pile = folder / "pile"
    (pile / "loose").mkdir(parents=True)
    with tarfile.open(pile / "sa_000000.tar", "w") as archive:
        for number in range(TAR_IMAGES):
            content = encoded(picture(number, 80 + 10 * number, 60), "JPEG")
            member = tarfile.TarInfo(f"sa_{number}.jpg")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    for number in range(LOOSE_IMAGES):
        (pile / "loose" / f"p{number}.png").write_bytes(encoded(picture(100 + number, 70, 100), "PNG"))
    run = RunFolder.create_or_open(folder / "run")
    for shard in open_sources([pile]):
        write_jsonl(run.images_file(shard.name), map(_record, shard.files()))
    write_jsonl(
        run.duplicates_file,
        [Duplicate(key="loose/p5.png", of="loose/p4.png", reason="near duplicate", cosine_similarity=0.99)],
    )
    write_jsonl(run.sets_file, map(_image_set, SETS))
    run.run_file.stages["sets"] = StageState(settings={}, finished=True)
    run.save()
    return SmallRun(run, pile)


def _record(file: object) -> ImageRecord:
    _, width_px, height_px = decode_rgb(file.content)
    return ImageRecord(
        key=file.key,
        width_px=width_px,
        height_px=height_px,
        size_bytes=len(file.content),
        content_hash=hashlib.blake2b(file.content, digest_size=16).hexdigest(),
        offset_bytes=file.offset_bytes,
    )


def _image_set(keys: tuple[str, ...]) -> ImageSet:
    identifier = hashlib.blake2b("\n".join(keys).encode(), digest_size=8).hexdigest()
    return ImageSet(id=identifier, keys=keys, min_cosine_similarity=0.8, mean_cosine_similarity=0.85)


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()
