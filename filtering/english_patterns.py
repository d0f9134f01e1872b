"""Patterns for the ways in which English captions name the images of a set.

Goes out: compiled patterns for lower-case text in one line, and the words without which each can't match.
Not its job: what a match says (see english_references).
"""

from __future__ import annotations

import re

from triptych.filtering.cues import cue_words
from triptych.filtering.image_numbers import EN_ORDINALS, EN_WORDS

_NOUN = r"(?:images?|pictures?|photos?|photographs?|pics?|shots?|frames?|panels?|snapshots?|scenes?|views?)"
_SHOWS = (
    r"(?:shows?|depicts?|features?|is|are|has|have|captures?|presents?|displays?|includes?|contains?|portrays?"
    r"|focus(?:es)?|highlights?|reveals?|offers?|showcases?|illustrates?|with)"
)
_OF_THE_SET = (
    rf"of\s+(?:them|these|those|(?:the|these)\s+(?:set|series|sequence|group|collection|(?:(?:{'|'.join(EN_WORDS[1:8])}|\d)\s+)?{_NOUN}"
    r"|two|three|four|five|six))\b"
)
_STRICT_NOUN = r"(?:images?|pictures?|photos?|photographs?|pics?)"
_CARDINAL = rf"(?:\d{{1,3}}|{'|'.join(EN_WORDS)})"
_ORDINAL = rf"(?:{'|'.join(EN_ORDINALS)}|initial|opening|\d{{1,2}}(?:st|nd|rd|th))"

ORDINAL_WORDS = cue_words(
    (*EN_ORDINALS, "initial", "opening", "1st", "2nd", "3rd", *(f"{at}th" for at in range(4, 21)))
)
LAST_WORDS = cue_words({"last", "final", "closing", "concluding"})
LETTER_WORDS = cue_words({"b"})
ROMAN_WORDS = cue_words({"ii"})
AFTER_WORDS = cue_words({"after"})
PENULTIMATE_WORDS = cue_words({"penultimate", "last"})
ONE_OF_TWO_WORDS = cue_words({"former", "latter"})
FOLLOWS_WORDS = cue_words({"follow", "follows", "comes", "come"})
PLURALS = cue_words({"images", "pictures", "photos", "photographs", "pics"})
STRICT_NOUNS = frozenset(
    noun + ending for noun in ("image", "picture", "photo", "photograph", "pic") for ending in ("", "s")
)


def _numbered_after(stem: str, ending: str = "") -> tuple[str, re.Pattern[str]]:
    """What a text has to have, and the pattern, which begins with it: such a search is quick."""
    return stem, re.compile(
        rf"{stem}{ending}s?\s?(?:[#_:№]|\bno\.?|\bnumber)?\s?[-–]?\s?[#(\[]?(?P<first>{_CARDINAL})\b(?![.:]\d)"
        rf"(?P<more>(?:\)?\s*(?:,?\s*(?:and|or|&)|,|/|-|–|—|~|to|through)\s*(?:{_STRICT_NOUN}\s?[-#(]?\s?)?"
        r"\d{1,2}\b(?![.:]\d)(?!\s+(?:[a-z]+s|men|women|people|children|sheep|fish|geese)\b)"
        rf"|\s+(?:and|or|to|through)\s+(?:{'|'.join(EN_WORDS)})\b(?=\s+{_SHOWS}\b|\s*[,;:.])){{0,11}})"
        r"(?:\s*(?:of|/)\s*(?P<total>\d{1,3})\b)?"
    )


