"""Rules: whose voice speaks. The model about itself or to the user, or the prompt.

Comes in: a candidate. Goes out: how many such phrases it has. What stands between quotation marks is
the picture's, not the model's. Not its job: the bounds (see config), guesses (see speculation).
"""

from __future__ import annotations

import re
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.block import Block, look_where
from triptych.filtering.candidate import Candidate
from triptych.filtering.cues import Cues

_ANSWER = r"(?:descriptions?|captions?|paragraphs?|summary|response|answer)"

_TALK = Cues(
    (
        "i im id ill ive my me",
        r"\b(?:i['’]m|i am)\s+(?:very |so |really |truly )?(?:sorry|unable|not able|afraid|an ai|a (?:large )?language|happy|glad"
        r"|here to|just|only|designed|programmed|trained|currently|going to|looking)"
        r"|\bi\s+(?:apologi[sz]e|can(?:not|['’]t| not)|can (?:see|help|describe|provide|tell|only|observe|assist|try|offer)"
        r"|could|do(?: not|n['’]t)|would|will|have|was|see|notice|observe|think|believe|must|need|understand|assume|guess"
        r"|hope|wo(?:n['’]t)|recommend|suggest|should|may|might|did|noticed|generated|wrote)\b"
        r"|\bi['’](?:d|ll|ve)\b|\blet me\b|\bmy (?:apologies|description|response|answer|knowledge|training|capabilit|analysis)"
        r"|\b(?:how|what) (?:can|may) i\b|\bpossible for me\b",
    ),
    (
        "ai assistant artificial chatbot model",
        r"\bas an? (?:[\w-]+ ){0,3}?(?:ai|a\.i\.|assistant|language model|artificial intelligence|chatbot|vision model|model)\b"
        r"|\b(?:an?|this) ai (?:language )?(?:model|assistant|system)|\b(?:large |vision[- ])?language model\b",
    ),
    (
        "sorry apologise apologize apologies unfortunately regret",
        r"\b(?:sorry|apologies),? (?:but|for|i)\b|\bwe (?:are sorry|apologi[sz]e|regret)"
        r"|\bunfortunately,? (?:i|we|it is not possible|the (?:image|photo|picture) (?:could|can|did|is)|no (?:image|description)|there is no (?:image|way))",
    ),
    (
        "unable cannot cant able impossible",
        r"\b(?:unable|not able|cannot|can['’]t|impossible) (?:for me )?to (?:(?:view|see|process|access|display|open|load|describe|generate|analy[sz]e|provide|identify) (?:the|this|that|these|those|your|any|an?) (?:\w+ )?(?:images?|pictures?|photos?|photographs?|descriptions?|captions?|content|person|individuals?)\b|assist\b|comply\b|fulfil|help (?:you|with)|provide (?:you|any|more|further)|process (?:images|visual))"
        r"|\bcan(?:not|['’]t) (?:be )?(?:assist|help with|fulfil|comply|provide|describe|process|view|access|generate|identify (?:real )?people)",
    ),
    (
        "no",
        r"\bno (?:image|picture|photo)s? (?:was |were |has been |is |have been )?(?:provided|attached|uploaded|available|received|included)",
    ),
    (
        "not nt",
        r"\b(?:image|picture|photo)s? (?:was |is |has |could |did |were |can )?(?:not|n['’]t)(?: been| be)? (?:provided|attached|uploaded|available|load|loaded|display|displayed|accessible|accessed|received)",
    ),
    (
        "provided given attached uploaded",
        r"\b(?:the )?(?:provided|attached|uploaded) (?:image|images|picture|photo|photograph|description|text|caption|prompt)\b"
        r"|\b(?:based on|in|from) the (?:images?|pictures?|photos?) (?:provided|given|attached|uploaded)\b",
    ),
    (
        "please kindly",
        r"\b(?<!\bto )(?:please|kindly) (?:provide|upload|share|let|note|try|feel|attach|send|specify|clarify|give|keep|see|remember|be aware)",
    ),
    (
        "feel free hope happy glad let",
        r"\bfeel free\b|\blet me know\b|\bhope (?:this|that|it|you)\b|\b(?:happy|glad) to (?:help|assist|describe|provide)",
    ),
    (
        "you your youve user request requested instructed thank anything",
        r"\b(?:would|do|can|could|if|should) you (?:like|want|need|have any|would|prefer|could|please|provide|require|mind|think)"
        r"|\banything else\b[^.!?]{0,60}\?"
        r"|\bas (?:you )?(?:requested|instructed|asked)\b(?= in the (?:prompt|instruct|task)|\s*[,.;:]|\s*$)|\b(?:per|to|with|fulfil|meet|for) (?:your|the) (?:request|instruct|question|needs)"
        r"|\b(?:the|this|an?|these) (?:image|images|picture|pictures|photo|photos) (?:that )?you(?:['’]ve| have)? (?:provided|shared|uploaded|sent|attached|gave|posted)"
        r"|\byour (?:image|photo|picture)s?\b|\bthe user (?:asks|asked|wants|wanted|has (?:asked|provided|requested|uploaded)|is asking|provided|requested|uploaded|did|may|might|would)\b|\bthe user['’]s (?:request|question|prompt|query|image|instruction)|\bthank you for\b|\b(?:as|what) you (?:can|asked|requested|see)\b",
    ),
    (
        "sure certainly absolutely course okay ok understood got great problem",
        r"(?:^|[.!:]\s*)(?:sure(?: thing)?|certainly|absolutely|of course|okay|ok|understood|got it|great|no problem)\s*[!,.:—](?!\d)",
    ),
    (
        "description descriptions caption captions paragraph summary response answer",
        rf"\bhere(?:['’]s| is| are| you go| it is)?:?\s?(?:[\w'’-]+[ ]){{0,6}}?{_ANSWER}\b"
        rf"|\b(?:below|following|above) is (?:[\w-]+ ){{0,5}}?{_ANSWER}|\bfollowing (?:is )?(?:a |the )?{_ANSWER}"
        rf"|\b(?:this|the above|the|my|the previous) (?:\w+ )?{_ANSWER} (?:above |below |provided |given )?(?:is (?:based|meant|intended|accurate|as|only|purely|strictly|written)|avoids?|focuses|does not|provides|captures|aims|adheres|contains no|includes only|of the image|should|relies)"
        rf"|\b(?:end of|rewritten|revised|updated) (?:the )?{_ANSWER}|\bin (?:this|my) (?:response|answer)\b|\bnote that (?:this|the|my)\b",
    ),
    (
        "note disclaimer remark important",
        r"(?:^|[.!(*]\s*)(?:please )?(?:note|disclaimer|important|remark)\s*:|\bnote that (?:this (?:is|image)|i\b|my)",
    ),
    ("count", r"\bword count\b"),
    (
        "https http",
        r"\b(?:visit|see|refer to|click|source|credits?|available (?:at|from)|more (?:at|information)|link)\b[^.!?]{0,20}https?://",
    ),
    (
        "translation translated",
        r"(?:^|[(.!?]\s*)(?:(?:english|chinese) )?translat(?:ion|ed)(?: \w+){0,4}\s*:",
    ),
)


