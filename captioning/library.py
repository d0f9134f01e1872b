"""Captions from Python without a run folder.

Comes in: images or sets of images, an engine. Goes out: a Caption for each, in order, with its failure if
there is no text. Requests, asking again and checks are those of a run. Not its job: resuming, accounting (see
triptych.open_run), judging captions (see filtering).
"""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from triptych.captioning.backlog import Group, cut_into_groups
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import Engine
from triptych.captioning.engine_choice import check_forms, choose_engine, open_engine
from triptych.captioning.engine_table import ENGINES
from triptych.captioning.engines.config import ServerConfig, TransformersConfig
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.request_builder import RequestBuilder
from triptych.captioning.scheduler import Scheduler
from triptych.captioning.structured import require_structured_answers
from triptych.captioning.useless_answers import stop_where_useless
from triptych.errors import UnreadableImageError, UsageError, expect
from triptych.jobs import SEED_JOBS, Job, select_jobs
from triptych.languages import Language, language_of
from triptych.prompts import Prompt, load_prompt, refuse_unusable
from triptych.records import Caption, ImageRecord, caption_id
from triptych.runs.image_reader import image_read_error
from triptych.runs.plan import Target
from triptych.sources.image_decoding import upright_size
from triptych.sources.pixels.to_rgb import to_rgb

if TYPE_CHECKING:
    from PIL import Image

    Picture = str | Path | bytes | Image.Image
    EngineConfig = ServerConfig | TransformersConfig | LmdeployConfig


def caption(
    images: Iterable[Picture | Sequence[Picture]],
    *,
    engine: str | EngineConfig | None = None,
    model: str | None = None,
    job: str | Job = "single_en",
    prompt: str | Prompt | None = None,
    languages: dict[str, Language] | None = None,
    config: CaptioningConfig | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Caption]:
    """One Caption for each of ``images``, in order.

    An image is a path, the bytes of a file, or a Pillow image; for a job on sets, each of ``images`` is a
    sequence of those, in the order in which the model sees them. A Caption's id consists of its job and the
    paths, or ``#`` and the index in ``images``. Without a ``text`` it has a ``failure`` that says why, such
    as an image that can't be read.

    ``engine`` is a name, or the settings of an engine: ``ServerConfig(urls=("http://gpu1:23333/v1",))``.
    ``model`` is a folder or a hub id, for servers the served name. ``job`` is the name of a job that ships
    with Triptych, or a Job; ``prompt`` replaces its own. ``config`` has all other settings, such as tiles and
    sampling; ``languages`` those that Triptych doesn't know; ``say`` gets messages for the user.

    On a CPU, this limits torch to one thread per operation, in the whole process, until the captions are
    made. Raises UsageError for invalid arguments, and SetupError if the model or its servers can't be opened,
    or fail for good.
    """
    if isinstance(images, str | Path | bytes):
        raise UsageError("caption takes a list of images, found one; write caption([image])")
    expect(images, Iterable, "images")
    expect(job, str | Job, "job")
    expect(prompt, str | Prompt | None, "prompt")
    expect(config, CaptioningConfig | None, "config")
    chosen_job = select_jobs(SEED_JOBS, [job])[0] if isinstance(job, str) else job
    asked = _prompt(chosen_job, prompt)
    chosen, why = choose_engine(_config(engine, model, config))
    check_forms(chosen, [chosen_job])
    pictures: dict[str, Picture] = {}
    targets = [_target(chosen_job, number, item, pictures) for number, item in enumerate(images)]
    if not targets:
        return []
    with tempfile.TemporaryDirectory(prefix="triptych-caption-") as logs:
        opened = open_engine(chosen, Path(logs), say)
        try:
            say(f"captions: {opened.describe()}{f' ({why})' if why else ''}")
            if chosen_job.structured:
                require_structured_answers(opened, chosen.tile_px)
            language = language_of(chosen_job.language, languages)
            found = _ask(opened, chosen_job, asked, language, targets, pictures, chosen)
        finally:
            opened.close()
    return [found[target.id] for target in targets]


