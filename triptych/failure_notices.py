"""Find text that says why there is no description: moderation, failed loading, a policy, a service.

Comes in: a text without its quoted parts, in English or Chinese. Goes out: how many such sentences stand in
place of a description. Text that a pictured screen or sign shows doesn't count. Not its job: a model that
speaks of itself or to the user (see filtering.rules.conversation).

No phrase decides. Words about describing, files, services and rules are grouped into kinds, each with points.
A description may contain one or two of them; a notice is a sentence that denies something and has many.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

CARRIERS_EN = (
    r"screen|monitor|display(?!ed)|dialog|laptop|tablet|computer|terminal|app\b|signs?\b|poster|board|banner|label|page|television|tv\b|kiosk"
    r"|sticker|cards?\b|plaque|newspaper|magazine|book|leaflet|letters?\b|meme\b|comic|phone"
)
CARRIERS_ZH = (
    "屏(?!蔽)|弹窗|手机|电脑|显示器|终端|牌|海报|告示|标语|对话框|横幅|[写印刻贴][着在]|报纸|书|标签|[网页]页|页面|按钮|[界截]面|截图"
    "|字样|[大几个]字|黑板|展板|石碑|窗口"
)
"""Things in a picture that show words. The patterns match lower-case text."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|[。！？；;\n]")


class _Vocabulary(NamedTuple):
    """The words of one language, in lower case."""

    kinds: tuple[tuple[int, AbstractSet[str]], ...]
    """Points, and stems that mean the same or nearly so."""
    pattern: re.Pattern[str]
    """Any stem, with a group for each kind."""
    denies: re.Pattern[str]
    """Negation, failure, and requests: a description says what is there."""
    fails: re.Pattern[str]
    """Denials that count as a kind of word, since they are seldom said of things in a picture."""
    ignored: re.Pattern[str]
    """Things that show words. Sentences that name one are ignored."""
    characters_per_point: int
    """Of a text that is a notice as a whole."""
    short_sentence: int
    """In characters."""


def _vocabulary(
    kinds: str, *, before: str, denies: str, fails: str, ignored: str, **lengths: int
) -> _Vocabulary:
    """Each line of ``kinds`` has its points and its stems."""
    table = [(int(line.split()[0]), line.split(maxsplit=1)[1].strip()) for line in kinds.strip().splitlines()]
    groups = "|".join("(" + "|".join(map(re.escape, stems.split("|"))) + ")" for _, stems in table)
    return _Vocabulary(
        tuple((points, frozenset(stems.split("|"))) for points, stems in table),
        re.compile(f"{before}(?:{groups})"),
        re.compile(denies),
        re.compile(fails),
        re.compile(ignored),
        **lengths,
    )


_IMAGE = "(?:image|picture|photo|photograph)"
_EN = _vocabulary(
    """
    2 descri|caption|transcri|summar
    2 upload|submit|submission|resubmi|reupload|transmi
    2 request|prompt |query
    2 analy|comment|characteri|compar
    2 generat|produc|provided|deliver|input|output|response|result
    1 identif|recogni|interpret|determin
    1 load|display|process|retriev|access|decod|parsed|parsing|render|fetch|read |not found|available|unavailable|unsupported|returned|received|arrive|come through|came through|review
    1 file|link|format |url |pixel|resolution|encod|base64|thumbnail|data
    2 filter|server|service|connection|network|tool |assistant|language model|quota|subscription|premium|version
    2 policy|policies|guideline|moderat|complian|regulation|terms of|rules
    2 privacy|safety|sensitive|explicit|inappropriate|harmful|nudity|copyright|biometric|personal data|violat
    1 image|picture|photo|visual
    1 content|context|information|system|subject|topic
    1 again|another|different|retry
    """,
    before=r"\b",
    denies=r"\b(?:can ?not|not|no|nothing|never|neither|nor|without|unable|un(?:available|supported|suitable|readable)|impossible|withheld|withholds?|fail|error|block|cancel|corrupt"
    r"|delet|deni|declin|disabl|exceed|exclud|expir|filter|flag|halt|hidden|hides|invalid|insufficient|missing|omit|prohibit|reject|remov|restrict|skip|stopp|time[ds]?[ -]?out|trigger"
    r"|violat|outside (?:of )?(?:what|the scope)|beyond|against the|rather than|instead|please|retry|try|must|required|until)|n['’]t\b",
    fails=rf"\b(?:can ?not|could not|(?:is|was|are|were|has|have|did|does|do|been) not|not (?:be|able|available|found|possible|allowed|permitted)|unable|impossible|un(?:available|supported|suitable)"
    rf"|withheld|fail|error|corrupt|expir|invalid|time[ds]?[ -]?out|violat|no (?:\w+ )?(?:{_IMAGE}|descri|caption|output|result|response))|n['’]t\b",
    ignored=rf"\b(?:{CARRIERS_EN}|window|(?<!this )notice|plate|desk|shel(?:f|ves)|cabinet|dock\b|says|reads|warns)",
    characters_per_point=75,
    short_sentence=45,
)
_ZH = _vocabulary(
    """
    2 描述|解说|概括
    2 上传|提交|发送
    2 请求|指令|提示词
    2 分析|评论|比较
    2 生成|产生|输出|给出|提供|结果|回答
    1 识别|说明
    1 加载|读取|访问|获取|解析|解码|无法打开|显示|处理|展示|收到|检测|返回|执行|支持
    1 文件|链接|格式|地址|编码|像素|数据|分辨率
    2 系统|平台|服务|网络|版本|功能|套餐|额度|会员
    2 违规|违反|政策|策略|规定|法律|法规|规范|合规|条款|规则
    2 敏感|不适|不当|不良|隐私|安全|审核|审查|色情|版权|未成年
    1 图像|图片|照片|画面|视觉|此图|该图|张图
    1 内容|信息|细节|题材|模型
    1 重试|检查|稍后|重新|再次|换一|另一张
    """,
    before="",
    denies="无法|[不未没]|难以|无从|失败|缺少|拦截|屏蔽|过滤|隐藏|删除|移除|限制|受限|损坏|失效|过期|超时|出错|错误|异常|缺失|超出|为空|触发|终止|关闭|请|省略|透露",
    fails="无法|[不未没]能|难以|失败|拦截|屏蔽|失效|过期|超时|出错|异常|为空|不(?:予|会|便|作|做|支持|具备)|未(?:能|通过|生成|提供)",
    ignored=f"{CARRIERS_ZH}|桌|墙|柜",
    characters_per_point=20,
    short_sentence=15,
)
_VOCABULARIES = (_EN, _ZH)

