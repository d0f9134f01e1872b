"""Find impersonal sentences that say why there is no description: moderation, failed loading, a policy.

Comes in: a text without its quoted parts, in English or Chinese. Goes out: how many such sentences stand in
place of a description. Text that a pictured screen or sign shows doesn't count. Not its job: a model that
speaks of itself (see filtering.rules.refusal), texts that are recognisable only as a whole (see
meta_commentary, which is called here).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from triptych.meta_commentary import CARRIERS_EN, CARRIERS_ZH, META_NEEDLES, SENTENCE_END, is_meta_commentary


class _Vocabulary(NamedTuple):
    """The words of one language. Which kinds occur together makes a sentence a notice (see _is_notice)."""

    refuses: re.Pattern[str]
    """Never said of a thing in a picture."""
    fails: re.Pattern[str]
    """May be said of a thing in a picture."""
    policy: re.Pattern[str]
    system: re.Pattern[str]
    """Files, requests, answers."""
    image: re.Pattern[str]
    shown_on: re.Pattern[str]
    """Things that show words: the rest of the sentence may be what they say."""
    describes: re.Pattern[str]
    """The picture shows something: what follows in the sentence may be said of that."""


_IMAGE = "(?:image|picture|photo|photograph)"
_ANSWER = "(?:descri|caption|output|result|response|answer|content|information|comparison)"
_CAN_NOT = r"(?:can ?not|can['’]t|could ?n(?:o|['’])t|unable to|failed to|impossible to|(?:not|never) (?:able|allowed|permitted) to)"
_IS_NOT = "(?:without|no|nothing|(?:is|are|was|were|did|do|does|has|have|will|:) not)"
_FILL = r"(?:\w+ly |a |an |be |been |that |to |can |could ){0,3}"
_DESCRIBE = r"analy|caption|characteri|comment|compar|descri[bp]|determin|deliver|generat|provide(?! an? [\w ]*view)|said about|summar|tell what"
_EN = _Vocabulary(
    # "Can not" takes more verbs than "is not", which may be said of things ("does not open").
    refuses=re.compile(
        rf"\b(?:{_CAN_NOT} {_FILL}(?:{_DESCRIBE}|access|complet|creat|decod|display|fulfil|load|look at|open(?:ed| the (?:image|file|pic))"
        rf"|pars|process|produc|render|retriev|return|support)|did ?n(?:o|['’])t come through|(?:not|never) (?:\w+ ){{0,3}}to {_FILL}(?:{_DESCRIBE})"
        rf"|{_IS_NOT} {_FILL}(?:{_DESCRIBE}|access to the (?:image|pic|photo|visual)|arrive(?!d)|available|decoded|displayed(?! (?:at|in|on) )"
        r"|feasible|load(?:ed)?\b|possible|retriev|suitable|support(?:ed\b(?! by)| image))"
        rf"|no (?:\w+ ){{0,2}}{_ANSWER}\w* (?:\w+ ){{0,2}}(?:is|are|was|were|be|has|have|can|could|available|for|to|between)\b"
        r"|un(?:available|supported|suitable)|withheld|nothing to look at)"
    ),
    fails=re.compile(
        # Not as an attribute: "a damaged car".
        r"\b(?:error|(?<!\ba )(?<!\ban )(?:blocked|cancel|corrupt|damag|delet|deni|disabl|exceed|exclud|expir|fail|filtered|flagged|halt|invalid|insufficient|missing"
        r"|not (?:permit|allow)|outside (?:of )?(?:what|the scope)|prohibit|reject|restrict|stopp|time[ds]?[ -]?out|trigger|violat))"
    ),
    policy=re.compile(
        r"\b(?:polic(?:y|ies)|guideline|moderation|complian|privacy(?! (?:fence|screen|wall|hedge|glass|booth))"
        r"|safety (?:check|concern|consider|filter|guideline|polic|protocol|reason|rule|setting|standard|system)|sensitive|explicit|inappropriate"
        r"|harmful|nudity|violat|copyright|(?:another|different|change the) (?:topic|subject))"
    ),
    system=re.compile(
        r"\b(?:caption|content (?:is|was|of|that|could|can|has|may|polic|moderation|filter|warning|safety)|descri[bp]|file(?!s? (?:cabinet|of))|format\b|input|link to|loading(?! (?:dock|bay))|output|process(?:ing|ed)|request"
        r"|response|server(?= (?:error|return|respon|is|could|was|did|time)|s? error)|status \d|upload)"
    ),
    image=re.compile(r"\b(?:image|picture|photo|visual)"),
    shown_on=re.compile(
        rf"\b(?:{CARRIERS_EN}|window|notice|plate|says|reads|(?<!image )(?<!image \d )(?<!picture )(?<!photo )(?<!photograph )shows|warns)"
    ),
    describes=re.compile(
        rf"\b{_IMAGE} (?:\d+ )?(?:shows|depicts|displays|features) (?!no\b|nothing\b)(?:(?!\b(?:{_IMAGE}|ones?|second|third|other)s?\b).)*\Z"
    ),
)
_ZH = _Vocabulary(
    refuses=re.compile(
        "(?:无法|[不未没]能|难以|很难|无从|不(?:便|再|会|予|作|做|对(?!称)|进行))[^，。；]{0,12}?"
        "(?:描述(?!的)|展示(?!.{0,6}全貌)|加载|显示|处理|分析|提供|生成|产生|解析|读取|访问|获取|[收得]到|看到(?:任何)?(?:图|照|内容)|检测到|给出|[作做]出|说明|评论|判断[图画照]"
        "|识别(?=[，。图照内]|$)|比较|谈起|返回|执行|打开(?=[，。；图文链该此]|$)|支持|具备|可用)"
        "|(?:不|未(?!来)能?)(?:描述(?!的)|加载|分析|提供|生成|产生|解析|读取|访问|获取|收到|检测到|给出|[作做]出|评论|返回|执行|支持|通过|具备|可用)"
        "|没有(?:任何内容|可[以供]|收到|得到|检测到|生成|返回|产生)"
    ),
    fails=re.compile(
        "失败|缺少|拦截|屏蔽|过滤|隐藏|删除|移除|限制|(?:文件|图[片像]?|照片|数据|链接)[^，。]{0,6}损坏(?!的)|失效|过期|超时|出错|错误|异常(?=[，。]|$)|缺失|超出|为空|触发"
    ),
    policy=re.compile(
        "违规|违反|敏感|不[适恰]?当|不安全|不良|隐私(?:政策)?|安全(?:考虑|策略|规范|原因|机制)|审核|政策|策略|规定|法律|法规|规范|合规|色情|版权|条款|服务范围|未成年"
    ),
    system=re.compile(
        "文件|[识处][别理]失败|请求|输入|输出|结果|描述|说明(?![牌书卡栏])|上传|加载|解析|解码|格式|服务器|链接|提交|代码"
    ),
    image=re.compile("图[片像]|照片|画面|内容|图\\s?\\d|视觉"),
    shown_on=re.compile(CARRIERS_ZH),
    describes=re.compile(
        "(?:图[片像]?|照片|画面)[中里]?(?:展示|显示|呈现|拍摄)了(?:(?!图|照片|画面|内容).)*\\Z"
    ),
)
_DESCRIBES_AFTER = re.compile(
    r", (?:(?:in|on) )?which (?:an? |the |two |shows|depicts|stands|lies|sits|hangs)"
)
"""Like ``describes``, but after the match."""

NEEDLES = (
    frozenset(
        (
            "n't|n’t|not |cannot|unable|failed|impossible|without |no |nothing |unavail|unsupp|unsuit|withheld|block"
            "|cancel|corrupt|damag|delet|deni|disabl|error|exceed|exclud|expir|fail|filter|flag|halt|invalid|missing|prohibit|reject|restrict|stopp|timeout"
            "|timed|trigger|violat|polic|guideline|privacy|safety|sensitive|explicit|无法|不|未|没有|没能|难以|无从|失败|拦截|屏蔽|过滤|隐藏|删除|移除|限制|损坏"
            "|失效|过期|超时|出错|错误|异常|缺失|超出|为空|触发|违|敏感|隐私|审核|政策|规"
        ).split("|")
    )
    | META_NEEDLES
)
"""In lower case. A text without any of them has no notice."""

MAX_CHARACTERS_READ = 4000
"""Notices are short."""
MIN_NOTICE_SHARE = 0.5
"""Of the characters of a single image's caption that begins with a description."""


