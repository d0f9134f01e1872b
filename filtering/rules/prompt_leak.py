"""Rule: the caption repeats its prompt, or the roles of a chat template.

Comes in: a caption. Goes out: the number of such phrases outside quotation marks. Roles and the job's own
prompt are found in any language, the wording of typical prompts in English and Chinese. Not its job: special
tokens (see garbled).
"""

from __future__ import annotations

import re
from functools import lru_cache

from triptych.filtering.caption import CaptionText, units_of
from triptych.filtering.rule import Phrases, Rule
from triptych.languages import Language


def _before_a_colon(roles: str) -> str:
    """Needles: each role followed by a colon or the end of bold text."""
    return "|".join(f"{role}{end}" for role in roles.split("|") for end in (":", " :", "：", " ：", "**"))


_EN_ROLES = (
    "user|human|assistant|system|instruction|instructions|question|answer|prompt|input|output|response"
)
_ZH_ROLES = "用户|助手|系统|问|问题|答|答案|提示|提示词|指令|任务|输入|输出|人类|回答"
_ROLES = Phrases(rf"{_before_a_colon(_EN_ROLES)} :: (?:^|[\n.!?。！？]\s*)[#*\s]*(?:{_EN_ROLES})\**\s*[:：]")

_RELY = "(?:only |solely |strictly |purely |exclusively )?on (?:the |what is )?(?:clearly |directly )?(?:visible )?(?:information|evidence|content|elements)"
_ENGLISH = Phrases(rf"""
    clearly visible information|refer to each image|state what the images share|speculative content
    line break|line breaks|line-break|line-breaks|linebreak|linebreaks|based on the given image|based on the given images|based on these given images
    speculat :: \bover[ -]?speculat|\b(?:avoid(?:s|ed|ing)?|without|no|any|free (?:of|from)|refrain\w* from|not?) (?:any |generating |making |further |unnecessary |undue )*speculat
    paragraph :: \b(?:single|one)[ -]paragraph (?:description|caption|summary|format|response|answer|without|with no)
    paragraph :: \b(?:in|into|within|as|using?|to) (?:only )?(?:an? )?(?:single|one)[ -]paragraph\b
    information|evidence|content|elements :: \b(?:based|rely|relies|relying) {_RELY}\b|\bfocus\w* (?:only|solely|strictly|purely|exclusively) {_RELY}\b
    insert |start with|begin with|mention :: ^(?:insert|(?:start|begin) with|mention)\b[^.]*\b(?:descri\w+|subject|background|scene|details|colou?rs?|text)\b
    ~ instruction|prompt|guideline :: \b(?:the|these|given|your) (?:prompt|instructions)\b
    q:|a: :: (?:^|[\n.!?]\s*)[qa]\s*:
""")

_CHINESE = Phrases(
    rf"""
    单段描述|单段的描述|单段落|单段文字|单段的文字|准确的单段|准确单段|多段或|多段落或|换行符|推测性|过度推测|避免生成
    推测|猜测|臆测|揣测 :: (?:避免|不要|不做|无|没有|未做|未作|不带有?|不含|禁止|未进行|不进行|不包含)(?:任何|生成|做|作|进行|过多|过度|带有|使用|做出|其他|多余|主观)*的?[推猜臆揣]测
    清晰可见的 :: (?:基于|根据|依据|仅|只|图[像片]中)[^。，]{{0,8}}清晰可见的(?:信息|内容)
    ~ 提示词|指令要求|任务要求
    先写|先描述|先说明|先介绍 :: ^首?先(?:写|描述|说明|介绍)[^。]*(?:再|然后|接着|最后)
    给定|所给 :: (?:给定|所给)的?[^。]{{0,6}}(?:图像|图片|信息)
    生成 :: 生成(?:一段|一个|一份|基于|准确|对|图像|图片)[^。]{{0,12}}(?:描述|说明|单段)
    {_before_a_colon(_ZH_ROLES)} :: (?:^|[\n。！？])\s*(?:{_ZH_ROLES})\s*[：:]
    """,
    are_words=False,
)

_PHRASES = {"en": (_ROLES, _ENGLISH), "zh": (_ROLES, _ENGLISH, _CHINESE)}

_MIN_CLAUSE_UNITS = {"word": 6, "character": 8}
"""No caption contains a clause of this length by chance."""
_CLAUSE_END = re.compile(r"[.,;:!?\"“”，。；：！？、\n]")


@lru_cache(maxsize=64)
def _clauses(prompt: str, language: Language) -> tuple[str, ...]:
    """The clauses of ``prompt`` that are long enough, in lower case."""
    clauses = (each.strip() for each in _CLAUSE_END.split(prompt.lower()))
    return tuple(each for each in clauses if len(units_of(each)) >= _MIN_CLAUSE_UNITS[language.unit])


def prompt_leaks(caption: CaptionText) -> float:
    """The number of phrases of a prompt or a chat template."""
    count = sum(phrases.count(caption) for phrases in _PHRASES.get(caption.language.code, (_ROLES,)))
    if caption.prompt is not None:
        count += sum(each in caption.lowered for each in _clauses(caption.prompt.text, caption.language))
    return float(count)


PROMPT_LEAK = Rule(
    name="prompt_leak",
    measure=prompt_leaks,
    version=3,
    needles=_ROLES.needles | _ENGLISH.needles | _CHINESE.needles,
    needs_needle=False,
    threshold=0.0,  # PixelProse and BLIP3-KALE also reject at the first one
    likely_cause="a wrong chat template, so that the model continues the prompt",
)
