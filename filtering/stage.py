"""The stage ``verdicts``: keep or reject every caption of a run, with a reason.

Comes in: the captions of a run. Goes out: ``verdicts/<job>/<shard>.jsonl``, one verdict for each caption, in
plan order. Failed captions get none; they are counted as failed. Nothing is written until the counts of all
rules are known. Not its job: the rules themselves.
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
from triptych.filtering.caption_repair import repair_caption
from triptych.filtering.config import FilteringConfig
from triptych.filtering.filter_pass import BLOCK_CAPTIONS, FilterPass, remove_abandoned_scratch
from triptych.filtering.grounding.phrase_embeddings import LoadTextEncoder
from triptych.filtering.grounding.score import Grounding, WorstPhrase
from triptych.filtering.human_overrides import HumanOverrides
from triptych.filtering.rule_choice import chosen_rules, versions
from triptych.filtering.rule_counts import JobCounts, check_shares, count_lines, count_rules
from triptych.filtering.score_histogram import rule_scores
from triptych.filtering.scoring import CaptionInput, FilterJob, Scorer
from triptych.jobs import Job
from triptych.records import Caption, StatementCheck, Verdict, target_of
from triptych.runs.captions_digest import captions_digest
from triptych.runs.checks import check_folders, read_checks, refuse_lost_answers, untruth_of, untruths
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.human_verdicts import damage_line, read_verdicts
from triptych.runs.jsonl import write_jsonl
from triptych.runs.ledger.noted import as_note
from triptych.runs.plan import Planned, Target
from triptych.runs.staleness import command_of


class FilterStage:
    """Filters the captions of a run."""

    def __init__(
        self,
        context: RunContext,
        config: FilteringConfig,
        load_text_encoder: LoadTextEncoder | None = None,
    ) -> None:
        """Raises SetupError if captions aren't finished, UsageError for rules that can't be found."""
        run = context.folder
        if not run.is_finished("captions"):
            raise SetupError(
                f"the captions of {run.path} are not finished, so they can't be filtered;"
                f" run `triptych caption {run.path}` first"
            )
        self._context, self._config, self._run = context, config, run
        self._load_text_encoder = load_text_encoder
        self._rules = chosen_rules(config)
        self._overrides = read_human_overrides(config, context.progress.say)
        self._jobs = filter_jobs(context)
        self._plans = {job.name: context.plan(job) for job in context.jobs}
        self._shards: list[tuple[str, str, int]] = []
        self._texts_of = lru_cache(maxsize=len(context.jobs))(self._read_texts)
        self._checks_of = lru_cache(maxsize=1)(self._read_checks)

    @property
    def scorer(self) -> Scorer:
        """The rules, with thresholds for this run's jobs."""
        return Scorer(self._config, self._jobs, self._rules)

    def write_verdicts(self) -> bool:
        """Judge all captions and write the verdicts. Returns False if that was already done.

        Raises SetupError if the verdicts were made with other rules or thresholds, answers of a checker are
        missing, or a rule rejects too much.
        """
        config, run, jobs = self._config, self._run, self._context.jobs
        remove_abandoned_scratch(run.path)
        refuse_lost_answers(run, self._plans)
        prompts = [(each.job.name, each.prompt) for each in self._jobs]
        inputs = {
            "captions": captions_digest(run, jobs),
            "jobs": ",".join(job.name for job in jobs),
            "prompts": hashlib.sha256(msgspec.json.encode(prompts)).hexdigest(),
        }
        if config.grounding:
            inputs["embeddings"] = run.digest("embeddings")
        if checks := check_folders(run, [job.name for job in jobs]):
            inputs["checks"] = run.digest(*checks)
        if self._overrides.sha256:
            inputs["people"] = self._overrides.sha256
        settings = verdict_settings(config)
        if not run.has_work("verdicts", settings, inputs):
            run.confirm_stage("verdicts")
            return False
        with self._scored() as all_captions:
            scorer = all_captions.scorer
            counts = count_rules(scorer, all_captions.scored())
            check_shares(config, scorer, counts, str(run.path))
            # Only now, so that earlier verdicts stay until they can be replaced.
            run.begin_stage("verdicts", settings, inputs)
            notes = self._write(all_captions.verdicts())
            by_job = {job.name: scorer.job_rules(job.name) for job in jobs}
            write_jsonl(run.rule_scores_file, rule_scores(all_captions.bins, by_job))
        run.finish_stage("verdicts", notes)
        return True

    def _write(self, verdicts: Iterator[Verdict]) -> dict[str, Setting]:
        """Write the verdicts, with people's overrides. Returns notes for run.json."""
        notes: dict[str, Setting] = {}
        rejected = {job.name: Counter[str]() for job in self._context.jobs}
        judged, repairs = Counter[str](), Counter[str]()
        final = map(self._overrides.override, verdicts)
        for job, shard, count in self._shards:
            written = list(islice(final, count))
            judged[job] += count
            repairs[job] += sum(each.is_repaired for each in written)
            rejected[job].update(each.reason for each in written if each.reason is not None)
            write_jsonl(self._run.verdicts_file(job, shard), written)
        for job, reasons in rejected.items():
            notes |= {f"{job}.kept": judged[job] - reasons.total(), f"{job}.rejected_by": as_note(reasons)}
            notes[f"{job}.repaired"] = repairs[job]
        if self._overrides.sha256:
            notes["people"] = self._overrides.summary()
            self._context.progress.say(self._overrides.summary())
        return notes

    def count(self) -> dict[str, JobCounts]:
        """Judge all captions, with people's overrides, and write nothing. Raises SetupError if answers of a
        checker are missing."""
        refuse_lost_answers(self._run, self._plans)
        with self._scored() as all_captions:
            return count_rules(all_captions.scorer, all_captions.scored(), self._overrides.override)

    def count_lines(self) -> list[str]:
        """``count`` as lines to print."""
        lines = list(count_lines(self.scorer, self.count()))
        return [*lines, self._overrides.summary()] if self._overrides.sha256 else lines

    def find(self, identifier: str) -> tuple[CaptionInput, Verdict | None]:
        """One caption as the rules see it, and its verdict if it has one.

        Raises SetupError if no planned caption has this id, or answers of a checker are missing.
        """
        refuse_lost_answers(self._run, self._plans)
        for job in self._context.jobs:
            shards = self._plans[job.name].read_all() if identifier.startswith(f"{job.name}:") else ()
            for shard, planned in shards:
                if chosen := [(t, c) for t, c in _captioned(planned) if c.id == identifier]:
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
        notes = self._run.run_file.stages["captions"].notes
        total = sum(int(notes.get(f"{job.name}.captioned") or 0) for job in self._context.jobs)
        with (
            FilterPass(self._config, self._jobs, self._run.path, open_executor) as all_captions,
            progress.task("filter", total, "captions") as task,
        ):
            for language, names in all_captions.scorer.skipped.items():
                progress.say(f"note: rules that can't read {language} are skipped: {', '.join(names)}")
            for count in all_captions.score(self._blocks()):
                task.advance(count)
            yield all_captions

    def _blocks(self) -> Iterator[list[CaptionInput]]:
        """The captions in plan order, job by job. Also fills ``_shards``, and finds which overrides apply."""
        grounding = self._grounding()
        self._shards.clear()
        self._overrides.counts.clear()
        for job in self._context.jobs:
            for shard, planned in self._plans[job.name].read_all():
                captioned = _captioned(planned)
                self._shards.append((job.name, shard, len(captioned)))
                for start in range(0, len(captioned), BLOCK_CAPTIONS):
                    block = captioned[start : start + BLOCK_CAPTIONS]
                    inputs = self._inputs(job, shard, block, grounding)
                    for (_, caption), given in zip(block, inputs, strict=True):
                        self._overrides.match(caption.id, caption.text, given.text)
                    yield inputs

    def _inputs(
        self, job: Job, shard: str, block: Sequence[tuple[Target, Caption]], grounding: Grounding | None
    ) -> list[CaptionInput]:
        others = self._other_languages(job, shard)
        checks = self._checks_of(job.name, shard)
        repairs = [self._repair(job, target, caption, checks) for target, caption in block]
        worst: Sequence[WorstPhrase | None] = [None] * len(block)
        if grounding is not None:
            keys = ([image.key for image in target.images] for target, _ in block)
            texts = (text for text, _ in repairs)
            worst = grounding.worst_phrases(job, shard, list(zip(keys, texts, strict=True)))
        inputs = []
        for (target, caption), phrase, (text, removed) in zip(block, worst, repairs, strict=True):
            key = target_of(caption.id)
            inputs.append(
                CaptionInput(
                    caption.id,
                    job.name,
                    text,
                    image_count=len(target.images),
                    finish_reason=caption.finish_reason,
                    counterparts={
                        code: texts_of[key] for code, texts_of in others.items() if key in texts_of
                    },
                    grounding_rank=phrase.deficit if phrase is not None else None,
                    unfit=phrase.text if phrase is not None else "",
                    untruth=untruth_of(checks.get(caption.id, ()), caption, target, removed),
                    removed=removed,
                    agreement=caption.agreement,
                )
            )
        return inputs

    def _repair(
        self, job: Job, target: Target, caption: Caption, checks: Mapping[str, Sequence[StatementCheck]]
    ) -> tuple[str, tuple[str, ...]]:
        """The caption's text, repaired if that is wanted and possible; and the removed sentences."""
        if job.name not in self._repair_thresholds or caption.id not in checks:
            return caption.text, ()
        threshold, prompt = self._repair_thresholds[job.name], self._context.prompts.get(job.name)
        found = untruths(checks[caption.id], caption, target)
        denied = sorted(place for place, untruth in found.items() if untruth > threshold)
        naming = prompt.naming if prompt is not None else None
        left = repair_caption(caption.text, len(target.images), naming, denied) if denied else None
        if left is None:
            return caption.text, ()
        return left, tuple(caption.text[start:end] for start, end in denied)

    @cached_property
    def _repair_thresholds(self) -> dict[str, float]:
        """By job, the untruth above which a sentence is removed; empty if captions are not repaired."""
        if self._config.untrue != "repair":
            return {}
        rules = ((job.name, each) for job in self._context.jobs for each in self.scorer.job_rules(job.name))
        return {job: each.threshold for job, each in rules if each.rule.name == "untrue"}

    def _read_checks(self, job: str, shard: str) -> Mapping[str, Sequence[StatementCheck]]:
        """A checker's answers, by caption id."""
        if all(rule.name != "untrue" for rule in self._rules):
            return {}
        return read_checks(self._run, job, shard)

    def _other_languages(self, job: Job, shard: str) -> Mapping[str, Mapping[str, str]]:
        """Captions of jobs in other languages with the same subject, by language and image key or set id."""
        if all(rule.name != "disagreement" for rule in self._rules):
            return {}
        others = (o for o in self._context.jobs if o.subject == job.subject and o.language != job.language)
        return {other.language: self._texts_of(other.name, shard) for other in reversed(tuple(others))}

    def _read_texts(self, job: str, shard: str) -> Mapping[str, str]:
        """The captions of a job, by image key or set id."""
        captioned = _captioned(self._plans[job].read(shard))
        return {target_of(caption.id): caption.text for _, caption in captioned}

    def _grounding(self) -> Grounding | None:
        if not needs_text_encoder(self._config):
            return None
        if self._load_text_encoder is None:
            raise SetupError(
                "filtering.grounding is on, but the filter has no text encoder;"
                " expected load_text_encoder, or filtering.grounding=false"
            )
        return Grounding(self._context, self._load_text_encoder(), self._config.grounding_images)


