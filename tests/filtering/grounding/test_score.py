"""Scores of phrases against images, with the nano CLIP on painted scenes."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.nano.wording import describe, describe_set, sentences
from tests.support.contexts import JOBS, context_of, limited
from tests.support.made_up import seen_by
from triptych.demo.painting import paint
from triptych.demo.scene import COLOURS, Scene, imagine_scene
from triptych.errors import SetupError
from triptych.filtering.config import FilteringConfig
from triptych.filtering.grounding.score import Grounding
from triptych.filtering.stage import FilterStage
from triptych.grouping.encoders.choice import load_encoder, load_text_encoder, resolve_encoder
from triptych.jobs import Job
from triptych.models import resolve_model
from triptych.progress import Silent
from triptych.records import Caption, ImageRecord, ImageSet, caption_id
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import write_jsonl

SHARD = "drawn"
COUNT = 24
ENGLISH, CHINESE = JOBS["single_en"], JOBS["single_zh"]
SHORT = Job(name="short_en", subject="image", language="en")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with 24 painted scenes, embedded by the nano CLIP. The first three form a set."""
    run = RunFolder.create_or_open(tmp_path_factory.mktemp("grounding") / "run")
    encoder = load_encoder(resolve_encoder(resolve_model("builtin:nano-clip")), "cpu")
    pictures = [paint(imagine_scene("unseen", index), 336, 224) for index in range(COUNT)]
    keys = [f"{SHARD}/{index:02d}.png" for index in range(COUNT)]
    write_jsonl(run.images_file(SHARD), [ImageRecord(key=key, width_px=336, height_px=224) for key in keys])
    run.embeddings_file(SHARD).parent.mkdir(parents=True)
    np.save(run.embeddings_file(SHARD), encoder.encode(seen_by(encoder.shape, pictures)))
    write_jsonl(run.duplicates_file, [])
    write_jsonl(
        run.sets_file,
        [ImageSet(id="set", keys=tuple(keys[:3]), min_cosine_similarity=0.5, mean_cosine_similarity=0.5)],
    )
    return run


@pytest.fixture(scope="module")
def grounding(drawn: RunFolder) -> Grounding:
    encoder = load_text_encoder(resolve_encoder(resolve_model("builtin:nano-clip")), "cpu")
    return Grounding(context_of(drawn), encoder, 512)


@pytest.mark.parametrize(("job", "language"), [("single_en", "en"), ("single_zh", "zh")])
def test_captions_of_other_images_score_worse(grounding: Grounding, job, language: str) -> None:
    """Each scene has its true caption first, and then that of another scene."""
    said = [describe(imagine_scene("unseen", index), language) for index in range(COUNT)]
    keys = [[f"{SHARD}/{index:02d}.png"] for index in range(COUNT)]

    true = grounding.scores(JOBS[job], SHARD, list(zip(keys, said, strict=True)))
    turned = grounding.scores(JOBS[job], SHARD, list(zip(keys, said[7:] + said[:7], strict=True)))

    assert np.mean(true) + 0.2 < np.mean(turned)


def test_the_phrase_with_the_greatest_deficit_is_found(grounding: Grounding) -> None:
    """It is about something that the image doesn't show."""
    scene = imagine_scene("unseen", 0)
    sentences = describe(scene, "en").split(". ")
    untrue = "A purple submarine is in the middle"
    said = ". ".join([*sentences[:2], untrue, *sentences[2:]])

    (worst,) = grounding.worst_phrases(JOBS["single_en"], SHARD, [([f"{SHARD}/00.png"], said)])

    assert worst is not None
    assert worst.text.lower() == untrue.lower()
    assert [worst.deficit] == grounding.scores(JOBS["single_en"], SHARD, [([f"{SHARD}/00.png"], said)])