def _before_a_mark(words: str) -> str:
    """Needles: each of these words with each mark that may stand behind an answer's first word."""
    return " ".join(word + mark for word in words.split() for mark in "，,。！!：:")


_TALK_HAN = Cues(
    ("歉 对不起 遗憾", r"抱歉|道歉[，。]|(?:真的|非常|十分)?对不起|(?:很|非常)遗憾|(?:^|[，。！])遗憾的是"),
    (
        "作为 模型 人工智能 助手 机器人",
        r"作为(?:一[个名款位种])?[^，。]{0,8}(?:人工智能|AI|语言模型|大模型|助手|模型|智能体|机器人)"
        r"|(?:语言|多模态)大?模型|助手[：:]",
    ),
    (
        "我",
        r"(?<![自忘敌])我(?:们)?(?:无法|不能|没法|没有办法|难以)|我(?:是(?!国)|会|将|可以|能|看到|看不|认为|觉得|想|需要|为您|来(?:为|描)|很|只能|已|尚|并|没|不"
        r"|猜|推|注意|建议|希望|理解|明白|愿|在(?:图|这)|把|对|的(?:描述|回答|分析)|补充|翻译|帮)",
    ),
    (
        "无法 不能",
        r"无法(?:为您|提供|查看|访问|处理您|生成|满足|协助|回答|加载|显示图|识别图|识别您|直接查看|对图|获取|完成您|打开|看到(?:图|任何|您|该)|描述(?:图|该|这|您|具体))"
        r"|不能(?:为您|提供|满足|协助|生成|查看|识别(?:人|图)|对)",
    ),
    ("您", r"(?<!欢迎)(?<!祝)您"),
    (
        "请",
        r"(?<![邀申聘宴约])请(?:您|提供|上传|告诉|重新|问|注意(?![安脚])|随时|稍|参考|分享|告知|发送|给出|检查|允许|放心|说明|指定|确认|忽略)",
    ),
    ("希望", r"希望(?:这|以上|对|能帮|我|上述|能够?满足)"),
    (
        "没有 未 图片无法 图像无法",
        r"(?:没有|未)(?:看到|提供|上传|收到|检测到|附上|接收到|找到)(?:任何|有效|具体|相关|可用)?(?:的)?(?:图|照片)"
        r"|图(?:片|像)(?:未能|无法|没有|未)(?:加载|上传|打开|提供|成功|正常|显示(?:出来|成功|[，。]|$))",
    ),
    (
        "以下是 以下为 以下： 以下: 下面是 下面为 下面： 下面: 描述如下 说明如下 介绍如下 如下描述 如下说明",
        r"(?:(?:^|[。！：:]\s*)(?:以下|下面)|[，,]\s*以下)(?:是|为|[：:])[^。，]{0,20}(?:描述|说明|介绍|段落|回答|内容)|(?:描述|说明|介绍)如下|如下(?:描述|说明)|^(?:以下|下面)是",
    ),
    (
        f"{_before_a_mark('好的 可以的 是的 了解 收到')} 当然 没问题 明白 好呀",
        r"(?:^|[。！!]|“)\s*(?:好的|当然(?:可以|了|没问题)?|没问题|明白了?|收到|了解|可以的|好呀|是的)[，,。！!：:]",
    ),
    (
        "描述 段落 说明 回答",
        r"(?:这段|以上|上述|本|该|此|这个|上面的|这篇|本段)(?:的)?(?:图像|图片|文字|内容)?(?:描述|段落|说明|回答)(?:均|都|所)?(?:基于|仅|是(?:基|根|对|准|为)|为|避免|没有|未|旨在|严格|准确|涵盖|符合|力求|，|不含|完全|根据|只|遵循|已|来自|不)"
        r"|注意(?:的是)?[，,：:]?[^。]{0,4}描述|(?:描述|回答)(?:完毕|结束|到此)",
    ),
    (
        "根据 按照 遵照 应 依照",
        r"(?:根据|按照|遵照|应|依照)(?:您|你|用户|(?:上述|以上)?(?:要求|指令|提示词?)(?=[，,。：:]|的?(?:描述|生成|图)|$)|上述|以上要求)",
    ),
    (
        "如果 如需 如有",
        r"如(?:果|需|有)[^。]{0,12}(?:需要|帮助|其他问题|疑问|更多|进一步)[^。]{0,14}(?:请|随时|告诉|告知|欢迎|可以|我)",
    ),
    ("用户", r"用户(?:要求|提供|上传|想|的问题|的图|希望|请求|需要(?:的|我|描述|一))"),
    ("感谢 谢谢", r"感谢(?:您|你)|谢谢(?:您|你)"),
    ("你", r"你(?:提供|上传|的图|好|可以|想|需要|发|给|要求|是否|能|所|有什么)"),
    (
        "吗 呢 怎么样 如何 什么",
        r"(?:^|[。！!.])[^。！!？?]{0,40}(?:吗|呢|怎么样|如何|什么[^，。？?]{0,6})[？?]\s*$",
    ),
    (
        "访问 参见 参考 来源 详见 点击 链接 信息 查看",
        r"(?:访问|参见|参考|来源|详见|点击|链接|信息|查看)[^。]{0,8}https?://",
    ),
    ("翻译 译文", r"(?:翻译|译文)(?:如下)?[：:]"),
    ("字数 注： 注: 备注 声明 提示：", r"字数[：:]|(?:^|[。（(])(?:注|备注|说明|提示|声明|免责声明)[：:]"),
    han=True,
)

