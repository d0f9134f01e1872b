"""Sentences that say, in no person, why there is no description: moderation, loading, policy.

Comes in: a text without what stands between quotation marks. Goes out: how many such sentences stand in the
place of a description. A picture may show the same words: what a screen or a sign says is no notice. English
and Chinese. Not its job: a model that speaks of itself (see filtering.rules.refusal).
"""

from __future__ import annotations

import re
from typing import NamedTuple


class _Words(NamedTuple):
    """Of one language. A sentence is a notice where it has ``refuses`` and any of image, system and policy,
    ``fails`` and any of system and policy, or two of policy."""

    refuses: re.Pattern[str]
    """Nobody says it of a thing in a picture."""
    fails: re.Pattern[str]
    """Said of things, too."""
    policy: re.Pattern[str]
    system: re.Pattern[str]
    """Files, requests, answers."""
    image: re.Pattern[str]
    shown_on: re.Pattern[str]
    """What shows words: all that follows in the sentence may be its own."""


_IMAGE = r"(?:image|picture|photo|photograph|visual|content|file|input)s?"
_TOLD = r"(?:descriptions?|captions?|output|results?|response|answer|text|details|data|content|information|comparison)"
_EN = _Words(
    refuses=re.compile(
        r"\b(?:can ?not|can['’]t|could ?n(?:o|['’])t|will not|unable to|failed to|(?:not |im)possible(?: for \w+)? to|not able to"
        r"|(?:is|was|were|did|has|have) not(?! open))\s(?:be\s|been\s|\w+ly\s)*"
        r"(?:(?:process|decod|display|describ|determin|generat|produc|analy[sz]|provid|compar|retriev|access|caption|comment|render|pars"
        r"|recei[pv]|summar|deliver|load|open|g[ia]ve|return|creat|complet|fulfil|support)\w*|tell what|available)"
        r"|\bun(?:available|supported)\b|\bwithheld\b|\bnot part of this\b|\bwithout an? (?:description|caption)"
        rf"|\bno (?:\w+ ){{0,2}}{_TOLD}\b(?= (?:\w+ ){{0,2}}(?:is|are|was|were|be|has|have|can|could|available|for|to|between)\b)"
        rf"|\b{_IMAGE} (?:was |is )?not found|\binsufficient {_TOLD}|\bnothing (?:that|to|can|could) (?:\w+ ){{0,4}}(?:based|describ\w*|caption\w*|analy\w*)"
        rf"|\b(?:empty|blank) {_TOLD}"
    ),
    fails=re.compile(
        r"\b(?:fail(?:ed|s|ure)?|errors?|blocked|stopped|rejected|excluded|restricted|disabled|corrupt(?:ed)?|damaged|exceed(?:s|ed)?|invalid"
        r"|time[ds]?[ -]?out|cancell?ed|filtered|flagged|prohibited|denied|insufficient|expired|deleted|not (?:permitted|allowed|possible))\b"
    ),
    policy=re.compile(
        r"\b(?:polic(?:y|ies)|guidelines?|moderation|compliance|privacy|terms of (?:use|service)"
        r"|(?:content|safety) (?:filter|system|warning|restriction|standard|check|mechanism)\w*"
        r"|(?:explicit|adult|sensitive|inappropriate|offensive|harmful|nsfw|unsafe)\b|graphic violence|nudity|minors|violat\w+|flagged"
        r"|(?:another|different|change the) (?:topic|subject)|not suitable|unsuitable|for (?:reasons of )?(?:safety|legal|copyright))"
    ),
    system=re.compile(
        r"\b(?:request(?:s|ed)?|upload\w*|submi\w+|output|files?(?! cabinet)|link to|image (?:processing|data)|processing (?:of|failed)"
        r"|loading (?:of )?(?:the |an? )?(?:image|picture|photo|file)|try again|status \d+|error code|descriptions?|caption(?:s|ing)?"
        r"|response|describ(?:ed?|ing)|visual (?:data|content|input))\b"
    ),
    image=re.compile(rf"\b{_IMAGE}\b"),
    shown_on=re.compile(
        r"\b(?:screen|monitor|display|dialog|window|phone|laptop|tablet|computer|terminal|app|sign|poster|notice|board|banner|label"
        r"|page|television|tv|kiosk|says|reads|warns|sticker|card|plate|plaque|newspaper|book|leaflet)\b"
    ),
)
_ZH = _Words(
    refuses=re.compile(
        "(?:无法|不能|未能|没能|没有办法|难以|无从)(?:直接|准确|正常|成功|继续|再|对|为|就|与|从)*[^，。；]{0,10}?"
        "(?:描述(?!的)|展示(?!.{0,6}全貌)|加载|显示|处理|分析|提供|生成|解析|读取|访问|给出|作出|做出|说明|判断图|判断画|判断照|对比|比较|获取|谈起|返回|执行)"
        "|(?:文件|图[片像]|照片)(?:无法|不能|未能)打开|判断[图画照].{0,3}的?(?:具体)?内容|暂?不支持|不予|不具备|不可用|未通过"
        "|不(?:作|做|对|进行|再|提供)[^，。]{0,14}?(?:描述|说明|评论|分析)|不(?:再)?提供"
        "|(?:未|没有)(?:检测|收|接收)到|(?:未|没有)(?:生成|返回)|没有(?:任何内容|可(?:以|供)(?:描述|分析|显示))"
    ),
    fails=re.compile(
        "失败|拦截|屏蔽|(?:被|已)(?:过滤|隐藏|删除|移除|限制)|损坏|失效|超时|出错|错误|异常|缺失|超出|过滤处理|为空"
    ),
    policy=re.compile(
        "违规|违反|敏感|不适当|不当内容|不安全|不良|隐私(?:保护|政策)?|安全(?:考虑|策略|政策|规范|原因|审核|机制)|审核|政策|规定|法律|法规|规范"
        "|合规|色情|版权|使用条款|服务范围|未成年"
    ),
    system=re.compile(
        "文件|请求|输入|输出|结果|描述|说明(?![牌书卡栏])|上传|加载|解析|格式|服务器|链接|提交|错误代码"
    ),
    image=re.compile("图[片像]|照片|画面|内容|图\\s?\\d|视觉"),
    shown_on=re.compile(
        "屏|窗口|弹窗|手机|电脑|显示器|终端|牌|海报|告示|标语|对话框|横幅|写着|印着|刻着|贴着|报纸|书|标签|页面"
    ),
)