def needs_text_encoder(config: FilteringConfig) -> bool:
    """Whether captions are compared with their images. Raises SetupError if torch is missing for that."""
    if not config.grounding or all(rule.name != "ungrounded" for rule in chosen_rules(config)):
        return False
    require("local", "torch", what="filtering.grounding", instead="set filtering.grounding=false")
    return True


def read_human_overrides(
    config: FilteringConfig, say: Callable[[str], None] = lambda _: None
) -> HumanOverrides:
    """The verdicts of the file that the config names, if any. Damaged lines are reported to ``say``.

    Raises UsageError if the file can't be read.
    """
    if not config.verdicts:
        return HumanOverrides()
    path = Path(config.verdicts)
    try:
        found = read_verdicts(path)
    except UsageError as error:
        raise UsageError(f"{error}; or filter without it: --set 'filtering.verdicts=\"\"'") from None
    if found.damaged:
        say(f"warning: {damage_line(path, found.damaged)}")
    return HumanOverrides(found.verdicts, found.sha256)


def verdict_settings(config: FilteringConfig) -> dict[str, Setting]:
    """The settings that verdicts depend on."""
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
    """Raise SetupError if the verdicts were made with other settings than ``config``. Other versions of
    built-in rules are no reason, because a newer Triptych brings them without being asked."""
    state, now = run.run_file.stages.get("verdicts"), verdict_settings(config)
    before = state.settings.get("rules") if state is not None else None
    if _without_versions(before) == _without_versions(now["rules"]):
        now["rules"] = before
    again = f"`{command_of('verdicts', run.path)} --fresh verdicts`"
    what_to_do = f"run {again} with this setting first, or take the setting back"
    run.refuse_other_settings("verdicts", now, what_to_do)


def changed_setting(run: RunFolder, config: FilteringConfig) -> str:
    """The setting that has changed since the verdicts were made; empty if there is none, or it is unknown."""
    try:
        refuse_other_filter(run, config)
    except UsageError:
        return ""
    except SetupError as error:
        return error.key or ""
    return ""


def _without_versions(rules: Setting) -> list[list[str]]:
    """The names of rules, with the digests of the user's own."""
    return [rule.split()[::2] for rule in str(rules).split(", ")]


def filter_jobs(context: RunContext) -> tuple[FilterJob, ...]:
    """The jobs of a run, with their languages and prompts."""
    return tuple(FilterJob(job, context.language(job), context.prompts.get(job.name)) for job in context.jobs)


def _captioned(planned: Sequence[Planned]) -> list[tuple[Target, Caption]]:
    return [(each.target, each.caption) for each in planned if each.caption is not None and each.is_captioned]