_PROMPT = Cues(
    (
        "speculative speculation speculations speculate speculating overspeculation speculated",
        r"\bover[ -]?speculat|\b(?:avoid(?:s|ed|ing)?|without|no|any|free (?:of|from)|refrain\w* from|not?) (?:any |generating |making |further |unnecessary |undue )*speculat|\bspeculative content\b",
    ),
    (
        "paragraph paragraphs",
        r"\b(?:single|one)[ -]paragraph (?:description|caption|summary|format|response|answer|without|with no)"
        r"|\b(?:in|into|within|as|using?|to) (?:only )?(?:an? )?(?:single|one)[ -]paragraph\b"
        r"|\b(?:use|uses|using|avoid\w*|without|no|not) (?:\w+ ){0,2}multiple paragraphs\b",
    ),
    ("break breaks", r"line(?<=\bline)[ -]?breaks?\b"),
    (
        "generate generating given accurate",
        r"\bgenerat(?:e|ing) an? (?:accurate|detailed|description|single|caption)|\bbased on (?:the|these) given images?\b|\baccurate(?:,| and)? (?:single|concise)",
    ),
    (
        "information evidence content contents elements",
        r"\b(?:based|rely|relies|relying) (?:only |solely |strictly |purely |exclusively )?on (?:the |what is )?(?:clearly |directly )?(?:visible )?(?:information|evidence|content|elements)\b|\bfocus\w* (?:only |solely |strictly |purely |exclusively )on (?:the |what is )?(?:clearly |directly )?(?:visible )?(?:information|evidence|content|elements)\b|\bclearly visible information\b",
    ),
    (
        "not ensure refer state describe",
        r"(?:^|[.!?:;]\s*)(?:please )?do not (?:use|include|generate|mention|speculate|add)\b|\brefer to each image\b|\bensure (?:that )?(?:the|your) description|\bstate what the images share\b|\bdescribe (?:the|this|these|each) (?:following )?(?:image|picture|photo)s?\b(?! as| is)",
    ),
    (
        "instruction instructions prompt guidelines",
        r"\b(?:given|your|above|provided|the prompt['’]?s?) (?:instructions?|prompt|guidelines?)\b|\b(?:follow\w*|per|adher\w* to|in line with|meets?) (?:the|these) (?:instructions?|guidelines?|prompt)(?: of|,|\.|$)|\bthe prompt (?:asks|says|states|requires|asked|requested|specifies|instructs)\b|\b(?:by|in) the prompt\b",
    ),
    (
        "user human assistant system instruction instructions question answer prompt input output response q",
        r"(?:^|[\n.!?]\s*)[#*\s]*(?:user|human|assistant|system|instructions?|question|answer|prompt|input|output|response|q|a)\**\s*[:：]|\bwhat (?:is|are|can be) (?:shown|seen|visible|depicted)[^.?]{0,30}\?",
    ),
)

