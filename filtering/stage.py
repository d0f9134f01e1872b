"""The stage ``verdicts``: every caption of a run is kept or rejected, with the reason.

Comes in: the captions of a run. Goes out: ``verdicts/<job>/<shard>.jsonl``, one verdict a caption, in
plan order. A failed caption gets none: it is counted as failed. Nothing is written before it is known what
every rule rejects. Not its job: the rules themselves.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path

import msgspec

from triptych.errors import SetupError, UsageError
from triptych.extras import require
from triptych.filtering.config import FilteringConfig
from triptych.filtering.filter_pass import BLOCK_CAPTIONS, FilterPass, remove_left_behind
from triptych.filtering.grounding.phrase_embeddings import LoadTextEncoder
from triptych.filtering.grounding.score import Grounding, Worst
from triptych.filtering.people import People
from triptych.filtering.repaired import repaired
from triptych.filtering.rule_choice import chosen_rules, versions
from triptych.filtering.rule_counts import JobCounts, check_shares, count_lines, count_rules
from triptych.filtering.score_histogram import rule_scores
from triptych.filtering.scoring import CaptionInput, FilterJob, Scorer
from triptych.jobs import Job
from triptych.records import Caption, StatementCheck, Verdict, target_of
from triptych.runs.captions_digest import captions_digest
from triptych.runs.checks import checks_of, read_checks, refuse_lost_answers, untruth_of, untruths
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.human_verdicts import damage_line, read_verdicts
from triptych.runs.jsonl import write_jsonl
from triptych.runs.ledger.noted import as_note
from triptych.runs.plan import Planned, Target
from triptych.runs.staleness import command_of


class FilterStage:
    """The filter over the captions of a run."""

    def __init__(
        self,
        context: RunContext,
        config: FilteringConfig,
        load_text_encoder: LoadTextEncoder | None = None,
    ) -> None:
        """Raises SetupError where captions aren't finished, UsageError for rules that can't be found."""
        run = context.folder
        if not run.is_finished("captions"):
            raise SetupError(
                f"the captions of {run.path} are not finished, so they can't be filtered;"
                f" run `triptych caption {run.path}` first"
            )
        self._context, self._config, self._run = context, config, run
        self._load_text_encoder = load_text_encoder
        self._rules = chosen_rules(config)
        self._people = read_people(config, context.progress.say)
        self._jobs = filter_jobs(context)
        self._plans = {job.name: context.plan(job) for job in context.jobs}
        self._shards: list[tuple[str, str, int]] = []
        self._texts_of = lru_cache(maxsize=len(context.jobs))(self._read_texts)
        self._checks_of = lru_cache(maxsize=1)(self._read_checks)

    @property
    def scorer(self) -> Scorer:
        """The rules as they are used on this run's jobs."""
        return Scorer(self._config, self._jobs, self._rules)

    def write_verdicts(self) -> bool:
        """Judge everything and write it. Returns False if that was done already.

        Raises SetupError where the verdicts were made with other rules or thresholds, answers of a checker
        have gone, or a rule rejects too much.
        """
        config, run, jobs = self._config, self._run, self._context.jobs
        remove_left_behind(run.path)
        refuse_lost_answers(run, self._plans)
        inputs = {
            "captions": captions_digest(run, jobs),
            "jobs": ",".join(job.name for job in jobs),
            "prompts": _digest(self._jobs),
        }
        if config.grounding:
            inputs["embeddings"] = run.digest("embeddings")
        if checks := checks_of(run, [job.name for job in jobs]):
            inputs["checks"] = run.digest(*checks)
        if self._people is not None:
            inputs["people"] = self._people.sha256
        settings = verdict_settings(config)
        if not run.has_work("verdicts", settings, inputs):
            run.confirm_stage("verdicts")
            return False
        with self._scored() as all_captions:
            scorer = all_captions.scorer
            counts = count_rules(scorer, all_captions.scored())
            check_shares(config, scorer, counts, str(run.path))
            # Now: what there was stays until it can be replaced.
            run.begin_stage("verdicts", settings, inputs)
            notes = self._write(all_captions.verdicts())
            by_job = {job.name: scorer.job_rules(job.name) for job in jobs}
            write_jsonl(run.rule_scores_file, rule_scores(all_captions.bins, by_job))
        run.finish_stage("verdicts", notes)
        return True

    def _write(self, verdicts: Iterator[Verdict]) -> dict[str, Setting]:
        """Write them, with people's last word. Returns what is noted of them."""
        people, notes = self._people, dict[str, Setting]()
        rejected = {job.name: Counter[str]() for job in self._context.jobs}
        made, repairs = Counter[str](), Counter[str]()
        last = verdicts if people is None else map(people.last_word, verdicts)
        for job, shard, count in self._shards:
            written = list(islice(last, count))
            made[job] += count
            repairs[job] += sum(each.is_repaired for each in written)
            rejected[job].update(each.reason for each in written if each.reason is not None)
            write_jsonl(self._run.verdicts_file(job, shard), written)
        for job, reasons in rejected.items():
            notes |= {f"{job}.kept": made[job] - reasons.total(), f"{job}.rejected_by": as_note(reasons)}
            notes[f"{job}.repaired"] = repairs[job]
        if people is not None:
            notes["people"] = people.line()
            self._context.progress.say(people.line())
        return notes

    def count(self) -> dict[str, JobCounts]:
        """Judge everything, with people's last word, and write nothing. Raises SetupError where a checker's
        answers have gone."""
        refuse_lost_answers(self._run, self._plans)
        last_word = self._people.last_word if self._people is not None else None
        with self._scored() as all_captions:
            return count_rules(all_captions.scorer, all_captions.scored(), last_word)

    def count_lines(self) -> list[str]:
        """The same as lines to print."""
        lines = list(count_lines(self.scorer, self.count()))
        return lines if self._people is None else [*lines, self._people.line()]

    def find(self, identifier: str) -> tuple[CaptionInput, Verdict | None]:
        """One caption as the rules see it, and its verdict where there is one.

        Raises SetupError where no planned caption has this id, or a checker's answers have gone.
        """
        refuse_lost_answers(self._run, self._plans)
        job = next((job for job in self._context.jobs if identifier.startswith(f"{job.name}:")), None)
        for shard, planned in self._plans[job.name].read_all() if job else ():
            chosen = [(t, c) for t, c in _captioned(planned) if c.id == identifier]
            if job is not None and chosen:
                (given,) = self._inputs(job, shard, chosen, self._grounding())
                verdicts = (v for v in self._run.verdicts(job.name, shard) if v.id == identifier)
                return given, next(verdicts, None)
        raise SetupError(
            f"no caption {identifier} in {self._run.path};"
            f" expected an id such as single_en:sa_000000/sa_1.jpg, as in {self._run.path}/captions"
        )

    @contextlib.contextmanager
    def _scored(self) -> Iterator[FilterPass]:
        progress, open_executor = self._context.progress, self._context.open_executor
        with (
            FilterPass(self._config, self._jobs, self._run.path, open_executor) as all_captions,
            progress.task("filter", None, "captions") as task,
        ):
            for language, names in all_captions.scorer.skipped.items():
                progress.say(f"note: rules that can't read {language} are skipped: {', '.join(names)}")
            for count in all_captions.score(self._blocks()):
                task.advance(count)
            yield all_captions

    def _blocks(self) -> Iterator[list[CaptionInput]]:
        """The captions in plan order, job by job; notes how many each shard has."""
        grounding, people = self._grounding(), self._people
        self._shards.clear()
        if people is not None:
            people.counts.clear()
        for job in self._context.jobs:
            for shard, planned in self._plans[job.name].read_all():
                made = _captioned(planned)
                self._shards.append((job.name, shard, len(made)))
                for start in range(0, len(made), BLOCK_CAPTIONS):
                    block = made[start : start + BLOCK_CAPTIONS]
                    inputs = self._inputs(job, shard, block, grounding)
                    if people is not None:
                        for (_, caption), given in zip(block, inputs, strict=True):
                            people.meet(caption.id, caption.text, given.text)
                    yield inputs

    def _inputs(
        self, job: Job, shard: str, made: Sequence[tuple[Target, Caption]], grounding: Grounding | None
    ) -> list[CaptionInput]:
        others = self._other_languages(job, shard)
        checks = self._checks_of(job.name, shard)
        repairs = [self._repair(job, target, caption, checks) for target, caption in made]
        worst: Sequence[Worst | None] = [None] * len(made)
        if grounding is not None:
            keys = ([image.key for image in target.images] for target, _ in made)
            texts_left = (text for text, _ in repairs)
            worst = grounding.worst(job, shard, list(zip(keys, texts_left, strict=True)))
        inputs = []
        for (target, caption), phrase, (text, removed) in zip(made, worst, repairs, strict=True):
            key, count, end = target_of(caption.id), len(target.images), caption.finish_reason
            counterparts = {language: texts[key] for language, texts in others.items() if key in texts}
            untruth = untruth_of(checks.get(caption.id, ()), caption, target, removed)
            inputs.append(
                CaptionInput(
                    caption.id,
                    job.name,
                    text,
                    count,
                    end,
                    counterparts,
                    phrase.lacks if phrase is not None else None,
                    phrase.phrase if phrase is not None else "",
                    untruth,
                    removed,
                    caption.agreement,
                )
            )
        return inputs

    def _repair(
        self, job: Job, target: Target, caption: Caption, checks: Mapping[str, Sequence[StatementCheck]]
    ) -> tuple[str, tuple[str, ...]]:
        """Its text, without what was denied where that is to be repaired and can be; and what was removed."""
        if job.name not in self._repaired_above or caption.id not in checks:
            return caption.text, ()
        threshold, prompt = self._repaired_above[job.name], self._context.prompts.get(job.name)
        found = untruths(checks[caption.id], caption, target)
        denied = sorted(place for place, untruth in found.items() if untruth > threshold)
        naming = prompt.naming if prompt is not None else None
        left = repaired(caption.text, len(target.images), naming, denied) if denied else None
        if left is None:
            return caption.text, ()
        return left, tuple(caption.text[start:end] for start, end in denied)

    @cached_property
    def _repaired_above(self) -> dict[str, float]:
        """By job, from which untruth on a sentence is taken out; empty where none is."""
        if self._config.untrue != "repair":
            return {}
        rules = ((job.name, each) for job in self._context.jobs for each in self.scorer.job_rules(job.name))
        return {job: each.threshold for job, each in rules if each.rule.name == "untrue"}

    def _read_checks(self, job: str, shard: str) -> Mapping[str, Sequence[StatementCheck]]:
        """What a checker said, by caption."""
        if all(rule.name != "untrue" for rule in self._rules):
            return {}
        return read_checks(self._run, job, shard)

    def _other_languages(self, job: Job, shard: str) -> Mapping[str, Mapping[str, str]]:
        """What jobs of the same subject say in other languages, by language and image key or set id."""
        if all(rule.name != "disagreement" for rule in self._rules):
            return {}
        others = (o for o in self._context.jobs if o.subject == job.subject and o.language != job.language)
        return {other.language: self._texts_of(other.name, shard) for other in reversed(tuple(others))}

    def _read_texts(self, job: str, shard: str) -> Mapping[str, str]:
        """The captions of a job, by image key or set id."""
        made = _captioned(self._plans[job].read(shard))
        return {target_of(caption.id): caption.text for _, caption in made}

    def _grounding(self) -> Grounding | None:
        if not needs_text_encoder(self._config):
            return None
        if self._load_text_encoder is None:
            raise SetupError(
                "filtering.grounding is on, but no text encoder was handed to the filter;"
                " expected load_text_encoder, or filtering.grounding=false"
            )
        return Grounding(self._context, self._load_text_encoder(), self._config.grounding_images)


