"""Prompts: what a job asks, and how a set's caption has to name its images.

Comes in: a job, maybe a user's own TOML file. Goes out: a Prompt with its version and hash; the parts of a
message for an engine. A prompt for sets may hold a contract, ``[naming]``: the text tells the model how to
name images, the pattern reads those names, and captioning and filtering check exactly that (see Naming). Not
its job: a model's chat template, which the checkpoint brings along.
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
"""Words that models, servers or trainers take for a picture: in a prompt they would move the images."""

TURN_MARKS = ("<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|endoftext|>")
"""Words that a chat template begins and ends a message with: in a prompt they would cut it short."""

BUILTIN = "builtin:"
"""Begins the name of a prompt file that ships with Triptych, such as builtin:multi_en."""

_DIGITS = re.compile(r"\d+")


class Naming(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the caption of a set names its images: a contract between prompt, model and filter."""

    label: str
    """A name as the model is asked to write it, with ``{number}`` from 1: ``Image-{number}``."""
    pattern: str
    """A regular expression that finds names. Every number inside a match is that of an image."""

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
        """Images of a set that ``text`` does not name."""
        return set(range(1, image_count + 1)) - self.numbers(text)

    def unknown(self, text: str, image_count: int) -> set[int]:
        """Numbers that ``text`` names and a set of ``image_count`` does not have."""
        return {number for number in self.numbers(text) if not 1 <= number <= image_count}

    def renumbered(self, text: str, numbers: Mapping[int, int]) -> str:
        """``text`` with other numbers in its names; those that aren't in ``numbers`` stay."""

        def other(digits: re.Match[str]) -> str:
            return str(numbers.get(int(digits.group()), digits.group()))

        return _compiled(self.pattern).sub(lambda name: _DIGITS.sub(other, name.group()), text)


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the model, once a caption."""

    version: int
    text: str
    naming: Naming | None = None
    """Only of sets. None: captions may name images in any way, and the filter reads them leniently."""
    question: str = ""
    """What exported rows ask in place of ``text``: of a prompt with fields (see fields), whose values only
    the captioner is told. Empty where it has none."""
    captions_of: str = ""
    """The job whose captions ``{captions}`` stands for. Empty: the first on images in the same language."""

    @property
    def row_text(self) -> str:
        """What exported rows ask."""
        return self.question or self.text

    @property
    def fields(self) -> frozenset[str]:
        """What ``text`` has to be told of each target (see fields)."""
        return fields_of(self.text)

    @property
    def sha256(self) -> str:
        """The hash of the text, in hex: two runs with the same hash asked the same."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class _PromptFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    text: str
    naming: Naming | None = None
    question: str = ""
    captions_of: str = ""


def load_prompts(jobs: Iterable[Job]) -> dict[str, Prompt]:
    """The prompt of each of ``jobs``, by the job's name. Raises UsageError as ``load_prompt`` does."""
    return {job.name: load_prompt(job) for job in jobs}


def load_prompt(job: Job) -> Prompt:
    """The prompt of ``job``: its own file, else the one that ships for its subject and language.

    Raises UsageError where there is none, where a file isn't there or isn't a prompt.
    """
    if job.prompt is None:
        return _shipped(job, f"{'multi' if job.is_multi else 'single'}_{job.language}")
    if job.prompt.startswith(BUILTIN):
        return _shipped(job, job.prompt.removeprefix(BUILTIN))
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
    """The parts of a user's message in order: words, or None where the next image stands.

    Images of a set are numbered as InternVL's documentation advises. A chat template puts a newline after
    each image, so that the model reads what a training row says (see export).
    """
    if image_count == 1:
        return [None, prompt]
    parts: list[str | None] = []
    for number in range(1, image_count + 1):
        parts += [f"Image-{number}: ", None]
    return [*parts, prompt]


def refuse_unusable(text: str, what: str) -> None:
    """Raise UsageError where ``text``, which messages call ``what``, can't be asked."""
    if not text.strip():
        raise UsageError(f"{what} is empty; write what to ask")
    for word in (*PLACEHOLDERS, *TURN_MARKS):
        if word in text:
            meaning = "stands for a picture" if word in PLACEHOLDERS else "begins or ends a message"
            raise UsageError(
                f"{what} holds {word}, which {meaning}; leave it out, images are placed before the text"
            )


def _shipped(job: Job, name: str) -> Prompt:
    try:
        content = (resources.files("triptych.prompts") / f"{name}.toml").read_text("utf-8")
    except OSError:
        kind = "sets" if job.is_multi else "single images"
        raise UsageError(
            f"no prompt named {name} ships with Triptych (job {job.name}: {kind}, language {job.language});"
            f" name a TOML file with version and text in jobs.{job.name}.prompt"
        ) from None
    return _parse(job, content, f"{name}.toml")


def _parse(job: Job, content: str, where: str) -> Prompt:
    """A file that isn't TOML by its name is the text itself."""
    if not where.endswith(".toml"):
        content = f"version = 1\ntext = {msgspec.json.encode(content).decode()}"
    try:
        file = msgspec.convert(tomllib.loads(content), _PromptFile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise UsageError(
            f"prompt file {where} of {job.name}: {error}; expected TOML with version (a number) and text"
        ) from None
    text = file.text.strip()
    refuse_unusable(text, f"prompt file {where} of {job.name}: text")
    if file.naming is not None:
        _check_naming(job, file.naming, where)
    elif job.structured:
        raise UsageError(
            f"prompt file {where} of {job.name} has no [naming], by whose label jobs.{job.name}.structured"
            " composes captions; add label and pattern, or leave structured out"
        )
    prompt = Prompt(
        version=file.version,
        text=text,
        naming=file.naming,
        question=file.question.strip(),
        captions_of=file.captions_of,
    )
    _check_fields(job, prompt, f"prompt file {where} of {job.name}")
    return prompt


def _check_fields(job: Job, prompt: Prompt, where: str) -> None:
    """Raises UsageError where fields can't be filled in, or rows would show them."""
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
    """Raises UsageError where the pattern doesn't read the label."""
    begins = f"prompt file {where} of {job.name}: naming"
    if not job.is_multi:
        raise UsageError(f"{begins} is for sets, and this job captions single images; leave it out")
    if "{number}" not in naming.label:
        raise UsageError(
            f"{begins}.label is {naming.label!r}; expected {{number}} in it, as in Image-{{number}}"
        )
    try:
        for number in (1, 2, 12):
            label = naming.label.replace("{number}", str(number))
            if naming.numbers(f"{label}: x. {label}。") != {number}:
                raise UsageError(
                    f"{begins}.pattern {naming.pattern!r} doesn't read {label!r} as image {number}"
                )
    except re.error as error:
        raise UsageError(f"{begins}.pattern {naming.pattern!r} is no regular expression: {error}") from None


@functools.lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
