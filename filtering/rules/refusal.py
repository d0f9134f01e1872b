"""Rule: the model speaks of itself, of its answer or to the user, in place of describing.

Comes in: a caption. Goes out: the number of such phrases. What stands between quotation marks is the
picture's, not the model's. Not its job: words of the prompt (see prompt_leak), guesses (see hedging).
"""

from __future__ import annotations

from collections.abc import Mapping

from triptych.filtering.caption import CaptionText
from triptych.filtering.rule import Phrases, Rule

_I = (
    "am|was|can|can't|can’t|cannot|could|do|don't|don’t|would|will|won't|won’t|have|see|notice|noticed|observe"
    "|think|believe|must|need|understand|assume|guess|hope|apologize|apologise|recommend|suggest|should|may|might"
    "|did|generated|wrote"
)
_ANSWER = "(?:description|caption|paragraph|summary|response|answer)s?"
_IMAGE = "(?:image|picture|photo|photograph)s?"
_SENT = "(?:provided|given|attached|uploaded|shared|sent)"


def _joined(firsts: str, seconds: str) -> str:
    """Needles: each of one list before each of another."""
    return "|".join(f"{first} {second}" for first in firsts.split("|") for second in seconds.split("|"))


_ENGLISH = Phrases(
    (_joined("i", _I), rf"\bi (?:{_I})\b"),
    ("i'm|i’m|i'd|i’d|i'll|i’ll|i've|i’ve", r"\bi['’](?:m|d|ll|ve)\b"),
    (
        "let me|how can i|how may i|what can i|possible for me",
        r"\blet me\b|\b(?:how|what) (?:can|may) i\b|\bpossible for me\b",
    ),
    (
        _joined("my", "apolog|description|response|answer|knowledge|training|capabilit|analysis"),
        r"\bmy (?:apolog|description|response|answer|knowledge|training|capabilit|analysis)",
    ),
    (
        " ai|a.i.|assistant|language model|vision model|chatbot|artificial intelligence",
        r"\bas an? (?:[\w-]+ ){0,3}?(?:ai|a\.i\.|assistant|(?:language|vision) model|artificial intelligence|chatbot)\b"
        r"|\b(?:an?|this) ai (?:language )?(?:model|assistant|system)|\blanguage model\b",
    ),
    (
        "sorry|apologi|regret",
        r"\b(?:sorry|apologies),? (?:but|for|i)\b|\bwe (?:are sorry|apologi[sz]e|regret)",
    ),
    (
        "unfortunately",
        rf"\bunfortunately,? (?:i|we|it is not possible|the {_IMAGE} (?:could|can|did|is)|no (?:image|description)|there is no (?:image|way))",
    ),
    (
        "able to|cannot|can't|can’t|impossible to",
        r"\b(?:unable|not able|cannot|can['’]t|impossible) (?:to )?(?:(?:view|see|process|access|display|open|load|describe|generate|analy[sz]e"
        rf"|provide|identify) (?:the|this|that|these|those|your|any|an?) (?:\w+ )?(?:{_IMAGE}|{_ANSWER}|content|person|individuals?)\b"
        r"|assist\b|comply\b|fulfil|help (?:you|with)|provide (?:you|any|more|further)|process (?:images|visual)"
        r"|be (?:provided|described)|identify (?:real )?people)",
    ),
    (
        "no image|no picture|no photo",
        rf"\bno {_IMAGE} (?:was |were |has been |is |have been )?(?:{_SENT}|available|received|included)",
    ),
    (
        "not |n't |n’t ",
        rf"\b{_IMAGE} (?:was |is |has |could |did |were |can )?(?:not|n['’]t)(?: been| be)? (?:{_SENT}|available|load|display|access|received)",
    ),
    (
        _joined("provided|given|attached|uploaded", "image|picture|photo|description|text|caption|prompt"),
        rf"\b(?:provided|attached|uploaded) (?:{_IMAGE}|description|text|caption|prompt)\b",
    ),
    (
        "|".join(
            f"{image}{ending} {sent}"
            for image in ("image", "picture", "photo")
            for ending in ("", "s")
            for sent in ("provided", "given", "attached", "uploaded")
        ),
        rf"\b(?:based on|in|from) the {_IMAGE} (?:provided|given|attached|uploaded)\b",
    ),
    (
        "please |kindly ",
        r"(?<!\bto )\b(?:please|kindly) (?:provide|upload|share|let|note|try|feel|attach|send|specify|clarify|give|keep|see|remember|be aware)",
    ),
    (
        "feel free|hope this|hope that|hope it|hope you|happy to|glad to",
        r"\bfeel free\b|\bhope (?:this|that|it|you)\b|\b(?:happy|glad) to (?:help|assist|describe|provide)",
    ),
    (
        " you|anything else",
        r"\b(?:would|do|can|could|if|should) you (?:like|want|need|have any|would|prefer|could|please|provide|require|mind|think)"
        rf"|\bthe {_IMAGE} (?:that )?you\b|\b(?:as|what) you (?:can|asked|requested|see)\b|\bthank you for\b"
        rf"|\byour (?:{_IMAGE}|request|question|instruct|needs)\b|\banything else\b[^.!?]{{0,60}}\?",
    ),
    (
        "the user|the request|as requested|as instructed|as asked",
        r"\bthe user['’]?s? (?:asks|asked|wants|wanted|has (?:asked|provided|requested|uploaded)|is asking|provided|requested|uploaded|did|may"
        r"|might|would|request|question|prompt|query|image|instruction)"
        r"|\b(?:per|to|with|fulfil|meet|for) the (?:request|instruct)|\bas (?:requested|instructed|asked)(?=\s*[,.;:]|\s*$| in the prompt)",
    ),
    (
        "|".join(
            f"{word}{mark}"
            for word in (
                "sure",
                "sure thing",
                "certainly",
                "absolutely",
                "of course",
                "okay",
                "ok",
                "understood",
                "great",
            )
            for mark in "!,.:—"
        ),
        r"(?:^|[.!:]\s*)(?:sure(?: thing)?|certainly|absolutely|of course|okay|ok|understood|great)\s*[!,.:—](?!\d)",
    ),
    (
        "description|caption|paragraph|summary|response|answer",
        rf"\bhere(?:['’]s| is| are| you go| it is)?:?\s?(?:[\w'’-]+[ ]){{0,6}}?{_ANSWER}\b"
        rf"|\b(?:below|following|above) is (?:[\w-]+ ){{0,5}}?{_ANSWER}|\bfollowing (?:is )?(?:a |the )?{_ANSWER}"
        rf"|\b(?:this|the above|the|the previous) (?:\w+ )?{_ANSWER} (?:above |below |provided |given )?"
        r"(?:is (?:based|meant|intended|accurate|as|only|purely|strictly|written)|avoids?|focuses|does not|provides|captures|aims|adheres|contains no|includes only|of the image|should|relies)"
        rf"|\b(?:end of|rewritten|revised|updated) (?:the )?{_ANSWER}|\bin this (?:response|answer)\b",
    ),
    (
        "note|disclaimer|remark|important",
        r"(?:^|[.!(*]\s*)(?:note|disclaimer|important|remark)\s*:|\bnote that (?:this|the|i\b|my)",
    ),
    ("word count", r"\bword count\b"),
    (
        "http",
        r"\b(?:visit|see|refer to|click|source|credits?|available (?:at|from)|more (?:at|information)|link)\b[^.!?]{0,20}https?://",
    ),
    ("translat", r"(?:^|[(.!?]\s*)(?:(?:english|chinese) )?translat(?:ion|ed)(?: \w+){0,4}\s*:"),
)

