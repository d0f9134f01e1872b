"""Texts that are about captions, and how one comes about, in place of things.

Comes in: a text without what stands between quotation marks. Goes out: whether it is one: a refusal in no
person, a note of a service, a question back. English and Chinese. Not its job: single sentences (see
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
"""What shows words in a picture, in lower case."""


class _Words(NamedTuple):
    """Of one language: a group of a pattern for each kind of words."""

    acts: re.Pattern[str]
    """Describing, and asking for it. Pictures hardly show it."""
    others: re.Pattern[str]
    """What has to do with it: files, services, rules. A picture may show some."""
    hedges: re.Pattern[str]
    """What isn't, could be or is asked for: pictures show what is."""
    carriers: re.Pattern[str]
    """What shows words: a sentence that names one is about a thing."""
    characters: int
    """A text about captions has a kind in so many characters, on average."""


def _kinds(lines: str, start: str = "") -> re.Pattern[str]:
    return re.compile(
        start + "(?:" + "|".join(f"({line.strip()})" for line in lines.strip().splitlines()) + ")"
    )


_EN = _Words(
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
    others=_kinds(
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
    characters=150,
)
_ZH = _Words(
    acts=_kinds(
        r"""描述
        说明(?![牌书卡栏])
        上传|提交
        请求
        分析|识别
        生成
        重试|稍后|重新(?:上传|提交|处理|生成)|再次(?:上传|提交)|[换另]一张|其他题材"""
    ),
    others=_kinds(
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
    characters=40,
)
FEWEST_KINDS, FEWEST_WITH_HEDGES = 3, 5
"""Of both together, one of acts among them; and of these and different hedges, of which there must be one. Of
2,980 good captions none has more than two kinds."""

ABOUT_NEEDLES = frozenset(
    (
        "descri|caption|upload|transmit|submit|request|prompt|analy|generat|identif|recogni|provided|availab|retry|try again"
        "|描述|说明|上传|提交|请求|分析|识别|生成|重试|稍后|重新|再次|一张|其他题材"
    ).split("|")
)
"""In lower case: a text without any isn't about captions."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|[。！？；;\n]")


def is_about_captions(lowered: str) -> bool:
    """Whether a text in lower case speaks of describing, files, services and rules all along.

    >>> is_about_captions("the quota is used up. descriptions can be generated again after midnight.")
    True
    >>> is_about_captions("a page with a description and a caption lies on a request form.")
    False
    """
    if not any(map(lowered.__contains__, ABOUT_NEEDLES)):
        return False
    return any(_is_about_captions(lowered, words) for words in (_EN, _ZH))


def _is_about_captions(lowered: str, words: _Words) -> bool:
    text = "\n".join(each for each in _SENTENCE_END.split(lowered) if not words.carriers.search(each))
    acts = {each.lastindex for each in words.acts.finditer(text)}
    if not acts:
        return False
    kinds = len(acts) + len({each.lastindex for each in words.others.finditer(text)})
    if kinds < max(FEWEST_KINDS, len(lowered) / words.characters):
        return False
    hedges = len(set(words.hedges.findall(text)))
    return hedges > 0 and kinds + hedges >= FEWEST_WITH_HEDGES
