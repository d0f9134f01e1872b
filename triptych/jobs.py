"""Jobs: what is captioned, in which language, with which prompt.

Comes in: tables of a config, or ``--job`` on the command line. Goes out: checked, frozen Jobs. Not its job:
which images and sets a job comes to (see runs.plan), what it asks (see prompts).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from triptych.errors import UsageError
from triptych.languages import Language, language_of

Subject = Literal["image", "set"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One caption for each image, or for each set, that is planned."""

    name: str
    """Lower-case letters, digits, _ and -. It begins caption ids and names folders."""
    subject: Subject
    """What a caption is of: an image, or a set of images."""
    language: str
    """The code of the language that captions are asked for in, such as en, zh or ja."""
    prompt: str | None = None
    """A .txt or .toml file with the prompt (see triptych.prompts). None: the one that ships for this subject
    and language."""
    limit: int | None = None
    """At most that many captions, always of the same images or sets. None: all."""
    structured: bool = False
    """Of sets: hold the model to one text an image and one on what they share, and compose the caption from
    them. Needs an engine that can (endpoints, lmdeploy) and a prompt with ``[naming]``."""

    def __post_init__(self) -> None:
        """Raises UsageError where a value can't be."""
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"job name {self.name!r}: expected lower-case letters, digits, _ and -, such as single_ja"
            )
        if self.limit is not None and self.limit < 0:
            raise UsageError(f"jobs.{self.name}.limit is {self.limit}; expected 0 or more")
        if self.structured and not self.is_multi:
            raise UsageError(
                f"jobs.{self.name}.structured is for sets, and this job captions single images; leave it out",
                key=f"jobs.{self.name}.structured",
            )

    def limited_to(self, sample: int) -> Job:
        """The same with at most ``sample`` captions."""
        limit = sample if self.limit is None else min(self.limit, sample)
        return msgspec.structs.replace(self, limit=limit)

    @property
    def is_multi(self) -> bool:
        """Whether it captions sets (else single images)."""
        return self.subject == "set"


SEED_JOBS: tuple[Job, ...] = (
    Job(name="single_en", subject="image", language="en"),
    Job(name="single_zh", subject="image", language="zh"),
    Job(name="multi_en", subject="set", language="en"),
    Job(name="multi_zh", subject="set", language="zh"),
)
"""Those of InternVL-SA-1B-Caption. A config may change them and add others."""


def jobs_from(
    tables: Mapping[str, Mapping[str, object]], added_languages: Mapping[str, Language] | None = None
) -> tuple[Job, ...]:
    """The seed's jobs with what ``tables`` (by name) say over them, then those that ``tables`` add.

    Raises UsageError for a key or value that can't be, and for an unknown language.

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
    """``name=single_ja,subject=image,language=ja,prompt=ja.toml`` as a name and a table.

    A bare name stands for a job that is defined already. Raises UsageError for what is neither.

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


def named(jobs: Iterable[Job], names: Iterable[str], where: str = "") -> tuple[Job, ...]:
    """Those of ``jobs`` with these names, in the order of ``jobs``; all where no name is given.

    Raises UsageError for a name that no job has; the message begins with ``where``.
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
