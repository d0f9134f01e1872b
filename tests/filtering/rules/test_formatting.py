"""Captions must be one paragraph of plain prose."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations


@pytest.mark.parametrize("line_break", ["\n", "\n\n", "\r\n", "\u2028", "\u2029", "\\n\\n", "<br>"])
def test_text_after_a_line_break_is_another_paragraph(line_break: str) -> None:
    """The score is the number of lines with text."""
    found = violations(GOOD_EN + line_break + "The sky above is pale and clear.")

    assert 2.0 == found["multi_paragraph"]


def test_line_breaks_around_the_text_are_not_paragraphs() -> None:
    """Only line breaks between texts count."""
    assert {} == violations("\n" + GOOD_EN + "\n\n")


@pytest.mark.parametrize(
    "text",
    [
        "# The harbour: " + GOOD_EN,
        "Description: " + GOOD_EN,
        "**Caption**: " + GOOD_EN,
        "Image-1: " + GOOD_EN,
        "1. " + GOOD_EN,
        "- " + GOOD_EN,
        GOOD_EN.replace("red boat", "**red boat**"),
        GOOD_EN.replace("red boat", "`red boat`"),
        GOOD_EN.replace("red boat", "[red boat](boat.jpg)"),
        '{"caption": "' + GOOD_EN + '"}',
        GOOD_EN + " There are: 1. a boat; 2. a pier.",
        GOOD_EN + " There are: • boats • piers • rocks.",
        "Setting: a quiet harbour by the sea. Objects: two boats beside a pier. Mood: calm and still.",
        GOOD_EN + " Keywords: boat, pier.",
        GOOD_EN + " Final caption: A boat lies by a pier.",
        "boat, red boat, pier, wooden pier, harbour, morning light, rocks, lighthouse, calm sea, sky.",
    ],
)
def test_markup_is_found(text: str) -> None:
    """That is Markdown, HTML, JSON, headings, labels, lists, forms and keywords."""
    assert 1.0 == violations(text)["markup"]


@pytest.mark.parametrize(
    "text",
    [
        "图像描述：" + GOOD_ZH,
        "图片内容：" + GOOD_ZH,
        "图1：" + GOOD_ZH,
        GOOD_ZH + "包括：1、船；2、码头。",
        "船，码头，灯塔，岩石，海面，清晨，阳光，天空，宁静，风景，户外，自然。",
    ],
)
def test_chinese_markup_is_found(text: str) -> None:
    """It has full-width punctuation."""
    assert 1.0 == violations(text, "zh")["markup"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", GOOD_EN + " The menu on the wall has three lines: 1. soup; 2. fish; 3. bread."),
        ("zh", GOOD_ZH + "墙上贴着一张菜单，分为几行：1. 鱼汤 38元；2. 面包 16元。"),
        ("en", GOOD_EN + ' A board reads "**No entry**", and the clock says 12:30.'),
        ("en", GOOD_EN + " The board has two columns, (1) departures and (2) arrivals."),
        ("en", GOOD_EN + " It is a well-known, half-empty place - quiet and small."),
    ],
)
def test_quoted_or_pictured_lists_are_no_markup(language: str, text: str) -> None:
    """A caption may reproduce the text of a menu or sign. Hyphens, brackets and times of day are prose."""
    assert {} == violations(text, language)


def test_the_caption_of_a_set_may_start_with_the_name_of_an_image() -> None:
    """For a single image, such a name is a label."""
    text = "Image-1: " + GOOD_EN + " Image-2: a grey boat."

    assert "markup" not in violations(text, images=2)


@pytest.mark.parametrize(
    ("language", "piece"),
    [
        ("en", "A [color] car stands in front of a [type of building]."),
        ("en", "{subject} stands beside {{object}}."),
        ("en", "A ____ lies beside a boat."),
        ("en", "The roof is $roof_colour. dog: 0.93, boat: 0.98."),
        ("en", "The dog's collar is %COLOR%."),
        ("en", "An XXX stands in front of an XXX."),
        ("en", "TODO: the sky. A gull (details to be added) flies."),
        ("en", "%s is beside %s."),
        ("en", "A gull at [132, 245, 410, 602] flies."),
        ("en", "A gull (0.1, 0.2, 0.35, 0.6) flies."),
        ("en", "A gull (132, 245), (410, 602) flies."),
        ("en", "A gull, x1=132, y1=245, flies."),
        ("en", "A gull (confidence: 0.93) and a boat (confidence: 0.88)."),
        ("zh", "图中有一只[动物]站在【此处填写地点】。"),
        ("zh", "一只XX色的海鸥（待补充）飞过。"),
        ("zh", "一个______放在船上。"),
        ("zh", "海鸥(132,245),(410,602)飞过。"),
        ("zh", "海鸥（置信度0.93）飞过。"),
        ("zh", "海鸥（置信度98%）飞过。"),
        ("zh", "海鸥x=132，y=245处飞过。"),
        ("en", "A gull (98.7% confidence) flies."),
        ("en", "On the left stands an INSERT ANIMAL HERE."),
        ("zh", "检测框：海鸥<301,220,455,690>。"),
    ],
)
def test_template_placeholders_and_detector_boxes_are_markup(language: str, piece: str) -> None:
    """Instructions in brackets, filler text and to-do marks; coordinates and confidence scores."""
    good = GOOD_EN + " " if language == "en" else GOOD_ZH

    assert 1.0 == violations(good + piece, language)["markup"]


@pytest.mark.parametrize(
    ("language", "piece"),
    [
        ("en", 'A shirt says "INSERT [COIN]", and a form has the line "Name: ____".'),
        ("en", "A form lies there with blank lines (Name ____), and the keys [Esc] and [Tab] are worn."),
        (
            "en",
            "A player in blue (number 7) stands by balls (1, 2, 3, 5, 7), and a page has a line: Summary.",
        ),
        ("en", "The jars hold cumin, paprika, turmeric, cloves, nutmeg, cinnamon, pepper, salt and sugar."),
        ("en", 'A screen displays a file with "title": "Harbor" and "width": 1024 in it.'),
        ("en", "Three boxes (20, 30 and 40 cm wide) stand by a box 30 cm high, marked 18__."),
        ("en", "A shirt in size XXL hangs at Super Bowl XXX, beside seven boats (three blue, four red)."),
        ("en", 'A phone shows "48.8584, 2.2945"; a graph has the points (0, 0), (2, 4) and (3, 9).'),
        ("en", "A poster of A$AP Rocky hangs beside a dashboard that has scores of 0.92 and 0.87."),
        ("en", "The board reads 6-4, 3-6, 7-5, and the runners have the numbers 102, 245, 410 and 602."),
        (
            "zh",
            "登记表上印着“姓名：______”，屏幕上显示着(31.23, 121.47)，坐标系中有A(1,2)、B(4,2)。",
        ),
    ],
)
def test_pictured_blanks_lists_and_coordinates_are_no_markup(language: str, piece: str) -> None:
    """They appear on signs, forms, keys, screens and graphs."""
    good = GOOD_EN + " " if language == "en" else GOOD_ZH

    assert "markup" not in violations(good + piece, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Final answer: " + GOOD_EN),
        ("en", "gpt: " + GOOD_EN),
        ("en", "Assistant's caption: " + GOOD_EN),
        ("en", "Caption (detailed): " + GOOD_EN),
        ("zh", "助手回复：" + GOOD_ZH),
        ("en", "Step 1: look. Step 2: describe. " + GOOD_EN),
        ("en", "\\boxed{" + GOOD_EN + "}"),
        ("en", "Image: /data/sa_000001/sa_1.jpg. " + GOOD_EN),
        ("en", "IMG_0001.JPG " + GOOD_EN),
        ("zh", "【描述】" + GOOD_ZH),
        ("zh", "最终答案：" + GOOD_ZH),
        ("zh", "思考：有船。回答：" + GOOD_ZH),
        ("en", "First draft: " + GOOD_EN),
        ("zh", "初稿：" + GOOD_ZH),
        ("en", "Caption in Chinese: " + GOOD_EN),
        ("en", "datasets/train/0003/img_00231 - " + GOOD_EN),
        ("en", "Description of /data/train/39.jpg -> " + GOOD_EN),
        ("en", 'Caption: "' + GOOD_EN + '"'),
    ],
)
def test_wrappers_around_a_text_are_markup(language: str, text: str) -> None:
    """Labels, LaTeX commands, or the path of the image."""
    assert 1.0 == violations(text, language)["markup"]


@pytest.mark.parametrize("text", ["海报标题为：“春天来了”，", "海报的标题是：《远方》，"])
def test_the_title_of_a_poster_is_no_heading(text: str) -> None:
    """It is a label before a short quotation, after which the text continues."""
    assert {} == violations(text + GOOD_ZH, "zh")


def test_colours_between_slashes_are_no_path() -> None:
    """A path has both digits and letters."""
    assert {} == violations("Red/white/blue flags hang from the boats. " + GOOD_EN)


def test_several_empty_values_are_markup() -> None:
    """A single one may be written on a form."""
    assert 1.0 == violations(GOOD_EN + " The colors are N/A, and the boat is N/A.")["markup"]
    assert 1.0 == violations(GOOD_ZH + "人物为无，颜色为无。", "zh")["markup"]
    assert {} == violations(GOOD_EN + " A field on a form has N/A in it.")


def test_a_formula_and_a_quoted_text_are_no_wrappers() -> None:
    """They have no command or label around the text."""
    assert {} == violations(GOOD_EN + r" The grid measures $3 \times 3$.")
    assert {} == violations(f'"{GOOD_EN}"')


def test_circled_numbers_name_the_images_of_a_set() -> None:
    """They are a list if there are more of them than images, or if labels follow them."""
    text = "两张图片都拍摄于海边：①的沙滩上空无一人，只有几只海鸥；②光线偏暖，有一对老夫妇牵着狗散步。"
    listed = "图1和图2的内容如下：①前景：一张木桌和两把椅子；②背景：连绵的青山和几朵白云，湖面平静。"

    assert "markup" not in violations(text, "zh", 2)
    assert "markup" in violations(text.replace("。", "；③天空多云。"), "zh", 2)
    assert "markup" in violations(listed, "zh", 2)
