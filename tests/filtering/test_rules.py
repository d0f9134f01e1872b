"""What each rule drops, and what it must leave alone."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.errors import UsageError
from triptych.filtering.candidate import Candidate
from triptych.filtering.config import RULE_NAMES, FilteringConfig
from triptych.filtering.judge import Judge
from triptych.records import JOB_NAMES, JobName

GOOD_EN = (
    "This is a quiet harbour in the early morning light. A red boat lies beside the wooden pier and a"
    " blue boat drifts farther out. Behind them a white lighthouse stands on the rocks."
)
GOOD_ZH = (
    "这是清晨阳光下的一个安静港口。一艘红色的船停在木码头旁边，一艘蓝色的船漂在远处。"
    "后面的岩石上立着一座白色的灯塔。"
)
GOOD_SET_EN = (
    "These three images show a street, each with a red car. Image 1 shows a red car and a blue house;"
    " image 2 shows a red car and a blue house; image 3 shows a red car, a blue house and a green bus."
    " Image 3 has the most things."
)
GOOD_SET_ZH = (
    "这三张图像都展示了街道，每张图像中都有一辆红色的汽车。图像1中有一辆红色的汽车和一座蓝色的房子；"
    "图像2中有一辆红色的汽车和一座蓝色的房子；图像3中有一辆红色的汽车、一座蓝色的房子和一辆绿色的公共汽车。"
)


def scores(text: str, job: JobName = "single_en", images: int = 1, end: str = "stop") -> dict[str, float]:
    return Judge(FilteringConfig()).scores(
        Candidate(text=text, job=job, image_count=images, finish_reason=end)
    )


@pytest.mark.parametrize(
    ("job", "text", "images"),
    [
        ("single_en", GOOD_EN, 1),
        ("single_zh", GOOD_ZH, 1),
        ("multi_en", GOOD_SET_EN, 3),
        ("multi_zh", GOOD_SET_ZH, 3),
    ],
)
def test_a_good_caption_is_kept(job: JobName, text: str, images: int) -> None:
    """A complete paragraph in the right language passes every rule, in each job."""
    assert {} == scores(text, job, images)


def test_a_caption_cut_by_the_token_limit_is_truncated() -> None:
    """finish_reason `length` drops, even where the cut fell behind a full stop."""
    assert {"truncated": 1.0} == scores(GOOD_EN, end="length")


@pytest.mark.parametrize(
    ("job", "text"),
    [
        ("single_en", GOOD_EN.removesuffix("the rocks.")),
        ("single_en", GOOD_EN.removesuffix(".") + ","),
        ("single_en", GOOD_EN.removesuffix(".") + "..."),
        ("single_zh", GOOD_ZH.removesuffix("灯塔。")),
        ("single_zh", GOOD_ZH.removesuffix("。") + "，"),
        ("single_zh", GOOD_ZH.removesuffix("。") + "……"),
    ],
)
def test_a_text_that_stops_mid_sentence_is_truncated(job: JobName, text: str) -> None:
    """No closing punctuation, or an ellipsis, at the end of the text."""
    assert {"truncated": 1.0} == scores(text, job)


@pytest.mark.parametrize(
    ("job", "text"),
    [
        ("single_en", GOOD_EN + ' Above the door a board reads "Harbour Office"'),
        ("single_zh", GOOD_ZH + "门上刻着一行大字“港务局”"),
    ],
)
def test_what_a_sign_says_may_end_a_caption(job: JobName, text: str) -> None:
    """A closing quotation mark closes the sentence, where the words before it announce an inscription."""
    assert {} == scores(text, job)


@pytest.mark.parametrize(
    ("job", "text"),
    [
        ("single_en", GOOD_EN + " The menu on the wall has three lines: 1. soup; 2. fish; 3. bread."),
        ("single_zh", GOOD_ZH + "墙上贴着一张菜单，分为几行：1. 鱼汤 38元；2. 面包 16元。"),
    ],
)
def test_the_numbers_of_a_menu_are_no_list(job: JobName, text: str) -> None:
    """What is written in the picture may be told as it stands there."""
    assert {} == scores(text, job)


@pytest.mark.parametrize("ending", ['."', ".”", ".)", "!", "?", ". 🙂", ".**", "。", '..."'])
def test_a_sentence_may_end_in_quotation_marks_brackets_or_emoji(ending: str) -> None:
    """What closes after the full stop doesn't hide it."""
    assert {} == scores(GOOD_EN.removesuffix(".") + ending)