_PROMPT_HAN = Cues(
    (
        "单段 多段 换行",
        r"单段(?:落)?(?:的)?(?:描述|文字|落)|准确(?:的)?单段|多段(?:落)?或|换行符|(?:使用|不要|无|没有|多段|避免|未)[^，。]{0,4}换行",
    ),
    ("请勿", r"请勿(?:使用|换|多段|推|生成|包含)"),
    (
        "推测 猜测 臆测 揣测",
        r"推测性|过度推测|(?:避免|不要|不做|无|没有|未做|未作|不带有?|不含|禁止|未进行|不进行|不包含)(?:任何|生成|做|作|进行|过多|过度|带有|使用|做出|其他|多余|主观)*(?:的)?(?:推测|猜测|臆测|揣测)",
    ),
    ("清晰可见的", r"(?:基于|根据|依据|仅|只|图[像片]中)[^。，]{0,8}清晰可见的(?:信息|内容)"),
    ("给定 所给", r"(?:基于|根据)?(?:给定|所给)的?[^。]{0,6}(?:图像|图片|信息)"),
    ("避免生成 生成", r"避免生成|生成(?:一段|一个|一份|基于|准确|对|图像|图片)[^。]{0,12}(?:描述|说明|单段)"),
    ("确保描述 保证描述 确保", r"(?:确保|保证)(?:该|本|您的)?描述"),
    ("编号", r"(?:按|根据|依据)(?:照)?编号(?:来|逐一|分别|依次)?(?:指代|提及|称呼|描述|说明|提到|引用)"),
    (
        "请",
        r"(?<![邀申聘宴提约])请(?:按|用(?!餐)|描述|生成|详细|根据|说明|为(?:这|图|以)|写|简要|确保|不要(?:使用|换|推)|避免|仔细(?:观|描)|以(?:一|单)|使用(?:一|单|中|简)|将(?:图|这)|基于)",
    ),
    (
        "用户 助手 系统 问 答 提示 指令 任务 输入 输出 人类",
        r"(?:^|[\n。！？])\s*(?:用户|助手|系统|问题?|答案?|提示词?|指令|任务|输入|输出|人类|回答)\s*[：:]",
    ),
    ("提示词 指令 任务要求 系统提示", r"提示词|(?:该|上述|以下|给定|根据)指令|指令要求|任务要求|系统提示"),
    ("描述", r"(?:^|[。！？：:])\s*描述(?:这|该|以下|下面|此)(?:张|幅|些|组)?(?:图像|图片|照片)[。：:？]"),
    ("什么", r"(?:图中|图片中|照片里|图像中|图片里)(?:有|是|展示了)什么"),
    han=True,
)

