"""Jobs: what is captioned, in which language, with which prompt.

Comes in: tables of a config, or ``--job`` on the command line. Goes out: validated, frozen Jobs. Not its job:
which images and sets a job captions (see runs.plan), the wording of its prompt (see prompts).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import msgspec

from triptych.errors import UsageError, expect_fields
from triptych.languages import Language, language_of

Subject = Literal["image", "set"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
"""Folders and exported files are named after jobs, and file systems allow 255 bytes in a name."""


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task of captioning: one caption for each planned image, or for each planned set."""

    name: str
    """At most 60 lower-case letters, digits, _ and -. Caption ids begin with it, and it names folders."""
    subject: Subject
    """What each caption describes: an image, or a set of images."""
    language: str
    """The code of the language that captions are asked for in, such as en, zh or ja."""
    prompt: str | None = None
    """A .txt or .toml file with the prompt (see triptych.prompts). None: the built-in prompt for this subject
    and language."""
    limit: int | None = None
    """Make at most this many captions, always of the same images or sets. None: all."""
    structured: bool = False
    """Only for sets: constrain the model to one text per image and one on what they share, and compose the
    caption from them. Needs an engine that supports it (endpoints, lmdeploy) and a prompt with
    ``[naming]``."""

    def __post_init__(self) -> None:
        """Raises UsageError for an invalid value."""
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise UsageError(
                f"job name {self.name!r}: expected at most 60 lower-case letters, digits, _ and -, such as"
                " single_ja"
            )
        if self.subject not in get_args(Subject):
            raise UsageError(f"jobs.{self.name}.subject is {self.subject!r}; expected image or set")
        expect_fields(self, f"jobs.{self.name}")
        if self.limit is not None and self.limit < 0:
            raise UsageError(f"jobs.{self.name}.limit is {self.limit}; expected 0 or more")
        if self.structured and not self.is_multi:
            raise UsageError(
                f"jobs.{self.name}.structured is for sets, and this job captions single images; leave it out",
                key=f"jobs.{self.name}.structured",
            )

    def limited_to(self, sample: int) -> Job:
        """The same job with at most ``sample`` captions."""
        limit = sample if self.limit is None else min(self.limit, sample)
        return msgspec.structs.replace(self, limit=limit)

    @property
    def is_multi(self) -> bool:
        """Whether it captions sets rather than single images."""
        return self.subject == "set"


SEED_JOBS: tuple[Job, ...] = (
    Job(name="single_en", subject="image", language="en"),
    Job(name="single_zh", subject="image", language="zh"),
    Job(name="multi_en", subject="set", language="en"),
    Job(name="multi_zh", subject="set", language="zh"),
)
"""The jobs of InternVL-SA-1B-Caption (the seed). A config may change them and add others."""


def jobs_from(
    tables: Mapping[str, Mapping[str, object]], added_languages: Mapping[str, Language] | None = None
) -> tuple[Job, ...]:
    """SEED_JOBS, updated by ``tables`` (by job name), followed by the jobs that ``tables`` add.

    Raises UsageError for an invalid key or value, and for an unknown language.

    >>> [job.name for job in jobs_from({"single_ja": {"subject": "image", "language": "ja"}})][-1]
    'single_ja'
    """
    merged: dict[str, dict[str, object]] = {job.name: msgspec.structs.asdict(job) for job in SEED_JOBS}
    for name, table in tables.items():
        merged.setdefault(name, {"name": name}).update(table)
    jobs = tuple(_job(name, table) for name, table in merged.items())
    for job in jobs:
        language_of(job.language, added_languages)
    return jobs


def parse_job(text: str) -> tuple[str, dict[str, object]]:
    """Parse ``name=single_ja,subject=image,language=ja,prompt=ja.toml`` to a name and a table.

    A bare name refers to an existing job; its table is empty. Raises UsageError for anything else.

    >>> parse_job("single_en")
    ('single_en', {})
    """
    if "=" not in text:
        return text, {}
    table: dict[str, object] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals or key.strip() not in Job.__struct_fields__:
            raise UsageError(
                f"--job {text!r}: expected a job's name, or KEY=VALUE,... with keys"
                f" {', '.join(Job.__struct_fields__)}"
            )
        table[key.strip()] = value.strip()
    name = table.pop("name", None)
    if not name:
        raise UsageError(f"--job {text!r}: name is missing; begin with name=NAME")
    return str(name), table


def select_jobs(jobs: Iterable[Job], names: Iterable[str], where: str = "") -> tuple[Job, ...]:
    """The jobs with these names, in the order of ``jobs``; all of them if no name is given.

    Raises UsageError for an unknown name; the message begins with ``where``.
    """
    by_name = {job.name: job for job in jobs}
    wanted = list(names)
    for name in wanted:
        if name not in by_name:
            raise UsageError(f"{where}unknown job {name!r}; there are {', '.join(by_name)}")
    return tuple(job for job in by_name.values() if not wanted or job.name in wanted)


def _job(name: str, table: Mapping[str, object]) -> Job:
    try:
        return msgspec.convert({**table, "name": name}, Job, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"jobs.{name}: {error}; a job has subject (image or set), language and prompt"
        ) from None