def needs_text_encoder(config: FilteringConfig) -> bool:
    """Whether captions are compared with what is in their images. Raises SetupError where that is asked for
    and can't be done here."""
    if not config.grounding or all(rule.name != "ungrounded" for rule in chosen_rules(config)):
        return False
    require("local", "torch", what="filtering.grounding", instead="set filtering.grounding=false")
    return True


def read_people(config: FilteringConfig, say: Callable[[str], None] = lambda _: None) -> People | None:
    """What people said, where the config names a file of it. ``say`` is told of lines that are passed over.

    Raises UsageError where it can't be read.
    """
    if not config.verdicts:
        return None
    path = Path(config.verdicts)
    try:
        found = read_verdicts(path)
    except UsageError as error:
        raise UsageError(f"{error}; or filter without it: --set 'filtering.verdicts=\"\"'") from None
    if found.damaged:
        say(f"warning: {damage_line(path, found.damaged)}")
    return People(found.verdicts, found.sha256)


def verdict_settings(config: FilteringConfig) -> dict[str, Setting]:
    """What verdicts depend on, besides captions."""
    settings: dict[str, Setting] = {
        "rules": versions(chosen_rules(config)),
        "grounding": config.grounding,
        "grounding_images": config.grounding_images,
        "flags": None if config.flags is None else ", ".join(sorted(config.flags)),
        "untrue": config.untrue,
    }
    for rule, threshold in config.thresholds.items():
        if isinstance(threshold, dict):
            settings |= {f"thresholds.{rule}.{job}": value for job, value in threshold.items()}
        else:
            settings[f"thresholds.{rule}"] = threshold
    return settings


