"""The questions that a checker is asked about a caption, their requests, and the checks made of its answers.

Comes in: a planned caption, answers. Goes out: questions, requests, StatementChecks. In each caption of a set
one statement is also asked about another image of the set (the swap test): how often it is true there shows
how specific captions are. Not its job: choosing the captions (see stage).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from triptych.captioning.answer_check import AnswerCheck
from triptych.captioning.backlog import Group
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import CaptionRequest
from triptych.captioning.request_builder import RequestBuilder
from triptych.captioning.scheduler import FinishedGroup, JobRequests
from triptych.jobs import Job
from triptych.prompts import Naming, Prompt
from triptych.prompts.check_prompt import CheckPrompt, check_prompt
from triptych.prompts.statements import Statement, statements
from triptych.records import Caption, StatementCheck
from triptych.runs.checks import checked_content
from triptych.runs.context import RunContext
from triptych.runs.plan import Planned, Target
from triptych.runs.sampling import hash64

TOP_LOGPROBS = 5
"""Enough for yes and no in small and capital letters, and one other token."""


class Question(msgspec.Struct, frozen=True):
    """A question about one statement and one image."""

    check: StatementCheck
    """Still without an answer."""
    target: Target
    prompt: str


def questions_on(planned: Planned, prompt: CheckPrompt, naming: Naming | None) -> Iterator[Question]:
    """All questions about a caption."""
    assert planned.caption is not None
    caption, target = planned.caption, planned.target
    content, images = checked_content(caption, target), target.images

    def question(number: int, statement: Statement, about: int, shown: int) -> Question:
        """Whether a statement on the image ``about`` is true of the image ``shown``; both count from 1."""
        has_name = naming is not None and statement.is_named
        name = naming.label.replace("{number}", str(about)) if naming is not None and has_name else ""
        check = StatementCheck(
            id=f"{caption.id}#{number}/{shown}",
            start=statement.start,
            end=statement.end,
            image=images[shown - 1].key,
            is_swapped=shown != about,
            content=content,
        )
        asked = prompt.question(caption.text[statement.start : statement.end], name)
        return Question(check, Target(id=check.id, images=(images[shown - 1],)), asked)

    found = list(enumerate(statements(caption.text, len(images), naming), start=1))
    yield from (question(number, statement, at, at) for number, statement in found for at in statement.images)
    on_one_image = [(number, statement) for number, statement in found if len(statement.images) == 1]
    if len(images) > 1 and on_one_image:
        draw = hash64(f"{caption.id} swapped")
        number, statement = on_one_image[draw % len(on_one_image)]
        (about,) = statement.images
        others = [at for at in range(1, len(images) + 1) if at != about]
        yield question(number, statement, about, others[draw // len(on_one_image) % len(others)])


def requests_of_checks(
    builder: RequestBuilder,
    config: CaptioningConfig,
    job: Job,
    context: RunContext,
    questions: Mapping[str, Question],
) -> JobRequests:
    """The requests of ``questions``, which may be filled later, by id."""
    smaller = builder.with_half_the_tiles()
    asked_job = msgspec.structs.replace(job, structured=False)

    def request(made_by: RequestBuilder, group: Group, target: Target) -> CaptionRequest:
        prompt = Prompt(version=1, text=questions[target.id].prompt)
        made = made_by.request(asked_job, group.shard, target, prompt)
        return msgspec.structs.replace(made, top_logprobs=TOP_LOGPROBS)

    return JobRequests(
        request=lambda group, target: request(builder, group, target),
        smaller=lambda group, target: request(smaller, group, target),
        check=AnswerCheck(language=context.language(job)),
        max_request_mib=config.max_request_mib,
    )


def checks_in(
    finished: FinishedGroup, questions: Mapping[str, Question], job: Job
) -> Sequence[StatementCheck]:
    """The checks that a group's answers make."""
    prompt = check_prompt(job.language)
    first = {each.completion.id: each.completion.first_tokens for each in finished.answers}
    return [_answered(questions[row.id].check, row, prompt, first.get(row.id, {})) for row in finished.rows]


def _answered(
    check: StatementCheck, row: Caption, prompt: CheckPrompt, first_tokens: Mapping[str, float]
) -> StatementCheck:
    answer = "" if row.failure is not None else prompt.parse_answer(row.text) or "unclear"
    probability = prompt.yes_probability(first_tokens)
    if probability is not None and answer in ("yes", "no") and (answer == "yes") != (probability >= 0.5):
        probability = None  # the answer contradicts its first token
    return msgspec.structs.replace(
        check,
        answer=answer,
        yes_probability=probability,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        attempts=row.attempts,
        failure=row.failure,
        canary=row.canary,
    )
