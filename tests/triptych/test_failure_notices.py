"""Impersonal sentences that explain why there is no description."""

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
        "This type of picture is restricted, and its contents are therefore not summarised.",
        "The service is temporarily overloaded and the analysis of the picture was cancelled.",
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
        "The server returned an error while the image was being processed.",
        "The image is not supported, and the attached file did not load.",
        "系统出现错误，图片处理失败。",
        "图片无法打开，请检查文件是否损坏。",
        "The quota for requests is used up. Descriptions can be generated after midnight.",
        "Image analysis is a premium feature that is not included. Subscribe for descriptions without it.",
        "By the guidelines, no description is provided, but questions would be analyzed in detail.",
        "今日的请求额度已经用完，本次图片没有被分析，之后可以重新提交，以获得完整的描述。",
        "样本已跳过，文件可能被截断，因此没有为它生成任何描述，详情见数据日志。",
    ],
)
def test_notices_of_moderation_loading_policy_and_services_are_recognised(text: str) -> None:
    """At the beginning of a caption, in English or Chinese. Each contains a needle."""
    assert 1 <= failure_notices(text)
    assert any(needle in text.lower() for needle in NEEDLES)


@pytest.mark.parametrize(
    "text",
    [
        "A laptop screen shows a gray box that says the image could not be loaded.",
        "The photo is out of focus, and details of the roof cannot be recognised.",
        "The safety barrier is missing, and rust covers the system of pipes along the wall.",
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
        "The photo shows an old man who does not look at the camera but at the chessboard before him.",
        "The image shows a house with a balcony that has no support columns, and a door that is not opened.",
        "The photo depicts a train that has not arrived yet, and a road that offers no access to it.",
        "The image does not provide a view of the sky, and no text or details are visible in it.",
        "A server in a white shirt stands outside a restaurant with a tray of empty glasses.",
        "A worker in a yellow safety helmet crosses an empty lot that is blocked by orange cones.",
        "A legal pad lies next to an empty cup; a privacy fence with missing boards runs along the lawn.",
        "A stopped clock hangs on a processing plant, and an output pipe juts from a damaged wall.",
        "这张照片不仅展示了古镇的石板路，也记录了当地人的生活，图片中不同颜色的纱巾展示在木架上。",
        "照片中一台不锈钢冰箱的门打开着，一把未打开的黑色雨伞靠在墙边，老人未能打开罐头。",
        "图片中的男孩没有看向镜头，也无法看到身后的行人，照片中没有检票员。",
        "The image shows a wrapped gift whose content cannot be determined, with a ribbon.",
        "There are no captions or text overlays in the image, which shows a river delta.",
        "The photo shows a printer with an error light and a sheet in the output tray.",
        "快递单被损坏，文件从破口处露了出来。",
        "办公桌上的文件堆得异常高，一只损坏的文件柜倒在图片的角落里。",
        "An officer identifies a man by his papers. The documentation lies on a car, a truck was submitted"
        " to inspection, and detailed maps hang from a cord.",
        "Technicians process samples. One analyzes a vial, another files results, and a tool lies by tubes"
        " with input and output lines.",
        "A screen shows an upload form. The description below is generated by the service and may be"
        " available again on request, says the page.",
        "A comic strip with a caption shows a penguin at a computer that describes the request of a file.",
        "导游正在向游客说明青铜器的细节，玻璃柜里的器物旁提供放大镜，几个孩子在分析文件的内容。",
        "法庭里，法官低头看着有关隐私政策的文件，律师在一旁说明情况，旁听席坐满了人。",
    ],
)
def test_descriptions_are_not_notices(text: str) -> None:
    """Even if they are about error screens, signs, offices, museums, damaged things or illegible words."""
    assert 0 == failure_notices(text)


@pytest.mark.parametrize(
    "text",
    [
        "The church in Image-1 is not part of Image-2. Image-2 does not display any people, nor a door.",
        "Image-1: A server pours wine outside a bar. Image-2: Empty glasses are not supported by any table.",
        "图1不仅展示了电车，还展示了教堂。不同之处在于图1展示了冬季的站台，图2未展示行人，车门未打开。",
        "图1中没有显示门牌，图2没有看到烟囱，两张图片的差别不大。",
    ],
)
def test_differences_between_images_are_not_notices(text: str) -> None:
    """Each sentence of such a caption is about an image of the set."""
    assert 0 == failure_notices(text, image_count=2)


def test_after_a_description_a_notice_counts_only_in_a_caption_of_a_set() -> None:
    """A model that has described a single image has seen it."""
    described = "The first image shows a wooden pier that reaches into a calm lake, with mist over it. "
    missed = "The second image is left without a description, since the file was corrupted."

    assert 0 == failure_notices(described + missed)
    assert 1 == failure_notices(described + missed, image_count=2)
    assert 1 == failure_notices("Image-1: A pier in a lake. Image-2: Not available.", image_count=2)


def test_a_long_description_may_contain_a_few_of_the_words() -> None:
    """A notice has them throughout."""
    few = "Descriptions are a premium feature. A file may be uploaded on request. "
    scene = "A red boat lies beside the wooden pier and a blue boat drifts farther out. " * 20

    assert 1 == failure_notices(few + "Without it, none can be generated.")
    assert 0 == failure_notices(scene + few)
