"""Removes a model's reasoning from its answer.

Comes in: the raw answer. Goes out: the answer proper; empty if the reasoning never ends. Not its job:
reasoning that a server returns in a separate field (see endpoints.chat_api).
"""

from __future__ import annotations

import re

THINKING_OFF = """--extra-body '{"chat_template_kwargs": {"enable_thinking": false}}'"""
"""Turns reasoning off, on many servers."""

_WORD = (
    r"(?:\w+[:_])?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis|cot|monologue)"
    r"(?:_content)?"
)
_BEGIN = re.compile(
    rf"<\|?(?:begin_of_|start)?{_WORD}\|?(?: [^<>]*)?>|<details type=.reasoning[^<>]*>|\[{_WORD}\]|◁{_WORD}▷"
    r"|<\|channel\|>analysis|<\|channel>|<unused94>",
    re.IGNORECASE,
)
_END = re.compile(
    rf"<(?:\|end_of_|\|end_?|\|?/)\s*{_WORD}\s*\|?>|</details>|\[/{_WORD}\]|◁/{_WORD}▷"
    r"|<\|channel\|>final<\|message\|>|<channel\|>|assistantfinal(?=[A-Z])|<unused95>",
    re.IGNORECASE,
)
"""May occur without a begin, which was then part of the chat template."""

_WRAPPED = re.compile(
    r"\s*<\|?(?:begin_of_|start_)?(\w+)\|?>(.*?)(?:</\1>|<\|end_(?:of_)?\1\|>)?\s*", re.IGNORECASE | re.DOTALL
)
"""A tag around the answer proper."""
MAX_WRAPPERS = 3
"""Nested tags: GLM-4.1V has two."""


def _before_thoughts(text: str) -> str:
    return re.split(f"{_BEGIN.pattern}|{_END.pattern}", text, maxsplit=1, flags=re.IGNORECASE)[0]


def without_thinking(answer: str) -> str:
    """The text after the reasoning, or before it if there is none after it.

    >>> without_thinking("<think>A bird?</think> A red kite."), without_thinking("<think>A bird, or")
    (' A red kite.', '')
    """
    ends = [found.end() for found in _END.finditer(answer)]
    begin = _BEGIN.search(answer)
    if not ends:
        return "" if begin and not answer[: begin.start()].strip() else answer
    behind = answer[ends[-1] :]
    if not behind.strip():  # the reasoning comes after the answer, or its end tag occurs twice
        parts = (_before_thoughts(answer[end:]) for end in reversed(ends[:-1]))
        before = answer[: begin.start()] if begin else ""
        return next((part for part in parts if part.strip()), before)
    for _ in range(MAX_WRAPPERS):
        wrapped = _WRAPPED.fullmatch(behind)
        behind = behind if wrapped is None else wrapped[2]
    return behind
