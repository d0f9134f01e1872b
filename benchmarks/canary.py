"""Which faults of an engine the canary detects, how often it raises a false alarm, and what checking costs.

    python -m benchmarks.canary [--runs 200] [--model builtin:nano-internvl] [--prompt builtin:multi_en]
        [--checker builtin:nano-checker]

The captioner answers each question ANSWERS times: once at temperature 0, the others sampled with different
seeds. It does so again with the images missing, blank, and for sets in reverse order; another fault returns
the answers to the previous request. Each run draws one answer per question. A fault that affects all requests
must be detected in every run; for one that affects a share of them, the number of runs that detect it is
recorded. The same is done for a checker, and for one that answers at random. The last measurement is the cost
of a caption's checks relative to the caption.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from random import Random

import click
import msgspec
from PIL import Image

from benchmarks.record import record, refuse_dirty_tree
from triptych.captioning.canary.captions import caption_questions
from triptych.captioning.canary.question import Question, outcome
from triptych.captioning.canary.statements import statement_questions
from triptych.captioning.engine import GREEDY, CaptionRequest, Completion, Engine, Sampling
from triptych.captioning.engines.config import TransformersConfig
from triptych.captioning.tiling import resized_jpeg
from triptych.jobs import SEED_JOBS, Job, select_jobs
from triptych.models import resolve_model
from triptych.prompts import load_prompt
from triptych.prompts.check_prompt import check_prompt
from triptych.prompts.statements import statements

ANSWERS = 5
SAMPLED = Sampling(temperature=0.5, top_k=40)
SIDE_PX = 112
SHARES = (0.1, 0.2, 0.3, 0.5)
"""Of requests that are affected by a fault."""

Answers = list[list[Completion]]
"""Several completions for each question."""
Fault = Callable[[CaptionRequest], tuple[bytes, ...]]


@click.command()
@click.option("--runs", default=200, show_default=True)
@click.option("--model", default="builtin:nano-internvl", show_default=True)
@click.option("--prompt", default="builtin:multi_en", show_default=True, help="For English sets.")
@click.option("--checker", default="builtin:nano-checker", show_default=True)
def main(runs: int, model: str, prompt: str, checker: str) -> None:
    """Measure and record the result; exit 1 if a fault is missed or there is a false alarm."""
    refuse_dirty_tree()
    jobs = [_with_prompt(job, prompt) for job in SEED_JOBS]
    measured: dict[str, object] = {"runs": runs}
    captions, statements_asked = caption_questions(jobs, SIDE_PX), statement_questions(SIDE_PX)
    captioner, checking = _engine(model), _engine(checker)
    measured["captioner"], captioner_passes = measure(captioner, captions, runs)
    measured["checker"], checker_passes = measure(checking, statements_asked, runs)
    rng = Random(1)
    blind = [
        [Completion(id=each.request.id, text=rng.choice(("yes", "no"))) for each in statements_asked]
        for _ in range(100 * runs)
    ]
    measured["blind_yes_or_no_passed"] = sum(not outcome(statements_asked, each).wrong for each in blind)
    measured["blind_yes_or_no_of"] = len(blind)
    measured["check_cost"] = check_cost(captioner, checking, captions)
    record("canary", f"python -m benchmarks.canary --runs {runs}", measured)
    sys.exit(0 if captioner_passes and checker_passes else 1)


def _with_prompt(job: Job, prompt: str) -> Job:
    return msgspec.structs.replace(job, prompt=prompt) if job.is_multi and job.language == "en" else job


def _engine(model: str) -> Engine:
    from triptych.captioning.engines.transformers import TransformersEngine

    return TransformersEngine(resolve_model(model), TransformersConfig(batch_size=32))


def measure(engine: Engine, questions: Sequence[Question], runs: int) -> tuple[dict[str, object], bool]:
    """The figures of one engine, and whether it had no false alarm and no missed fault."""
    rng = Random(0)
    sound = answers(engine, questions, lambda request: request.images)
    grey = resized_jpeg(Image.new("RGB", (SIDE_PX, SIDE_PX), (128, 128, 128)), (SIDE_PX, SIDE_PX))
    faulty = {
        "images lost": answers(engine, questions, lambda request: ()),
        "images blank": answers(engine, questions, lambda request: (grey,) * len(request.images)),
        "of the request before": _shifted(questions, sound),
    }
    if any(len(question.request.images) > 1 for question in questions):
        faulty["sets swapped"] = answers(engine, questions, lambda request: request.images[::-1])
    greedy = [of_one[0] for of_one in sound]
    found = outcome(questions, greedy)
    alarms = sum(bool(outcome(questions, _draw(sound, rng)).wrong) for _ in range(runs))
    seen = {
        name: sum(bool(outcome(questions, _draw(of_fault, rng)).wrong) for _ in range(runs))
        for name, of_fault in faulty.items()
    }
    partly = {
        name: {
            f"{share:.0%} of requests": sum(
                bool(outcome(questions, _draw(sound, rng, of_fault, share)).wrong) for _ in range(runs)
            )
            for share in SHARES
        }
        for name, of_fault in faulty.items()
    }
    right: dict[str, list[bool]] = {}
    for question, completion in zip(questions, greedy, strict=True):
        right.setdefault(question.kind, []).append(question.is_right(completion.text))
    measured: dict[str, object] = {
        "right": {kind: f"{sum(of_kind)} of {len(of_kind)}" for kind, of_kind in right.items()},
        "false_alarms": alarms,
        "faults_seen": seen,
        "faults_of_a_share_seen": partly,
        "requests": len(questions),
        "prompt_tokens": found.prompt_tokens,
        "completion_tokens": found.completion_tokens,
    }
    return measured, alarms == 0 and all(count == runs for count in seen.values())


def answers(engine: Engine, questions: Sequence[Question], fault: Fault) -> Answers:
    """ANSWERS completions for each question, the first greedy. ``fault`` chooses the images that are sent."""
    found: Answers = [[] for _ in questions]
    for number in range(ANSWERS):
        asked = []
        for question in questions:
            sampling = GREEDY if number == 0 else msgspec.structs.replace(SAMPLED, seed=number)
            request = msgspec.structs.replace(question.request, sampling=sampling)
            asked.append(msgspec.structs.replace(request, images=fault(request)))
        for at, completion in enumerate(ask(engine, asked)):
            found[at].append(completion)
    return found


def ask(engine: Engine, requests: Sequence[CaptionRequest]) -> list[Completion]:
    """The completions of ``requests``, sent in groups with the same number of images."""
    found: dict[int, Completion] = {}
    for count in sorted({len(request.images) for request in requests}):
        alike = [at for at, request in enumerate(requests) if len(request.images) == count]
        for start in range(0, len(alike), engine.group_size):
            group = alike[start : start + engine.group_size]
            found |= zip(group, engine.caption([requests[at] for at in group]), strict=True)
    return [found[at] for at in range(len(requests))]


def _shifted(questions: Sequence[Question], sound: Answers) -> Answers:
    """Each question with the answers to the one before it that has the same prompt."""
    found: Answers = []
    for at, question in enumerate(questions):
        alike = [n for n, other in enumerate(questions) if other.request.prompt == question.request.prompt]
        if len(alike) == 1:
            alike = list(range(len(questions)))
        found.append(sound[alike[alike.index(at) - 1]])
    return found


def _draw(sound: Answers, rng: Random, faulty: Answers | None = None, share: float = 0.0) -> list[Completion]:
    """One answer for each question; for a ``share`` of them a faulty one."""
    return [
        rng.choice(faulty[at] if faulty is not None and rng.random() < share else of_one)
        for at, of_one in enumerate(sound)
    ]


def check_cost(captioner: Engine, checker: Engine, questions: Sequence[Question]) -> dict[str, object]:
    """Mean tokens of a caption and of its checks with images of the same size, by kind of caption."""
    prompt, naming = check_prompt("en"), load_prompt(select_jobs(SEED_JOBS, ["multi_en"])[0]).naming
    found: dict[str, object] = {}
    for kind in dict.fromkeys(question.kind for question in questions):
        asked = [question.request for question in questions if question.kind == kind]
        captions = ask(captioner, asked)
        checks = [
            CaptionRequest(
                id="check",
                prompt=prompt.question(caption.text[each.start : each.end]),
                images=(request.images[image - 1],),
                max_tokens=8,
            )
            for request, caption in zip(asked, captions, strict=True)
            for each in statements(caption.text, len(request.images), naming)
            for image in each.images
        ]
        checked = ask(checker, checks)
        found[kind] = {
            "captions": len(captions),
            "checks_a_caption": round(len(checks) / len(captions), 2),
            "prompt_tokens": _ratio(checked, captions, "prompt_tokens"),
            "completion_tokens": _ratio(checked, captions, "completion_tokens"),
        }
    return found


def _ratio(checks: Sequence[Completion], captions: Sequence[Completion], name: str) -> dict[str, float]:
    of_checks, of_captions = (
        sum(getattr(each, name) for each in some) / len(captions) for some in (checks, captions)
    )
    return {
        "caption": round(of_captions, 1),
        "its_checks": round(of_checks, 1),
        "ratio": round(of_checks / of_captions, 2),
    }


if __name__ == "__main__":
    main()