NUMBERED = (
    _numbered_after("image"),
    _numbered_after("pic", "(?:ture)?"),
    _numbered_after("photo", "(?:graph)?"),
)
LOOSELY_NUMBERED = tuple(map(_numbered_after, ("frame", "panel", "scene", "shot", "figure")))
"""These may number other things: they cover an image, and name none that isn't there."""
TAKES_NO_NUMBER = frozenset(
    (*EN_ORDINALS, "initial", "opening", "last", "final", "left", "right", "top", "bottom", "middle", "other")
)
"""Before "image": the number behind it counts what is seen ("in the first image two women ...")."""
DETERMINERS = TAKES_NO_NUMBER | {"the", "this", "that", "each", "one", "same", "every", "a", "another"}
ENDS_NO_DETERMINER = ".,;:(n"
SHOWS_NEXT = re.compile(rf"\s*[,:;)]|\s+{_SHOWS}\b")
LETTERED = re.compile(r"\b(?:image|picture|photo)\s([a-f])(?=[\s,:;]+(?!of\b))")
ROMAN = re.compile(r"\b(?:image|picture|photo)s?\s(i{1,3}|iv|vi{0,3})\b")
ROMAN_NUMBERS = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8}
BY_ORDINAL = re.compile(
    rf"\b(?P<list>{_ORDINAL}(?:\s*(?:,\s*(?:and\s+)?|and\s+|&\s*|to\s+|through\s+|or\s+)(?:the\s+)?{_ORDINAL}){{0,11}})(?:\s+and\s+(?:last|final))?\s+"
    rf"(?:(?P<some>{'|'.join(EN_WORDS[1:8])}|\d)\s+)?(?:(?!of|is|has|and|in|on|the)[a-z]+\s)??(?P<noun>{_NOUN}|one)\b",
)
ORDINAL_PRONOUN = re.compile(
    rf"\bthe\s+(?P<list>{_ORDINAL}(?:(?:,\s*|,?\s*and\s+)(?:the\s+)?{_ORDINAL}){{0,11}})(?:\s+(?P<some>two|three|four))?"
    r"(?=\s*(?:[,;:.]|\(|—|–)|\s+(?:also\s+|then\s+|instead\s+|simply\s+|again\s+)?(?:the|an?|was|were|stands?|comes?|lies|sits|can|could|does|captured|centers?|centres?|concentrates|depicted|appears?|seems|looks|closes|opens|ends|continues|follows|documents|places|leaves|draws|shifts|feels|makes|sees|finds|sets|carries|differs|shares|repeats|returns|pulls|gets|goes|becomes|describes|records|shot|taken|wears|holds|concludes|contrasts|switches|completes|covers|emphasi[sz]es|shows?|depicts?|features?|is|are|has|have|captures?|presents?|displays?|includes?|contains?"
    r"|portrays?|focuse?s?|highlights?|reveals?|offers?|showcases?|illustrates?|adds?|uses|with|being|provides?|zooms|"
    r"looks|frames|replaces|swaps|lacks|moves|turns|shifts|gives|pictures|brings|takes|zeroes|keeps|holds|omits|introduces|and\s+(?:the\s+)?(?:third|fourth|last|final))\b"
    rf"|\s+{_OF_THE_SET})",
)
SHOWS_WHAT = re.compile(r"\s+(?:shows?|depicts?|features?|captures?|presents?|displays?|portrays?)\b")
"""What only an image does: "the fourth shows a garden" of three is an image that isn't there."""
AFTER_IN = re.compile(
    rf"\bthe\s+(?P<list>{_ORDINAL})(?=\s+(?:and|but|while|whereas|or)\s+(?!(?:the\s+)?(?:{_ORDINAL}|last|final)\b))"
)
"""What "in" goes before: "parked in the first and moving in the second"."""
ORDINAL_HEADING = re.compile(rf"(?:{_ORDINAL})\s?[:：]")
"""An ordinal that opens a sentence and has a colon: "1st: the lid of the box. 2nd: ..."."""
OPENING_ORDINAL = re.compile(rf"(?:{_ORDINAL})(?:ly)?,\s")
"""An ordinal with a comma, which opens a sentence: "Second, a tram crosses a bridge."."""
IN_BRACKETS = re.compile(
    rf"(?:the\s+)?(?P<list>{_ORDINAL}(?:,?\s*(?:and\s+|&\s*|to\s+|through\s+)?(?:the\s+)?{_ORDINAL}){{0,11}})(?=\)|\s+and\s+last\))"
)
"""Ordinals between brackets: "a tram (second)", "the outer views (first and last)"."""
GROUP = re.compile(
    r"(?P<which>first|second|third|fourth)\s+(?P<group>pair|half|trio)\b"
    rf"(?=\s+{_SHOWS}\b|\s+of\s+(?:(?:the|these)\s+)?(?:set|series|sequence|group|collection|{_NOUN})\b|\s*[,:])"
)
LAST = re.compile(
    rf"\b(?:last|final|closing|concluding)(?:\s+(?P<some>{'|'.join(EN_WORDS[1:8])}|\d))?(?:\s+(?:{_NOUN}|ones?)\b"
    rf"|(?=\s*[,).;]|\s+{_OF_THE_SET}|\s+(?:{_SHOWS}|were|was|takes?|turns?|moves?|leaves?)\b)"
    rf"|(?<=, the last)(?=\s+(?:in|on|at|from|by)\b)|(?<=first and last)|(?<=first and the last))",
)
BY_WORD_NUMBER = re.compile(rf"\bnumber (?P<first>{_CARDINAL})(?=\s*[,:]|\s+{_SHOWS}\b)")
""" "In number four, ...", where others have ordinals."""
BEGINS = re.compile(
    r"\b(?:begins?|starts?|opens?) (?:as|at|in|on|with|from|by|when|where|outside|inside)\b"
    r"|\b(?:to (?:begin|start)(?: with)?|initially),|\bat first\b"
)
"""What tells of the first image without naming it: "It begins as a spring ... By the second photograph ..."."""
IN_A_PICTURE = re.compile(r"\s+in the (?:arrangement|gallery|grid|album|row|display|exhibition|hanging)\b")
PENULTIMATE = re.compile(rf"\b(?:penultimate|(?:second|next)[- ]to[- ]last)\s+(?:{_NOUN}|one)\b")
REST = re.compile(
    rf"\b(?:remaining|the\s+(?P<other>other)(?P<others>s)?|the\s+rest)\b(?:\s+(?P<some>{_CARDINAL}))?(?:\s+(?P<noun>{_NOUN}|ones?)"
    rf"|(?=\s*[,.;]|\s+(?:{_SHOWS}|an?|the)\b|\s+{_OF_THE_SET})|(?<=remaining two)|(?<=remaining three))",
)
ANOTHER = re.compile(
    r"\b(?:(?P<one>one)|another|its\s+(?:companion|counterpart|partner|twin)|a\s+(?:second|third|fourth|fifth)|a\s+further"
    r"|the\s+(?:earliest|latest|oldest|newest)"
    rf"|the\s+(?:next|following|subsequent)(?:\s+(?P<some>{'|'.join(EN_WORDS[1:5])}))?)\b"
    rf"(?:\s+(?P<noun>{_NOUN})|\s+(?P<of>{_OF_THE_SET})|\s+one\b(?=\s+{_SHOWS}\b)"
    r"|(?=\s*,|\s+(?:shows?|depicts?|features?|captures?|presents?|displays?|portrays?|highlights?)\b)"
    rf"|(?<=another)(?=\s+an?\s)|(?<!one)(?=\s+{_SHOWS}\b)|(?<=two|ree|our)(?=\s+(?:come|go|turn|move|take|lead|follow|bring|return)\b))",
)
THE_ONE = re.compile(
    r"the\s+one\s+(?:(?:right\s+|just\s+)?(?:after|following|next\s+to|beside|below|beneath|above)\s+(?:that|it|this|them)\b"
    r"|(?P<where>(?:in|at|on)\s+(?:the\s+)?(?:middle|cent(?:er|re)|between|left|right|top|bottom)\b))"
    rf"|the\s+(?:one|{_NOUN})\s+(?:on\s+top|above|below|beneath)(?=\s+{_SHOWS}\b)"
)
"""An image by its place: "the one after that", "the one in the middle", "the image below"."""
BY_KIND = re.compile(
    rf"the (spring|summer|autumn|winter|morning|noon|midday|evening|night|day|older|newer|indoor|outdoor) (?:{_NOUN}|one)\b"
)
"""An image by what it shows: "the spring image", "the night view"."""
THAT_FOLLOW = re.compile(
    r"\bthe\s+(?P<some>one|two|three|four)\s+(?:that|which)\s+(?:follows?|comes?\s+(?:after|next))\b"
)
THE_ONE_WORDS = cue_words({"above", "below", "beneath"})
_SIDE = "left|right|top|bottom|upper|lower|middle|center|centre|central"
BETWEEN = frozenset(("middle", "center", "centre", "central"))
POSITION_WORDS = cue_words(
    (*_SIDE.split("|"), "leftmost", "rightmost", "topmost", "bottommost", "uppermost", "lowermost")
)
POSITION_BEFORE = re.compile(rf"\b(?P<where>{_SIDE})(?:most|-hand)?(?:\s+(?P<some>two|three))?\s+{_NOUN}\b")
POSITION_ALONE = re.compile(
    r"the (?:(?P<where>(?:(?:top|bottom|upper|lower)[- ])?(?:left|right)|middle|cent(?:er|re)"
    r"|(?:top|bottom|upper|lower)(?=\s+(?:one|two|three)\b))(?:\s+(?P<some>one|two|three))?"
    rf"(?=\s+(?:an?|{_SHOWS})\b|\s*:)"
    r"|(?P<corner>(?:top|bottom|upper|lower)[- ](?:left|right)),)"
)
"""Once a side was an image's: "the top-left image shows a bus, the top-right a tram"; "in the lower right, ..."
where that opens a sentence. It begins with a word, and so is quickly looked for."""
NO_POSITION_AFTER = ("on ", "to ", "at ", "in ", "from ")
OPENS_WITH_IN = (". in ", "; in ", "in ")
CORNER_BEFORE = re.compile(r"\b(?:top|bottom|upper|lower|middle)[ -]$")
POSITION_AFTER = re.compile(r"the (?P<there>left|right|top|bottom|middle|center|centre)\b")
PICTURE_AT = re.compile(rf"\b{_NOUN} (?:on|at|to|in) $")
_SOME = r"(?:set|series|pair|duo|group|collection|collage|sequence|trio|quartet|triptych)"
TOGETHER = re.compile(
    rf"\b(?:both|all|each|every|these|this\s+{_SOME}\s+of)\b(?:\s+of)?"
    rf"(?:\s+(?:the|these))?(?:\s+{_CARDINAL})?\s+(?:\w+\s)?{_NOUN}\b"
    r"|\b(?:both|each|all\s+(?:two|three|four|five|six))\s+(?:shows?|depicts?|features?|captures?|presents?|share|of\s+them|were\s+taken)\b"
    r"|\ball\s+of\s+them\b"
    r"|\bin\s+(?:both|each|all\s+(?:three|four|five))\s*[,;]",
)
SOME_OF = re.compile(rf"(?:the|an?)\s+{_SOME}\s+of\s+(?:{_CARDINAL}\s+)?(?:\w+\s)?{_NOUN}\b")
THE_SERIES = re.compile(
    r"\bth(?:e|is)\s+(?:trio|series|sequence|set|collection|collage|triptych|quartet|duo)\s+"
    r"(?:begins|opens|starts|moves|shows|presents|depicts|documents|follows|records|traces|contrasts|compares|features)\b"
)
ALL_COUNTED = re.compile(
    rf"\b(?:the|all)\s+(?P<number>{_CARDINAL})\s+(?:\w+\s)?(?:images|pictures|photos|photographs|shots|frames|snapshots)\b"
)
SOME_WORDS = cue_words(_SOME.strip("(?:)").split("|"))
OPENING_COUNT = re.compile(
    rf"\s*(?:an?\s+{_SOME}\s+of\s+|the\s+)?{_CARDINAL}\s+(?:[\w-]+\s)?(?:images|pictures|photos|photographs|shots|frames|panels|snapshots|scenes|views)\b"
)
"""A caption that opens with them all: "Three photographs of the same bus stop: ..."."""
THE_IMAGES_SHARE = re.compile(
    rf"\bthe\s+(?:{_CARDINAL}\s+)?(?:images|pictures|photos|photographs|panels|frames|shots|views)\s+(?:all\s+|both\s+)?"
    r"(?:show|depict|feature|capture|present|share|display|portray|are|have|differ|contrast|illustrate|document)\b"
)
SHARING_WORDS = cue_words("images pictures photos photographs panels frames shots views".split())
INNER = re.compile(
    rf"\b(?:{_CARDINAL}|several|many|some|framed|of)\s+(?:[\w-]+\s){{0,2}}(?:photographs|photos|pictures|images|paintings|posters|portraits|prints|thumbnails|slides|landscapes)\b"
)
"""Pictures that a picture shows, told before they are counted."""
INNER_PLACE = re.compile(r"\bimage\b.*\b(?:walls?|screen|monitor|gallery|album|shelf|exhibition)\b")
"""Where a picture has pictures, told of in a sentence about an image."""
INNER_CHARACTERS = 200
ANYTHING = re.compile("")
ANOTHER_WORDS = cue_words(
    "another second third fourth fifth next following subsequent further one".split()
    + "companion counterpart partner twin earliest latest oldest newest".split()
)
REST_WORDS = cue_words({"remaining", "other", "others", "rest"})
TOGETHER_WORDS = cue_words({"both", "all", "each", "every", "these", "this"})
CARDINAL_WORDS = frozenset(EN_WORDS)
COUNTED_BEFORE = re.compile(
    r"(?<!first )(?<!last )(?<!other )(?<!final )(?<!remaining )(?<!next )(?:\b(?P<lead>these|all"
    r"|(?:this|the) (?:set|series|group|collection|sequence) of|(?:total) of|(?:set|series|sequence|collection) (?:consists|is made up) of|across|the(?: given| provided| following)?)"
    r"|\A\s*(?:an? (?:set|series|group|collection|sequence) of|there are))"
    rf"\s+(?:of\s+)?(?:the\s+|these\s+)?(?P<number>{_CARDINAL})\s+(?P<of>of\s+(?:the|these)\s+)?(?:[\w-]+\s+)?$"
)
GROUP_OF = re.compile(rf"\b(?:this|the|an?) (duo|trio|triptych|quartet|quintet) of {_NOUN}")
GROUP_SIZES = {"duo": 2, "trio": 3, "triptych": 3, "quartet": 4, "quintet": 5}
BEFORE_CHARACTERS = 60
NUMBER_WITHIN = 4
"""Words before "images", with the number of "all six of the images"."""
LONGEST_SIDE = 8
OPENING_CHARACTERS = 60
"""Where "these two images" speaks of the whole set; later it may speak of two that were just named."""
TURNS = re.compile(
    r"(?:^|[.;:] )(?:(?:and |yet )?(?P<next>another|a (?:second|third|fourth|fifth))|one|the (?:remaining|other|last|final) one)\b"
)
"""One after the other, at the beginning of sentences: "One looks out ... Another is ... A third belongs ..."."""
OF_THEM = re.compile(rf" of (?:the|these) (?:{_CARDINAL}\s)?(?:\w+\s)?(?:{_NOUN}|{_CARDINAL})\b")
AND_SOME = re.compile(
    rf"\b(?:other|another|remaining|last|(?P<bare>and|while|whereas|but)) (?P<some>{'|'.join(EN_WORDS[:8])})\b(?!\s+of\b)"
    rf"(?(bare)(?=\s+(?:more|others?|{_NOUN}|{_SHOWS}|were|was|in|on|at|from|by|outdoors|indoors)\b|\s*[,.;]))"
)
"""Groups: "two of the images show ..., while the other two show ...": how many there are of each."""
BEFORE = re.compile(r"(?:^|[.;:] )before ?[:,]")
AFTER = re.compile(r"[.;] after ?[:,]")
