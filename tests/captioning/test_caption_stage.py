"""The captions stage on a small run: what it writes, what it leaves, what it refuses."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from tests.support.chat_server import ChatServer
from tests.support.contexts import JOBS, limited
from tests.support.made_up_run import make_up_run
from tests.support.small_run import PLANNED, SmallRun, picture
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engines.config import ServerConfig, TransformersConfig
from triptych.captioning.sampling_config import JobSampling
from triptych.errors import SetupError, UsageError
from triptych.jobs import SEED_JOBS, jobs_from
from triptych.prompts import load_prompts
from triptych.runs.folder import RunFolder
from triptych.runs.plan import JobPlan


@pytest.fixture
def config(tiny_model: Path) -> CaptioningConfig:
    """Short captions by the tiny model, in batches of 4."""
    return CaptioningConfig(
        model=str(tiny_model),
        transformers=TransformersConfig(device="cpu", batch_size=4),
        tile_px=112,
        max_tiles=2,
        max_tokens_single=12,
        max_tokens_multi=16,
        ask_again=0,
    )


ONLY_FIVE_CHINESE = [job.limited_to(5) if job.name == "single_zh" else job for job in SEED_JOBS]


def changed(config: CaptioningConfig, **settings: object) -> CaptioningConfig:
    """The config with some settings replaced."""
    return msgspec.structs.replace(config, **settings)


def test_every_planned_target_gets_one_row_in_the_journal_of_its_shard(
    small_run: SmallRun, config: CaptioningConfig
) -> None:
    """Duplicates get none; a set is filed under the shard of its first image."""
    assert small_run.caption(config) is True

    small_run.rows()
    for job in JOBS:
        for shard, targets in JobPlan(small_run.run, limited(job, None)).shards():
            ids = {caption.id for caption in small_run.run.captions(job, shard)}
            assert {target.id for target in targets} == ids, (job, shard)


def test_captions_have_texts_and_counts(small_run: SmallRun, config: CaptioningConfig) -> None:
    """And none failed."""
    small_run.caption(config)

    rows = small_run.rows().values()
    assert sum(PLANNED.values()) == len(rows)
    assert all(row.failure is None and row.text == row.text.strip() and row.attempts == 1 for row in rows)
    assert all(row.prompt_tokens > 50 and row.completion_tokens > 0 for row in rows)


def test_a_job_is_asked_with_its_own_prompt(small_run: SmallRun, chat_server: ChatServer) -> None:
    """The words of the four prompts, each as often as its job has targets."""
    config = CaptioningConfig(
        server=ServerConfig(urls=(chat_server.url,)),
        tile_px=112,
        max_tiles=1,
        max_tokens_single=2,
        max_tokens_multi=3,
        ask_again=0,
    )

    small_run.caption(config)

    asked = [payload["messages"][0]["content"][-1]["text"] for payload in chat_server.payloads]
    prompts = load_prompts(SEED_JOBS)
    assert PLANNED == {job: asked.count(prompts[job].text) for job in JOBS}
    assert {2: 26, 3: 8} == {n: [p["max_tokens"] for p in chat_server.payloads].count(n) for n in (2, 3)}


def test_servers_and_the_in_process_engine_write_the_same_captions(
    small_run: SmallRun, config: CaptioningConfig, chat_server: ChatServer, tmp_path: Path
) -> None:
    """Word for word, through the whole stage; bounded by max_in_flight on the way."""
    shutil.copytree(small_run.run.path, tmp_path / "other")
    small_run.caption(config)
    in_process = small_run.rows()

    over_http = SmallRun(small_run.run.open(tmp_path / "other"), small_run.pile)
    over_http.caption(
        changed(config, model=None, server=ServerConfig(urls=(chat_server.url,)), max_in_flight=3)
    )

    assert in_process == over_http.rows()
    assert 3 >= chat_server.most_at_once


def test_a_finished_stage_does_nothing_again(small_run: SmallRun, config: CaptioningConfig) -> None:
    """And says so."""
    small_run.caption(config)
    before = _journals(small_run)

    assert small_run.caption(config) is False
    assert before == _journals(small_run)


def test_nothing_is_loaded_where_nothing_is_missing(small_run: SmallRun, chat_server: ChatServer) -> None:
    """Fewer jobs than were done: the endpoint isn't even asked whether it's there."""
    config = CaptioningConfig(
        server=ServerConfig(urls=(chat_server.url,)),
        tile_px=112,
        max_tiles=1,
        max_tokens_single=2,
        max_tokens_multi=2,
        ask_again=0,
    )
    small_run.caption(config)
    chat_server.stop()

    assert small_run.caption(changed(config, jobs=("multi_zh",))) is False
    assert small_run.run.is_finished("captions")


def test_jobs_can_be_done_one_after_the_other(small_run: SmallRun, config: CaptioningConfig) -> None:
    """Without --fresh, and nothing is asked twice."""
    assert small_run.caption(changed(config, jobs=("multi_en",))) is True
    first = small_run.rows()
    assert small_run.caption(config) is True

    assert 4 == len(first)
    assert first.items() <= small_run.rows().items()
    assert sum(PLANNED.values()) == len(small_run.rows())


def test_a_raised_limit_goes_on_where_the_lower_one_ended(
    small_run: SmallRun, config: CaptioningConfig
) -> None:
    """A sample is part of every larger one, and of the whole."""
    small_run.caption(changed(config, sample=2))
    sample = small_run.rows()
    small_run.caption_jobs(ONLY_FIVE_CHINESE, config)

    rows = small_run.rows()
    assert 8 == len(sample)
    assert sample.items() <= rows.items()
    assert {**PLANNED, "single_zh": 5} == {job: _count(rows, job) for job in JOBS}


def test_the_notes_say_what_was_planned_and_made(small_run: SmallRun, config: CaptioningConfig) -> None:
    """Also of jobs that an earlier call did."""
    small_run.caption_jobs(ONLY_FIVE_CHINESE, changed(config, jobs=("single_zh",)))
    small_run.caption_jobs(ONLY_FIVE_CHINESE, changed(config, jobs=("multi_en",)))

    notes = small_run.run.open(small_run.run.path).run_file.stages["captions"].notes
    assert (5, 5, 5, 0) == tuple(notes[f"single_zh.{x}"] for x in ("limit", "planned", "captioned", "failed"))
    assert (None, 4, 4) == tuple(notes[f"multi_en.{x}"] for x in ("limit", "planned", "made"))
    made_with = small_run.run.run_file.stages["captions"].settings
    assert ("transformers", "float32") == (made_with["engine"], made_with["precision"])
    assert "single_en.planned" not in notes


@pytest.mark.parametrize("when", ["before the sources are listed", "after the sources are listed"])
def test_an_image_that_is_gone_is_a_recorded_failure(
    small_run: SmallRun, config: CaptioningConfig, when: str
) -> None:
    """Of the image, and of the set that holds it; everything else is captioned."""
    sources = small_run.sources if when.startswith("after") else None
    (small_run.pile / "loose" / "p1.png").unlink()

    small_run.caption(config, sources)

    failures = [row.failure for row in small_run.rows().values() if row.failure]
    assert ["unreadable image: loose/p1.png: No such file or directory"] * 4 == failures
    assert sum(PLANNED.values()) == len(small_run.rows())


def test_an_image_that_changed_is_a_recorded_failure(small_run: SmallRun, config: CaptioningConfig) -> None:
    """Its caption would go to a picture that was never grouped."""
    picture(999).save(small_run.pile / "loose" / "p4.png")

    small_run.caption(config)

    failures = {row.id: row.failure for row in small_run.rows().values() if row.failure}
    reason = "changed image: loose/p4.png: its bytes are not those that were grouped"
    assert {"single_en:loose/p4.png": reason, "single_zh:loose/p4.png": reason} == failures


def test_failures_stay_until_they_are_asked_for_again(small_run: SmallRun, config: CaptioningConfig) -> None:
    """retry_failed takes them out of the journals and asks; captions stay as they are."""
    image = small_run.pile / "loose" / "p4.png"
    content = image.read_bytes()
    picture(999).save(image)
    small_run.caption(config)
    captioned = {id_: row for id_, row in small_run.rows().items() if row.failure is None}
    image.write_bytes(content)

    assert small_run.caption(config) is False
    assert small_run.caption(changed(config, retry_failed=True)) is True

    rows = small_run.rows()
    assert captioned.items() <= rows.items()
    assert [] == [row for row in rows.values() if row.failure]
    assert small_run.caption(changed(config, retry_failed=True)) is False


def own_prompt(folder: Path, text: str = "List what you see.") -> str:
    """A prompt file with this text."""
    path = folder / "own.toml"
    path.write_text(f'version = 2\ntext = "{text}"\n', "utf-8")
    return str(path)


def test_another_prompt_asks_for_fresh(small_run: SmallRun, config: CaptioningConfig, tmp_path: Path) -> None:
    """Captions of two prompts are not mixed."""
    small_run.caption(config)
    before = small_run.rows()
    jobs = jobs_from({"single_en": {"prompt": own_prompt(tmp_path)}})

    for chosen in (("single_en",), ()):
        with pytest.raises(
            SetupError,
            match=r"single_en were made with prompt = 'version 1.* \(13 captions .*--fresh captions --job",
        ):
            small_run.caption_jobs(jobs, changed(config, jobs=chosen))
    assert small_run.caption_jobs(jobs, changed(config, jobs=("single_zh",))) is False
    assert before == small_run.rows()


def test_a_job_is_added_to_a_run_that_has_captions(
    small_run: SmallRun, config: CaptioningConfig, tmp_path: Path
) -> None:
    """It is captioned; what was there stays, and so it does when the job is taken out of the config again."""
    small_run.caption(config)
    before = _journals(small_run)
    added = {"short": {"subject": "image", "language": "en", "prompt": own_prompt(tmp_path)}}

    assert small_run.caption_jobs(jobs_from(added), config) is True
    after = _journals(small_run)
    assert before.items() < after.items()
    assert {"short"} == {Path(path).parent.parent.name for path in after.keys() - before.keys()}
    assert small_run.caption(config) is False
    assert after == _journals(small_run)


def test_the_prompt_of_a_job_that_was_taken_out_and_comes_back_may_not_change(
    small_run: SmallRun, config: CaptioningConfig, tmp_path: Path
) -> None:
    """Its captions are still there."""
    config = changed(config, jobs=("short",))
    job = {"subject": "image", "language": "en"}
    small_run.caption_jobs(jobs_from({"short": {**job, "prompt": own_prompt(tmp_path)}}), config)
    small_run.caption(changed(config, jobs=("single_en",)))
    other = own_prompt(tmp_path, "Name what you see.")

    with pytest.raises(SetupError, match="captions of short were made with prompt = "):
        small_run.caption_jobs(jobs_from({"short": {**job, "prompt": other}}), config)


def test_the_language_of_a_job_that_has_captions_may_not_change(
    small_run: SmallRun, config: CaptioningConfig, tmp_path: Path
) -> None:
    """Captions of two languages are not mixed, also where the prompt file stays the same."""
    prompt = own_prompt(tmp_path)
    config = changed(config, jobs=("short",))
    job = {"subject": "image", "prompt": prompt}
    small_run.caption_jobs(jobs_from({"short": {**job, "language": "en"}}), config)

    with pytest.raises(SetupError, match=r"short were made .* each image in en', now it is .* in fr"):
        small_run.caption_jobs(jobs_from({"short": {**job, "language": "fr"}}), config)


@pytest.mark.parametrize("why", ["it was not chosen", "nothing came of it"])
def test_the_prompt_of_a_job_without_captions_may_change(
    small_run: SmallRun, config: CaptioningConfig, tmp_path: Path, why: str
) -> None:
    """Without --fresh, and the captions of other jobs stay as they are."""
    if why == "nothing came of it":
        empty = jobs_from({"single_zh": {"limit": 0}})
        small_run.caption_jobs(empty, changed(config, jobs=("single_en", "single_zh")))
    else:
        small_run.caption(changed(config, jobs=("single_en",)))
    before = _journals(small_run)
    jobs = jobs_from({"single_zh": {"prompt": own_prompt(tmp_path)}})

    small_run.caption_jobs(jobs, config)

    assert before.items() < _journals(small_run).items()
    assert set(PLANNED) == {row.job for row in small_run.rows().values()}


def test_the_sampling_of_a_job_counts_once_it_has_captions(
    small_run: SmallRun, config: CaptioningConfig
) -> None:
    """As its prompt does."""
    small_run.caption(changed(config, jobs=("single_en",)))
    chinese = {"single_zh": JobSampling(repetition_penalty=1.05)}
    english = {"single_en": JobSampling(max_tokens=9)}

    assert small_run.caption(changed(config, jobs=("single_zh",), sampling=chinese)) is True
    both = changed(config, sampling=chinese | english)
    assert small_run.caption(changed(both, jobs=("single_zh",))) is False
    with pytest.raises(SetupError, match="captions of single_en were made with max_tokens = 12, now it is 9"):
        small_run.caption(both)


def test_a_retrained_model_in_the_same_folder_asks_for_fresh(
    small_run: SmallRun, config: CaptioningConfig, tiny_model: Path, tmp_path: Path
) -> None:
    """A moved one doesn't."""
    first = Path(shutil.copytree(tiny_model, tmp_path / "a" / "model"))
    small_run.caption(changed(config, model=str(first)))
    moved = Path(shutil.copytree(tiny_model, tmp_path / "b" / "model"))
    assert small_run.caption(changed(config, model=str(moved))) is False
    weights = bytearray((moved / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (moved / "model.safetensors").write_bytes(weights)

    with pytest.raises(SetupError, match="were made with model = 'model, sha256"):
        small_run.caption(changed(config, model=str(moved)))


def test_an_endpoint_that_serves_another_model_than_before_is_refused(
    small_run: SmallRun, chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no model was named, so that no setting differs."""
    config = CaptioningConfig(
        server=ServerConfig(urls=(chat_server.url,)),
        tile_px=112,
        max_tiles=1,
        max_tokens_single=2,
        max_tokens_multi=2,
        ask_again=0,
    )
    small_run.caption(changed(config, jobs=("single_en",)))
    monkeypatch.setattr("tests.support.chat_server.SERVED_MODEL", "another")

    with pytest.raises(SetupError, match="begun with served_model tiny-internvl, now it is another"):
        small_run.caption(config)


def test_a_missing_source_is_one_line(small_run: SmallRun, config: CaptioningConfig) -> None:
    """Rather than a failure for each of its images."""
    (small_run.pile / "sa_000000.tar").unlink()

    with pytest.raises(SetupError, match="lists images of sa_000000, but the sources hold no such shard"):
        small_run.caption(config)


def test_an_endpoint_that_goes_away_ends_the_stage_unfinished(
    small_run: SmallRun, chat_server: ChatServer, config: CaptioningConfig
) -> None:
    """What was captioned stays; nothing is recorded as failed; the same command goes on."""
    config = CaptioningConfig(
        server=ServerConfig(urls=(chat_server.url,)),
        max_in_flight=1,
        patience_s=0.5,
        tile_px=112,
        max_tiles=1,
        max_tokens_single=4,
        ask_again=0,
    )
    answer = chat_server.complete

    def answer_five_times(payload: dict[str, object]) -> dict[str, object]:
        if len(chat_server.payloads) == 5:
            chat_server.stop()
        return answer(payload)

    chat_server.complete = answer_five_times

    with pytest.raises(SetupError, match=r"gave no answer for 0\.5 s.*captions so far stay"):
        small_run.caption(config)

    assert not small_run.run.is_finished("captions")
    assert 5 == len(small_run.rows())
    assert [] == [row for row in small_run.rows().values() if row.failure]


def test_what_is_too_long_is_sent_with_half_its_tiles(chat_server: ChatServer, tmp_path: Path) -> None:
    """Once, and the row says so; where that is too long as well, it is a failure."""
    made_up = make_up_run(tmp_path, 1)
    chat_server.mishaps.extend(["too long", "too long", "too long"])
    config = CaptioningConfig(
        server=ServerConfig(urls=(chat_server.url,)),
        tile_px=112,
        max_tiles=12,
        max_tokens_single=2,
        ask_again=0,
    )
    small = SmallRun(RunFolder.open(made_up.path), made_up.pile)
    with pytest.raises(SetupError, match=r"single_en: not one of 1 answers is of use.*too long"):
        small.caption(changed(config, jobs=("single_en",)))
    small.caption(changed(config, jobs=("single_zh",)))
    failed = made_up.rows("single_en")[0]
    captioned = made_up.rows("single_zh")[0]

    content = chat_server.payloads[0]["messages"][0]["content"]
    with Image.open(io.BytesIO(base64.b64decode(content[0]["image_url"]["url"].partition(",")[2]))) as sent:
        assert (3 * 112, 2 * 112) == sent.size
    assert (("too long",), 2) == (failed.asked_again, failed.attempts)
    assert (failed.failure or "").startswith("too long: ")
    assert (("too long",), 2, None) == (captioned.asked_again, captioned.attempts, captioned.failure)


def test_sets_must_be_made_first(small_run: SmallRun, config: CaptioningConfig) -> None:
    """With the command that makes them."""
    small_run.run.run_file.stages["sets"].finished = False
    small_run.run.save()

    with pytest.raises(SetupError, match="no finished sets to caption; run `triptych group` first"):
        small_run.caption(config)


def test_a_model_must_be_named(small_run: SmallRun) -> None:
    """None is used silently."""
    with pytest.raises(UsageError, match="captioning needs a model; name a folder or a hub id with --model"):
        small_run.caption(CaptioningConfig())


def _count(rows: dict[str, object], job: str) -> int:
    return sum(identifier.startswith(f"{job}:") for identifier in rows)


def _journals(small_run: SmallRun) -> dict[str, bytes]:
    folder = small_run.run.path / "captions"
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*.jsonl"))}