def test_a_set_scores_worse_if_its_descriptions_belong_to_other_images(grounding: Grounding) -> None:
    """The descriptions are the same, with exchanged numbers."""
    scenes = [imagine_scene("unseen", index) for index in range(3)]
    keys = [f"{SHARD}/{index:02d}.png" for index in range(3)]
    turned = [scenes[2], scenes[0], scenes[1]]

    (true,) = grounding.scores(JOBS["multi_en"], SHARD, [(keys, describe_set(scenes, "en"))])
    (wrong,) = grounding.scores(JOBS["multi_en"], SHARD, [(keys, describe_set(turned, "en"))])

    assert true is not None and wrong is not None
    assert true < wrong


class EnglishOnlyEncoder:
    """A text encoder that doesn't read Chinese."""

    def reads(self, language: str) -> bool:
        return language == "en"

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise AssertionError("nothing should be encoded")


class RecordingProgress(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_a_language_that_the_encoder_does_not_read_is_skipped_with_a_message(drawn: RunFolder) -> None:
    """There is one message, and captions in that language have no score."""
    progress = RecordingProgress()
    grounding = Grounding(context_of(drawn, "single_zh", progress=progress), EnglishOnlyEncoder(), 512)

    scores = [grounding.scores(CHINESE, SHARD, [([f"{SHARD}/00.png"], "一只狗。")]) for _ in range(2)]

    assert [[None], [None]] == scores
    assert 1 == len(progress.lines)
    assert "grounding is skipped for zh" in progress.lines[0]


def test_grounding_without_an_encoder_is_an_error(make_run, tmp_path: Path) -> None:
    """The message names the setting that turns it off."""
    run = make_run(["A red boat."])
    stage = FilterStage(context_of(run, "single_en"), FilteringConfig(grounding=True))

    with pytest.raises(SetupError, match=r"filtering\.grounding=false"):
        stage.count()


@pytest.mark.parametrize(("job", "language"), [("single_en", "en"), ("single_zh", "zh")])
def test_a_caption_with_one_wrong_thing_scores_worse(grounding: Grounding, job, language: str) -> None:
    """One thing of each scene is replaced with one of the next scene."""
    pairs = _with_a_wrong_thing(language)
    keys = [[f"{SHARD}/{index:02d}.png"] for index, _, _ in pairs]

    true = grounding.scores(
        JOBS[job], SHARD, [(k, text) for k, (_, text, _) in zip(keys, pairs, strict=True)]
    )
    turned = grounding.scores(
        JOBS[job], SHARD, [(k, other) for k, (_, _, other) in zip(keys, pairs, strict=True)]
    )
    worse = [(b or 0.0) > (a or 0.0) for a, b in zip(true, turned, strict=True)]
    assert sum(worse) >= 2 / 3 * len(worse) > 10


def _things(text: str, language: str) -> list[str]:
    """The things in a text, such as "red boat" or "红色的帆船"."""
    if language == "zh":
        return re.findall(r"\w色的\w{2,3}(?=[，、。和；]|$)", text)
    return re.findall(rf"(?:{'|'.join(COLOURS)}) \w+", text)


def _add_captions(run: RunFolder, job: str, texts: Sequence[str]) -> None:
    captions = [
        Caption(id=caption_id(job, f"{SHARD}/{at:02d}.png"), job=job, text=text, finish_reason="stop")
        for at, text in enumerate(texts)
    ]
    with JournalWriter(run.captions_file(job, SHARD)) as journal:
        journal.commit(captions)


@pytest.fixture(scope="module")
def captioned_run(drawn: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The same run with true captions of its images in English and Chinese, and in a second English job."""
    folder = tmp_path_factory.mktemp("captioned") / "run"
    shutil.copytree(drawn.path, folder)
    run = RunFolder.create_or_open(folder)
    scenes = [imagine_scene("unseen", index) for index in range(COUNT)]
    _add_captions(run, "single_en", [describe(scene, "en") for scene in scenes])
    _add_captions(run, "short_en", [describe(scene, "en") for scene in scenes])
    _add_captions(run, "single_zh", [describe(scene, "zh") for scene in scenes])
    return run


def _grounding_with(run: RunFolder, jobs: Sequence[str]) -> Grounding:
    encoder = load_text_encoder(resolve_encoder(resolve_model("builtin:nano-clip")), "cpu")
    return Grounding(context_of(run, *jobs), encoder, 512)


def test_phrases_are_also_compared_with_another_caption_in_the_same_language(
    captioned_run: RunFolder,
) -> None:
    """If an image has no caption in another language, a short caption is compared with the long one."""
    pairs = _with_a_wrong_thing("en")
    captions = [([f"{SHARD}/{index:02d}.png"], other) for index, _, other in pairs]
    encoder = load_text_encoder(resolve_encoder(resolve_model("builtin:nano-clip")), "cpu")
    context = context_of(captioned_run, SHORT, "single_en", prompts={})
    by_image = Grounding(context_of(captioned_run, SHORT, prompts={}), encoder, 512)
    by_both = Grounding(context, encoder, 512)

    assert np.mean(by_image.scores(SHORT, SHARD, captions)) < np.mean(by_both.scores(SHORT, SHARD, captions))


def test_a_wrong_thing_weighs_more_with_a_caption_in_another_language(captioned_run: RunFolder) -> None:
    """The Chinese caption doesn't mention it."""
    pairs = _with_a_wrong_thing("en")
    captions = [([f"{SHARD}/{index:02d}.png"], other) for index, _, other in pairs]

    by_image = _grounding_with(captioned_run, ["single_en"]).scores(ENGLISH, SHARD, captions)
    by_both = _grounding_with(captioned_run, ["single_en", "single_zh"]).scores(ENGLISH, SHARD, captions)

    assert np.mean(by_image) + 0.2 < np.mean(by_both)


def test_scores_do_not_depend_on_order_or_other_captions_in_a_block(captioned_run: RunFolder) -> None:
    """So a resumed run has the same bytes."""
    texts = [describe(imagine_scene("unseen", index + 3), "en") for index in range(COUNT)]
    captions = [([f"{SHARD}/{at:02d}.png"], text) for at, text in enumerate(texts)]
    together = _grounding_with(captioned_run, ["single_en", "single_zh"]).scores(ENGLISH, SHARD, captions)
    other_way = _grounding_with(captioned_run, ["single_en", "single_zh"])

    assert together[::-1] == [other_way.scores(ENGLISH, SHARD, [each])[0] for each in reversed(captions)]


def test_captions_outside_the_plan_do_not_affect_scores(captioned_run: RunFolder) -> None:
    """The journal may have captions of a larger plan."""
    captions = [([f"{SHARD}/00.png"], describe(imagine_scene("unseen", 5), "en"))]
    encoder = load_text_encoder(resolve_encoder(resolve_model("builtin:nano-clip")), "cpu")
    context = context_of(captioned_run, "single_en", limited("single_zh", 0))
    without_chinese = Grounding(context, encoder, 512)

    english_alone = _grounding_with(captioned_run, ["single_en"])

    assert english_alone.scores(ENGLISH, SHARD, captions) == without_chinese.scores(ENGLISH, SHARD, captions)


def _without_count(scene: Scene, language: str) -> str:
    """The caption without its number of things, which this CLIP doesn't know."""
    opening, _, told, closing = sentences(scene, language)
    return (" " if language == "en" else "").join((opening, told, closing))


def _with_a_wrong_thing(language: str) -> list[tuple[int, str, str]]:
    """Scenes with their true captions, and with these after one thing was replaced with one of the next
    scene."""
    scenes = [imagine_scene("unseen", index) for index in range(COUNT + 1)]
    phrases = [_things(_without_count(scene, language), language) for scene in scenes]
    pairs = []
    for index in range(COUNT):
        own, strange = phrases[index], [each for each in phrases[index + 1] if each not in phrases[index]]
        if len(own) > 1 and strange:
            true = _without_count(scenes[index], language)
            pairs.append((index, true, true.replace(own[-1], strange[0])))
    return pairs