def failure_notices(text: str, image_count: int = 1) -> int:
    """How many sentences say why there is no description; at least 1 if the text as a whole says so.

    In a caption of one image they count if the first sentence is one, or if they make up half of the text. In
    a caption of several images each one that mentions an image counts.

    >>> failure_notices("The image could not be loaded, so there is no description.")
    1
    >>> failure_notices("A screen shows that the image could not be loaded.")
    0
    """
    text = text[:MAX_CHARACTERS_READ].lower()
    sentences = [each for each in SENTENCE_END.split(text) if each.strip()]
    notices = [each for each in sentences if any(_is_notice(each, words) for words in (_EN, _ZH))]
    if image_count > 1:
        notices = [each for each in notices if _EN.image.search(each) or _ZH.image.search(each)]
    elif notices and notices[0] != sentences[0] and sum(map(len, notices)) < MIN_NOTICE_SHARE * len(text):
        notices = []
    return len(notices) or int(is_meta_commentary(text))


def _is_notice(sentence: str, words: _Vocabulary) -> bool:
    """Whether the sentence refuses and mentions an image, a file or a policy; or reports a failure and
    mentions a file or a policy; or mentions two policies and a file or an image."""
    policies = {match[0] for match in words.policy.finditer(sentence)}
    system, image = words.system.search(sentence), words.image.search(sentence)
    found = words.refuses.search(sentence) if system or image or policies else None
    found = found or (words.fails.search(sentence) if system or policies else None)
    if found is None:
        return len(policies) > 1 and bool(system or image) and not words.shown_on.search(sentence)
    is_shown = any(
        pattern.search(sentence, 0, found.start()) for pattern in (words.shown_on, words.describes)
    )
    return not is_shown and not _DESCRIBES_AFTER.search(sentence, found.end())