def _config(
    engine: str | EngineConfig | None, model: str | None, config: CaptioningConfig | None
) -> CaptioningConfig:
    """``config`` with the other arguments applied."""
    changes: dict[str, Any] = {} if engine is None else {"engine": engine}
    if engine is not None and not isinstance(engine, str):
        names = [name for name, spec in ENGINES.items() if spec.config is type(engine)]
        if not names:
            raise UsageError(
                f"engine is a {type(engine).__name__}; expected a name, or the settings of one of"
                f" {', '.join(ENGINES)}"
            )
        changes = {"engine": names[0], names[0]: engine}
    if model is not None:
        changes["model"] = model
    return msgspec.structs.replace(config or CaptioningConfig(), **changes).resolved()


def _prompt(job: Job, prompt: str | Prompt | None) -> Prompt:
    if prompt is None:
        return load_prompt(job)
    asked = Prompt(version=1, text=prompt) if isinstance(prompt, str) else prompt
    refuse_unusable(asked.text, "prompt")
    if asked.fields - {"count"}:
        raise UsageError("prompt has a field besides {count}, which needs a run folder: leave it out")
    if job.structured and asked.naming is None:
        raise UsageError(f"prompt has no naming, by whose label the captions of {job.name} are composed")
    return asked


def _target(job: Job, number: int, item: Picture | Sequence[Picture], pictures: dict[str, Picture]) -> Target:
    """The target for one of ``images``. Adds its pictures to ``pictures``, by their keys."""
    members = list(item) if isinstance(item, Sequence) and not isinstance(item, (str, bytes)) else None
    if (members is not None) != job.is_multi or members == []:
        found = "one image" if members is None else f"a sequence of {len(members)}"
        expected = "sets: expected a sequence of images" if job.is_multi else "single images"
        raise UsageError(f"images[{number}] is {found}, and {job.name} captions {expected}")
    keys = []
    shown: list[Any] = [item] if members is None else members
    for place, picture in enumerate(shown):
        is_path = isinstance(picture, (str, Path))
        keys.append(str(picture) if is_path else f"#{number}" + (f".{place}" if job.is_multi else ""))
        pictures[keys[-1]] = picture
    return Target(id=caption_id(job.name, "+".join(keys)), images=tuple(ImageRecord(key=key) for key in keys))


def _ask(
    engine: Engine,
    job: Job,
    prompt: Prompt,
    language: Language,
    targets: Sequence[Target],
    pictures: dict[str, Picture],
    config: CaptioningConfig,
) -> dict[str, Caption]:
    """Captions by id. Duplicate targets are asked about once."""
    read = _Reading(pictures)
    builder = RequestBuilder(lambda _job, _shard, image: read.bytes_of(image), config)
    unique = {target.id: target for target in targets}.values()
    groups = (
        Group(job=job, shard="", targets=members, missing=frozenset(target.id for target in members))
        for members in cut_into_groups(unique, engine.group_size)
    )

    requests = builder.requests_of(job, prompt, language, read.sized)
    stopping = threading.Event()
    try:
        finished_groups = Scheduler(groups, requests, engine, stopping).finished()
        batches = stop_where_useless(finished_groups, job.name, stopping, at_a_time=engine.concurrency)
        return {row.id: row for batch in batches for finished in batch for row in finished.rows}
    finally:
        stopping.set()


class _Reading:
    """Reads pictures by key. Thread-safe."""

    def __init__(self, pictures: dict[str, Picture]) -> None:
        self._pictures = pictures
        self._encoding = threading.Lock()  # Pillow images load lazily, which isn't thread-safe

    def bytes_of(self, image: ImageRecord) -> bytes:
        picture = self._pictures[image.key]
        if isinstance(picture, bytes):
            return picture
        if isinstance(picture, (str, Path)):
            return Path(picture).read_bytes()
        with self._encoding:
            buffer = io.BytesIO()
            to_rgb(picture).save(buffer, "TIFF")  # uncompressed, so fast
            return buffer.getvalue()

    def sized(self, target: Target) -> Target:
        """The target with the sizes of its images, which decide how they are resized."""
        return msgspec.structs.replace(target, images=tuple(map(self._sized, target.images)))

    def _sized(self, image: ImageRecord) -> ImageRecord:
        try:
            width_px, height_px = upright_size(self.bytes_of(image))
        except UnreadableImageError as error:
            raise UnreadableImageError(f"unreadable image: {image.key}: {error}") from None
        except OSError as error:
            raise image_read_error(error, image.key) from None
        return msgspec.structs.replace(image, width_px=width_px, height_px=height_px)
