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

from triptych.failure_notices import NEEDLES, failure_notices
from triptych.filtering.caption import CaptionText, is_inscribed, units_of
from triptych.filtering.rule import Phrases, Rule
from triptych.languages import Language

_ANSWERS = "description|caption|paragraph|summary|response|answer"
_ANSWER = f"(?:{_ANSWERS})s?"
_SAYS_OF_IT = (
    "(?:is (?:based|meant|intended|accurate|as|only|purely|strictly)|avoids?|focuses|does not|provides|captures"
    "|aims|adheres|contains no|includes only|of the image|should|relies)"
)
_I_NEEDLES = "|".join(f"i {word}" for word in "a be ca co d f g h ma mu n p r se t u wa will wo wr".split())
_IMAGE = "(?:image|picture|photo|photograph)s?"
_SENT = "(?:provided|given|attached|uploaded|shared|sent|received)"
_SEES = "(?:can |could |will |first |then |also )*(?:see|find|notice|look)"
"""In free prose people write "you can see a lake"."""

_EN_TALK = Phrases(rf"""
    {_I_NEEDLES} :: i (?<![\w.'’&-]i )(?<!image i )(?!love |and |in |is |of |on |to )[a-z]
    i'm|i’m|i'd|i’d|i'll|i’ll|i've|i’ve|my |let me|for me :: \b(?:i['’](?:m|d|ll|ve)|my|(?:let|for) me)\b
    you :: (?<!thank )(?<!love )\byou\b(?! {_SEES})|\b(?:thank|as) you\b|\byours?\b
    let's|let’s|let us :: \blet(?:['’]s| us)\b
    we  :: \bwe (?:should|must|need|have to|could|can ?not|can['’]t|will|won['’]t|are (?:unable|asked|sorry)|apologi)
    language model|multimodal|captioning|vision|chatbot|artificial intelligence| ai |a.i. :: language model|\b(?:an? ai (?:model|assistant|system)|as an? (?:[\w-]+ ){{0,3}}?(?:ai|a\.i\.|(?:vision|multimodal|captioning) (?:model|system|assistant)|artificial intelligence|chatbot))\b
    feel free|happy to|glad to|hope  :: \bfeel free\b|\b(?:happy|glad) to (?:help|assist|describe|provide)|(?:^|[.!]\s*)hope (?:this|that|it)\b
    sorry|apologi|regret|unfortunately :: \b(?:sorry|apologies),? (?:but|for the)\b|\bregret\b.{{0,20}}\b(?:can|unable|not)|\bunfortunately,? (?:it is not|the {_IMAGE}|no (?:image|description)|there is no)
    sure|okay|ok!|ok,|ok.|ok:|great|certainly|absolutely|of course|understood|wait, :: (?:^|[.!]\s*)(?:sure(?: thing)?|ok(?:ay)?|great|certainly|absolutely|of course|understood|wait)\s*[!,.:—](?!\d)
    able to|cannot|can't|can’t|impossible to :: \b(?:unable|not able|cannot|can['’]t|impossible) (?:to )?(?:assist|comply|help with|fulfil|(?:view|see|describe|identify) (?:the|this|that|these|any) (?:{_IMAGE}|people|person))\b
    provided|given|attached|uploaded :: \bprovided (?:{_IMAGE}|description|text|caption|prompt)\b|\b(?:based on|in|from) the {_IMAGE} (?:provided|given|attached|uploaded)\b
    please|kindly :: (?<!\bto )\b(?:please|kindly) (?:provide|upload|share|note|try|attach|send|specify|clarify|give|keep|see|remember|be aware)
    ~ the user :: \bthe user['’]?s? (?:(?:has |is )?(?:ask|want|requested|provided|uploaded)|instruct|query|question|prompt|image)
    ~ the prompt|the question|the instruction :: \bthe (?:prompt|question|instructions?) (?:asks?|says?|requires?|wants?)\b|\bresponse to the (?:prompt|question|instruction)
    {_ANSWERS} :: \bhere(?:['’]s| is| are| you go| it is)?:?\s?(?:[\w'’-]+ ){{0,6}}?{_ANSWER}\b|\b(?:in this|rewritten|revised|updated|end of(?: the)?) {_ANSWER}\b
    {_ANSWERS} :: \b(?:this|the|the above|the previous) (?:\w+ )?{_ANSWER} (?:above |below |provided |given )?{_SAYS_OF_IT}
    ~ {_ANSWERS} :: \b(?:below|following|above) is (?:[\w-]+ ){{0,5}}?{_ANSWER}|\bfollowing (?:is )?(?:a |the )?{_ANSWER}
    describe|write|provide|give|generate|tell me :: ^(?:please )?(?:describe|write|provide|give|generate|tell me about) (?:[\w-]+ ){{0,5}}?(?:{_ANSWERS}|{_IMAGE})\b
    note:|note that|disclaimer|remark:|important:|source:|word count|words:|credit|photo by|image by|picture by :: (?:^|[.!(*]\s*)(?:note|disclaimer|important|remark|source|(?:total )?words?(?: count)?|(?:{_IMAGE} )?credits?)\s*:|[.!]\s*{_IMAGE} by [^.]{{3,60}}[.]?$|\bnote that (?:this|the)
    ~ http :: https?://
    generated|concludes|translat :: \bconcludes (?:the|this) {_ANSWER}\b|(?:^|[.!?]\s*)(?:(?:this |the )?{_ANSWER} (?:was |is )?)?generated (?:by|with)\b|(?:^|[(.!?]\s*)(?:(?:english|chinese) )?translat(?:ion|ed)(?: \w+){{0,4}}\s*:
""")

