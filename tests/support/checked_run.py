"""A small run with captions and verdicts, and endpoints that answer questions about statements."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec
import numpy as np

from tests.support.contexts import JOBS, context_of
from tests.support.scripted_endpoint import Asked, Reply, ScriptedEndpoint, delta, events
from tests.support.small_run import SmallRun
from triptych.captioning.checking.config import CheckingConfig
from triptych.captioning.checking.stage import check_run
from triptych.captioning.engines.config import ServerConfig
from triptych.progress import Silent
from triptych.records import Caption, StatementCheck, Verdict
from triptych.runs.checks import read_checks
from triptych.runs.folder import StageState
from triptych.runs.generations import begin_generation
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import write_jsonl
from triptych.runs.stage_record import JobChecks


def answer(word: str, probability: float | None = None) -> Reply:
    piece = delta(content=word)
    if probability is not None:
        other = {"token": "no" if word == "yes" else "yes", "logprob": float(np.log(1 - probability))}
        own = {"token": word, "logprob": float(np.log(probability))}
        piece["choices"][0]["logprobs"] = {"content": [{**own, "top_logprobs": [own, other]}]}  # type: ignore[index]
    usage = {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 1}}
    return Reply(200, [events(piece, delta("stop"), usage)], {"Content-Type": "text/event-stream"})


def words(asked: Asked) -> str:
    return "".join(part.get("text", "") for part in asked.body["messages"][0]["content"])


def statement(asked: Asked) -> str:
    return re.findall(r"Statement: (.*)", words(asked))[0]


def denies_red(asked: Asked) -> Reply:
    return answer("no" if "red" in statement(asked) else "yes")


class Said(Silent):
    """Collects messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


class Checked:
    """A small run with captions and verdicts."""

    captioner = MappingProxyType({"served_model": "acme/captioner"})

    def __init__(self, small_run: SmallRun, texts: Mapping[str, str | Callable[[int], str]]) -> None:
        """``texts`` by job: the text of all captions, or a function that makes it from a caption's number."""
        self.run, self.sources = small_run.run, small_run.sources
        self.said = Said()
        self.context = context_of(self.run, *texts, progress=self.said)
        self.caption(texts)
        self.run.run_file.stages["verdicts"] = StageState(settings={}, finished=True)

    def caption(self, texts: Mapping[str, str | Callable[[int], str]], reject: str = "") -> None:
        """Write new captions and their verdicts: all are kept, except the one with the id ``reject``."""
        for job, text in texts.items():
            made = begin_generation(self.run, job, {"text": repr(text)}, self.captioner, fresh=False)
            self.run.run_file.generations[job] = made.name
            numbers = itertools.count()
            for shard, targets in self.context.plan(JOBS[job]).shards():
                rows = [
                    Caption(
                        id=each.id,
                        job=job,
                        text=text if isinstance(text, str) else text(next(numbers)),
                        content=each.content,
                        finish_reason="stop",
                    )
                    for each in targets
                ]
                with JournalWriter(self.run.captions_file(job, shard)) as journal:
                    journal.commit(rows)
                verdicts = [
                    Verdict(id=each.id, keep=each.id != reject, reason="loop" if each.id == reject else None)
                    for each in targets
                ]
                write_jsonl(self.run.verdicts_file(job, shard), verdicts)

    def check(self, endpoint: ScriptedEndpoint, **settings: object) -> dict[str, JobChecks]:
        config = CheckingConfig(
            server=ServerConfig(urls=(endpoint.url,)), tile_px=56, max_tiles=1, captions=0, max_attempts=1
        )
        return check_run(self.context, self.sources, msgspec.structs.replace(config, **settings))

    def rows(self, job: str) -> list[StatementCheck]:
        found = (read_checks(self.run, job, shard) for shard in self.run.shards())
        return [row for by_caption in found for rows in by_caption.values() for row in rows]
