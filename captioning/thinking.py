"""Where a model thinks aloud before it answers: the text behind its thoughts.

Comes in: an answer as it was given. Goes out: the answer proper; nothing where the thoughts never end. Not
its job: thoughts that a server has put into a field of their own (see endpoints.chat_api).
"""

from __future__ import annotations

import re

THINKING_OFF = """--extra-body '{"chat_template_kwargs": {"enable_thinking": false}}'"""
"""What many servers take to turn it off."""

_WORD = r"(?:\w+:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis)"
_BEGIN = re.compile(
    rf"\s*(?:<{_WORD}>|\[{_WORD}\]|◁{_WORD}▷|<\|begin_of_{_WORD}\|>|<\|channel\|>analysis|<unused94>)",
    re.IGNORECASE,
)
_END = re.compile(
    rf"</\s*{_WORD}\s*>|\[/{_WORD}\]|◁/{_WORD}▷|<\|end_of_{_WORD}\|>|<\|channel\|>final<\|message\|>|<unused95>",
    re.IGNORECASE,
)
"""A template may have begun the thoughts, so that an answer holds only their end."""

_ANSWER = re.compile(r"\s*<answer>(.*?)(?:</answer>)?\s*", re.IGNORECASE | re.DOTALL)


def without_thinking(answer: str) -> str:
    """What is said behind the thoughts.

    >>> without_thinking("<think>A bird?</think> A red kite."), without_thinking("<think>A bird, or")
    (' A red kite.', '')
    """
    ends = [found.end() for found in _END.finditer(answer)]
    if not ends:
        return "" if _BEGIN.match(answer) else answer
    behind = answer[ends[-1] :]
    wrapped = _ANSWER.fullmatch(behind)
    return behind if wrapped is None else wrapped[1]
