"""Rule: the model speaks about itself, about its answer or to the user instead of describing.

Comes in: a caption. Goes out: the number of such phrases outside quotation marks. Not its job: words of the
prompt (see prompt_leak), guesses (see hedging).
"""

from __future__ import annotations

import re

from triptych.failure_notices import NEEDLES, failure_notices
from triptych.filtering.caption import CaptionText, is_inscribed
from triptych.filtering.rule import Phrases, Rule

_ANSWERS = "description|caption|paragraph|summary|response|answer"
_ANSWER = f"(?:{_ANSWERS})s?"
_SAYS_OF_IT = (
    "(?:is (?:based|meant|intended|accurate|as|only|purely|strictly)|avoids?|focuses|does not|provides|captures"
    "|aims|adheres|contains no|includes only|of the image|should|relies)"
)
_IMAGE = "(?:image|picture|photo|photograph)s?"
_SENT = "(?:provided|given|attached|uploaded|shared|sent|available)"
_CANNOT = "(?:unable|not able|cannot|can['’]t|impossible)(?: to)?"
_WHAT = (
    rf"(?:the|this|that|these|those|your|any|an?) (?:\w+ )?(?:{_IMAGE}|{_ANSWER}|content|person|individuals?)"
)

_ENGLISH = Phrases(rf"""
    i can|i could :: \bi (?:can|could)\b(?!(?: \w+)? be\b)
    i am|i was|i can't|i can’t|i cannot|i do|i don't|i don’t|i would|i will|i won't|i won’t|i have
    i see|i notice|i noticed|i observe|i think|i believe|i must|i need|i understand|i assume|i guess|i hope
    i apologize|i apologise|i recommend|i suggest|i should|i may|i might|i did|i generated|i wrote
    let's|let’s|let us|we need|we should|we must|we have to|we could|we can't|we can’t|we cannot|we will|we won't|we won’t|we are unable|we are asked
    i'm|i’m|i'd|i’d|i'll|i’ll|i've|i’ve|let me|how can i|how may i|what can i|what may i|possible for me
    my apology|my apologies|my description|my response|my answer|my knowledge|my training|my capabilities|my analysis
    language model|an ai model|an ai assistant|an ai system|feel free
    hope :: (?:^|[.!]\s*)hope (?:this|that|it|you)\b
    happy to help|happy to assist|happy to describe|happy to provide|glad to help|glad to assist|glad to describe|glad to provide
    thank you for|you asked|you requested|as you can|as you see|what you see|the image you|the images you|the picture you|the photo you
    your image|your images|your picture|your photo|your request|your question|your questions|your instructions|your needs
    cannot be provided|cannot be described|can't be provided|in this response|in this answer|word count|per the request|to the request|meet the request
    a.i.|artificial intelligence|chatbot|vision|multimodal|captioning| ai :: \bas an? (?:[\w-]+ ){{0,3}}?(?:ai|a\.i\.|(?:vision|multimodal|captioning) (?:model|system|assistant)|artificial intelligence|chatbot)\b
    sorry|apologi|regret :: \b(?:sorry|apologies),? (?:but|for|i)\b|\bwe (?:are sorry|apologi[sz]e|regret)
    unfortunately :: \bunfortunately,? (?:i|we|it is not possible|the {_IMAGE} (?:could|can|did|is)|no (?:image|description)|there is no (?:image|way))
    able to|cannot|can't|can’t|impossible to :: \b{_CANNOT} (?:view|see|process|access|display|open|load|describe|generate|analy[sz]e|provide|identify) {_WHAT}\b
    able to|cannot|can't|can’t|impossible to :: \b{_CANNOT} (?:assist|comply|help (?:you|with)|fulfil|provide (?:you|any|more|further)|process (?:images|visual)|identify (?:real )?people)
    no image|no picture|no photo :: \bno {_IMAGE} (?:was |were |has been |is |have been )?(?:{_SENT}|received|included)
    n't|n’t| not :: \b{_IMAGE} (?:was |is |has |could |did |were |can )?(?:not|n['’]t)(?: been| be)? (?:{_SENT}|load|display|access|received)
    provided :: \bprovided (?:{_IMAGE}|description|text|caption|prompt)\b
    ~ attached|uploaded :: \b(?:attached|uploaded) (?:{_IMAGE}|description|text|caption|prompt)\b
    provided|given|attached|uploaded :: \b(?:based on|in|from) the {_IMAGE} (?:provided|given|attached|uploaded)\b
    please|kindly :: (?<!\bto )\b(?:please|kindly) (?:provide|upload|share|let|note|try|feel|attach|send|specify|clarify|give|keep|see|remember|be aware)
    would you|do you|can you|could you|if you|should you :: \b(?:would|do|can|could|if|should) you (?:like|want|need|have any|would|prefer|could|please|provide|require|mind|think)
    the user :: \bthe user['’]?s? (?:asks|asked|wants|wanted|is asking|requested|has (?:asked|requested)|instruction|query)
    ~ the user :: \bthe user['’]?s? (?:(?:has )?(?:provided|uploaded)|did|may|might|would|request|question|prompt|image)
    as requested|as instructed|as asked :: \bas (?:requested|instructed|asked)(?=\s*[,.;:]|\s*$| in the prompt)
    sure!|sure,|sure.|sure:|sure thing|ok!|ok,|ok.|ok:|great!|great,|great.|great: :: (?:^|[.!]\s*)(?:sure(?: thing)?|ok|great)\s*[!,.:—](?!\d)
    certainly|absolutely|of course|okay|understood :: (?:^|[.!]\s*)(?:certainly|absolutely|of course|okay|understood)\s*[!,.:—](?!\d)
    {_ANSWERS} :: \bhere(?:['’]s| is| are| you go| it is)?:?\s?(?:[\w'’-]+ ){{0,6}}?{_ANSWER}\b
    ~ {_ANSWERS} :: \b(?:below|following|above) is (?:[\w-]+ ){{0,5}}?{_ANSWER}|\bfollowing (?:is )?(?:a |the )?{_ANSWER}
    {_ANSWERS} :: \b(?:this|the|the above|the previous) (?:\w+ )?{_ANSWER} (?:above |below |provided |given )?{_SAYS_OF_IT}
    {_ANSWERS} :: \b(?:end of|rewritten|revised|updated) (?:the )?{_ANSWER}
    describe|write|provide|give|generate|tell me :: ^(?:please )?(?:describe|write|provide|give|generate|tell me about) (?:[\w-]+ ){{0,5}}?(?:{_ANSWERS}|{_IMAGE})\b
    ~ the prompt|the question|the instruction :: \bthe (?:prompt|question|instructions?) (?:asks?|says?|requires?|wants?)\b|\bresponse to the (?:prompt|question|instructions?)\b
    analyzing|analysing|reviewing|examining :: (?:^|[.!]\s*)(?:upon|after|by) (?:analy[sz]ing|reviewing|examining) the {_IMAGE}
    wait, :: (?:^|[.!]\s*)wait,
    note|disclaimer|remark|important|source:|total words|credit :: (?:^|[.!(*]\s*)(?:note|disclaimer|important|remark|source|total words|(?:{_IMAGE} )?credits?)\s*:|[.!]\s*{_IMAGE} by [^.]{{3,60}}[.]?$|\bnote that (?:this|the|i\b|my)
    generated|concludes :: (?:^|[.!?]\s*)(?:(?:this |the )?{_ANSWER} (?:was |is )?)?generated (?:by|with)\b|\bconcludes (?:the|this|my) {_ANSWER}\b
    http :: \b(?:visit|see|refer to|click|source|credits?|available (?:at|from)|more (?:at|information)|link)\b[^.!?]{{0,20}}https?://
    translat :: (?:^|[(.!?]\s*)(?:(?:english|chinese) )?translat(?:ion|ed)(?: \w+){{0,4}}\s*:
""")