_MENTIONS_IMAGE = re.compile(f"{_IMAGE}|图|照片|画面|内容")
_DESCRIBES = re.compile(
    rf"\b{_IMAGE} (?:\d+ )?(?:shows|depicts|displays|features) (?!no\b|nothing\b)(?:(?!\b(?:{_IMAGE}|ones?|second|third|other)s?\b).)*\Z"
    r"|, (?:(?:in|on) )?which (?:an? |the |two |shows|depicts|stands|lies|sits|hangs)"
    "|(?:图[片像]?|照片|画面)[中里]?(?:展示|显示|呈现|拍摄)了(?:(?!图|照片|画面|内容).)*\\Z"
)
"""The picture shows something: the rest of the sentence is about that."""
_MODAL = re.compile(r"\b(?:can|could|would|may|might)\b|可|能")
"""In a text of several sentences, what would be possible is as good as a denial."""

NEEDLES = frozenset[str]().union(*(stems for words in _VOCABULARIES for _, stems in words.kinds))
"""A text without several of them has no notice."""

MIN_SENTENCE_POINTS = 4
"""Of one sentence that denies something. A short one needs one less."""
MIN_TEXT_POINTS = 7
"""Of all sentences together."""
MAX_CHARACTERS_READ = 4000
"""Notices are short."""
MIN_NOTICE_SHARE = 0.5
"""Of the characters of a single image's caption that begins with a description."""


def failure_notices(text: str, image_count: int = 1, needles: AbstractSet[str] | None = None) -> int:
    """How many sentences say why there is no description; at least 1 if the text as a whole says so.

    In a caption of one image they count if the first sentence is one, or if they make up half of the text. In
    a caption of several images each one that mentions an image counts. ``needles`` are those of NEEDLES in
    the text, if known.

    >>> failure_notices("The image could not be loaded, so there is no description.")
    1
    >>> failure_notices("A screen shows that the image could not be loaded.")
    0
    >>> failure_notices("The quota is used up. Descriptions can be generated again after midnight.")
    1
    """
    lowered = text[:MAX_CHARACTERS_READ].lower()
    if needles is None:
        needles = {needle for needle in NEEDLES if needle in lowered}
    if len(needles) < 2:
        return 0
    return max(_notices(lowered, words, needles, image_count) for words in _VOCABULARIES)


def _notices(lowered: str, words: _Vocabulary, needles: AbstractSet[str], image_count: int) -> int:
    kinds = [(points, stems & needles) for points, stems in words.kinds if not stems.isdisjoint(needles)]
    most_points = sum(points for points, _ in kinds)
    if most_points < MIN_SENTENCE_POINTS - 2:
        return 0
    sentences = [each for each in _SENTENCE_END.split(lowered) if each.strip()]
    notices = [each for each in sentences if _may_be_notice(each, kinds) and _is_notice(each, words)]
    if image_count > 1:
        notices = [each for each in notices if _MENTIONS_IMAGE.search(each)]
    elif notices and notices[0] != sentences[0] and sum(map(len, notices)) < MIN_NOTICE_SHARE * len(lowered):
        notices = []
    least = max(MIN_TEXT_POINTS, len(lowered) / words.characters_per_point)
    if notices or most_points < least:
        return len(notices)
    said = "\n".join(each for each in sentences if not words.ignored.search(each))
    return int(
        _points(said, words) >= least and (words.denies.search(said) or _MODAL.search(said)) is not None
    )


def _may_be_notice(sentence: str, kinds: Sequence[tuple[int, AbstractSet[str]]]) -> bool:
    """An upper bound of its points is fast to compute, and usually enough."""
    points = sum(points for points, stems in kinds if any(map(sentence.__contains__, stems)))
    return points >= MIN_SENTENCE_POINTS - 2


def _is_notice(sentence: str, words: _Vocabulary) -> bool:
    if words.denies.search(sentence) is None:
        return False
    points = _points(sentence, words) + (words.fails.search(sentence) is not None)
    if points < MIN_SENTENCE_POINTS - (len(sentence) < words.short_sentence):
        return False
    return not words.ignored.search(sentence) and not _DESCRIBES.search(sentence)


def _points(text: str, words: _Vocabulary) -> int:
    found = {match.lastindex for match in words.pattern.finditer(text)}
    return sum(words.kinds[number - 1][0] for number in found if number)