NEEDLES = frozenset(
    "cannot|can not|can't|can’t|could not|couldn|will not|unable to|impossible|not |unavailable|unsupported|withheld|without a|not found"
    "|nothing that|nothing to|nothing c| no |empty |blank |fail|error|blocked|stopped|reject|exclude|restrict|disabled|corrupt|damaged|exceed"
    "|invalid|time out|timed|timeout|cancel|filter|flagged|prohibited|denied|insufficient|expired|deleted|polic|guideline|moderation|warning"
    "|explicit|adult|sensitive|unsafe|nudity|minors|suitable|privacy|complian|violat"
    "|无法|不能|未能|没能|没有|难以|无从|不支持|不予|不作|不做|不对|不提供|不再|不进行|不具备|不可用|未检|未收|未接|未生|未返|未通过|失败|拦截|屏蔽"
    "|过滤|隐藏|删除|移除|限制|损坏|失效|超时|出错|错误|异常|缺失|超出|为空|违规|敏感|隐私|审核|政策|规定|法律|规范".split(
        "|"
    )
)
"""In lower case: a text without any has no notice."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|[。！？；;\n]")
MOST_READ = 4000
"""Characters. A notice is short."""
NOTICE_SHARE = 0.5
"""Of the text of a caption of one image: where it begins with a description and says last what failed, the
picture was there."""


def failure_notices(text: str, image_count: int = 1) -> int:
    """How many sentences say why there is no description of an image.

    In a caption of one image they count where they are its first, or half of it or more. In a caption of
    several, wherever they speak of an image.

    >>> failure_notices("The image could not be loaded. Try again later.")
    1
    >>> failure_notices("A screen shows that the image could not be loaded.")
    0
    """
    text = text[:MOST_READ].lower()
    sentences = [each for each in _SENTENCE_END.split(text) if each.strip()]
    notices = [each for each in sentences if any(_is_notice(each, words) for words in (_EN, _ZH))]
    if image_count > 1:
        return sum(bool(_EN.image.search(each) or _ZH.image.search(each)) for each in notices)
    is_first = bool(notices) and notices[0] == sentences[0]
    return len(notices) if is_first or sum(map(len, notices)) >= NOTICE_SHARE * len(text) > 0 else 0


def _is_notice(sentence: str, words: _Words) -> bool:
    policy = {match[0] for match in words.policy.finditer(sentence)}
    refuses, fails = words.refuses.search(sentence), words.fails.search(sentence)
    has_system = words.system.search(sentence)
    if refuses and (policy or has_system or words.image.search(sentence)):
        found = refuses
    elif fails and (policy or has_system):
        found = fails
    else:
        return len(policy) > 1 and not words.shown_on.search(sentence)
    return not words.shown_on.search(sentence, 0, found.start())
