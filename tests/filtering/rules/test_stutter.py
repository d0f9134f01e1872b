"""Words, parts of words, characters and marks that are repeated immediately."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "en",
            "A wooden wooden boat is tied tied to a post at the the edge of a lake, near a few reeds.",
        ),
        ("en", "A brown dog,brown dog runs across a field,field of tall grass,grass beside a line of trees."),
        (
            "en",
            "A cat sleepssleeps on a cushion by a windowwindow, next to a basketbasket of red apples.",
        ),
        (
            "en",
            "Snow covers the roofs,, of a small village,, at the foot of a hill,, and smoke rises.",
        ),
        (
            "en",
            "A chef in a white, white jacket sprinkles, sprinkles parsley over a plate, a plate of fish.",
        ),
        ("en", "A man-man in a blue-blue suit walks across a square-square below a tower."),
        (
            "zh",
            "带红色灯室的，带红色灯室的白色灯塔，白色灯塔矗立在，矗立在防波堤尽头，几只海鸥在盘旋。",
        ),
        ("zh", "农夫开着农夫开着红色的拖拉机红色的拖拉机驶过田野，路边的一排白杨路边的一排白杨在风中摇晃。"),
        ("zh", "湖边的木桩木桩上拴着一条小木船，船身的倒影倒影落在平静的水面水面上，旁边长着一丛芦苇。"),
        ("zh", "一位系绿色围裙的男子在在菜摊前用旧式台秤称着着西红柿，摊位上上方挂着大蒜和和干辣椒。"),
        ("zh", "画面，，中央是一座红色的亭子，，周围是几棵松树，，地面铺着灰色的石砖，远处有一座小山。"),
    ],
)
def test_words_characters_and_marks_repeated_immediately_are_found(language: str, text: str) -> None:
    """Parts of words, too."""
    assert 0.5 <= violations(text, language)["repeated"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", " A bus to Pago Pago and Walla Walla stops by a bar named Bora Bora; Duran Duran play there."),
        (
            "en",
            " It is a very, very, very tall tower, and it had had a coat that that man remembers.",
        ),
        ("en", " A bowl of couscous, a tutu and a yo-yo lie side by side on one shelf, next to tomatoes."),
        (
            "en",
            " A tuk-tuk waits by a tuk-tuk and a third tuk-tuk; a muumuu and a pawpaw lie on couscous.",
        ),
        ("en", " The tags say red, red, red and blue, blue, blue and green, green, green."),
        (
            "zh",
            "第一行是红苹果、红苹果、红苹果，第二行是绿苹果、绿苹果、绿苹果，第三行是黄梨、黄梨、黄梨。",
        ),
        ("zh", "星星一闪一闪，爷爷慢慢地走着，一只只小狗跑来跑去，瓶瓶罐罐整整齐齐，远处白茫茫一片。"),
        ("zh", "奶奶抱着宝宝，爸爸妈妈和爷爷坐在旁边，姐姐、弟弟和狗狗在院子里玩，猫猫趴在窗台上。"),
        ("zh", "女孩静静坐着，微微仰头，紧紧抱着书，雪花缓缓飘落，烛光轻轻摇曳，教堂渐渐远去。"),
        ("zh", "妈妈和宝宝站在弯弯曲曲的路上，红红的灯笼高高挂起，锅里咕嘟咕嘟地冒着热气。"),
    ],
)
def test_names_emphasis_and_words_that_are_normally_doubled_are_fine(language: str, text: str) -> None:
    """English and Chinese have many of them."""
    good = GOOD_EN if language == "en" else GOOD_ZH

    assert {} == violations(good + text, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", " A cart carrying carrying carrying hay stands by the wall."),
        ("en", " A fox has a very very very thick coat."),
        ("zh", "一辆车载着载着载着干草停在墙边。"),
    ],
)
def test_one_word_three_times_in_a_row_is_enough(language: str, text: str) -> None:
    """Unless there are marks between, or it is a quotation."""
    good = GOOD_EN if language == "en" else GOOD_ZH

    assert "repeated" in violations(good + text, language)
    assert {} == violations(GOOD_EN + ' A sign says "no no no" to a long, long, long road.')
    assert {} == violations(GOOD_ZH + "标语写着“不要不要不要”，路边一层一层一层的梯田向上延伸。", "zh")


def test_doubled_words_in_other_languages_are_fine() -> None:
    """Vietnamese has many of them."""
    text = "Ngày ngày người người đi đi lại lại trên con phố xa xa, nhà nhà treo đèn đèn đỏ đỏ."

    assert "repeated" not in violations(text, "vi")
