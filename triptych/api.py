"""A run in Python: its stages as methods, and access to its contents.

    with triptych.open_run("run", ["photos/"], preset="demo") as run:
        run.group()
        run.caption()
        print(run.filter().jobs["single_en"].kept)

Comes in: an open run folder with its config. Goes out: results. A finished stage does nothing; an interrupted
one is resumed. The command line is a thin layer over this. Not its job: opening a run (see opening), its
sources and settings (see run_setup), reading its records (see contents), what the stages do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from triptych.config import checked_config
from triptych.errors import SetupError, UsageError
from triptych.jobs import select_jobs
from triptych.models import CAUTION, is_embedded
from triptych.results import CaptionResult, ExportResult, FilterResult, GroupResult, RunResult
from triptych.run_setup import RunSetup
from triptych.runs.folder import STAGE_NAMES, RunFolder
from triptych.runs.other_embeddings import undo_interrupted_switch
from triptych.runs.stage_record import export_stage
from triptych.sources.remote_storage import is_url

if TYPE_CHECKING:
    from triptych.export.config import ExportConfig
    from triptych.export.stage import DryRun
    from triptych.filtering.stage import FilterStage
    from triptych.grouping.library import Picture
    from triptych.grouping.run_encoder import RunEncoder
    from triptych.grouping.search import FoundImage, FoundSet, Search
    from triptych.runs.stage_record import JobChecks
    from triptych.sources.shard import Shard


class Run(RunSetup):
    """One run folder: its stages as methods, and its records (see RunContents). Made by ``open_run``."""

    # -- stages -----------------------------------------------------------------------------------

    def run(self, jobs: Sequence[str] = ()) -> RunResult:
        """Run all stages in order; ``jobs`` are those of ``caption``."""
        from triptych.filtering.stage import needs_text_encoder

        self._require_lock()
        undo_interrupted_switch(self.folder)
        self._reopen_what_lost_files(*STAGE_NAMES)
        self.check_settings(jobs)
        is_checked = self.check_captioner(jobs)
        if self.folder.is_finished("embeddings") and not self.folder.is_finished("verdicts"):
            needs_text_encoder(self.config.filtering)
        # With new images there are captions to make, even if the run had all of its captions before.
        grouped = self._group(lambda: is_checked or self.check_captioner(jobs, force=True))
        return RunResult(grouped, self.caption(jobs), self.filter(), self.export())

    def group(self) -> GroupResult:
        """Embed the images, find duplicates and make sets."""
        return self._group(lambda: None)

    def _group(self, before_embedding: Callable[[], object]) -> GroupResult:
        self._require_lock()
        from triptych.grouping.sets_stage import make_sets
        from triptych.grouping.stage import adopt_embeddings, embed_sources
        from triptych.runs.missing_sources import gone_archives

        self._reopen_what_lost_files("embeddings", "sets")
        context = self._context(())
        self._update_run_file()
        if self._stored:
            worked = adopt_embeddings(context, self._stored)
        else:
            worked = embed_sources(context, self._listed_shards, self._embedding, before_embedding)
            self._said_notes.update(gone_archives(self.shards))
        worked |= make_sets(context, self.config.sets, () if self._stored else self.shards)
        return GroupResult(self.folder, self.jobs, did_work=worked)

    def caption(self, jobs: Sequence[str] = ()) -> CaptionResult:
        """Caption ``jobs``, given by name; without names, all configured jobs."""
        from triptych.captioning.stage import caption_run
        from triptych.runs.missing_sources import gone_archives

        self._require_lock()
        captioning = self._resolved_captioning()
        self._reopen_what_lost_files("sets", "captions")
        self._require_finished("sets")
        self._require_images("caption", "group the images themselves")
        if is_embedded(self.config.captioning.model):
            self.progress.say(f"note: {CAUTION}")
        every_job = self._context(self.config.all_jobs())
        self._update_run_file()
        shards = self.shards
        self._say_once(gone_archives(shards))
        fresh = "captions" in self.folder.fresh_stages
        chosen = jobs or captioning.jobs
        worked = caption_run(every_job, shards, captioning, chosen, fresh=fresh, are_named=bool(jobs))
        self.folder.fresh_stages.discard("captions")
        return CaptionResult(self.folder, self.jobs, did_work=worked)

    def filter(self) -> FilterResult:
        """Judge all captions."""
        self._require_lock()
        self._reopen_what_lost_files("sets", "captions", "verdicts")
        self._require_finished("sets", "captions")
        self._update_run_file()
        self._refuse_other_prompts()
        worked = self.filter_stage().write_verdicts()
        return FilterResult(self.folder, self.jobs, did_work=worked)

    def check(self, jobs: Sequence[str] = ()) -> dict[str, JobChecks]:
        """Ask a model for each statement of the captions whether it is true of its image; the outcome by job.

        ``checking`` in the config sets the model, and how many captions of each job are checked. The next
        ``filter`` takes the answers into account. Raises SetupError if the captions weren't filtered yet.
        """
        from triptych.captioning.checking.config import errors_with_checking_keys
        from triptych.captioning.checking.stage import check_run

        self._require_lock()
        self._require_finished("verdicts")
        checking = self.config.checking
        if checking.lacks_model:
            raise UsageError(
                "no model to check captions with; name one with --model (a folder or a hub id), or an"
                " endpoint with --server URL",
                key="checking.model",
            )
        context = self._context(select_jobs(self.jobs, jobs))
        self._update_run_file()
        with errors_with_checking_keys():
            return check_run(context, self.shards, checking.resolved())

    def filter_stage(self) -> FilterStage:
        """The filter over this run's captions, to write verdicts or to preview them."""
        from triptych.filtering.stage import FilterStage

        return FilterStage(self.context, self.config.filtering, lambda: self.encoder.text_tower)

    @cached_property
    def encoder(self) -> RunEncoder:
        """The model that made this run's embeddings; its towers are loaded on first use."""
        from triptych.grouping.run_encoder import RunEncoder

        return RunEncoder(self.folder, self.config.embedding)

    def search(self, text: str = "", *, image: Picture | None = None, count: int = 10) -> list[FoundImage]:
        """The ``count`` images nearest to a text or a picture, by this run's encoder, nearest first.

        ``image`` is a path, the bytes of a file, or a Pillow image. Duplicates are included. Raises
        SetupError if the encoder has no text tower, or nothing is embedded yet.
        """
        return self._search(text, image).images(count)

    def search_sets(self, text: str = "", *, image: Picture | None = None, count: int = 10) -> list[FoundSet]:
        """The ``count`` nearest sets, each ranked by its nearest image (see ``search``)."""
        self._require_finished("sets")
        return self._search(text, image).sets(count)

    def _search(self, text: str, image: Picture | None) -> Search:
        from triptych.grouping.search import Search

        if bool(text.strip()) == (image is not None):
            raise UsageError("search takes either a text or an image; expected one of them")
        encoder = self.encoder
        vector = encoder.vector_of_text(text) if image is None else encoder.vector_of_picture(image)
        return Search(self.folder, vector)

    def export(self, to: str = "", **settings: object) -> ExportResult:
        """Write the files for a trainer, with their card and manifest.

        ``to`` names another export beside the run's own, with ``settings`` of its own (see ExportConfig).
        Settings that aren't given are those that this export was made with before, or else the run's. If
        ``to`` is a URL in object storage, its last part is the name: the files are written locally, then
        uploaded.
        """
        self._require_lock()
        from triptych.export.stage import export_run

        if is_url(to):  # fail before hours of work
            from triptych.upload import refuse_unwritable, upload_folder

            refuse_unwritable(to)
        folder, config = self._export_of(to, settings)
        self._reopen_what_lost_files("sets", "verdicts", folder.export_stage)
        self._update_run_file()
        self._require_verdicts()
        worked = export_run(msgspec.structs.replace(self.context, folder=folder), config, self._image_shards)
        if is_url(to):
            upload_folder(folder.export_folder, to, last="manifest.json")
        return ExportResult(folder, self.jobs, did_work=worked)

    def push(self, url: str, *, export: str = "", private: bool = False) -> str:
        """Upload the export named ``export`` to ``hf://datasets/NAME``. Returns the dataset's address.

        Raises UsageError for another URL, SetupError if the export isn't finished or the hub can't be
        written.
        """
        from triptych.export.manifest import MANIFEST_NAME, read_manifest
        from triptych.upload import push

        stage = export_stage(export)
        self._require_finished(stage)
        self.folder.refuse_changed_files(stage)
        folder = self.folder.with_export(stage).export_folder
        names = [*read_manifest(folder).files, MANIFEST_NAME]
        return push(folder, url, names, self.progress.say, private=private)

    def try_export(self, to: str = "", **settings: object) -> DryRun:
        """What ``export`` would write; nothing is changed."""
        from triptych.export.stage import try_export

        self._require_verdicts()
        folder, config = self._export_of(to, settings)
        return try_export(msgspec.structs.replace(self.context, folder=folder), config, self._image_shards)

    def _require_verdicts(self) -> None:
        """Raise SetupError unless there are verdicts on the current captions by the current settings."""
        from triptych.filtering.stage import refuse_other_filter

        self._require_finished("sets", "verdicts")
        refuse_other_filter(self.folder, self.config.filtering)
        self._refuse_other_prompts()

    def _image_shards(self) -> Sequence[Shard]:
        """The shards, for exports that hold images. Raises SetupError if the run has no images."""
        self._require_images("export", "take --file-type jsonl")
        return self.shards

    def _require_images(self, verb: str, advice: str) -> None:
        if not self._sources:
            raise SetupError(
                f"{self.folder.path} was grouped from stored embeddings, so there are no images to {verb};"
                f" {advice}"
            )

    def _export_of(self, to: str, settings: Mapping[str, object]) -> tuple[RunFolder, ExportConfig]:
        """The run folder with the export that ``to`` names selected, and the config of that export."""
        stage = export_stage(to.rstrip("/").rpartition("/")[2] if is_url(to) else to)
        state = self.folder.run_file.stages.get(stage) if to else None
        kept = {} if state is None else {k: v for k, v in state.settings.items() if k != "data_version"}
        tree = {**msgspec.to_builtins(self.config.export), **kept, **settings}
        if to and "export" in self.folder.fresh_stages:
            self.folder.fresh_stages ^= {"export", stage}
        return self.folder.with_export(stage), checked_config({"export": tree}).export