_CHINESE = Phrases(
    ("抱歉|道歉|对不起|遗憾", r"抱歉|道歉[，。]|对不起|(?:很|非常)遗憾|(?:^|[，。！])遗憾的是"),
    (
        "作为|模型|助手",
        r"作为(?:一[个名款位种])?[^，。]{0,8}(?:人工智能|ai|模型|助手|智能体|机器人)|(?:语言|多模态)大?模型|助手[：:]",
    ),
    (
        "我",
        r"(?<![自忘敌])我(?:们)?(?:无法|不能|没法|没有办法|难以)|我(?:是(?!国)|会|将|可以|能|看到|看不|认为|觉得|想|需要|为您|来(?:为|描)|很|只能|已|尚|并|没|不"
        r"|猜|推|注意|建议|希望|理解|明白|愿|在(?:图|这)|把|对|的(?:描述|回答|分析)|补充|翻译|帮)",
    ),
    (
        "无法|不能",
        r"无法(?:为您|提供|查看|访问|处理您|生成|满足|协助|回答|加载|显示图|识别图|识别您|直接查看|对图|获取|完成您|打开|看到(?:图|任何|您|该)|描述(?:图|该|这|您|具体))"
        r"|不能(?:为您|提供|满足|协助|生成|查看|识别(?:人|图)|对)",
    ),
    ("您", r"(?<!欢迎)(?<!祝)您(?!好[^，。！]{0,4}字)"),
    (
        "请",
        r"(?<![邀申聘宴约])请(?:您|提供|上传|告诉|重新|问|注意(?![安脚])|随时|稍|参考|分享|告知|发送|给出|检查|允许|放心|说明|指定|确认|忽略)",
    ),
    ("希望", r"希望(?:这|以上|对|能帮|我|上述|能够?满足)"),
    (
        "没有|未|图片无法|图像无法",
        r"(?:没有|未)(?:看到|提供|上传|收到|检测到|附上|接收到|找到)(?:任何|有效|具体|相关|可用)?的?(?:图|照片)"
        r"|图[片像](?:未能|无法|没有|未)(?:加载|上传|打开|提供|成功|正常|显示(?:出来|成功|[，。]|$))",
    ),
    (
        "以下|下面|如下",
        r"(?:(?:^|[。！：:]\s*)(?:以下|下面)|[，,]\s*以下)(?:是|为|[：:])[^。，]{0,20}(?:描述|说明|介绍|段落|回答|内容)|(?:描述|说明|介绍)如下|如下(?:描述|说明)|^(?:以下|下面)是",
    ),
    (
        "|".join(f"{word}{mark}" for word in ("好的", "可以的", "是的", "收到") for mark in "，,。！!：:")
        + "|当然|没问题|明白|了解|好呀",
        r"(?:^|[。！!]|“)\s*(?:好的|当然(?:可以|了|没问题)?|没问题|明白了?|收到|了解|可以的|好呀|是的)[，,。！!：:]",
    ),
    (
        "描述|段落|说明|回答",
        r"(?:这段|以上|上述|本|该|此|这个|上面的|这篇|本段)的?(?:图像|图片|文字|内容)?(?:描述|段落|说明|回答)[均都所]?(?:基于|仅|是(?:基|根|对|准|为)|为|避免|没有|未|旨在|严格|准确|涵盖|符合|力求|，|不含|完全|根据|只|遵循|已|来自|不)"
        r"|注意(?:的是)?[，,：:]?[^。]{0,4}描述|(?:描述|回答)(?:完毕|结束|到此)",
    ),
    (
        "根据|按照|遵照|依照|应您|应用户",
        r"(?:根据|按照|遵照|应|依照)(?:您|你|用户|(?:上述|以上)?(?:要求|指令|提示词?)(?=[，,。：:]|的?(?:描述|生成|图)|$)|上述|以上要求)",
    ),
    (
        "如果|如需|如有",
        r"如[果需有][^。]{0,12}(?:需要|帮助|其他问题|疑问|更多|进一步)[^。]{0,14}(?:请|随时|告诉|告知|欢迎|可以|我)",
    ),
    ("用户", r"用户(?:要求|提供|上传|想|的问题|的图|希望|请求|需要(?:的|我|描述|一))"),
    ("你", r"(?:感谢|谢谢)你|你(?:提供|上传|的图|好|可以|想|需要|发|给|要求|是否|能|所|有什么)"),
    (
        "吗|呢|怎么样|如何|什么",
        r"(?:^|[。！!.])[^。！!？?]{0,40}(?:吗|呢|怎么样|如何|什么[^，。？?]{0,6})[？?]\s*$",
    ),
    ("http", r"(?:访问|参见|参考|来源|详见|点击|链接|信息|查看)[^。]{0,8}https?://"),
    ("翻译|译文", r"(?:翻译|译文)(?:如下)?[：:]"),
    (
        "字数|注：|注:|备注|声明|提示：|说明：",
        r"字数[：:]|(?:^|[。（(])(?:注|备注|说明|提示|声明|免责声明)[：:]",
    ),
)


