"""Which changed settings are refused, and for which jobs, once there are captions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.small_run import PLANNED, SmallRun, changed, journals
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.sampling_config import JobSampling
from triptych.errors import SetupError
from triptych.jobs import jobs_from


def own_prompt(folder: Path, text: str = "List what you see.") -> str:
    """A prompt file with this text."""
    path = folder / "own.toml"
    path.write_text(f'version = 2\ntext = "{text}"\n', "utf-8")
    return str(path)


def test_a_changed_prompt_requires_fresh(
    small_run: SmallRun, config: CaptioningConfig, tmp_path: Path
) -> None:
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


def test_a_job_can_be_added_to_a_run_with_captions(
    small_run: SmallRun, config: CaptioningConfig, tmp_path: Path
) -> None:
    """Other captions stay, and so do its own when the job is removed from the config again."""
    small_run.caption(config)
    before = journals(small_run)
    added = {"short": {"subject": "image", "language": "en", "prompt": own_prompt(tmp_path)}}

    assert small_run.caption_jobs(jobs_from(added), config) is True
    after = journals(small_run)
    assert before.items() < after.items()
    assert {"short"} == {Path(path).parent.parent.name for path in after.keys() - before.keys()}
    assert small_run.caption(config) is False
    assert after == journals(small_run)


def test_the_prompt_of_a_job_that_was_removed_and_restored_may_not_change(
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
    """Captions of two languages are not mixed, even if the prompt file stays the same."""
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
    """Without --fresh. The captions of other jobs stay."""
    if why == "nothing came of it":
        empty = jobs_from({"single_zh": {"limit": 0}})
        small_run.caption_jobs(empty, changed(config, jobs=("single_en", "single_zh")))
    else:
        small_run.caption(changed(config, jobs=("single_en",)))
    before = journals(small_run)
    jobs = jobs_from({"single_zh": {"prompt": own_prompt(tmp_path)}})

    small_run.caption_jobs(jobs, config)

    assert before.items() < journals(small_run).items()
    assert set(PLANNED) == {row.job for row in small_run.rows().values()}


def test_the_sampling_of_a_job_may_not_change_once_it_has_captions(
    small_run: SmallRun, config: CaptioningConfig
) -> None:
    """Like its prompt."""
    small_run.caption(changed(config, jobs=("single_en",)))
    chinese = {"single_zh": JobSampling(repetition_penalty=1.05)}
    english = {"single_en": JobSampling(max_tokens=9)}

    assert small_run.caption(changed(config, jobs=("single_zh",), sampling=chinese)) is True
    both = changed(config, sampling=chinese | english)
    assert small_run.caption(changed(both, jobs=("single_zh",))) is False
    with pytest.raises(SetupError, match="captions of single_en were made with max_tokens = 12, now it is 9"):
        small_run.caption(both)


def test_a_retrained_model_in_the_same_folder_requires_fresh(
    small_run: SmallRun, config: CaptioningConfig, tiny_model: Path, tmp_path: Path
) -> None:
    """A model that was only moved doesn't."""
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
    small_run: SmallRun, served_config: CaptioningConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if no model was named, so that no setting differs."""
    small_run.caption(changed(served_config, jobs=("single_en",)))
    monkeypatch.setattr("tests.support.chat_server.SERVED_MODEL", "another")

    with pytest.raises(SetupError, match="begun with served_model tiny-internvl, now it is another"):
        small_run.caption(served_config)
