"""A run folder in Python: take it through its stages, look at what is in it.

    with triptych.open_run("run", ["photos/"], preset="demo") as run:
        run.group()
        run.caption()
        print(run.filter().jobs["single_en"].kept)

Comes in: an open run folder with its config. Goes out: results. A stage that is done already does nothing;
one that was interrupted is resumed. The command line is a skin over this. Not its job: opening (see opening),
its sources and settings (see run_setup), reading what is in it (see contents), what the stages do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from triptych.config import checked_config
from triptych.errors import SetupError, UsageError
from triptych.jobs import named
from triptych.models import CAUTION, is_embedded
from triptych.results import CaptionResult, ExportResult, FilterResult, GroupResult, RunResult
from triptych.run_setup import RunSetup
from triptych.runs.folder import STAGE_NAMES, RunFolder
from triptych.runs.other_embeddings import undo_half_a_switch
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
    """One run folder: its stages as methods, and what is in it (see RunContents). Made by ``open_run``."""

    # -- stages -----------------------------------------------------------------------------------

    def run(self, jobs: Sequence[str] = ()) -> RunResult:
        """All stages in order; the captions of ``jobs``, as ``caption`` does."""
        from triptych.filtering.stage import needs_text_encoder

        self._require_lock()
        undo_half_a_switch(self.folder)
        self._reopen_what_lost_files(*STAGE_NAMES)
        self.check_settings(jobs)
        is_checked = self.check_captioner(jobs)
        if self.folder.is_finished("embeddings") and not self.folder.is_finished("verdicts"):
            needs_text_encoder(self.config.filtering)
        grouped = self._group(lambda: is_checked or self.check_captioner(jobs, again=True))
        return RunResult(grouped, self.caption(jobs), self.filter(), self.export())

    def group(self) -> GroupResult:
        """Embeddings, duplicates and sets."""
        return self._group(lambda: None)

    def _group(self, before_embedding: Callable[[], object]) -> GroupResult:
        self._require_lock()
        from triptych.grouping.sets_stage import make_sets
        from triptych.grouping.stage import adopt_embeddings, embed_sources
        from triptych.runs.missing_sources import gone_archives

        self._reopen_what_lost_files("embeddings", "sets")
        context = self._context(())
        self._record()
        if self._stored:
            worked = adopt_embeddings(context, self._stored)
        else:
            worked = embed_sources(context, self._listed_shards, self._embedding, before_embedding)
            self._noted.update(gone_archives(self.shards))
        worked |= make_sets(context, self.config.sets, () if self._stored else self.shards)
        return GroupResult(self.folder, self.jobs, did_work=worked)

    def caption(self, jobs: Sequence[str] = ()) -> CaptionResult:
        """The captions of ``jobs``, by name; of all configured ones where none is named."""
        from triptych.captioning.stage import caption_run
        from triptych.runs.missing_sources import gone_archives

        self._require_lock()
        captioning = self._resolved_captioning()
        self._reopen_what_lost_files("sets", "captions")
        self._require("sets")
        if not self._sources:
            raise SetupError(
                f"{self.folder.path} was grouped from stored embeddings, so there are no images to caption;"
                " group the images themselves"
            )
        if is_embedded(self.config.captioning.model):
            self.progress.say(f"note: {CAUTION}")
        every_job = self._context(self.config.all_jobs())
        self._record()
        shards = self.shards
        self._note(gone_archives(shards))
        fresh = "captions" in self.folder.made_again
        chosen = jobs or captioning.jobs
        worked = caption_run(every_job, shards, captioning, chosen, fresh=fresh, are_named=bool(jobs))
        self.folder.made_again.discard("captions")
        return CaptionResult(self.folder, self.jobs, did_work=worked)

    def filter(self) -> FilterResult:
        """Verdicts on all captions."""
        self._require_lock()
        self._reopen_what_lost_files("sets", "captions", "verdicts")
        self._require("sets")
        self._require("captions")
        self._record()
        self._refuse_other_prompts()
        worked = self.filter_stage().write_verdicts()
        return FilterResult(self.folder, self.jobs, did_work=worked)

    def check(self, jobs: Sequence[str] = ()) -> dict[str, JobChecks]:
        """Have a model say of each statement of captions whether it is true of its image; by job.

        ``checking`` in the config says which model, and how many captions of each of ``jobs``. The next
        ``filter`` takes it into account. Raises SetupError where captions weren't filtered yet.
        """
        from triptych.captioning.checking.config import own_words
        from triptych.captioning.checking.stage import check_run

        self._require_lock()
        self._require("verdicts")
        checking = self.config.checking
        if checking.lacks_model:
            raise UsageError(
                "no model to check captions with; name one with --model (a folder or a hub id), or an"
                " endpoint with --server URL",
                key="checking.model",
            )
        context = self._context(named(self.jobs, jobs))
        self._record()
        with own_words():
            return check_run(context, self.shards, checking.resolved())

    def filter_stage(self) -> FilterStage:
        """The filter over this run's captions, to write verdicts with or to ask what it would do."""
        from triptych.filtering.stage import FilterStage

        return FilterStage(self.context, self.config.filtering, lambda: self.encoder.text_tower)

    @cached_property
    def encoder(self) -> RunEncoder:
        """The model that made this run's embeddings; its towers are loaded when they are first used."""
        from triptych.grouping.run_encoder import RunEncoder

        return RunEncoder(self.folder, self.config.embedding)

    def search(self, text: str = "", *, image: Picture | None = None, count: int = 10) -> list[FoundImage]:
        """The ``count`` images that are nearest to a text, or to a picture, by this run's encoder.

        ``image`` is a path, the bytes of a file, or Pillow's picture. Nearest first, duplicates among them.
        Raises SetupError where the encoder has no text tower, or nothing is embedded yet.
        """
        return self._search(text, image).images(count)

    def search_sets(self, text: str = "", *, image: Picture | None = None, count: int = 10) -> list[FoundSet]:
        """The ``count`` sets whose nearest images are the nearest (see ``search``)."""
        self._require("sets")
        return self._search(text, image).sets(count)

    def _search(self, text: str, image: Picture | None) -> Search:
        from triptych.grouping.search import Search

        if bool(text.strip()) == (image is not None):
            raise UsageError("search takes either a text or an image; expected one of them")
        encoder = self.encoder
        vector = encoder.vector_of_text(text) if image is None else encoder.vector_of_picture(image)
        return Search(self.folder, vector)

    def export(self, to: str = "", **settings: object) -> ExportResult:
        """The files for a trainer and what goes with them.

        ``to`` is the name of an export beside the run's, with ``settings`` of its own (see ExportConfig);
        where one isn't given, it is as this export was made before, or else as the run has it. A URL in
        object storage ends with that name: the files are written here, and then uploaded.
        """
        self._require_lock()
        from triptych.export.stage import export_run

        if is_url(to):  # before hours of work
            from triptych.upload import refuse_unwritable, upload_folder

            refuse_unwritable(to)
        folder, config = self._export_of(to, settings)
        self._reopen_what_lost_files("sets", "verdicts", folder.export_stage)
        self._record()
        self._require_verdicts()
        worked = export_run(msgspec.structs.replace(self.context, folder=folder), config, self._image_shards)
        if is_url(to):
            upload_folder(folder.export_folder, to, last="manifest.json")
        return ExportResult(folder, self.jobs, did_work=worked)

    def push(self, url: str, *, export: str = "", private: bool = False) -> str:
        """Upload an export, by its name, to ``hf://datasets/NAME``. Returns the dataset's address.

        Raises UsageError, SetupError where the export isn't finished or the hub can't be written to.
        """
        from triptych.export.manifest import MANIFEST_NAME, read_manifest
        from triptych.upload import push

        stage = export_stage(export)
        self._require(stage)
        self.folder.refuse_changed_files(stage)
        folder = self.folder.with_export(stage).export_folder
        names = [*read_manifest(folder).files, MANIFEST_NAME]
        return push(folder, url, names, self.progress.say, private=private)

    def try_export(self, to: str = "", **settings: object) -> DryRun:
        """What ``export`` would write. Changes nothing."""
        from triptych.export.stage import try_export

        self._require_verdicts()
        folder, config = self._export_of(to, settings)
        return try_export(msgspec.structs.replace(self.context, folder=folder), config, self._image_shards)

    def _require_verdicts(self) -> None:
        """Raise SetupError where there are none of what there is now, by the settings of now."""
        from triptych.filtering.stage import refuse_other_filter

        self._require("sets")
        self._require("verdicts")
        refuse_other_filter(self.folder, self.config.filtering)
        self._refuse_other_prompts()

    def _image_shards(self) -> Sequence[Shard]:
        """For exports that hold images. Raises SetupError where the run has none."""
        if not self._sources:
            raise SetupError(
                f"{self.folder.path} was grouped from stored embeddings, so there are no images to export;"
                " take --file-type jsonl"
            )
        return self.shards

    def _export_of(self, to: str, settings: Mapping[str, object]) -> tuple[RunFolder, ExportConfig]:
        """The run, looking at one of its exports, and that one's config."""
        stage = export_stage(to.rstrip("/").rpartition("/")[2] if is_url(to) else to)
        state = self.folder.run_file.stages.get(stage) if to else None
        kept = {} if state is None else {k: v for k, v in state.settings.items() if k != "data_version"}
        tree = {**msgspec.to_builtins(self.config.export), **kept, **settings}
        if to and "export" in self.folder.made_again:
            self.folder.made_again ^= {"export", stage}
        return self.folder.with_export(stage), checked_config({"export": tree}).export