def test_a_short_english_caption_is_counted_in_words() -> None:
    """The score is the number of words."""
    assert {"too_short": 3.0} == scores("A red boat.")


def test_a_short_chinese_caption_is_counted_in_characters() -> None:
    """The score is the number of characters, without punctuation."""
    assert {"too_short": 6.0} == scores("一艘红色的船。", "single_zh")


def test_a_set_must_say_more_than_one_image() -> None:
    """A length that is enough for one image is too short for a set."""
    text = "In both images, a red boat lies beside the wooden pier in the soft morning light."

    assert {} == scores(text, "single_en")
    assert {"too_short": 16.0} == scores(text, "multi_en", images=2)


@pytest.mark.parametrize(("job", "unit"), [("single_en", "word{}"), ("single_zh", "船{}")])
def test_a_caption_beyond_the_maximum_is_too_long(job: JobName, unit: str) -> None:
    """Length is measured where nothing is repeated, too."""
    config = FilteringConfig(rules=("too_long",))
    text = " ".join(unit.format(i) for i in range(700)) + "."

    assert ["too_long"] == list(Judge(config).scores(Candidate(text=text, job=job)))


@pytest.mark.parametrize(
    ("job", "text"),
    [
        ("single_en", "A red boat lies beside the wooden pier in the light. " * 20),
        ("single_zh", "一艘红色的船停在木码头旁边，远处是山。" * 20),
        ("single_en", "boat " * 60 + "."),
        ("single_zh", "船" * 100 + "。"),
        ("single_en", GOOD_EN.removesuffix(".") + " and a tree" * 12 + "."),
        ("single_zh", GOOD_ZH.removesuffix("。") + "，还有一棵树" * 8 + "。"),
        ("single_en", "A" * 300 + "."),
        (
            "single_zh",
            "街角有一家药店。画面中呈现出安静的街道和行人。门前有长椅。画面中呈现出安静的街道和路人。"
            "门上有十字标志。画面中呈现出安静又空旷的街道。画面中呈现出安宁的气氛。",
        ),
        (
            "single_zh",
            "门前有一张长椅。整条街道都给人以清幽宁静的感觉。整条街道都给人以宁静清幽的感觉。远处是山。",
        ),
        ("multi_en", (GOOD_SET_EN + " ") * 6),
        ("multi_zh", GOOD_SET_ZH * 6),
    ],
)
def test_a_caption_that_says_the_same_again_is_repeated(job: JobName, text: str) -> None:
    """Sentences said again, and loops of a phrase, a word or a character, in both languages."""
    assert "repeated" in scores(text, job, images=3 if job.startswith("multi") else 1)


def test_repetition_weighs_by_occurrence() -> None:
    """A sentence said twenty times scores 19/20, not one repeated sentence."""
    score = scores("一艘红色的船停在木码头旁边，远处是青色的山。" * 20, "single_zh")["repeated"]

    assert pytest.approx(19 / 20) == score


@pytest.mark.parametrize(
    ("job", "text", "images"),
    [
        ("single_en", "On the shore there is a red boat and a blue boat, a red car and a blue car.", 1),
        (
            "single_en",
            "The very, very, very large balloon floats over the meadow in the warm evening sun.",
            1,
        ),
        (
            "single_zh",
            "图中左边有一艘红色的船，右边有一艘蓝色的船，中间有一艘绿色的船，远处有一艘白色的船。",
            1,
        ),
        ("multi_en", "; ".join(f"image {i} shows a red boat" for i in range(1, 6)) + ".", 5),
        ("multi_zh", "；".join(f"图像{i}中有一艘红色的船和一座灯塔" for i in range(1, 6)) + "。", 5),
    ],
)
def test_enumerations_are_not_repetitions(job: JobName, text: str, images: int) -> None:
    """Alike things are told in alike words, and each image of a set once."""
    assert {} == scores(text, job, images)