def refuse_other_filter(run: RunFolder, config: FilteringConfig) -> None:
    """Raise SetupError where the verdicts were made with other settings than ``config`` has. That a newer
    Triptych has other versions of its rules is no reason: nobody has asked for them."""
    state, now = run.run_file.stages.get("verdicts"), verdict_settings(config)
    before = state.settings.get("rules") if state is not None else None
    if _without_versions(before) == _without_versions(now["rules"]):
        now["rules"] = before
    again = f"`{command_of('verdicts', run.path)} --fresh verdicts`"
    what_to_do = f"run {again} with this setting first, or take the setting back"
    run.refuse_other_settings("verdicts", now, what_to_do)


def _without_versions(rules: Setting) -> list[list[str]]:
    """The names of rules, with the digests of those that don't ship."""
    return [rule.split()[::2] for rule in str(rules).split(", ")]


def filter_jobs(context: RunContext) -> tuple[FilterJob, ...]:
    """The jobs of a run with what the filter knows of each."""
    return tuple(FilterJob(job, context.language(job), context.prompts.get(job.name)) for job in context.jobs)


def _captioned(planned: Sequence[Planned]) -> list[tuple[Target, Caption]]:
    return [(each.target, each.caption) for each in planned if each.caption is not None and each.is_captioned]


def _digest(jobs: Sequence[FilterJob]) -> str:
    """Of what rules know of prompts, in hex."""
    prompts = [(each.job.name, each.prompt) for each in jobs]
    return hashlib.sha256(msgspec.json.encode(prompts)).hexdigest()
