"""Rule: what was asked is in the answer, or a chat template's roles are.

Comes in: a caption. Goes out: the number of such phrases, outside quotation marks. Roles, and what its own job's
prompt says, are read in any language; the wording of other prompts in English and Chinese. Not its job: special
tokens (see garbled).
"""

from __future__ import annotations

import re
from functools import lru_cache

from triptych.filtering.caption import CaptionText, units_of
from triptych.filtering.rule import Phrases, Rule
from triptych.languages import Language

_ENDS = (":", " :", "：", " ：", "**")
"""What stands behind a role."""

_ROLES = Phrases(
    (
        "|".join(
            f"{role}{end}"
            for role in "user human assistant system instruction instructions question answer prompt input output response".split()
            for end in _ENDS
        ),
        r"(?:^|[\n.!?。！？]\s*)[#*\s]*(?:user|human|assistant|system|instructions?|question|answer|prompt|input|output|response)\**\s*[:：]",
    ),
)

_RELY = "(?:only |solely |strictly |purely |exclusively )?on (?:the |what is )?(?:clearly |directly )?(?:visible )?(?:information|evidence|content|elements)"
_ENGLISH = Phrases(
    (
        "speculat",
        r"\bover[ -]?speculat|\b(?:avoid(?:s|ed|ing)?|without|no|any|free (?:of|from)|refrain\w* from|not?) (?:any |generating |making |further"
        r" |unnecessary |undue )*speculat|\bspeculative content\b",
    ),
    (
        "paragraph",
        r"\b(?:single|one)[ -]paragraph (?:description|caption|summary|format|response|answer|without|with no)"
        r"|\b(?:in|into|within|as|using?|to) (?:only )?(?:an? )?(?:single|one)[ -]paragraph\b"
        r"|\b(?:use|uses|using|avoid\w*|without|no|not) (?:\w+ ){0,2}multiple paragraphs\b",
    ),
    ("line break|line-break|linebreak", r"\bline[ -]?breaks?\b"),
    (
        "generat|given image|accurate",
        r"\bgenerat(?:e|ing) an? (?:accurate|detailed|description|single|caption)|\bbased on (?:the|these) given images?\b|\baccurate(?:,| and)? (?:single|concise)",
    ),
    (
        "information|evidence|content|elements",
        rf"\b(?:based|rely|relies|relying) {_RELY}\b|\bfocus\w* (?:only|solely|strictly|purely|exclusively) {_RELY}\b|\bclearly visible information\b",
    ),
    (
        "do not |refer to each image|ensure |state what|describe th|describe each",
        r"(?:^|[.!?:;]\s*)(?:please )?do not (?:use|include|generate|mention|speculate|add)\b|\brefer to each image\b|\bensure (?:that )?(?:the|your) description"
        r"|\bstate what the images share\b|\bdescribe (?:the|this|these|each) (?:following )?(?:image|picture|photo)s?\b(?! as| is)",
    ),
    (
        "instruction|prompt|guideline",
        r"\b(?:given|your|above|provided|the prompt['’]?s?) (?:instructions?|prompt|guidelines?)\b|\b(?:follow\w*|per|adher\w* to|in line with|meets?)"
        r" (?:the|these) (?:instructions?|guidelines?|prompt)(?: of|,|\.|$)|\bthe prompt (?:asks|says|states|requires|asked|requested|specifies|instructs)\b|\b(?:by|in) the prompt\b",
    ),
    ("q:|a:", r"(?:^|[\n.!?]\s*)[qa]\s*:"),
    ("what ", r"\bwhat (?:is|are|can be) (?:shown|seen|visible|depicted)[^.?]{0,30}\?"),
)