_ZH_TALK = Phrases(
    r"""
    我 :: (?<![自忘敌])我(?!国|校|爱|们(?:可以|能够?)?(?:首先)?看[见到])
    您|你 :: (?<!欢迎)(?<!祝)您(?!好[^，。！]{0,4}字)|(?<!迷)你
    语言模型|语言大模型|多模态|助手|作为|本模型 :: 语言(?:大)?模型|多模态(?:大)?模型|助手[：:]|本模型|作为[^，。]{0,8}(?:人工智能|ai|智能体|(?:语言|视觉|多模态|图[像片])[^，。]{0,4}(?:模型|助手|机器人))|(?:^|。)作为[^，。]{0,10}(?:模型|助手|机器人)，[无不本这]
    抱歉|对不起|遗憾|不好意思|恕|很高兴 :: (?:^|[，。！：:])\s*(?:[很真]|非常|十分)?(?:(?:抱歉|对不起|遗憾|不好意思)(?:[，,。！!]|$|[无不未没本这由图该])|遗憾的是[，,]?[^，。]{0,6}(?:图|照片|无法|不能|没有))|(?:^|。)恕难|很高兴(?:为|能|帮)
    好的|当然|没问题|明白|收到|了解|可以的|好呀|是的|不对 :: (?:^|[。！!]|“)\s*(?:好的|当然(?:可以|了|没问题)?|没问题|明白了?|收到|了解|可以的|好呀|是的|不对)[，,。！!：:]
    希望|让我们|题目 :: 希望(?:这|以上|对|能帮|上述|能够?满足)|(?:^|[。！])(?:让我们|(?:根据)?题目要求)
    ~ 用户 :: 用户(?:要求|让|希望|请求|发|提供|上传|想|的问题|的图|需要)
    描述 :: ^(?:请?用一(?:段话|句话|个段落)|详细|简要|仔细|客观)?地?描述(?:一下)?[这该此本上下][张幅面]?图|^这是一段[^，。]{0,8}描述|所有描述均|注意(?:的是)?[，,：:]?[^。]{0,4}描述
    ~ 以下|下面 :: (?:(?:^|[。！：:]\s*)(?:以下|下面)|[，,]\s*以下)(?:是|为|[：:])[^。，]{0,20}(?:描述|说明|介绍|段落|回答|内容)|^(?:以下|下面)是
    描述|段落|回答|说明|介绍 :: (?:描述|说明|介绍)如下|如下(?:描述|说明)|(?:描述|回答)(?:完毕|结束|到此)|(?:这段|以上|上述|本|该|此|这个|上面的|这篇|本段)的?(?:图像|图片|文字|内容)?(?:描述|段落|回答)[均都所]?(?:基于|仅|是(?:基|根|对|准|为)|为|避免|没有|未|旨在|严格|准确|涵盖|符合|力求|，|不含|完全|根据|只|遵循|已|来自|不)
    要求|提供的图|如果|如需|如有 :: (?:根据|按照|遵照|依照)(?:要求(?=[，,。]|$)|所?提供的图)|如[果需有][^，。]{0,8}(?:问题|疑问|帮助|需要)
    翻译|译文|以上|生成 :: (?:^|[。！(（])(?:[中英]文)?(?:翻译|译文)(?:如下)?[：:]|(?:^|[。！])以上(?:就是|是[^。]{0,12}(?:内容|描述|图))|由\s?(?:ai|人工智能)\s?生成
    字数|注：|注:|备注|声明|提示：|说明： :: 字数[：:]|(?:^|[。（(])(?:注|备注|说明|提示|声明|免责声明)[：:]
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


_CALL_MARKS = frozenset("!?！？")
_CALLS = re.compile(
    r"\A[^.!?。！？]{1,45}(?:\?|!(?!\s*[a-z]))|\A[^.!?。！？]{1,14}[！？]|(?:[.!?]\s[^.!?。！？]{1,45}!|[。！？][^.!?。！？]{1,14}！|[?？])\s*\Z"
)
"""A short exclamation or question at the beginning or the end, or any question at the end. Only one of 2,280
good captions ends in an exclamation mark, after 54 characters. Names may contain one: "Yahoo! offices"."""


def refusals(caption: CaptionText) -> float:
    """The number of phrases in which the model refuses, or speaks about itself, its answer or to the user."""
    language = caption.language
    found = _TALK[language.code].count(caption)
    if language.code != "en" and "LATIN" not in language.scripts:
        found += _EN_TALK.count(caption)  # models often refuse in English
    if caption.present_needles(_CALL_MARKS):
        text = caption.unquoted.strip()
        found += sum(not is_inscribed(text, each.end() - 1) for each in _CALLS.finditer(text))
    if not found:
        found = failure_notices(caption.unquoted, caption.image_count, caption.present_needles(NEEDLES))
    return float(found)


REFUSAL = Rule(
    name="refusal",
    measure=refusals,
    version=9,
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

_RELY = "(?:only |solely |strictly |purely |exclusively )?on (?:the |what is )?(?:clearly |directly )?(?:visible )?(?:information|evidence|content|elements)"
_EN_PROMPT = Phrases(rf"""
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

_ZH_PROMPT = Phrases(
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
    version=3,
    needles=_ROLES.needles | _EN_PROMPT.needles | _ZH_PROMPT.needles,
    needs_needle=False,
    threshold=0.0,  # PixelProse and BLIP3-KALE also reject at the first one
    likely_cause="a wrong chat template, so that the model continues the prompt",
)
