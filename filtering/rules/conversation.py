"""Rules: the caption contains parts of a conversation.

``refusal``: the model speaks about itself, about its answer or to the user instead of describing.
``prompt_leak``: it repeats its prompt, or the roles of a chat template. Comes in: a caption. Goes out: the
number of such phrases outside quotation marks. Roles and the job's own prompt are found in any language, the
wording of typical prompts in English and Chinese. Not its job: guesses (see statements), special tokens (see
garbled).
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice

from triptych.failure_notices import NEEDLES, failure_notices
from triptych.filtering.caption import CaptionText, is_inscribed, units_of
from triptych.filtering.rule import Phrases, Rule
from triptych.languages import Language

_I_NEEDLES = "|".join(f"i {word}" for word in "a be ca co d f g h ma mu n p r se t u wa will wo wr".split())
_IMAGE = "(?:image|picture|photo|photograph)s?"
_SEES = "(?:can |could |will |first |then |also )*(?:see|find|notice|look)"
"""In free prose people write "you can see a lake"."""
_GIVEN = "(?:provided|given|attached|uploaded)"
_ORDERS = "write|provide|give|generate|tell|insert|start with|begin with|remember|make sure|do not|avoid|ensure|describe"

_EN_TALK = Phrases(rf"""
    {_I_NEEDLES} :: i (?<![\w.'’&-]i )(?<!image i )(?!love |and |in |is |of |on |to )[a-z]
    i'm|i’m|i'd|i’d|i'll|i’ll|i've|i’ve|my |let me|for me :: \b(?:i['’](?:m|d|ll|ve)|my|(?:let|for) me)\b
    you :: (?<!thank )(?<!love )\byou\b(?! {_SEES})|\b(?:thank|as) you\b|\byours?\b
    we |let's|let’s|let us :: \blet(?:['’]s| us)\b|\bwe (?:should|must|need|have to|could|can ?not|can['’]t|will|won['’]t|are (?:unable|asked|sorry)|apologi)
    language model|multimodal|captioning|vision|chatbot|artificial intelligence| ai |a.i. :: language model|\b(?:an? ai (?:model|assistant|system)|as an? (?:[\w-]+ ){{0,3}}?(?:ai|a\.i\.|(?:vision|multimodal|captioning) (?:model|system|assistant)|artificial intelligence|chatbot))\b
    feel free|happy to|glad to|hope|sorry|apologies|unfortunately :: \bfeel free\b|\b(?:happy|glad) to (?:help|assist|describe|provide)|(?:^|[.!]\s*)hope (?:this|that|it)\b|\b(?:sorry|apologies),? (?:but|for the)\b|\bunfortunately,
    sure|okay|ok!|ok,|ok.|ok:|great|certainly|absolutely|of course|understood|wait, :: (?:^|[.!]\s*)(?:sure(?: thing)?|ok(?:ay)?|great|certainly|absolutely|of course|understood|wait)\s*[!,.:—](?!\d)
    able to|cannot|can't|can’t :: \b(?:unable|not able|cannot|can['’]t) (?:to )?(?:assist|comply|help with|fulfil|(?:view|see|describe|identify) (?:the|this|that|these|any) (?:{_IMAGE}|people|person))\b
    ~ description|describe|caption|the user :: (?<!no )\bdescriptions?\b(?! of (?!(?:the|this|each|all) {_IMAGE}))|(?<!to )\bdescribe\b|\bcaptions?(?= (?:is|was|has|should|must|avoids|for|that|based|generated|of (?:the|this) {_IMAGE})\b|:)|\bthe user['’]?s? (?:\w+ )?(?:ask|want|request|provid|upload|instruct|query|question|prompt|image)
    based on|provided|given|attached|uploaded :: \bbased (?:\w+ )?on (?:the|these|what is) (?:\w+ )?(?:visible|{_GIVEN}|{_IMAGE}(?! of)|content|information)\b|\b(?:on|in|from) the {_IMAGE} {_GIVEN}\b|\b(?:provided|given) {_IMAGE}\b
    ~ please|kindly :: (?:^|[.!?]\s*)(?:please|kindly)\b
    note:|note that|disclaimer|remark:|important:|source:|word count|words:|credit|generated|translat :: (?:^|[.!?(*]\s*)(?:(?:note|disclaimer|important|remark|source|(?:total )?words?(?: count)?|(?:{_IMAGE} )?credits?|(?:\w+ )?translat\w+(?: \w+){{0,4}})\s*:)|[.!?]\s*generated (?:by|with) [^.,]*\W*$|\bnote that (?:this|the)
    ~ http :: https?://
""")

_ZH_TALK = Phrases(
    r"""
    我 :: (?<![自忘敌])我(?!国|校|爱|们(?:可以|能够?)?(?:首先)?看[见到])
    您|你 :: (?<!欢迎)(?<!祝)您(?!好[^，。！]{0,4}字)|(?<!迷)你
    语言模型|语言大模型|多模态|助手|作为|本模型 :: 语言(?:大)?模型|多模态(?:大)?模型|助手[：:]|本模型|作为[^，。]{0,8}(?:人工智能|ai|智能体|(?:语言|视觉|多模态|图[像片])[^，。]{0,4}(?:模型|助手|机器人))|(?:^|。)作为[^，。]{0,10}(?:模型|助手|机器人)，[无不本这]
    抱歉|对不起|遗憾|不好意思|恕|很高兴 :: (?:^|[，。！：:])\s*(?:[很真]|非常|十分)?(?:(?:抱歉|对不起|遗憾|不好意思)(?:[，,。！!]|$|[无不未没本这由图该])|遗憾的是[，,]?[^，。]{0,6}(?:图|照片|无法|不能|没有))|(?:^|。)恕难|很高兴(?:为|能|帮)
    好的|当然|没问题|明白|收到|了解|可以的|好呀|是的|不对 :: (?:^|[。！!]|“)\s*(?:好的|当然(?:可以|了|没问题)?|没问题|明白了?|收到|了解|可以的|好呀|是的|不对)[，,。！!：:]
    希望|让我们|如果|如需|如有 :: 希望(?:这|以上|对|能帮|上述|能够?满足)|(?:^|[。！])让我们|如[果需有][^，。]{0,8}(?:问题|疑问|帮助|需要)
    ~ 描述|用户|请 :: (?<![们子员者人师家友生众])(?<![们子员者人师家友生众]的)描述(?![了着出一]|的是)|用户(?:要求|让|希望|请求|发|提供|上传|想|需要|的[问图要提])|(?:^|[。！（(])请(?![来客柬帖])
    要求|提供|上传 :: (?:按照?|根据|遵照|依照)(?:题目)?(?:要求|指示)(?=[，,。]|$)|(?:提供|上传)的[^。，]{0,4}图
    ~ 以下|以上|译文|翻译|生成 :: (?:^|[。！：:]\s*)以下[是为：:]|以上(?:就是|是[^。]{0,12}内容)|(?:^|[。！(（])(?:[中英]文)?(?:翻译|译文)(?:如下)?[：:]|由\s?(?:ai|人工智能)\s?生成
    字数|注：|注:|备注|声明|提示：|说明：|注意 :: 字数[：:约]|(?:^|[。（(])(?:注|备注|说明|提示|声明|免责声明)[：:]|注意的是|(?:^|[。！])注意[，,：:]
    """,
    are_words=False,
)

_OTHERS = {
    "ja": "申し訳あり|申し訳ござい|ごめんなさい|aiとして|aiアシスタント|言語モデル|お手伝いでき|できかねます|ご提供ください|ご質問|承知しました|以下に説明",
    "ko": "죄송합니다|ai로서|ai 어시스턴트|언어 모델|도와드릴|도와 드릴|제공해 주세요|제공해 주시|말씀해 주|물론입니다|알겠습니다|다음은 이미지",
    "hi": "क्षमा करें|माफ़ करें|भाषा मॉडल|मैं नहीं|मैं देख|यहाँ विवरण",
    "th": "ขออภัย|ขอโทษ|ฉันไม่สามารถ|โมเดลภาษา|นี่คือคำอธิบาย",
    "fr": "je suis désolé|désolé, mais|en tant qu'ia|en tant qu’ia|modèle de langage|je ne peux pas|je ne suis pas en mesure|je peux voir|n'hésitez pas|n’hésitez pas|voici une description|voici la description|bien sûr !|bien sûr, voici",
    "de": "es tut mir leid|tut mir leid|als ki|als ki-modell|sprachmodell|ich kann|ich bin nicht in der lage|ich sehe|hier ist die beschreibung|hier ist eine beschreibung|lassen sie mich wissen",
    "es": "lo siento|como ia|modelo de lenguaje|no puedo|puedo ver|aquí está la descripción|aquí tienes|por supuesto,|no dudes en",
    "pt": "sinto muito|desculpe|como ia|modelo de linguagem|não posso|não consigo ver|posso ver|aqui está a descrição|aqui está uma descrição",
    "ru": "извините|к сожалению, я|прошу прощения|как ии|языковая модель|я не могу|я вижу|вот описание",
    "ar": "عذرًا|عذراً|آسف|نموذج لغوي|لا أستطيع|لا يمكنني|إليك وصف",
    "vi": "xin lỗi|tôi không thể|tôi có thể|mô hình ngôn ngữ|trợ lý ai|dưới đây là mô tả|chắc chắn rồi",
    "pl": "przepraszam|jako ai|model językowy|nie mogę|oto opis",
}
"""The commonest phrases of models in these languages."""

_TALK = {"en": _EN_TALK, "zh": _ZH_TALK} | {
    code: Phrases(phrases, are_words=code not in ("ja", "ko", "hi", "th"))
    for code, phrases in _OTHERS.items()
}


_CALL_MARKS, MAX_CALLS = frozenset("!?！？"), 20
_CALLS = re.compile(
    r"\A[^.!?。！？]{1,45}!(?!\s*[a-z])|\A[^.!?。！？]{1,14}！|(?:[.!?]\s[^.!?。！？]{1,45}!|[。！？][^.!?。！？]{1,14}！)\s*\Z|[a-z\d]\s?\?|？"
)
"""A short exclamation at the beginning or the end, or a question. Only one of 2,280 good captions ends in an
exclamation mark, after 54 characters. Names may contain one: "Yahoo! offices"."""


def refusals(caption: CaptionText) -> float:
    """The number of phrases in which the model refuses, or speaks about itself, its answer or to the user."""
    language = caption.language
    found = _TALK[language.code].count(caption)
    if language.code != "en" and "LATIN" not in language.scripts:
        found += _EN_TALK.count(caption)  # models often refuse in English
    if caption.present_needles(_CALL_MARKS):
        text = caption.unquoted.strip()
        found += sum(
            not is_inscribed(text, each.end() - 1) for each in islice(_CALLS.finditer(text), MAX_CALLS)
        )
    if not found:
        found = failure_notices(caption.unquoted, caption.image_count, caption.present_needles(NEEDLES))
    return float(found)


REFUSAL = Rule(
    name="refusal",
    measure=refusals,
    version=10,
    threshold=0.0,  # a description has none
    languages=frozenset(_TALK),
    needles=NEEDLES.union(_CALL_MARKS, *(phrases.needles for phrases in _TALK.values())),
    likely_cause="a chat model that wasn't given the images, or a prompt that invites conversation",
)


def _before_a_colon(roles: str) -> str:
    """Needles: each role followed by a colon or the end of bold text."""
    return "|".join(f"{role}{end}" for role in roles.split("|") for end in (":", " :", "：", " ：", "**"))


_EN_ROLES = (
    "user|human|assistant|system|instruction|instructions|question|answer|prompt|input|output|response"
)
_ZH_ROLES = "用户|助手|系统|问|问题|答|答案|提示|提示词|指令|任务|输入|输出|人类|回答"
_ROLES = Phrases(rf"{_before_a_colon(_EN_ROLES)} :: (?:^|[\n.!?。！？]\s*)[#*\s]*(?:{_EN_ROLES})\**\s*[:：]")

_EN_PROMPT = Phrases(rf"""
    ~ {_ORDERS} :: (?:^|[.!?]\s*)(?:{_ORDERS})\s
    ~ paragraph|prompt|instructions|question :: \bparagraphs?\b(?!-)|\b(?:the|these|given|your) (?:prompt|instructions)\b|\bthe question asks\b
    line break|line-break|linebreak|speculat|visible|refer to each :: \bline[ -]?breaks?\b|\bspeculat|\bvisible (?:information|evidence|elements|content)\b|\brefer to each image\b
    q:|a: :: (?:^|[\n.!?]\s*)[qa]\s*:
""")

_ZH_PROMPT = Phrases(
    rf"""
    单段|多段|换行|推测|猜测|臆测|揣测 :: [单多]段|换行(?!李)|(?:避免|禁止|不[做作含带要进]|[无没未][有做作进]?|过[度多])[^，。]{{0,6}}[推猜臆揣]测
    先写|先描述|先说明|先介绍 :: ^首?先[写描说介]
    给定|所给 :: (?:给定|所给)的?[^。，]{{0,4}}图
    ~ 清晰可见的信息|清晰可见的内容|提示词|指令要求|任务要求
    {_before_a_colon(_ZH_ROLES)} :: (?:^|[\n。！？])\s*(?:{_ZH_ROLES})\s*[：:]
    """,
    are_words=False,
)

_PROMPT_PHRASES = {"en": (_ROLES, _EN_PROMPT), "zh": (_ROLES, _EN_PROMPT, _ZH_PROMPT)}

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
    count = sum(phrases.count(caption) for phrases in _PROMPT_PHRASES.get(caption.language.code, (_ROLES,)))
    if caption.prompt is not None:
        count += sum(each in caption.lowered for each in _clauses(caption.prompt.text, caption.language))
    return float(count)


PROMPT_LEAK = Rule(
    name="prompt_leak",
    measure=prompt_leaks,
    version=4,
    needles=_ROLES.needles | _EN_PROMPT.needles | _ZH_PROMPT.needles,
    needs_needle=False,
    threshold=0.0,  # PixelProse and BLIP3-KALE also reject at the first one
    likely_cause="a wrong chat template, so that the model continues the prompt",
)
