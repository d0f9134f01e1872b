"""Judge captions without a run folder: texts in, verdicts out.

Comes in: captions as strings, or as mappings with more details. Goes out: one Verdict for each. It runs the
same pass as the stage, in a temporary folder. Not its job: files of captions (see captions_file), captions of
a run (see triptych.open_run).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from triptych.errors import UsageError, expect
from triptych.executors.local import LocalExecutor
from triptych.filtering.caption import MAX_IMAGES, CaptionText
from triptych.filtering.config import FilteringConfig
from triptych.filtering.filter_pass import FilterPass, in_blocks
from triptych.filtering.rule import Rule
from triptych.filtering.rule_choice import as_rule, chosen_rules
from triptych.filtering.scoring import CaptionInput, FilterJob
from triptych.jobs import Job, Subject
from triptych.languages import Language, language_of
from triptych.prompts import Prompt
from triptych.records import Verdict


class _Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a mapping."""

    text: str
    id: str | None = None
    images: Annotated[int, msgspec.Meta(ge=1, le=MAX_IMAGES)] | None = None
    finish_reason: str = "stop"
    counterparts: dict[str, str] = {}


def judge(
    captions: Iterable[str | Mapping[str, object]],
    *,
    language: str | Language = "en",
    subject: Subject = "image",
    prompt: Prompt | str | None = None,
    rules: Iterable[Rule | Callable[[CaptionText], float]] = (),
    config: FilteringConfig | None = None,
) -> list[Verdict]:
    """Which captions to keep, in their order, and why the others are rejected.

    A caption is a text, or a mapping with ``text`` and any of ``id``, ``images`` (how many it describes;
    default 1, or 2 if ``subject`` is ``"set"``), ``finish_reason`` (``"stop"``, or ``"length"`` if a token
    limit cut it) and ``counterparts`` (captions of the same image in other languages, by code). All are in
    one ``language``. A caption that repeats ``prompt`` is rejected. The prompt's ``naming`` says how captions
    of sets name their images; without it they are read leniently. ``rules`` are your own: each is a Rule, or
    a function from a caption to a score that rejects above 0. They run after those of ``config``. Duplicates
    are searched for among these captions. A verdict's ``id`` is the caption's, or else its number from 0.

    Raises UsageError for an unknown language, a mapping with other keys, and invalid rules.

    >>> cut, short = judge(["A red boat lies at a wooden pier and", "A boat."])
    >>> cut.keep, cut.reason, short.reason
    (False, 'truncated', 'too_short')
    """
    expect(captions, Iterable, "captions")
    expect(prompt, str | Prompt | None, "prompt")
    expect(config, FilteringConfig | None, "config")
    config = config or FilteringConfig()
    if isinstance(captions, str | Mapping):
        raise UsageError("judge expects a list of captions, found a single one; write judge([caption])")
    of_language = language if isinstance(language, Language) else language_of(language)
    asked = Prompt(version=1, text=prompt) if isinstance(prompt, str) else prompt
    job = FilterJob(Job(name="captions", subject=subject, language=of_language.code), of_language, asked)
    chosen = chosen_rules(config, [as_rule(each, getattr(each, "__name__", "rule")) for each in rules])
    given = (_caption_input(number, each, subject) for number, each in enumerate(captions))
    with (
        tempfile.TemporaryDirectory(prefix="triptych-") as scratch,
        FilterPass(config, [job], Path(scratch), LocalExecutor, chosen) as all_captions,
    ):
        for _ in all_captions.score(in_blocks(given)):
            pass
        return list(all_captions.verdicts())


def _caption_input(number: int, caption: str | Mapping[str, object], subject: Subject) -> CaptionInput:
    try:
        given = msgspec.convert({"text": caption} if isinstance(caption, str) else dict(caption), _Given)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise UsageError(
            f"caption {number}: {error}; expected a text, or a mapping with text and any of"
            f" {', '.join(name for name in _Given.__struct_fields__ if name != 'text')}"
        ) from None
    return CaptionInput(
        id=str(number) if given.id is None else given.id,
        job="captions",
        text=given.text.encode("utf-8", "replace").decode(),  # lone surrogates can't be stored
        image_count=given.images or (2 if subject == "set" else 1),
        finish_reason=given.finish_reason,
        counterparts=given.counterparts,
    )
