"""Patterns for what captions of several pictures say and captions of one don't.

Goes out: compiled patterns by language, for text in one line, in lower case if English. Not its job: what they weigh
together (see free_telling).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from triptych.filtering.image_numbers import EN_ORDINALS
from triptych.records import Language

SIGNS: Mapping[Language, tuple[tuple[int, re.Pattern[str]], ...]] = {
    "en": (
        (
            2,
            re.compile(
                r"\b(?:the|this|that|these|very) same\b(?! (?:time|way|direction|height|colou?r|size|kind|style))"
                r"|\bthroughout\b|\b(?:every|each) time\b|\bin either\b|\bunchanged\b|\bin turn\b|\bone by one\b"
                r"|\bfrom (?:one|\w+) to (?:the )?next\b|\bdo(?:es)? not change\b|\brecurs?\b|\bonce (?:again|more)\b"
                r"|\b(?:opening|closing|middle|next|leading|last|companion|wide|tight) (?:shot|frame|exposure|photograph|view)\b"
                r"|\b(?:nothing|little|much|everything) (?:else )?(?:has|have) changed\b|\ball but one\b"
            ),
        ),
        (
            1,
            re.compile(
                r"\b(?:photographs|photos|pictures|images|shots|views|frames|exposures|portraits|snapshots|panels|set|series"
                r"|sequence|companion|close-up|photograph|photographed|camera|vantage|viewpoint|stages|scenes|exposure|contact sheet)\b"
            ),
        ),
        (
            1,
            re.compile(
                r"\b(?:in|of) (?:each|both|all|every)\b|\bin common\b|\bshare[sd]?\b|\bwhereas\b|\bcontrasts?\b|\bdiffers?\b"
                r"|\bonly the\b|\beach\b(?! (?:other|side|with|holding|wearing|carrying|has|have))"
            ),
        ),
    ),
    "zh": (
        (
            2,
            re.compile(
                "同一(?!时|侧|个方向|方向|排|条直线)|始终|每一?[次张幅处]|各[占自]|一律|不变|未变|没有变|没有换|如出一辙|逐[一次](?=拍|展|单|亮)"
                "|先后|轮流|唯独|唯有|自始至终|贯穿"
            ),
        ),
        (
            1,
            re.compile(
                "都(?:是|用|在|能|有|以)|均|皆|全是|共同|相同|相比|对比|其余|换成|一致|依次|一样|(?<=[^一-鿿])则"
            ),
        ),
        (
            1,
            re.compile(
                "这组|那[张幅]|[两三四五六]张(?=都|图|照|均|里|中|的|[，。])|特写(?!肖像)|远景|近景|视角|取景|机位|镜头[从转拉推]|入镜|每张|这批|画面里"
            ),
        ),
    ),
}
"""What is said of several pictures together, of the pictures as such."""

ORDER: Mapping[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"\b(?:then|next|finally|after that|later|(?:it|set|series|sequence|tour|story|trio|images|pictures|photographs) (?:begins?|starts?|opens|closes|ends|finishes|goes on|continues)|follows|former|latter|elsewhere|now"
        r"|by then|once|afterwards|at first|to begin with|in the end|already|by the time)\b"
    ),
    "zh": re.compile(
        "首先|起先|先是|接着|接下来|随后|然后|继而|最后|末了|终于|再[往到下]|之后|之前|后来|开头|开篇|结尾|收尾|尾声|其一|其二"
        "|又一|还有一|换了|时候"
    ),
}
"""One after the other: two of them weigh 2."""

MARK = re.compile("[.,:;!?。，：；！？]")
"""What ends a clause, or leads to what follows."""
CLAUSE = re.compile(r"(?:^|[.;:!?] )(?:and |but |yet )?|[。；：！？]")
HEADS: Mapping[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"(?:(?:in|at|by|with|towards?|on|come|comes|then|for|from) )?(?:the )?(?:"
        r"(?P<time>(?:early |late )?(?:morning|noon|midday|afternoon|evening|night|dawn|dusk|midnight|sunrise|sunset|day))"
        r"|(?P<season>spring|summer|autumn|fall|winter)|(?P<weekday>(?:mon|tues|wednes|thurs|fri|satur|sun)day)"
        r"|(?P<corner>(?:top|upper|bottom|lower)[ -](?:left|right|cent(?:er|re)))(?=[,:;])"
        r"|(?P<floor>(?:ground|first|second|third|fourth|fifth|top) floor)"
        r"|(?P<where>inside|outside|indoors|outdoors|above|below|ground level|front|behind|back)(?=,)"
        r"|(?P<when>before|after|afterwards|today|once|now|then|black-and-white|colou?r)(?=[,:])"
        r"|(?P<side>(?:from )?(?:the )?(?:front|side|behind|back)|seen from [^,.]{3,30}(?=,))|(?P<level>level [1-9])"
        r"|(?P<letter>[a-f])(?=[,:)]|\. )"
        r")\b"
    ),
    "zh": re.compile(
        "(?:到了|到|在|而|来到|转到|入)?(?:"
        "(?P<time>清晨|早晨|早上|上午|正午|中午|午后|下午|傍晚|黄昏|夜|深夜|白天|晚上|[一二三四五六七八九十]+点)"
        "|(?P<season>[春夏秋冬])(?=[天季日，：])|(?P<weekday>(?:星期|周)[一二三四五六日天])"
        "|(?P<corner>左上|右上|左下|右下|左侧|右侧|中间)(?=[，：])|(?P<meal>早餐|午餐|晚餐|宵夜)"
        "|(?P<where>室内|室外|屋内|屋外|门外|门内|[正侧背]面|[东南西北]面)|(?P<distance>远景|全景|中景|近景|特写)"
        ")"
    ),
}
"""What parts begin with where each is another time, place or distance. As many as there are images weigh 2."""

ALONE: Mapping[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"\W*(?:in )?(?:the|this|an?) (?!leading|opening|closing|middle|next|last|final|left|right|upper|lower|other)(?:\w+ )?(?:image|picture|photo|photograph)\b(?! of the)"
    ),
    "zh": re.compile(
        "(?:这|该|此|本)?(?:张|幅)?(?:图片|图像|照片|画面|图)(?:[中里](?!依次|先后|分别)|展示|显示|呈现|描绘|拍摄|是|为|的|上)"
    ),
}
"""The opening of a caption of one picture."""

TWO: Mapping[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"\bboth (?:of them|images|pictures|photos|photographs|scenes|shots|views|frames|show|are|were|have|share)\b"
        r"|\bin both\b(?! (?:the|his|her|its|their|hands)\b)|\beither (?:image|picture|photo|scene|shot|view)"
        r"|\bthe two (?:images|pictures|photos|photographs|scenes|shots|views|frames)\b|\bthe former\b|\bneither of\b"
    ),
    "zh": re.compile(
        "两者|二者|(?:[这那]|[，。；：])两[处次张幅]|两图|两地|两[张幅处次](?:图片?|照片|画面)?[中里]?(?:都|均|皆)|前者(?![^。]*(?:中间|居中|第三))"
    ),
}
"""Of more than two pictures nobody says that; it is said of two, and the rest is missing."""

NTH: Mapping[Language, re.Pattern[str]] = {
    "en": re.compile(
        rf"\b(?:the )?({'|'.join(EN_ORDINALS[:9])})\b|(?<![\w.,€$£])(?:no\.? ?|in |\()?([1-9])(?=[,:)]| has| shows)"
    ),
    "zh": re.compile(
        "第?([一二三四五六七八九])[个格天只组站步幕件杯位块道盘枚辆图页]|第([1-9])[页格天]|(?:^|[。；，(（pP])([1-9])(?=[)）号中是])|([①②③④⑤⑥⑦⑧⑨])|([壹贰叁肆伍])"
    ),
}
"""What counts things from one on, whatever they are."""