@pytest.mark.parametrize(
    ("job", "text"),
    [
        ("single_en", GOOD_ZH),
        ("single_zh", GOOD_EN),
        ("single_en", GOOD_EN + GOOD_ZH),
        ("single_zh", "1" * 30 + "。"),
    ],
)
def test_another_script_is_the_wrong_language(job: JobName, text: str) -> None:
    """All or half of a caption in the other script, or no letters at all."""
    assert "wrong_language" in scores(text, job)


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (
            "single_en",
            "A shop front carries a sign that reads “欢迎光临本店欢迎光临本店” above its wooden door.",
        ),
        ("single_zh", "图中一名男子穿着Nike运动鞋，手里拿着iPhone，站在Starbucks咖啡店门口，正在看手机。"),
        ("single_zh", "墙上的牌子写着“Please do not walk on the grass”，旁边有一棵高大的树和一张长椅。"),
    ],
)
def test_signs_and_brands_in_the_other_script_are_fine(job: JobName, text: str) -> None:
    """Quotations are left out of the count, and a few foreign words are within the bound."""
    assert {} == scores(text, job)


@pytest.mark.parametrize("line_break", ["\n", "\n\n", "\r\n", "\u2028", "\u2029", "\\n\\n", "<br>"])
def test_text_after_a_line_break_is_another_paragraph(line_break: str) -> None:
    """The score is the number of lines with text."""
    found = scores(GOOD_EN + line_break + "The sky above is pale and clear.")

    assert 2.0 == found["multi_paragraph"]


def test_line_breaks_around_the_text_are_not_paragraphs() -> None:
    """Only breaks between text count."""
    assert {} == scores("\n" + GOOD_EN + "\n\n")


def test_the_first_rule_in_order_is_the_reason_and_every_rule_scores() -> None:
    """`reason` follows the config's order; `scores` has all that speak against it."""
    found = scores("Boat\nboat")

    verdict = Judge(FilteringConfig()).verdict("x", found)
    turned = Judge(FilteringConfig(rules=RULE_NAMES[::-1])).verdict("x", found)

    assert ("truncated", "multi_paragraph") == (verdict.reason, turned.reason)
    assert {"truncated", "too_short", "multi_paragraph"} == set(verdict.scores)
    assert verdict.scores == turned.scores


def test_a_flag_scores_and_drops_nothing() -> None:
    """An e-mail address stays visible in the verdict; as an ordinary rule it would drop."""
    found = scores(GOOD_EN + ' A board reads "info@harbour.org".')
    strict = FilteringConfig(flags=())

    assert {"personal_data": 1.0} == found
    assert Judge(FilteringConfig()).verdict("x", found).keep
    assert "personal_data" == Judge(strict).verdict("x", found).reason


def test_an_empty_caption_is_too_short_and_nothing_else() -> None:
    """There is nothing in it for other rules to judge."""
    assert {"too_short": 0.0} == scores("")


@pytest.mark.parametrize(
    "bounds", [{"max_repeated_share": 1.5}, {"min_words_single": 500}, {"rules": ["truncated", "truncated"]}]
)
def test_bounds_that_cannot_be_are_a_usage_error(bounds: dict[str, object]) -> None:
    """A share beyond 1, a minimum above the maximum, a rule named twice."""
    with pytest.raises(UsageError, match=r"filtering\."):
        msgspec.convert(bounds, FilteringConfig)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    text=st.text(max_size=400) | st.text(alphabet='船的a1第图张 "“”(.。!\n…\u0301👩\u200d', max_size=400),
    job=st.sampled_from(JOB_NAMES),
    images=st.integers(1, 5),
)
def test_no_text_makes_a_rule_raise(text: str, job: JobName, images: int) -> None:
    """Any text gets a verdict, kept exactly where no rule but a flag has a score."""
    judge = Judge(FilteringConfig())
    verdict = judge.verdict("x", judge.scores(Candidate(text=text, job=job, image_count=images)))

    assert verdict.keep == (verdict.reason is None) == (not judge.drops(verdict.scores))
