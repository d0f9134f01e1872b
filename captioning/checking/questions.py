"""What a checker is asked about a caption, how its requests are made, and what its answers say.

Comes in: a planned caption, answers. Goes out: questions, requests, StatementChecks. Of each caption of a set
one statement is put to another image of the set, too (the swap test): how often it holds there tells how
specific captions are. Not its job: which captions are checked (see stage).
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
from triptych.prompts.questions import CheckPrompt, check_prompt
from triptych.prompts.statements import Statement, statements
from triptych.records import Caption, StatementCheck
from triptych.runs.checks import checked_content
from triptych.runs.context import RunContext
from triptych.runs.plan import Planned, Target
from triptych.runs.sampling import hash64

TOP_LOGPROBS = 5
"""Yes and no, in small and capital letters, and something else."""


class Question(msgspec.Struct, frozen=True):
    """One statement and one image."""

    check: StatementCheck
    """Without an answer."""
    target: Target
    words: str


def questions_on(planned: Planned, prompt: CheckPrompt, naming: Naming | None) -> Iterator[Question]:
    """All that is asked about a caption."""
    assert planned.caption is not None
    caption, target = planned.caption, planned.target
    content, images = checked_content(caption, target), target.images

    def question(number: int, said: Statement, about: int, shown: int) -> Question:
        """Whether what is said of the image ``about`` holds of the one ``shown``; numbers from 1."""
        is_named = naming is not None and said.is_named
        name = naming.label.replace("{number}", str(about)) if naming is not None and is_named else ""
        check = StatementCheck(
            id=f"{caption.id}#{number}/{shown}",
            start=said.start,
            end=said.end,
            image=images[shown - 1].key,
            is_swapped=shown != about,
            content=content,
        )
        words = prompt.asked(caption.text[said.start : said.end], name)
        return Question(check, Target(id=check.id, images=(images[shown - 1],)), words)

    found = list(enumerate(statements(caption.text, len(images), naming), start=1))
    yield from (question(number, said, at, at) for number, said in found for at in said.images)
    of_one = [(number, said) for number, said in found if len(said.images) == 1]
    if len(images) > 1 and of_one:
        chance = hash64(f"{caption.id} swapped")
        number, said = of_one[chance % len(of_one)]
        (about,) = said.images
        others = [at for at in range(1, len(images) + 1) if at != about]
        yield question(number, said, about, others[chance // len(of_one) % len(others)])


def requests_of_checks(
    builder: RequestBuilder,
    config: CaptioningConfig,
    job: Job,
    context: RunContext,
    questions: Mapping[str, Question],
) -> JobRequests:
    """Those of ``questions``, by id."""
    smaller = builder.with_half_the_tiles()
    asked_job = msgspec.structs.replace(job, structured=False)

    def request(made_by: RequestBuilder, group: Group, target: Target) -> CaptionRequest:
        prompt = Prompt(version=1, text=questions[target.id].words)
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
    """What was answered in a group."""
    prompt = check_prompt(job.language)
    first = {each.completion.id: each.completion.first_tokens for each in finished.answers}
    return [_answered(questions[row.id].check, row, prompt, first.get(row.id, {})) for row in finished.rows]


def _answered(
    check: StatementCheck, row: Caption, prompt: CheckPrompt, first_tokens: Mapping[str, float]
) -> StatementCheck:
    answer = "" if row.failure is not None else prompt.word(row.text) or "unclear"
    chance = prompt.yes_probability(first_tokens)
    if chance is not None and answer in ("yes", "no") and (answer == "yes") != (chance >= 0.5):
        chance = None  # its first token wasn't the word that it came to
    return msgspec.structs.replace(
        check,
        answer=answer,
        yes_probability=chance,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        attempts=row.attempts,
        failure=row.failure,
        canary=row.canary,
    )
