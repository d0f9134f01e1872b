"""What is asked: the prompt of each job, and how images and words are put in order.

Comes in: a job, maybe a user's own TOML file. Goes out: a Prompt with its version and hash; the
parts of a message for an engine; the question as a training row has it. Not its job: a model's chat
template, which the checkpoint brings along.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import msgspec

from triptych.errors import UsageError
from triptych.records import JOB_NAMES, JobName, is_multi

PLACEHOLDERS = ("<image>", "<IMG_CONTEXT>", "<IMAGE_TOKEN>", "<img>", "</img>", "<video>", "<|image_pad|>")
"""Words that models, servers or trainers take for a picture: in a prompt they would move the images."""

TURN_MARKS = ("<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|endoftext|>")
"""Words that a chat template begins and ends a message with: in a prompt they would cut it short."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """The instruction of one job."""

    job: JobName
    version: int
    text: str

    @property
    def sha256(self) -> str:
        """The hash of the text, in hex: two runs with the same hash asked the same."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class _PromptFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    text: str


def load_prompts(own_files: Mapping[JobName, str] | None = None) -> dict[JobName, Prompt]:
    """The prompts of all jobs: from ``own_files`` where a job has one, else those that ship.

    Raises UsageError where a file isn't there or isn't a prompt.
    """
    own_files = own_files or {}
    return {job: _load(job, own_files.get(job)) for job in JOB_NAMES}


def _load(job: JobName, own_file: str | None) -> Prompt:
    if own_file is None:
        shipped = resources.files("triptych.captioning") / "prompts" / f"{job}.toml"
        return _parse(job, shipped.read_text("utf-8"), f"{job}.toml")
    try:
        return _parse(job, Path(own_file).expanduser().read_text("utf-8"), own_file)
    except OSError as error:
        raise UsageError(
            f"prompt file {own_file} of {job}: {error.strerror};"
            f" name a TOML file with version and text in captioning.prompts.{job}"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"prompt file {own_file} of {job} is not UTF-8; save it as UTF-8") from None


def _parse(job: JobName, content: str, where: str) -> Prompt:
    try:
        file = msgspec.convert(tomllib.loads(content), _PromptFile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(
            f"prompt file {where} of {job}: {error}; expected TOML with version (a number) and text"
        ) from None
    text = file.text.strip()
    if not text:
        raise UsageError(f"prompt file {where} of {job}: text is empty; write what to ask")
    for word in (*PLACEHOLDERS, *TURN_MARKS):
        if word in text:
            meaning = "stands for a picture" if word in PLACEHOLDERS else "begins or ends a message"
            raise UsageError(
                f"prompt file {where} of {job}: text holds {word}, which {meaning};"
                " leave it out, images are placed before the text"
            )
    return Prompt(job=job, version=file.version, text=text)


def question(job: JobName, image_count: int, prompt: str) -> str:
    """What a human asks in a training row, as InternVL writes it: one ``<image>`` for each image.

    A single image stands on a line of its own; the images of a set are numbered from 1.
    """
    if is_multi(job):
        numbered = (f"Image-{number}: <image>\n" for number in range(1, image_count + 1))
        return "".join(numbered) + prompt
    return f"<image>\n{prompt}"


def message_parts(prompt: str, image_count: int) -> list[str | None]:
    """The parts of a user's message in order: words, or None where the next image stands.

    A chat template puts a newline after each image, so that the model reads what ``question`` says.
    """
    if image_count == 1:
        return [None, prompt]
    parts: list[str | None] = []
    for number in range(1, image_count + 1):
        parts += [f"Image-{number}: ", None]
    return [*parts, prompt]
