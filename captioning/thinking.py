"""Where a model thinks aloud before it answers: the text behind its thoughts.

Comes in: an answer as it was given. Goes out: the answer proper; nothing where the thoughts never end. Not
its job: thoughts that a server has put into a field of their own (see endpoints.chat_api).
"""

from __future__ import annotations

import re

THINKING_OFF = """--extra-body '{"chat_template_kwargs": {"enable_thinking": false}}'"""
"""What many servers take to turn it off."""

_WORD = (
    r"(?:\w+[:_])?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis|cot|monologue)"
    r"(?:_content)?"
)
_BEGIN = re.compile(
    rf"<\|?(?:begin_of_|start)?{_WORD}\|?(?: [^<>]*)?>|<details type=.reasoning[^<>]*>|\[{_WORD}\]|◁{_WORD}▷"
    r"|<\|channel\|>analysis|<unused94>",
    re.IGNORECASE,
)
_END = re.compile(
    rf"<(?:\|end_of_|\|end_?|\|?/)\s*{_WORD}\s*\|?>|</details>|\[/{_WORD}\]|◁/{_WORD}▷"
    r"|<\|channel\|>final<\|message\|>|assistantfinal(?=[A-Z])|<unused95>",
    re.IGNORECASE,
)
"""A template may have begun the thoughts, so that an answer holds only their end."""

_WRAPPED = re.compile(
    r"\s*<\|?(?:begin_of_|start_)?(\w+)\|?>(.*?)(?:</\1>|<\|end_(?:of_)?\1\|>)?\s*", re.IGNORECASE | re.DOTALL
)
"""An answer in a tag of its own, behind thoughts."""
MOST_WRAPPERS = 3
"""Around one another: GLM-4.1V has two."""


def _before_thoughts(text: str) -> str:
    """Up to where thoughts begin or end."""
    return re.split(f"{_BEGIN.pattern}|{_END.pattern}", text, maxsplit=1, flags=re.IGNORECASE)[0]


def without_thinking(answer: str) -> str:
    """What is said behind the thoughts; before them where nothing is.

    >>> without_thinking("<think>A bird?</think> A red kite."), without_thinking("<think>A bird, or")
    (' A red kite.', '')
    """
    ends = [found.end() for found in _END.finditer(answer)]
    begin = _BEGIN.search(answer)
    if not ends:
        return "" if begin and not answer[: begin.start()].strip() else answer
    behind = answer[ends[-1] :]
    if not behind.strip():  # thoughts behind the answer, or their end said twice
        parts = (_before_thoughts(answer[end:]) for end in reversed(ends[:-1]))
        before = answer[: begin.start()] if begin else ""
        return next((part for part in parts if part.strip()), before)
    for _ in range(MOST_WRAPPERS):
        wrapped = _WRAPPED.fullmatch(behind)
        behind = behind if wrapped is None else wrapped[2]
    return behind
