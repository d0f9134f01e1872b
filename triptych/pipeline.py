"""The stages of a run, in order, with everything that one needs of another.

Comes in: an open run folder, a config, sources. Goes out: the folder with its stages done. A stage that
is done already does nothing; one that was interrupted goes on. Not its job: what the stages do; opening
the folder (see opening).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from triptych.config import RunConfig, as_tree
from triptych.errors import SetupError, UsageError
from triptych.jobs import Job
from triptych.models import CAUTION, is_embedded, resolve_model
from triptych.progress import Progress
from triptych.runs.folder import STAGE_NAMES, RunFolder, StageName
from triptych.versions import installed_versions

if TYPE_CHECKING:
    from triptych.captioning.config import CaptioningConfig
    from triptych.export.stage import DryRun
    from triptych.filtering.phrase_vectors import TextEncoder
    from triptych.filtering.stage import Session
    from triptych.grouping.embedding.stored_embeddings import StoredShard
    from triptych.runs.context import RunContext
    from triptych.runs.ledger import Ledger
    from triptych.sources import Shard


class Pipeline:
    """The stages of one run folder, which this process owns. Made by ``open_run``."""

    def __init__(
        self,
        run: RunFolder,
        config: RunConfig,
        sources: Sequence[Path],
        progress: Progress,
        stored: Sequence[StoredShard] = (),
        shards: list[Shard] | None = None,
    ) -> None:
        """``shards`` are those of ``sources``, where they were listed already."""
        self.folder = run
        self.config = config
        self._sources = [path.absolute() for path in sources]
        self.progress = progress
        self._shards = shards
        self._stored = stored
        self._noted: set[str] = set()

    def run(self) -> bool:
        """All stages in order. Returns whether any had work to do."""
        self._reopen_what_lost_files(*STAGE_NAMES)
        self.check_captioner()
        # Not any(): every stage must be called.
        return max(self.group(), self.caption(), self.filter(), self.export())

    def group(self) -> bool:
        """Embeddings, duplicates and sets. Returns whether there was work to do."""
        from triptych.grouping.stage import adopt_embeddings, embed_sources, make_sets
        from triptych.runs.missing_sources import settle_sources

        self._reopen_what_lost_files("embeddings", "sets")
        if self._stored:
            self._record()
            worked = adopt_embeddings(self.folder, self._stored, self.progress)
            return make_sets(self.folder, self.config.sets, self.progress) or worked
        embedding = msgspec.structs.replace(
            self.config.embedding, model=resolve_model(self.config.embedding.model)
        )
        shards = self.shards
        self._note(settle_sources(self.folder, shards))
        self._record()
        worked = embed_sources(self.folder, shards, embedding, self.progress)
        return make_sets(self.folder, self.config.sets, self.progress) or worked

    def caption(self, jobs: Sequence[str] = ()) -> bool:
        """The captions of ``jobs``, else of all configured ones. Returns whether there was work to do."""
        from triptych.captioning.stage import caption_run
        from triptych.runs.missing_sources import gone_archives

        captioning = self._resolved_captioning()
        self._reopen_what_lost_files("sets", "captions")
        self._require("sets", "triptych group")
        if not self._sources:
            raise SetupError(
                f"{self.folder.path} was grouped from stored embeddings, so there are no images to caption;"
                " group the images themselves"
            )
        if is_embedded(self.config.captioning.model):
            self.progress.say(f"note: {CAUTION}")
        every_job = self._context(self.config.limited_jobs())
        self._record()
        shards = self.shards
        self._note(gone_archives(shards))
        return caption_run(every_job, shards, captioning, jobs or captioning.jobs)

    def filter(self) -> bool:
        """Verdicts on all captions. Returns whether there was work to do."""
        self._reopen_what_lost_files("sets", "captions", "verdicts")
        self._require("sets", "triptych group")
        self._require("captions", "triptych caption")
        self._record()
        return self.filter_session().write_verdicts()

    def filter_session(self) -> Session:
        """The filter over this run's captions, to write verdicts with or to ask what it would do."""
        from triptych.filtering.stage import Session

        return Session(self.context, self.config.filtering, self._load_text_encoder)

    def _load_text_encoder(self) -> TextEncoder:
        """The text tower of the model that made this run's embeddings."""
        from triptych.grouping.embedding.devices import usable_devices
        from triptych.grouping.encoders.checkpoint import resolve_checkpoint
        from triptych.grouping.encoders.open_clip import load_text_encoder

        embedding = self.config.embedding
        checkpoint = resolve_checkpoint(resolve_model(embedding.model), embedding.pretrained)
        made_with = self.folder.run_file.stages["embeddings"].settings["encoder"]
        if checkpoint.identity != made_with:
            raise SetupError(
                f"the embeddings of {self.folder.path} were made with {made_with}, and embedding.model"
                f" {embedding.model} is now {checkpoint.identity}; expected the same model: name it, or make"
                " the embeddings again with --fresh embeddings"
            )
        device = usable_devices(embedding.devices)[0]
        return load_text_encoder(checkpoint, device, cpu_threads=len(os.sched_getaffinity(0)))

    def export(self) -> bool:
        """The four files and what goes with them. Returns whether there was work to do."""
        from triptych.export.stage import export_run

        self._reopen_what_lost_files("sets", "verdicts", "export")
        self._require("sets", "triptych group")
        self._require("verdicts", "triptych filter")
        self._record()
        return export_run(self.context, self.config.export)

    def try_export(self) -> DryRun:
        """What ``export`` would write. Changes nothing."""
        from triptych.export.stage import try_export

        return try_export(self.context, self.config.export)

    def check_captioner(self, *, again: bool = False) -> None:
        """Raise UsageError or SetupError where captioning could not begin: before hours of grouping.

        A run whose captions are all there needs no captioner any more, but to make them ``again``.
        """
        from triptych.captioning.engines.choice import check_engine, choose_engine
        from triptych.prompts import load_prompts

        captioning = self._resolved_captioning()
        if again or not self.folder.is_finished("captions"):
            load_prompts(self.config.chosen_jobs())
            before = self.folder.run_file.stages.get("captions")
            begun_with = before.settings.get("engine") if before is not None and not again else None
            check_engine(choose_engine(captioning, begun_with)[0])

    def _resolved_captioning(self) -> CaptioningConfig:
        captioning = self.config.captioning
        if captioning.model is None and not captioning.servers:
            raise UsageError(
                "no captioning model; name one with --model (a folder or a hub id), an endpoint with"
                " --server URL, or a --preset"
            )
        model = captioning.model
        if captioning.servers and is_embedded(model):
            model = None  # the preset's, which no endpoint serves: take the one that it does
        elif model is not None:
            model = resolve_model(model)
        return msgspec.structs.replace(captioning, model=model)

    @property
    def shards(self) -> list[Shard]:
        """The shards of the sources, listed once, with stand-ins for archives that have gone."""
        from triptych.runs.missing_sources import with_gone_shards, without_gone_archives
        from triptych.sources import open_sources

        if self._shards is None:
            sources = without_gone_archives(self.folder, self._sources)
            self._shards = open_sources(sources, self.config.input.image_column)
        return with_gone_shards(self.folder, self._shards)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs that were begun in this run; before that, those chosen."""
        captions = self.folder.run_file.stages.get("captions")
        notes = captions.notes if captions is not None else {}
        begun = tuple(job for job in self.config.limited_jobs() if f"{job.name}.planned" in notes)
        return begun or self.config.chosen_jobs()

    @property
    def context(self) -> RunContext:
        """What a stage is given, with those jobs."""
        return self._context(self.jobs)

    def _context(self, jobs: tuple[Job, ...]) -> RunContext:
        from triptych.prompts import load_prompts
        from triptych.runs.context import RunContext

        return RunContext(
            folder=self.folder,
            jobs=jobs,
            prompts=load_prompts(jobs),
            added_languages=self.config.languages,
            progress=self.progress,
        )

    def take_stock(self, progress: Progress | None = None) -> Ledger:
        """Every count, from the files."""
        from triptych.runs.ledger import recount

        return recount(self.folder, self.jobs, progress)

    def freshen(self, stages: Sequence[StageName]) -> None:
        """Discard what ``stages`` wrote, so that they are done again.

        What has cost days is not discarded while the model that has to make it again isn't there.
        """
        if "embeddings" in stages and not self._stored:
            from triptych.grouping.encoders.checkpoint import resolve_checkpoint

            resolve_checkpoint(resolve_model(self.config.embedding.model), self.config.embedding.pretrained)
        if "captions" in stages:
            self.check_captioner(again=True)
        for stage in stages:
            self.folder.discard(stage)

    def _record(self) -> None:
        """What the next stage that has work to do saves with its state."""
        self.folder.run_file.config = {
            "sources": [str(path) for path in self._sources],
            **as_tree(self.config),
        }
        self.folder.run_file.versions = installed_versions()

    def _note(self, lines: Sequence[str]) -> None:
        """Say each of ``lines``, unless it was said before."""
        for line in lines:
            if line not in self._noted:
                self.progress.say(f"note: {line}")
        self._noted.update(lines)

    def _reopen_what_lost_files(self, *stages: StageName) -> None:
        """Let a stage make again what was removed or cut short after it had finished.

        Raises SetupError where files of embeddings were: those that are there are not made again.
        """
        for stage in stages:
            loss = self.folder.loss_of(stage)
            if loss is None:
                continue
            if stage == "embeddings" and loss.now.files >= loss.was.files:
                raise SetupError(
                    f"{self.folder.path}: files were damaged or edited ({loss}); remove those that"
                    f" `triptych verify {self.folder.path}` names, or add --fresh embeddings, and run again"
                )
            self._note([f"{loss}; what is missing is made again"])
            self.folder.reopen_stage(stage)

    def _require(self, stage: StageName, command: str) -> None:
        if not self.folder.is_finished(stage):
            raise SetupError(f"{self.folder.path}: {stage} are not finished; run `{command}` first")
