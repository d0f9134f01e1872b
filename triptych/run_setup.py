"""What an open run has to work with: its lock, sources and settings, which can be changed and checked.

Comes in: an open run folder with its settings. Goes out: the same with other sources or settings, stored;
refusals of what conflicts, before any work. Not its job: opening (see opening), the stages (see api), reading
what is in the folder (see contents).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from triptych.config import as_tree
from triptych.contents import RunContents
from triptych.errors import SetupError, UsageError
from triptych.extras import require
from triptych.jobs import named
from triptych.models import resolve_model
from triptych.progress import Progress
from triptych.runs.folder import UNPACKED, RunFolder, StageName
from triptych.runs.other_embeddings import embeddings_to_go_on_with
from triptych.runs.stage_record import with_verb
from triptych.runs.staleness import command_of, stale_reason
from triptych.runs.versions import installed_versions
from triptych.settings import OF_ONE_COMMAND, Settings
from triptych.sources.locations import exists, in_full, is_below, moved

if TYPE_CHECKING:
    from triptych.captioning.config import CaptioningConfig
    from triptych.executors.ray import RayCluster
    from triptych.grouping.config import EmbeddingConfig
    from triptych.grouping.embedding.stored_embeddings import StoredShard
    from triptych.jobs import Job
    from triptych.runs.context import RunContext
    from triptych.runs.generations import Generation
    from triptych.sources.shard import Shard


class RunSetup(RunContents):
    """One run folder, to be worked on."""

    def __init__(
        self,
        folder: RunFolder,
        settings: Settings,
        sources: Sequence[str | Path],
        progress: Progress,
        *,
        lock: contextlib.ExitStack | None,
        stored: Sequence[StoredShard] = (),
        shards: list[Shard] | None = None,
    ) -> None:
        """``shards`` are those of ``sources``, where those were listed. ``lock``: None to look only."""
        super().__init__(folder, settings.config, progress)
        self.settings = settings
        """The config, and where its values are from."""
        self._sources = [in_full(source) for source in sources]
        self._lock = lock
        self._shards = shards
        self._stored = stored
        self._noted: set[str] = set()
        self._cluster: RayCluster | None = None
        if self.config.cluster.address and lock is not None:
            require("ray", "ray", what="--cluster")
            from triptych.executors.ray import RayCluster

            self._cluster = RayCluster(self.config.cluster, folder.cluster_folder, progress.say)

    def _context(self, jobs: tuple[Job, ...]) -> RunContext:
        from triptych.runs.beating_workers import with_heartbeats

        context, cluster = super()._context(jobs), self._cluster
        if cluster is None:
            return context
        open_executor = with_heartbeats(cluster.open_executor, self.path.absolute())
        return msgspec.structs.replace(context, cluster=cluster, open_executor=open_executor)

    def close(self) -> None:
        """Let other processes work on the folder."""
        if self._cluster is not None:
            self._cluster.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self.folder.has_other_config:
            self.folder.save()
        self.close()

    def __repr__(self) -> str:
        return f"<Run {str(self.path)!r}: {', '.join(job.name for job in self.jobs)}>"

    # -- sources and settings ---------------------------------------------------------------------

    @property
    def shards(self) -> list[Shard]:
        """The shards of the sources, listed once, with stand-ins for archives that have gone."""
        from triptych.runs.missing_sources import with_gone_shards

        return with_gone_shards(self.folder, self._listed_shards)

    @property
    def _listed_shards(self) -> list[Shard]:
        """Those that are there."""
        from triptych.runs.missing_sources import without_gone_archives
        from triptych.sources.opening import open_sources

        if self._shards is None:
            sources = without_gone_archives(self.folder, self._sources)
            self._shards = open_sources(sources, self.config.input, self.folder.path / UNPACKED)
        return self._shards

    def make_again(self, stages: Sequence[StageName]) -> None:
        """Let ``stages`` begin anew when their turn comes, with any settings.

        What a model made stays: new captions and embeddings lie beside it, once the engine or the encoder is
        there. What else a stage wrote is replaced when what replaces it is there.
        """
        self._require_lock()
        self.folder.made_again |= set(stages)

    def move_sources(self, old: str | Path, new: str | Path) -> None:
        """From now on look in ``new`` for the images of sources that were in ``old``.

        Raises UsageError where there is no such source, or nothing at its new place.
        """
        self._require_lock()
        was, now = in_full(old), in_full(new)
        sources = [moved(source, was, now) for source in self._sources]
        if sources == self._sources:
            if any(is_below(source, now) for source in sources):
                return  # it was said before
            named = ", ".join(self._sources) or "none"
            raise UsageError(f"no source of {self.path} is in {old}; its sources: {named}", path=old)
        if not exists(now):
            raise UsageError(f"{new} is not there; expected what was in {old}", path=new)
        self._sources, self._shards = sources, None
        self.save_settings()

    def use_captions(self, job: str, generation: str) -> str:
        """Let another generation of a job's captions count, by the beginning of its name. Returns its name.

        Later stages are stale until they are made again. Raises UsageError where there is no such generation.
        """
        from triptych.captioning.job_notes import JobNotes
        from triptych.runs.generations import chosen_generation

        self._require_lock()
        chosen = chosen_generation(self.folder, job, generation)
        if chosen.name != self.folder.run_file.generations.get(job):
            notes = JobNotes(self.folder)
            notes.begin()
            notes.use({job: chosen.name})
        with contextlib.suppress(UsageError, SetupError):  # of a job or a model that isn't there any more
            self._say_what_differs(chosen)
        return chosen.name

    def _say_what_differs(self, generation: Generation) -> None:
        """What the run's settings have otherwise than ``generation``: they decide what is captioned next."""
        from triptych.captioning.engine_choice import choose_engine
        from triptych.captioning.fingerprint import job_settings

        every_job = self.config.all_jobs()
        captioning, _ = choose_engine(self._resolved_captioning(), generation.settings.get("engine"))
        settings = job_settings(self._context(named(every_job, [generation.job])), captioning, every_job)
        for key, (its_own, now) in generation.differences(settings[generation.job]).items():
            self.progress.say(
                f"note: {generation.name} was made with {key} = {its_own!r}, the run has {now!r}: captioning"
                f" goes back to captions of that, unless `triptych config {self.path}` changes it"
            )

    def save_settings(self) -> None:
        """Store the settings that the run was opened with, for all that opens it from now on."""
        self._require_lock()
        self._record()
        self.folder.save()

    # -- checks before work -----------------------------------------------------------------------

    def check_captioner(self, jobs: Sequence[str] = (), *, again: bool = False) -> bool:
        """Raise UsageError or SetupError where captioning could not begin: before hours of grouping. Returns
        whether that was looked at.

        A run whose captions are all there needs no captioner any more, but to make some ``again``.
        """
        from triptych.captioning.engine_choice import check_engine, check_forms, choose_engine
        from triptych.prompts import load_prompts

        captioning, folder = self._resolved_captioning(), self.folder
        stages = ("embeddings", "sets", "captions")
        again |= bool(folder.made_again.intersection(stages)) or not all(map(folder.is_finished, stages))
        if again:
            chosen = named(self.config.all_jobs(), jobs or captioning.jobs)
            load_prompts(chosen)
            before = folder.run_file.stages.get("captions")
            begun_with = before.settings.get("engine") if before is not None else None
            captioning, _ = choose_engine(captioning, begun_with)
            check_forms(captioning, chosen)
            identity: Mapping[str, str] = {}
            if self._cluster is None or captioning.spec.probe is not None:  # else it is for its nodes to say
                identity = check_engine(captioning, chosen, self.progress.say)
            self._check_generations(jobs, identity)
        return again

    def check_settings(self, jobs: Sequence[str] = ()) -> None:
        """Raise one SetupError with all settings that conflict with what the stages were made with."""
        from triptych.export.stage import export_settings
        from triptych.filtering.stage import read_people, verdict_settings
        from triptych.grouping.encoders.choice import resolve_encoder
        from triptych.grouping.sets_stage import sets_settings
        from triptych.grouping.stage import embedding_settings

        refuse, conflicts = self.folder.refuse_other_settings, []
        read_people(self.config.filtering)

        def check_embeddings() -> None:
            if not self._stored:
                config = self._embedding
                checkpoint = resolve_encoder(config.model, config.pretrained)
                embeddings_to_go_on_with(self.folder, embedding_settings(config, checkpoint))

        checks: tuple[Callable[[], object], ...] = (
            check_embeddings,
            lambda: refuse("sets", sets_settings(self.config.sets)),
            lambda: self._check_generations(jobs, {}),
            lambda: refuse("verdicts", verdict_settings(self.config.filtering)),
            lambda: refuse("export", export_settings(self.config.export)),
        )
        for check in checks:
            try:
                check()
            except SetupError as error:
                conflicts.append(error)
        if len(conflicts) == 1:
            raise conflicts[0]
        if conflicts:
            found = "; ".join(f"({number}) {error}" for number, error in enumerate(conflicts, 1))
            raise SetupError(f"settings have changed: {found}", path=self.path)

    def _check_generations(self, jobs: Sequence[str], identity: Mapping[str, str]) -> None:
        from triptych.captioning.stage import check_generations

        captioning, fresh = self._resolved_captioning(), "captions" in self.folder.made_again
        every_job, chosen = self._context(self.config.all_jobs()), jobs or captioning.jobs
        check_generations(every_job, captioning, chosen, fresh=fresh, are_named=bool(jobs), identity=identity)

    @property
    def _embedding(self) -> EmbeddingConfig:
        embedding = self.config.embedding
        return msgspec.structs.replace(embedding, model=resolve_model(embedding.model))

    def _resolved_captioning(self) -> CaptioningConfig:
        captioning = self.config.captioning
        if captioning.lacks_model:
            raise UsageError(
                "no captioning model; name one with --model (a folder or a hub id), an endpoint with"
                " --server URL, or a --preset"
            )
        return captioning.resolved()

    # -- for the stages ---------------------------------------------------------------------------

    def _require_lock(self) -> None:
        if self._lock is None:
            raise SetupError(
                f"{self.path} was opened to look at, or is closed; open it without read_only to work on it"
            )

    def _record(self) -> None:
        """What the next stage that has work to do saves with its state; without one, leaving the run does."""
        # OF_ONE_COMMAND:
        captioning = msgspec.structs.replace(self.config.captioning, sample=None)
        cluster = msgspec.structs.replace(self.config.cluster, address="")
        run_file = self.folder.run_file
        run_file.config = {
            "sources": self._sources,
            **as_tree(msgspec.structs.replace(self.config, captioning=captioning, cluster=cluster)),
        }
        origins = self.settings.origins
        run_file.origins = {k: v for k, v in origins.items() if k not in OF_ONE_COMMAND}
        run_file.versions = installed_versions()

    def _note(self, lines: Sequence[str]) -> None:
        """Say each of ``lines``, unless it was said before."""
        for line in lines:
            if line not in self._noted:
                self.progress.say(f"note: {line}")
        self._noted.update(lines)

    def _reopen_what_lost_files(self, *stages: StageName) -> None:
        """Let a stage make again what was removed after it had finished.

        Raises SetupError where files were added or are others now: who put them there may want them.
        """
        for stage in stages:
            loss = self.folder.loss_of(stage)
            if loss is None or stage in self.folder.made_again:
                continue
            if any((self.path / name).exists() for name in self.folder.changed_files(stage)):
                raise SetupError(self.folder.damage_line(stage), path=self.path)
            self._note([f"{loss}; what is missing is made again"])
            self.folder.reopen_stage(stage)

    def _refuse_other_prompts(self) -> None:
        from triptych.captioning.generation_choice import refuse_other_prompts

        refuse_other_prompts(self.context)

    def _require(self, stage: StageName) -> None:
        first = f"run `{command_of(stage, self.folder.path)}` first"
        if not self.folder.is_finished(stage):
            raise SetupError(f"{self.folder.path}: {with_verb(stage, 'are')} not finished; {first}")
        if why := stale_reason(self.folder, stage):
            raise SetupError(f"{self.folder.path}: {with_verb(stage, 'are')} stale: {why}; {first}")
