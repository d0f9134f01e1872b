"""The set-up of an open run: its lock, sources and settings, and how they are changed and checked.

Comes in: an open run folder with its settings. Goes out: changed sources or settings, stored; errors for
conflicting settings, before any work. Not its job: opening a run (see opening), the stages (see api), reading
its records (see contents).
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
from triptych.jobs import select_jobs
from triptych.models import resolve_model
from triptych.progress import Progress
from triptych.runs.folder import UNPACKED, RunFolder, StageName
from triptych.runs.other_embeddings import embeddings_to_use
from triptych.runs.stage_record import installed_versions, with_verb
from triptych.runs.staleness import command_of, stale_reason
from triptych.settings import NOT_STORED, Settings
from triptych.sources.locations import absolute_source, exists, is_below, moved

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
    """One run folder, opened to work on."""

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
        """``shards``: those of ``sources``, if they are already listed. ``lock``: None for read-only."""
        super().__init__(folder, settings.config, progress)
        self.settings = settings
        """The config, and where its values come from."""
        self._sources = [absolute_source(source) for source in sources]
        self._lock = lock
        self._shards = shards
        self._stored = stored
        self._said_notes: set[str] = set()
        self._cluster: RayCluster | None = None
        if self.config.cluster.address and lock is not None:
            require("ray", "ray", what="--cluster")
            from triptych.executors.ray import RayCluster

            self._cluster = RayCluster(self.config.cluster, folder.cluster_folder, progress.say)

    def _context(self, jobs: tuple[Job, ...]) -> RunContext:
        from triptych.runs.executor_heartbeats import with_heartbeats

        context, cluster = super()._context(jobs), self._cluster
        if cluster is None:
            return context
        open_executor = with_heartbeats(cluster.open_executor, self.path.absolute())
        return msgspec.structs.replace(context, cluster=cluster, open_executor=open_executor)

    def close(self) -> None:
        """Release the folder for other processes."""
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
        """The shards of the sources, listed once, with stand-ins for missing archives."""
        from triptych.runs.missing_sources import with_gone_shards

        return with_gone_shards(self.folder, self._listed_shards)

    @property
    def _listed_shards(self) -> list[Shard]:
        """The shards of the sources that exist."""
        from triptych.runs.missing_sources import without_gone_archives
        from triptych.sources.opening import open_sources

        if self._shards is None:
            sources = without_gone_archives(self.folder, self._sources)
            self._refuse_missing(sources)
            self._shards = open_sources(sources, self.config.input, self.folder.path / UNPACKED)
        return self._shards

    def _refuse_missing(self, sources: Sequence[str]) -> None:
        """Raises SetupError if a source from which the run has read images does not exist any more."""
        from triptych.sources.listing import is_pattern

        known = self.folder.run_file.config.get("sources")
        for source in sources if self.folder.is_finished("embeddings") else ():
            if isinstance(known, list) and source in known and not is_pattern(source) and not exists(source):
                raise SetupError(
                    f"source {source} does not exist any more; mount it again, or add --moved {source}=NEW"
                    " if it is in NEW now"
                )

    def make_again(self, stages: Sequence[StageName]) -> None:
        """Make ``stages`` start over the next time they run, with any settings.

        Captions and embeddings are kept: new ones are stored beside them, once the engine or the encoder has
        started. Other files of a stage are replaced only when their replacement is complete.
        """
        self._require_lock()
        self.folder.fresh_stages |= set(stages)

    def move_sources(self, old: str | Path, new: str | Path) -> None:
        """Read the sources that were in ``old`` from ``new`` from now on.

        Raises UsageError if no source is in ``old``, or nothing is at ``new``.
        """
        self._require_lock()
        was, now = absolute_source(old), absolute_source(new)
        sources = [moved(source, was, now) for source in self._sources]
        if sources == self._sources:
            if any(is_below(source, now) for source in sources):
                return  # moved before
            named = ", ".join(self._sources) or "none"
            raise UsageError(f"no source of {self.path} is in {old}; its sources: {named}", path=old)
        if not exists(now):
            raise UsageError(f"{new} does not exist; expected what was in {old}", path=new)
        self._sources, self._shards = sources, None
        self.save_settings()

    def use_captions(self, job: str, generation: str) -> str:
        """Switch a job to another generation of its captions, given by a prefix of its name. Returns its
        name.

        Later stages are stale until they run again. They can if the generation is complete and was made with
        the prompt of the settings. Raises UsageError if there is no such generation.
        """
        from triptych.captioning.job_notes import JobNotes
        from triptych.runs.generations import chosen_generation

        self._require_lock()
        chosen = chosen_generation(self.folder, job, generation)
        if chosen.name != self.folder.run_file.generations.get(job):
            notes = JobNotes(self.folder)
            notes.begin()
            notes.use({job: chosen.name})
            notes.finish_switch(self.config.all_jobs())
        with contextlib.suppress(UsageError, SetupError):  # its job or model may not exist any more
            self._report_differences(chosen)
        return chosen.name

    def _report_differences(self, generation: Generation) -> None:
        """Report how the run's settings differ from ``generation``: the next captioning uses them."""
        from triptych.captioning.engine_choice import choose_engine
        from triptych.captioning.fingerprint import job_settings

        every_job = self.config.all_jobs()
        captioning, _ = choose_engine(self._resolved_captioning(), generation.settings.get("engine"))
        settings = job_settings(
            self._context(select_jobs(every_job, [generation.job])), captioning, every_job
        )
        for key, (its_own, now) in generation.differences(settings[generation.job]).items():
            self.progress.say(
                f"note: {generation.name} was made with {key} = {its_own!r}, the run has {now!r}: captioning"
                f" goes back to captions of that, unless `triptych config {self.path}` changes it"
            )

    def save_settings(self) -> None:
        """Store the settings that the run was opened with."""
        self._require_lock()
        self._update_run_file()
        self.folder.save()

    # -- checks before work -----------------------------------------------------------------------

    def check_captioner(self, jobs: Sequence[str] = (), *, force: bool = False) -> bool:
        """Raise UsageError or SetupError if captioning could not begin, before hours of grouping.

        A run that has all of its captions needs no captioner: there it is checked only with ``force``.
        Returns whether it was checked.
        """
        from triptych.captioning.engine_choice import check_engine, check_forms, choose_engine
        from triptych.prompts import load_prompts

        captioning, folder = self._resolved_captioning(), self.folder
        stages = ("embeddings", "sets", "captions")
        is_done = all(map(folder.is_finished, stages)) and not folder.fresh_stages.intersection(stages)
        if is_done and not force:
            return False
        chosen = select_jobs(self.config.all_jobs(), jobs or captioning.jobs)
        load_prompts(chosen)
        before = folder.run_file.stages.get("captions")
        begun_with = before.settings.get("engine") if before is not None else None
        captioning, _ = choose_engine(captioning, begun_with)
        check_forms(captioning, chosen)
        identity: Mapping[str, str] = {}
        if self._cluster is None or captioning.spec.probe is not None:  # else the nodes check it
            identity = check_engine(captioning, chosen, self.progress.say)
        self._check_generations(jobs, identity)
        return True

    def check_settings(self, jobs: Sequence[str] = ()) -> None:
        """Raise one SetupError with all settings that differ from those of the finished stages."""
        from triptych.export.stage import export_settings
        from triptych.filtering.stage import read_human_overrides, verdict_settings
        from triptych.grouping.encoders.choice import resolve_encoder
        from triptych.grouping.sets_stage import sets_settings
        from triptych.grouping.stage import embedding_settings

        refuse, conflicts = self.folder.refuse_other_settings, []
        read_human_overrides(self.config.filtering)

        def check_embeddings() -> None:
            if not self._stored:
                config = self._embedding
                checkpoint = resolve_encoder(config.model, config.pretrained)
                embeddings_to_use(self.folder, embedding_settings(config, checkpoint))

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

        captioning, fresh = self._resolved_captioning(), "captions" in self.folder.fresh_stages
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
                f"{self.path} was opened read-only, or is closed; open it without read_only to work on it"
            )

    def _update_run_file(self) -> None:
        """Put the config into the run file. The next stage with work to do saves it, or else ``__exit__``."""
        # settings.NOT_STORED:
        captioning = msgspec.structs.replace(self.config.captioning, sample=None)
        cluster = msgspec.structs.replace(self.config.cluster, address="")
        run_file = self.folder.run_file
        run_file.config = {
            "sources": self._sources,
            **as_tree(msgspec.structs.replace(self.config, captioning=captioning, cluster=cluster)),
        }
        origins = self.settings.origins
        run_file.origins = {k: v for k, v in origins.items() if k not in NOT_STORED}
        run_file.versions = installed_versions()

    def _say_once(self, lines: Sequence[str]) -> None:
        """Report each of ``lines``, unless it was reported before."""
        for line in lines:
            if line not in self._said_notes:
                self.progress.say(f"note: {line}")
        self._said_notes.update(lines)

    def _reopen_what_lost_files(self, *stages: StageName) -> None:
        """Reopen the stages whose files were removed after they had finished: they make these again.

        Raises SetupError if files were added or changed: whoever did that may want them.
        """
        for stage in stages:
            loss = self.folder.loss_of(stage)
            if loss is None or stage in self.folder.fresh_stages:
                continue
            if any((self.path / name).exists() for name in self.folder.changed_files(stage)):
                raise SetupError(self.folder.damage_line(stage), path=self.path)
            self._say_once([f"{loss}; what is missing is made again"])
            self.folder.reopen_stage(stage)

    def _refuse_other_prompts(self) -> None:
        from triptych.captioning.generation_choice import refuse_other_prompts

        refuse_other_prompts(self.context)

    def _require_finished(self, *stages: StageName) -> None:
        embeddings = self.folder.run_file.stages.get("embeddings")
        for name in embeddings.wrote if embeddings is not None and embeddings.finished else ():
            if name.startswith("images/") and not (self.path / name).exists():
                raise SetupError(
                    f"{self.path / name} is missing; `triptych run` makes it again", path=self.path
                )
        for stage in stages:
            first = f"run `{command_of(stage, self.folder.path)}` first"
            if not self.folder.is_finished(stage):
                raise SetupError(f"{self.folder.path}: {with_verb(stage, 'are')} not finished; {first}")
            if why := stale_reason(self.folder, stage):
                raise SetupError(f"{self.folder.path}: {with_verb(stage, 'are')} stale: {why}; {first}")