_CHINESE = Phrases(
    r"""
    语言模型|语言大模型|多模态模型|多模态大模型|助手：|助手:|感谢你|谢谢你
    抱歉|对不起|遗憾 :: (?:^|[，。！：:])\s*(?:[很真]|非常|十分)?(?:(?:抱歉|对不起|遗憾)(?:[，,。！!]|$|[无不未没我本这由图该])|遗憾的是[，,]?[^，。]{0,6}(?:图|照片|无法|不能|没有))
    作为 :: 作为(?:一[个名款位种])?[^，。]{0,8}(?:人工智能|ai|智能体|(?:语言|视觉|多模态|图[像片])[^，。]{0,4}(?:模型|助手|机器人))|(?:^|。)作为[^，。]{0,10}(?:模型|助手|机器人)，(?:我|无|不|本|这)
    本模型|很高兴|恕|不对 :: 本模型|很高兴(?:为|能|帮)|(?:^|。)(?:恕[我难]|不对[，,])
    描述 :: ^(?:请?(?:你|您)?用一(?:段话|句话|个段落)|详细|简要|仔细|客观)?地?描述(?:一下)?[这该此本上下][张幅面]?图|^这是一段[^，。]{0,8}描述|所有描述均
    我 :: (?<![自忘敌])我(?:们)?(?:无法|不能|没法|没有办法|难以)
    我 :: 我(?:是(?!国)|会|将|可以|能|看到|看不|认为|觉得|想|需要|为您|来(?:为|描)|很|只能|已|尚|并|没|不|猜|推|注意|建议|希望|理解|明白|愿|在(?:图|这)|把|对|的(?:描述|回答|分析)|补充|翻译|帮)
    无法|不能 :: (?:无法|不能)(?:为您|满足|协助|回答|直接查看|对图|识别人|看到(?:该?图(?![片像]?[中里])|任何(?:图|内容|信息)|您))
    无法|不能 :: (?:无法|不能)(?:提供|查看|访问|生成|加载|获取|打开|处理|显示|识别|描述|完成)[^，。的]{0,6}(?:图(?![片像]?[中里])|照片(?![中里])|链接|附件|内容|请求|信息|描述|您|具体)
    您 :: (?<!欢迎)(?<!祝)您(?!好[^，。！]{0,4}字)
    请 :: (?<![邀申聘宴约])请(?:您|换一?[张幅]|提供|上传|告诉|重新|问|注意(?![安脚])|随时|稍|参考|分享|告知|发送|给出|检查|允许|放心|说明|指定|确认|忽略)
    希望 :: 希望(?:这|以上|对|能帮|我|上述|能够?满足)
    没有|未 :: (?:没有|未)(?:看到|提供|上传|收到|检测到|附上|接收到|找到)(?:任何|有效|具体|相关|可用)?的?(?:图|照片)
    ~ 以下|下面 :: (?:(?:^|[。！：:]\s*)(?:以下|下面)|[，,]\s*以下)(?:是|为|[：:])[^。，]{0,20}(?:描述|说明|介绍|段落|回答|内容)|^(?:以下|下面)是
    如下 :: (?:描述|说明|介绍)如下|如下(?:描述|说明)
    让我们|题目|不好意思 :: (?:^|[。！])(?:让我们|(?:根据)?题目要求|不好意思[，,])
    好的|当然|没问题|明白|收到|了解|可以的|好呀|是的 :: (?:^|[。！!]|“)\s*(?:好的|当然(?:可以|了|没问题)?|没问题|明白了?|收到|了解|可以的|好呀|是的)[，,。！!：:]
    描述|段落|回答 :: (?:这段|以上|上述|本|该|此|这个|上面的|这篇|本段)的?(?:图像|图片|文字|内容)?(?:描述|段落|回答)[均都所]?(?:基于|仅|是(?:基|根|对|准|为)|为|避免|没有|未|旨在|严格|准确|涵盖|符合|力求|，|不含|完全|根据|只|遵循|已|来自|不)
    描述|回答 :: 注意(?:的是)?[，,：:]?[^。]{0,4}描述|(?:描述|回答)(?:完毕|结束|到此)
    根据|按照|遵照|依照|应您|应用户 :: (?:根据|按照|遵照|应|依照)(?:您|你|用户|所?提供的图|上述|以上要求)|(?:^|[，。！：:])(?:根据|按照|遵照|依照)(?:要求|指令|提示词?)(?=[，,。：:]|的?(?:描述|生成|图)|$)
    如果|如需|如有 :: 如[果需有][^。]{0,12}(?:需要|帮助|其他问题|疑问|更多|进一步)[^。]{0,14}(?:请|随时|告诉|告知|欢迎|可以|我)
    用户 :: 用户(?:要求|让|希望|请求|想要?(?:知道|了解|得到)|需要(?:我|描述|一段))
    ~ 用户 :: 用户(?:发|提供|上传|想|的问题|的图|需要(?:的|一))
    你 :: 你(?:提供|上传|的图|好|可以|想|需要|发|给|要求|是否|能|所|有什么)
    http :: (?:访问|参见|参考|来源|详见|点击|链接|信息|查看)[^。]{0,8}https?://
    翻译|译文 :: (?:^|[。！(（])(?:[中英]文)?(?:翻译|译文)(?:如下)?[：:]
    以上|生成 :: (?:^|[。！])以上(?:就是|是[^。]{0,12}(?:内容|描述|图))|由\s?(?:ai|人工智能)\s?生成
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

_PHRASES = {"en": _ENGLISH, "zh": _CHINESE} | {
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
    found = _PHRASES[language.code].count(caption)
    if language.code != "en" and "LATIN" not in language.scripts:
        found += _ENGLISH.count(caption)  # models often refuse in English
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
    languages=frozenset(_PHRASES),
    needles=NEEDLES.union(_CALL_MARKS, *(phrases.needles for phrases in _PHRASES.values())),
    likely_cause="a chat model that wasn't given the images, or a prompt that invites conversation",
)
