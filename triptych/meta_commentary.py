"""Recognise texts that talk about captioning itself instead of describing a picture.

Examples are an impersonal refusal, a service notice or a question back. Comes in: a text without its quoted
parts, in English or Chinese. Goes out: whether it is such a text. Not its job: single sentences (see
failure_notices).
"""

from __future__ import annotations

import re
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

SENTENCE_END = re.compile(r"(?<=[.!?])\s+|[。！？；;\n]")


class _Vocabulary(NamedTuple):
    """The words of one language. Each group of ``acts`` and ``related`` is one kind of word."""

    acts: re.Pattern[str]
    """Describing, and asking for a description. Pictures hardly ever show that."""
    related: re.Pattern[str]
    """Files, services and rules. A picture may show some of them."""
    hedges: re.Pattern[str]
    """Negation, possibility and requests: a description says what is there."""
    carriers: re.Pattern[str]
    """Things that show words. Sentences that name one are ignored."""
    characters_per_kind: int
    """A text about captioning has at least one kind for this many characters."""


def _kinds(lines: str, start: str = "") -> re.Pattern[str]:
    return re.compile(
        start + "(?:" + "|".join(f"({line.strip()})" for line in lines.strip().splitlines()) + ")"
    )


_EN = _Vocabulary(
    acts=_kinds(
        r"""descri[bp]
        caption
        (?:re)?upload|transmit|(?:re)?submit
        request|prompts?\b
        analy[sz]
        generat(?:e|ed|ion)\b
        identif|recogni[sz]
        (?:provided|given) (?:image|picture|photo)|(?:image|picture|photo|photograph) (?:provided|given)|available
        retry|(?:try|repeat\w*) again|again after|(?:an)?other (?:image|picture|photo)|different (?:image|picture|photo)""",
        r"\b",
    ),
    related=_kinds(
        r"""files?\b(?! of)|file ?name|links?\b
        input|resolution|pixels?\b|thumbnail
        version|quota|subscription|premium|usage|documentation
        guideline|polic(?:y|ies)|regulation|terms of|compl(?:y|iance)|privacy|moderation|biometric|personal data|protection of
        encod|decod|tokens?\b|base64|dataset
        service|tool\b|assistant|language model
        omitted|withheld|disclos|skipped|left out
        accurate|meaningful|detailed|reliable|appropriate
        contents?\b|information|details
        prose|paragraph|text""",
        r"\b",
    ),
    hedges=re.compile(
        r"\b(?:can(?! be seen)|could|would|will|may|might|must|should|shall|has to|have to|cannot|not|no|if|neither|nor|without|unable"
        r"|un(?:available|supported|known)|retry|try|please|due to|because|since|for reasons|according|instead|yet|only)\b|n['’]t\b"
    ),
    carriers=re.compile(rf"\b(?:{CARRIERS_EN}|window|notice|plate|desk|shel(?:f|ves)|walls?\b)"),
    characters_per_kind=150,
)
_ZH = _Vocabulary(
    acts=_kinds(
        r"""描述
        说明(?![牌书卡栏])
        上传|提交
        请求
        分析|识别
        生成
        重试|稍后|重新(?:上传|提交|处理|生成)|再次(?:上传|提交)|[换另]一张|其他题材"""
    ),
    related=_kinds(
        r"""文件(?![夹柜])|链接|格式
        系统|平台|版本|功能|升级|配置
        规范|政策|条款|违规|合规|隐私|敏感|审核
        编码|解码|样本|像素|分辨率|数据
        提供|支持
        处理|加载
        额度|套餐|会员
        省略|透露|不予|屏蔽
        信息|内容|题材|细节
        文字|文本|段落"""
    ),
    hedges=re.compile(
        "无法|不|未|没有|没能|可以|可|能|请|如果|如需|建议|需要|暂|由于|因此|仍|将|再|出于|才|均|若|或者"
    ),
    carriers=re.compile(f"{CARRIERS_ZH}|桌|墙|柜"),
    characters_per_kind=40,
)
MIN_KINDS, MIN_KINDS_AND_HEDGES = 3, 5
"""Kinds of acts and related words, with at least one act; and these plus the different hedges, with at least
one hedge. None of 2,980 good captions has more than two kinds."""

META_NEEDLES = frozenset(
    (
        "descri|caption|upload|transmit|submit|request|prompt|analy|generat|identif|recogni|provided|availab|retry|try again"
        "|描述|说明|上传|提交|请求|分析|识别|生成|重试|稍后|重新|再次|一张|其他题材"
    ).split("|")
)
"""In lower case. A text without any of them is no meta-commentary."""


def is_meta_commentary(lowered: str) -> bool:
    """Whether a lower-case text is mostly about describing, files, services and rules.

    >>> is_meta_commentary("the quota is used up. descriptions can be generated again after midnight.")
    True
    >>> is_meta_commentary("a page with a description and a caption lies on a request form.")
    False
    """
    if not any(needle in lowered for needle in META_NEEDLES):
        return False
    return any(_is_about_captioning(lowered, words) for words in (_EN, _ZH))


def _is_about_captioning(lowered: str, words: _Vocabulary) -> bool:
    text = "\n".join(each for each in SENTENCE_END.split(lowered) if not words.carriers.search(each))
    acts = {each.lastindex for each in words.acts.finditer(text)}
    if not acts:
        return False
    kinds = len(acts) + len({each.lastindex for each in words.related.finditer(text)})
    if kinds < max(MIN_KINDS, len(lowered) / words.characters_per_kind):
        return False
    hedges = len(set(words.hedges.findall(text)))
    return hedges > 0 and kinds + hedges >= MIN_KINDS_AND_HEDGES