def _plain(phrases: str, *, are_words: bool = True) -> Phrases:
    """Phrases that are looked for as they stand; ``are_words``: with no letter on either side."""
    either = phrases.replace(".", r"\.")
    return Phrases((phrases, rf"(?<!\w)(?:{either})(?!\w)" if are_words else either))


_OTHERS = {
    "ja": _plain(
        "申し訳あり|申し訳ござい|ごめんなさい|aiとして|aiアシスタント|言語モデル|お手伝いでき|できかねます|ご提供ください|ご質問|承知しました|以下に説明",
        are_words=False,
    ),
    "ko": _plain(
        "죄송합니다|ai로서|ai 어시스턴트|언어 모델|도와드릴|도와 드릴|제공해 주세요|제공해 주시|말씀해 주|물론입니다|알겠습니다|다음은 이미지",
        are_words=False,
    ),
    "fr": _plain(
        "je suis désolé|désolé, mais|en tant qu'ia|en tant qu’ia|modèle de langage|je ne peux pas|je ne suis pas en mesure|je peux voir|n'hésitez pas|n’hésitez pas|voici une description|voici la description|bien sûr !|bien sûr, voici"
    ),
    "de": _plain(
        "es tut mir leid|tut mir leid|als ki|als ki-modell|sprachmodell|ich kann|ich bin nicht in der lage|ich sehe|hier ist die beschreibung|hier ist eine beschreibung|lassen sie mich wissen"
    ),
    "es": _plain(
        "lo siento|como ia|modelo de lenguaje|no puedo|puedo ver|aquí está la descripción|aquí tienes|por supuesto,|no dudes en"
    ),
    "pt": _plain(
        "sinto muito|desculpe|como ia|modelo de linguagem|não posso|não consigo ver|posso ver|aqui está a descrição|aqui está uma descrição"
    ),
    "ru": _plain(
        "извините|к сожалению, я|прошу прощения|как ии|языковая модель|я не могу|я вижу|вот описание"
    ),
    "ar": _plain("عذرًا|عذراً|آسف|نموذج لغوي|لا أستطيع|لا يمكنني|إليك وصف"),
    "hi": _plain("क्षमा करें|माफ़ करें|भाषा मॉडल|मैं नहीं|मैं देख|यहाँ विवरण", are_words=False),
    "vi": _plain(
        "xin lỗi|tôi không thể|tôi có thể|mô hình ngôn ngữ|trợ lý ai|dưới đây là mô tả|chắc chắn rồi"
    ),
    "th": _plain("ขออภัย|ขอโทษ|ฉันไม่สามารถ|โมเดลภาษา|นี่คือคำอธิบาย", are_words=False),
    "pl": _plain("przepraszam|jako ai|model językowy|nie mogę|oto opis"),
}
"""The commonest phrases of these languages, as models say them."""

_PHRASES: Mapping[str, Phrases] = {"en": _ENGLISH, "zh": _CHINESE, **_OTHERS}


def refusals(caption: CaptionText) -> float:
    """The number of places where the model refuses, speaks of itself or of its answer, or to the user."""
    language = caption.language
    found = _PHRASES[language.code].count(caption)
    if language.code != "en" and "LATIN" not in language.scripts:
        found += _ENGLISH.count(caption)  # the language that models refuse in
    return float(found)


REFUSAL = Rule(
    name="refusal",
    measure=refusals,
    threshold=0.0,  # a description of a picture has none
    languages=frozenset(_PHRASES),
    needles=frozenset().union(*(phrases.needles for phrases in _PHRASES.values())),
    likely_cause="a chat model that wasn't given the images, or a prompt that invites conversation",
)
