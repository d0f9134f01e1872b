"""Prompts: the question of a job, and how captions of sets have to name their images.

Comes in: a job, which may name a TOML file of the user. Goes out: a Prompt with its version and hash; the
parts of a message for an engine. A prompt for sets may have a contract, ``[naming]``: the text tells the
model how to name images, the pattern reads those names, and captioning and filtering check exactly that (see
Naming). Not its job: a model's chat template, which is part of the checkpoint.
"""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

import msgspec

from triptych.errors import UsageError
from triptych.jobs import Job
from triptych.prompts.fields import fields_of

PLACEHOLDERS = ("<image>", "<IMG_CONTEXT>", "<IMAGE_TOKEN>", "<img>", "</img>", "<video>", "<|image_pad|>")
"""Tokens that models, servers or trainers replace with an image: in a prompt they would move the images."""

TURN_MARKS = ("<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|endoftext|>")
"""Tokens with which chat templates begin and end messages: in a prompt they would cut it short."""

BUILTIN = "builtin:"
"""The prefix of the names of built-in prompts, such as builtin:multi_en."""

_DIGITS = re.compile(r"\d+")


class Naming(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the caption of a set names its images: a contract between prompt, model and filter."""

    label: str
    """A name as the model is asked to write it, with ``{number}`` counted from 1: ``Image-{number}``."""
    pattern: str
    """A regular expression that finds names. Every number in a match is the number of an image."""

    def numbers(self, text: str) -> set[int]:
        """The numbers of all images that ``text`` names.

        >>> sorted(Naming(label="Image-{number}", pattern=r"Image-\\d+").numbers("Image-1: a. Image-3: b."))
        [1, 3]
        """
        return {
            int(number)
            for name in _compiled(self.pattern).finditer(text)
            for number in _DIGITS.findall(name.group())
        }

    def missing(self, text: str, image_count: int) -> set[int]:
        """The images of a set that ``text`` does not name."""
        return set(range(1, image_count + 1)) - self.numbers(text)

    def unknown(self, text: str, image_count: int) -> set[int]:
        """The numbers in ``text`` that a set of ``image_count`` images does not have."""
        return {number for number in self.numbers(text) if not 1 <= number <= image_count}

    def renumbered(self, text: str, numbers: Mapping[int, int]) -> str:
        """``text`` with the numbers in its names replaced; those that aren't in ``numbers`` stay."""

        def new_number(digits: re.Match[str]) -> str:
            return str(numbers.get(int(digits.group()), digits.group()))

        return _compiled(self.pattern).sub(lambda name: _DIGITS.sub(new_number, name.group()), text)


class Prompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The question that the model is asked for each caption."""

    version: int
    text: str
    naming: Naming | None = None
    """Only for sets. None: captions may name images in any way, and the filter reads them leniently."""
    question: str = ""
    """The question in exported rows if ``text`` has fields (see fields), whose values only the captioner
    sees. Empty without fields."""
    captions_of: str = ""
    """The job whose captions fill ``{captions}``. Empty: the first job on images in the same language."""

    @property
    def row_text(self) -> str:
        """The question in exported rows."""
        return self.question or self.text

    @property
    def fields(self) -> frozenset[str]:
        """The fields that ``text`` has (see fields)."""
        return fields_of(self.text)

    @property
    def sha256(self) -> str:
        """The hash of the text, in hex: runs with the same hash asked the same question."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load_prompts(jobs: Iterable[Job]) -> dict[str, Prompt]:
    """The prompts of ``jobs`` by job name. Raises UsageError as ``load_prompt`` does."""
    return {job.name: load_prompt(job) for job in jobs}


def load_prompt(job: Job) -> Prompt:
    """The prompt of ``job``: its own file, or else the built-in one for its subject and language.

    Raises UsageError if there is none, or its file is missing or isn't a prompt.
    """
    if job.prompt is None:
        return _builtin(job, f"{'multi' if job.is_multi else 'single'}_{job.language}")
    if job.prompt.startswith(BUILTIN):
        return _builtin(job, job.prompt.removeprefix(BUILTIN))
    try:
        return _parse(job, Path(job.prompt).expanduser().read_text("utf-8-sig"), job.prompt)
    except OSError as error:
        raise UsageError(
            f"prompt file {job.prompt} of {job.name}: {error.strerror};"
            f" name one with --prompt {job.name}=FILE"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"prompt file {job.prompt} of {job.name} is not UTF-8; save it as UTF-8") from None


def message_parts(prompt: str, image_count: int) -> list[str | None]:
    """The parts of a user message in order: text, or None for the next image.

    Images of a set are numbered as InternVL's documentation advises. A chat template puts a newline after
    each image, so the model reads the same text as in a training row (see export).
    """
    if image_count == 1:
        return [None, prompt]
    parts: list[str | None] = []
    for number in range(1, image_count + 1):
        parts += [f"Image-{number}: ", None]
    return [*parts, prompt]


def refuse_unusable(text: str, what: str) -> None:
    """Raise UsageError if ``text`` can't be a prompt; the message calls it ``what``."""
    if not text.strip():
        raise UsageError(f"{what} is empty; write what to ask")
    for word in (*PLACEHOLDERS, *TURN_MARKS):
        if word in text:
            meaning = "stands for a picture" if word in PLACEHOLDERS else "begins or ends a message"
            raise UsageError(
                f"{what} contains {word}, which {meaning}; leave it out, images are placed before the text"
            )


def _builtin(job: Job, name: str) -> Prompt:
    try:
        content = (resources.files("triptych.prompts") / f"{name}.toml").read_text("utf-8")
    except OSError:
        kind = "sets" if job.is_multi else "single images"
        raise UsageError(
            f"no prompt named {name} ships with Triptych (job {job.name}: {kind}, language {job.language});"
            f" name a TOML file with version and text in jobs.{job.name}.prompt"
        ) from None
    return _parse(job, content, f"{name}.toml")


def _parse(job: Job, content: str, name: str) -> Prompt:
    """Parse the content of the prompt file ``name``. Unless that is a .toml file, it is the text itself."""
    where = f"prompt file {name} of {job.name}"
    if not name.endswith(".toml"):
        content = f"version = 1\ntext = {msgspec.json.encode(content).decode()}"
    try:
        prompt = msgspec.convert(tomllib.loads(content), Prompt)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise UsageError(f"{where}: {error}; expected TOML with version (a number) and text") from None
    prompt = msgspec.structs.replace(prompt, text=prompt.text.strip(), question=prompt.question.strip())
    refuse_unusable(prompt.text, f"{where}: text")
    if prompt.naming is not None:
        _check_naming(job, prompt.naming, f"{where}: naming")
    elif job.structured:
        raise UsageError(
            f"{where} has no [naming], which jobs.{job.name}.structured needs to"
            " compose captions; add label and pattern, or leave structured out"
        )
    _check_fields(job, prompt, where)
    return prompt


def _check_fields(job: Job, prompt: Prompt, where: str) -> None:
    """Raise UsageError if fields can't be filled in, or exported rows would show them."""
    fields = sorted(prompt.fields)
    if not fields:
        if prompt.question or prompt.captions_of:
            raise UsageError(f"{where}: question and captions_of are for a text with fields; leave them out")
        return
    named = ", ".join(f"{{{name}}}" for name in fields)
    if not prompt.question:
        raise UsageError(
            f"{where}: text has {named}, and rows can't ask that; add question: what exported rows ask"
        )
    refuse_unusable(prompt.question, f"{where}: question")
    if fields_of(prompt.question):
        raise UsageError(f"{where}: question has a field; expected the same words for every row")
    if "captions" in fields and not job.is_multi:
        raise UsageError(f"{where}: {{captions}} is for sets, and this job captions single images")


def _check_naming(job: Job, naming: Naming, where: str) -> None:
    """Raise UsageError if the pattern doesn't match the label."""
    if not job.is_multi:
        raise UsageError(f"{where} is for sets, and this job captions single images; leave it out")
    if "{number}" not in naming.label:
        raise UsageError(
            f"{where}.label is {naming.label!r}; expected {{number}} in it, as in Image-{{number}}"
        )
    try:
        for number in (1, 2, 12):
            label = naming.label.replace("{number}", str(number))
            if naming.numbers(f"{label}: x. {label}。") != {number}:
                raise UsageError(
                    f"{where}.pattern {naming.pattern!r} doesn't read {label!r} as image {number}"
                )
    except re.error as error:
        raise UsageError(f"{where}.pattern {naming.pattern!r} is not a regular expression: {error}") from None


@functools.lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
