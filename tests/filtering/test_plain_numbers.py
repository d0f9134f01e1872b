"""Captions that name each image plainly: known at a glance, and never where there is a doubt."""

import pytest

from tests.filtering.test_labelled import LABELLED, read_labelled
from triptych.filtering.block import Block
from triptych.filtering.candidate import Candidate
from triptych.filtering.plain_numbers import are_plainly_numbered
from triptych.filtering.vocabulary import vocabulary
from triptych.records import JobName


def is_plain(text: str, images: int) -> bool:
    job: JobName = "multi_en" if text.isascii() else "multi_zh"
    block = Block([Candidate(text=text, job=job, image_count=images)], vocabulary())
    return bool(are_plainly_numbered(block)[0])


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("Image 1 shows a dog. Image-2: two cats. In image three, a bird sits.", 3),
        ("The first image shows a dog, the second photo a cat, and the last picture a bird.", 3),
        ("In the first, a dog runs; the second shows a cat.", 2),
        ("These two images differ: the first image is dark, the second image is light.", 2),
        ("图1中有狗，图像2中有猫，照片3是鸟。", 3),
        ("第一张图片是狗，第二幅图是猫，最后一张照片是鸟。", 3),
        ("Image-1中有狗，Image-2：两只猫。", 2),
    ],
)
def test_numbers_and_ordinals_of_all_images_are_plain(text: str, images: int) -> None:
    """Figures, words, ordinals, the last; in either language."""
    assert is_plain(text, images)


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("Image 1 shows a dog. Image 2 shows a cat.", 3),  # one is missing
        ("Image 1 shows a dog. Image 2 shows a cat. Image 3 shows a bird.", 2),  # one isn't there
        ("Image 1 shows a dog. Image 2 shows a cat. Image 100 shows a bird.", 2),
        ("The first image shows a dog, the second image a cat. The fifth runner falls.", 2),
        ("These three images differ: the first image is dark, the second image is light.", 2),
        ("In the first image two women sit; the first image is dark.", 2),  # two isn't a number of an image
        ("Image 1 and 2 show dogs, image 2, 3 and 7 cats.", 3),
        ("Image 1 is a dog, image 2 is a cat, image B is a bird.", 2),
        ("This trio of photos is calm: the first photo is dark, the second photo is light.", 2),
        ("Image 1 is a dog, the second image a cat, and image no. 3 shows a bird.", 2),
        ("图1中有狗，图2中有猫。", 3),
        ("图1中有狗，里面两人正在吃面，对面二楼亮着灯，前面两张。", 2),
        ("第一张图是狗，第三张图是猫，倒数第二张图是鸟，最后一张图是鱼。", 4),
        ("图1中有狗，图2中有猫，图③中有鸟。", 2),
        ("图1中有狗，图2中有猫，图３中有鸟。", 2),
        ("图1中有狗，图2中有猫，图3中有鸟。", 2),
        ("这三张图片：第一张图是狗，第二张图是猫。", 2),
        ("第一张图是狗，第二张图是猫，地图一张。", 3),
        ("第一、二、三张图都是狗，第一张图最暗，第二张图最亮。", 2),
    ],
)
def test_where_there_is_a_doubt_nothing_is_plain(text: str, images: int) -> None:
    """An image too few, one too many, another number of them, lists, things that are counted."""
    assert not is_plain(text, images)


def test_a_number_at_the_end_is_read_wherever_its_caption_stands() -> None:
    """The last unit of a block has nothing behind it, not itself."""
    captions = [
        Candidate(text=text, job="multi_en", image_count=2)
        for text in (
            "A dog is in image 1, a cat in image 2.",
            "A dog.",
            "A dog is in image 1, a cat in image 2.",
        )
    ]

    assert [True, False, True] == are_plainly_numbered(Block(captions, vocabulary())).tolist()


def test_captions_beside_one_another_do_not_mix() -> None:
    """The last word of one and the first of the next name no image together."""
    texts = ["Image 1 is a dog beside an image", "2 is a number.", "Image 2"]
    captions = [Candidate(text=text, job="multi_en", image_count=2) for text in texts]

    assert [False] * 3 == are_plainly_numbered(Block(captions, vocabulary())).tolist()


@pytest.mark.parametrize("job", ["multi_en", "multi_zh"])
def test_what_is_plain_is_read_alike_when_it_is_read_closely(job: JobName) -> None:
    """Of all labelled captions: no plain one leaves out an image or makes one up."""
    plain = []
    for path in sorted(LABELLED.glob("*.jsonl")):
        for each in read_labelled(path.name) if path.name != "contradictions.jsonl" else []:
            is_in_language = each.text.isascii() == (job == "multi_en")
            if is_in_language and each.job == job and is_plain(each.text, each.images):
                plain.append(Candidate(text=each.text, job=job, image_count=each.images))
    wrong = [
        each.text
        for each in plain
        if each.references.covered < each.image_count
        or any(number > each.image_count for number in each.references.named)
        or each.references.counted - {each.image_count}
    ]

    assert len(plain) > 100
    assert [] == wrong
