"""Stops a stage whose rules drop more than can be right.

Comes in: a tally. Goes out: nothing, or a SetupError that says the share, the likely causes, three
examples, and the option that accepts it. Not its job: counting (see tally).
"""

from __future__ import annotations

from triptych.errors import SetupError
from triptych.filtering.config import FilteringConfig, RuleName
from triptych.filtering.judge import Judged
from triptych.filtering.tally import JobTally
from triptych.records import JobName

LIKELY_CAUSES: dict[RuleName, str] = {
    "garbled": "a wrong chat template or tokenizer, or a model loaded in the wrong precision",
    "refusal": "a chat model that wasn't given the images, or a prompt that invites conversation",
    "prompt_leak": "a wrong chat template, so that the model goes on with the prompt",
    "wrong_language": "a model that doesn't write this language, or a prompt in the other one",
    "traditional": "a model or prompt set to Traditional Chinese",
    "truncated": "captioning.max_tokens_single or max_tokens_multi is too small, or stop words cut in",
    "too_short": "a prompt that asks for less, a weak model, or a bound made for longer captions",
    "too_long": "a prompt that asks for more, or a bound made for shorter captions",
    "repeated": "sampling without a repetition penalty, damaged weights, or too much quantisation",
    "multi_paragraph": "a prompt that doesn't ask for one paragraph",
    "markup": "a prompt that doesn't ask for plain prose",
    "unknown_image": "images that reach the model in another number or order than they are numbered",
    "missing_image": "a model for single images, images lost on the way, or a prompt without numbers",
    "speculation": "a prompt that doesn't forbid guesses",
    "exact_duplicate": "the same image again and again, or a model that doesn't see the images",
    "near_duplicate": "images that are nearly alike, or a model that writes from a template",
    "contradiction": "a model that doesn't keep the images of a set apart",
    "ungrounded": "captions of other images than their own, or an encoder that doesn't know such images",
}
_OTHER_CAUSE = "a bound that doesn't fit these captions"


def check_shares(config: FilteringConfig, jobs: dict[JobName, JobTally], where: str) -> None:
    """Raise SetupError for the rule that drops the largest share beyond what it may.

    A rule's share is of all captions that it would drop alone, whichever rule comes first.
    """
    for job, counts in jobs.items():
        if counts.captions < config.guarded_from:
            continue
        shares = {
            name: counts.alone[name] / counts.captions
            for name in config.rules
            if name not in config.flags and name not in config.accepted
        }
        worst = max(shares, key=shares.__getitem__, default=None)
        if worst is not None and shares[worst] > config.max_dropped_share:
            raise SetupError(_message(config, job, worst, counts, where))


def _message(config: FilteringConfig, job: JobName, rule: RuleName, counts: JobTally, where: str) -> str:
    share = counts.alone[rule] / counts.captions
    examples = "; ".join(_example(each, rule) for each in counts.examples[rule])
    return (
        f"{rule} drops {share:.1%} of the {counts.captions:,} captions of {job}"
        f" (filtering.max_dropped_share allows {config.max_dropped_share:.0%}), so nothing was written;"
        f" likely causes: {LIKELY_CAUSES.get(rule, _OTHER_CAUSE)}; examples: {examples};"
        f" look into one with `triptych filter {where} --explain ID`, and mend the cause or the bound,"
        f" or accept it with --accept {rule}"
    )


def _example(judged: Judged, rule: RuleName) -> str:
    return f"{judged.id} (score {judged.scores[rule]:g}) {' '.join(judged.snippet.split())!r}"