_INSCRIBED = re.compile(
    r"\b(?:reads?|reading|says?|saying|written|writes|words?|titled|labell?ed|printed|message|slogan|text|entitled|asks?|asking|tells?|telling)\b"
    r"[^.!?;\n]{0,50}\Z|(?:写着|写有|印有|印着|标有|标着|刻着|刻有|贴着|字样|标语|显示|提示|文字)[^，。；！？\n]{0,20}\Z"
)
"""What goes before an inscription, in the same sentence or clause."""
_SPELT = re.compile(r"[^，。；！？\n]{0,8}?(?:[两二三四五六七八几]个(?:大)?字|字样)")
"""What goes behind one: "您好两个字"."""
_INSCRIBED_CHARACTERS = 70
MOST_COUNTED = 100
"""Places of a pattern: one is enough to drop a caption."""


_TALK_WORDS = _TALK.words | _TALK_HAN.words
_PROMPT_WORDS = _PROMPT.words | _PROMPT_HAN.words


def self_talk(candidate: Candidate) -> float:
    """The number of places where the model refuses, talks of itself or of its answer, or to the user."""
    return _count(candidate, _TALK, _TALK_HAN)


def prompt_leaks(candidate: Candidate) -> float:
    """The number of places where what was asked is in the answer, or a chat template's roles."""
    return _count(candidate, _PROMPT, _PROMPT_HAN)


def screen_self_talk(block: Block) -> NDArray[np.float64]:
    """0 without a cue to it."""
    return look_where(block.count(_TALK_WORDS) > 0)


def screen_prompt_leaks(block: Block) -> NDArray[np.float64]:
    """0 without a cue to it."""
    return look_where(block.count(_PROMPT_WORDS) > 0)


def _count(candidate: Candidate, cues: Cues, cues_han: Cues) -> float:
    words = candidate.cue_words
    found = sum(_said(pattern, candidate.unquoted_lowered) for pattern in cues.found(words, ""))
    if not candidate.text.isascii():
        found += sum(_said(pattern, candidate.unquoted) for pattern in cues_han.found(words, candidate.text))
    return float(found)


def _said(pattern: re.Pattern[str], text: str) -> int:
    """How often the caption itself says it: a sign may say it without quotation marks."""
    return sum(
        not _INSCRIBED.search(text, max(0, match.start() - _INSCRIBED_CHARACTERS), match.start())
        and not _SPELT.match(text, match.end())
        for match in islice(pattern.finditer(text), MOST_COUNTED)
    )
