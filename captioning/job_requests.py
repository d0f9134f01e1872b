"""How the requests of one job are made, and which answers are asked for again.

Comes in: a run, a config, a RequestBuilder. Goes out: JobRequests. Not its job: asking (see scheduler).
"""

from __future__ import annotations

from triptych.captioning.answer_check import AnswerCheck
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.request_builder import RequestBuilder
from triptych.captioning.scheduler import JobRequests
from triptych.jobs import Job
from triptych.runs.context import RunContext


def requests_of(
    context: RunContext, config: CaptioningConfig, builder: RequestBuilder, job: Job
) -> JobRequests:
    """The requests of ``job``."""
    prompt = context.prompts[job.name]
    smaller = builder.with_half_the_tiles()
    return JobRequests(
        request=lambda group, target: builder.request(job, group.shard, target, prompt),
        smaller=lambda group, target: smaller.request(job, group.shard, target, prompt),
        check=AnswerCheck(language=context.language(job), naming=prompt.naming, structured=job.structured),
        ask_again=config.ask_again,
        samples=config.samples,
        max_request_mib=config.max_request_mib,
    )
