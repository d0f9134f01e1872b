"""The built-in rules in order of priority: the first that rejects a caption is its reason.

Comes in: nothing. Goes out: RULES. A new rule is a Rule in a file beside this one, and a line below. Not its
job: what a rule is (see rule), overriding thresholds (see config).
"""

from __future__ import annotations

from triptych.filtering.rule import Rule
from triptych.filtering.rules.completeness import TOO_LONG, TOO_SHORT, TRUNCATED
from triptych.filtering.rules.conversation import PROMPT_LEAK, REFUSAL
from triptych.filtering.rules.formatting import MARKUP, MULTI_PARAGRAPH
from triptych.filtering.rules.garbled import GARBLED
from triptych.filtering.rules.image_references import MISSING_IMAGE, UNKNOWN_IMAGE, UNNAMED_IMAGE
from triptych.filtering.rules.language import TRADITIONAL, WRONG_LANGUAGE
from triptych.filtering.rules.repetition import REPEATED
from triptych.filtering.rules.scored_elsewhere import (
    EXACT_DUPLICATE,
    NEAR_DUPLICATE,
    UNCERTAIN,
    UNGROUNDED,
    UNTRUE,
)
from triptych.filtering.rules.statements import DISAGREEMENT, PERSONAL_DATA, SPECULATION

RULES: tuple[Rule, ...] = (
    GARBLED,
    REFUSAL,
    PROMPT_LEAK,
    WRONG_LANGUAGE,
    TRADITIONAL,
    TRUNCATED,
    TOO_SHORT,
    REPEATED,
    TOO_LONG,
    MULTI_PARAGRAPH,
    MARKUP,
    UNKNOWN_IMAGE,
    MISSING_IMAGE,
    SPECULATION,
    EXACT_DUPLICATE,
    NEAR_DUPLICATE,
    UNGROUNDED,
    UNTRUE,
    UNCERTAIN,
    PERSONAL_DATA,
    DISAGREEMENT,
    UNNAMED_IMAGE,
)
