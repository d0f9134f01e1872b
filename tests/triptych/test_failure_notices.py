"""Sentences that say, in no person, why there is no description."""

import pytest

from triptych.failure_notices import NEEDLES, failure_notices


@pytest.mark.parametrize(
    "text",
    [
        "The description can't be generated because the image was flagged by the moderation system.",
        "No description is available. The picture is restricted under the content policy.",
        "Error: the input image exceeds the supported resolution and could not be processed.",
        "It is not possible to determine the content of the picture.",
        "Loading the image failed. Check the connection and try again.",
        "It is not feasible to say what appears here, as the visual input arrived empty.",
        "Pictures of this nature are not described here. Consider another topic.",
        "The first image shows a tram, while the second one was blocked by a safety filter.",
        "图片识别失败，任务未能完成。",
        "The requested file returned status 404, so there was nothing to look at.",
        "该内容触发了平台审核策略，画面已被自动屏蔽。",
        "由于图片中涉及个人隐私，这里不对人物的外貌和身份进行描述。",
        "内容安全审核未通过，输出已被过滤。",
        "图片加载失败，没有可供分析的视觉内容。",
        "当前版本暂不支持图像输入，因此不能对图片内容进行说明。",
    ],
)
def test_moderation_loading_and_policy_are_notices(text: str) -> None:
    """At the beginning of a caption, English or Chinese; each has a needle."""
    assert 1 <= failure_notices(text)
    assert any(needle in text.lower() for needle in NEEDLES)


@pytest.mark.parametrize(
    "text",
    [
        "A laptop screen shows a gray box that says the image could not be loaded.",
        "A notice at the museum forbids photographs for reasons of privacy and policy.",
        "The inscription in the picture cannot be read, and the face of the statue is not visible.",
        "A truck has blocked the loading dock, and a damaged crate lies beside a file cabinet.",
        "In the picture the shop is not open yet, and nothing to the left of it can be seen.",
        "A woman with a file of papers waits at a counter, where a clerk rejects a damaged parcel.",
        "A judge looks down at papers on privacy policy, while a lawyer waits.",
        "A damaged car with a flagged antenna stands by a list of prohibited items.",
        "手机屏幕上提示图片加载失败。",
        "照片中的招牌文字无法辨认，墙角的窗户已经损坏。",
        "鱼缸的过滤系统正在运行，画面左右不对称。",
    ],
)
def test_what_a_picture_shows_is_no_notice(text: str) -> None:
    """Screens, signs, things that are damaged, words that can't be read."""
    assert 0 == failure_notices(text)


def test_behind_a_description_only_an_image_of_a_set_is_missed() -> None:
    """A caption of one image that describes it has seen it."""
    described = "The first image shows a wooden pier that reaches into a calm lake, with mist over it. "
    missed = "The second image is left without a description, since the file was corrupted."

    assert 0 == failure_notices(described + missed)
    assert 1 == failure_notices(described + missed, image_count=2)