_CHINESE = Phrases(
    (
        "单段|多段|换行",
        r"单段(?:落)?的?(?:描述|文字|落)|准确的?单段|多段(?:落)?或|换行符|(?:使用|不要|无|没有|多段|避免|未)[^，。]{0,4}换行",
    ),
    ("请勿", r"请勿(?:使用|换|多段|推|生成|包含)"),
    (
        "推测|猜测|臆测|揣测",
        r"推测性|过度推测|(?:避免|不要|不做|无|没有|未做|未作|不带有?|不含|禁止|未进行|不进行|不包含)(?:任何|生成|做|作|进行|过多|过度|带有|使用|做出|其他|多余|主观)*的?[推猜臆揣]测",
    ),
    ("清晰可见的", r"(?:基于|根据|依据|仅|只|图[像片]中)[^。，]{0,8}清晰可见的(?:信息|内容)"),
    ("给定|所给", r"(?:基于|根据)?(?:给定|所给)的?[^。]{0,6}(?:图像|图片|信息)"),
    ("生成", r"避免生成|生成(?:一段|一个|一份|基于|准确|对|图像|图片)[^。]{0,12}(?:描述|说明|单段)"),
    ("确保|保证", r"(?:确保|保证)(?:该|本|您的)?描述"),
    ("编号", r"[按根依](?:据|照)?编号(?:来|逐一|分别|依次)?(?:指代|提及|称呼|描述|说明|提到|引用)"),
    (
        "请",
        r"(?<![邀申聘宴提约])请(?:按|用(?!餐)|描述|生成|详细|根据|说明|为[这图以]|写|简要|确保|不要(?:使用|换|推)|避免|仔细[观描]|以[一单]|使用[一单中简]|将[图这]|基于)",
    ),
    (
        "|".join(
            f"{role}{end}"
            for role in "用户 助手 系统 问 问题 答 答案 提示 提示词 指令 任务 输入 输出 人类 回答".split()
            for end in _ENDS
        ),
        r"(?:^|[\n。！？])\s*(?:用户|助手|系统|问题?|答案?|提示词?|指令|任务|输入|输出|人类|回答)\s*[：:]",
    ),
    ("提示词|指令|任务要求|系统提示", r"提示词|(?:该|上述|以下|给定|根据)指令|指令要求|任务要求|系统提示"),
    ("描述", r"(?:^|[。！？：:])\s*描述(?:这|该|以下|下面|此)[张幅些组]?(?:图像|图片|照片)[。：:？]"),
    ("什么", r"(?:图[片像]?|照片)[中里](?:有|是|展示了)什么"),
)

_PHRASES = {"en": (_ROLES, _ENGLISH), "zh": (_ROLES, _ENGLISH, _CHINESE)}


_SHORTEST_CLAUSE = {"word": 6, "character": 8}
"""Units of a prompt's clause that no caption has by chance."""
_CLAUSE_END = re.compile(r"[.,;:!?\"“”，。；：！？、\n]")


@lru_cache(maxsize=64)
def _clauses(prompt: str, language: Language) -> tuple[str, ...]:
    """Those of ``prompt`` that are long enough, in lower case."""
    clauses = (each.strip() for each in _CLAUSE_END.split(prompt.lower()))
    return tuple(each for each in clauses if len(units_of(each)) >= _SHORTEST_CLAUSE[language.unit])


def prompt_leaks(caption: CaptionText) -> float:
    """The number of places where what was asked is in the answer, or a chat template's roles."""
    count = sum(phrases.count(caption) for phrases in _PHRASES.get(caption.language.code, (_ROLES,)))
    if caption.prompt is not None:
        clauses = _clauses(caption.prompt.text, caption.language)
        count += sum(each in caption.lowered for each in clauses)
    return float(count)


PROMPT_LEAK = Rule(
    name="prompt_leak",
    measure=prompt_leaks,
    needles=_ROLES.needles | _ENGLISH.needles | _CHINESE.needles,
    needs_needle=False,
    threshold=0.0,  # PixelProse and BLIP3-KALE reject at the first, too
    likely_cause="a wrong chat template, so that the model goes on with the prompt",
)
