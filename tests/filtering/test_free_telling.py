"""Captions of sets that name no image: told from captions of one image."""

import pytest

from tests.filtering.test_labelled import SETS, Labelled, read_labelled
from triptych.filtering.candidate import Candidate
from triptych.filtering.config import FilteringConfig
from triptych.filtering.free_telling import tells_of_several
from triptych.filtering.images import missing_images
from triptych.filtering.judge import Judge
from triptych.records import JobName, Language

LEAST_KEPT = {"multi_en": 0.76, "multi_zh": 0.84}
LEAST_MISSED = {"multi_en": 0.80, "multi_zh": 0.72}
"""What is reached, not what is wished for: these captions were written to be as different as could be."""
LEAST_SEEN_ALONE = 0.87


def misses_images(caption: Labelled, job: JobName, images: int) -> bool:
    return missing_images(Candidate(text=caption.text, job=job, image_count=images)) > 0


@pytest.mark.parametrize("job", ["multi_en", "multi_zh"])
def test_sets_may_be_told_of_in_many_ways(job: JobName) -> None:
    """Hours, seasons, corners, contrasts: most stay, and most of those that leave an image out go."""
    judge = Judge(FilteringConfig())
    captions = [each for each in read_labelled("tellings.jsonl") if each.job == job]
    kept = [not each.is_dropped(judge) for each in captions if each.fault is None]
    missed = [each.is_dropped(judge) for each in captions if each.fault is not None]

    assert sum(kept) >= LEAST_KEPT[job] * len(kept)
    assert sum(missed) >= LEAST_MISSED[job] * len(missed)


@pytest.mark.parametrize("job", ["multi_en", "multi_zh"])
@pytest.mark.parametrize("images", [2, 3, 4])
def test_a_caption_of_one_image_tells_of_no_set(job: JobName, images: int) -> None:
    """Given out for a set, it says nothing of the others."""
    single = job.replace("multi", "single")
    captions = [
        each
        for name in SETS
        if name != "phrasings"
        for each in read_labelled(f"{name}.jsonl")
        if each.job == single and each.fault is None
    ]
    seen = [misses_images(each, job, images) for each in captions]

    assert sum(seen) >= LEAST_SEEN_ALONE * len(seen)


@pytest.mark.parametrize(
    ("text", "language", "images"),
    [
        ("in the morning the square is empty. by noon it is full. at night it is dark.", "en", 3),
        ("top left, a dough is mixed. top right, it is shaped. bottom left, it is baked.", "en", 3),
        ("four stamps: a blue one with a ship, a red one with a bird, a green one, a torn one.", "en", 4),
        ("it begins with an empty canvas, then a sketch follows, and it ends with a painting.", "en", 3),
        ("a lane in the sun. the same lane in the rain.", "en", 2),
        ("清晨，广场空无一人；正午，摊位摆满；夜里，只剩路灯。", "zh", 3),
        ("四枚邮票：一枚蓝色，一枚红色，一枚绿色，还有一枚缺角。", "zh", 4),
        ("先是一团面，接着擀成圆片，最后煮好盛在盘里。", "zh", 3),
    ],
)
def test_signs_of_several_pictures_are_seen(text: str, language: Language, images: int) -> None:
    """Order in time, a number, parts alike in form, what stays the same."""
    assert tells_of_several(text, language, images)


@pytest.mark.parametrize(
    ("text", "language", "images"),
    [
        ("a dog runs across a beach. the sky is blue.", "en", 2),
        ("the photograph shows a lane, and the same lane in a mirror.", "en", 2),
        ("three children build a snowman beside a fence.", "en", 3),
        ("the road starts at a bridge, continues past a mill and ends at a church.", "en", 3),
        ("四只小狗趴在院子里。", "zh", 4),
        ("spring is pink. summer is green. autumn is red. the gate is the same.", "en", 4),
        ("a lane in the sun and in the rain; both scenes have the same gate.", "en", 3),
        ("一只狗跑过沙滩，天空很蓝。", "zh", 2),
        ("照片中，镜子里是同一条巷子。", "zh", 2),
        ("春天，花开；夏天，叶绿；秋天，叶红。门始终是同一扇。", "zh", 4),
        ("雨里是一条巷子，雪里是一条巷子，两者的门是同一扇。", "zh", 3),
    ],
)
def test_one_picture_and_too_few_of_them_are_told_apart(text: str, language: Language, images: int) -> None:
    """No sign, the opening of a caption of one, fewer parts than images, "both" of three."""
    assert not tells_of_several(text, language, images)
