"""The request fields that an endpoint accepts, and the bodies of requests in them.

Comes in: a request; the message with which an endpoint refused one. Goes out: the JSON body. At first every
field that a caption depends on is sent, since servers fill in missing ones from the model's own
generation_config.json; fields that the endpoint refuses are left out from then on. All but the model, the
messages and a token limit can be. JPEGs become data URLs at the last moment: while a body is made it takes
2.3 times the memory of its JPEGs, so only requests being sent have one. Not its job: sending, deciding
whether a refusal was about a field.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from triptych.captioning.engine import CaptionRequest
from triptych.captioning.structured import response_format
from triptych.prompts import message_parts

OPTIONAL = (
    *("top_k", "repetition_penalty", "stream_options", "top_p", "seed", "temperature", "stream"),
    *("top_logprobs", "logprobs"),
)

STEPS: tuple[tuple[str, ...], ...] = (
    ("top_k", "repetition_penalty"),
    ("stream_options", "top_p", "seed", "top_logprobs", "logprobs"),
    ("temperature", "stream"),
    ("max_tokens",),
)
"""What to leave out, step by step, where an endpoint doesn't name the field that it refuses: first what
OpenAI's API doesn't have."""

BOUND, OTHER_BOUND = "max_tokens", "max_completion_tokens"
"""The limit on a caption's length, and the name that OpenAI's newer models want instead."""

_LIST_OF_KNOWN_FIELDS = re.compile(
    r"\bexpected one of|\b(?:supported|allowed|valid|known|available|permitted) (?:\w+ )?"
    r"(?:fields?|parameters?|arguments?|properties|names?|values?|keys?|are|is)\b|\bdid you mean",
    re.IGNORECASE,
)
"""What follows is a server's list of the fields that it accepts."""

_UNKNOWN_FIELD = re.compile(
    r"\bunexpected keyword|additional ?propert|\b(?:is|are) (?:unsupported|deprecated)"
    r"|\b(?:unknown|unsupported|unrecogni[sz]ed|unexpected|invalid|extra) (?:\w+ )?"
    r"(?:argument|field|input|key|name|option|param|propert)"
    r"|cannot find field|\bnot (?:be )?(?:support|permit|allow|recogni[sz]ed)|n['’]t support|不支持",
    re.IGNORECASE,
)
"""A refusal of a field, not just an error that quotes the request."""


def is_about_fields(message: str) -> bool:
    """Whether an error's message says that a field is unknown, rather than just naming some."""
    return _UNKNOWN_FIELD.search(message) is not None


class Dialect:
    """The fields that one endpoint accepts. For the event loop's thread."""

    def __init__(self, extra_body: Mapping[str, Any] | None = None) -> None:
        """``extra_body`` overrides fields of every body; a null leaves its field out."""
        self._extra = dict(extra_body or {})
        self.left_out: tuple[str, ...] = ()
        """Fields, in the order in which they were refused."""

    def copy(self) -> Dialect:
        """A copy to experiment with."""
        copied = Dialect(self._extra)
        copied.left_out = self.left_out
        return copied

    def keep(self, tried: Dialect) -> None:
        """Also leave out what ``tried`` does, in which a request was served."""
        self.left_out += tuple(name for name in tried.left_out if name not in self.left_out)

    def describe(self) -> str:
        """The fields that are left out, for a person."""
        fields = [name for name in self.left_out if name != BOUND]
        renamed = [f"{BOUND}, for which it gets {OTHER_BOUND}"] if BOUND in self.left_out else []
        return ", ".join([*fields, *renamed])

    def body(self, model: str, request: CaptionRequest) -> bytes:
        """The JSON body. Greedy requests have top_k 1 because lmdeploy's server samples at any temperature.
        They stream because a server keeps working on one that doesn't when its client has gone."""
        fields = {
            "model": model,
            "messages": [{"role": "user", "content": _content(request)}],
            "stream": True,
            "stream_options": {"include_usage": True},
            BOUND: request.max_tokens,
            **msgspec.to_builtins(request.sampling),
            **({"response_format": response_format(len(request.images))} if request.structured else {}),
            **({"logprobs": True, "top_logprobs": request.top_logprobs} if request.top_logprobs else {}),
        }
        if BOUND in self.left_out or OTHER_BOUND in self._extra:
            fields[OTHER_BOUND] = fields.pop(BOUND)
        for name in self.left_out:
            fields.pop(name, None)
        fields |= self._extra
        if not fields.get("stream") and "stream_options" not in self._extra:
            fields.pop("stream_options", None)
        return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})

    def leave_out_named(self, message: str) -> bool:
        """Leave out the first field that the error ``message`` names. Returns whether there is one. The
        token limit counts only if its other name is beside it: else its value may have been refused."""
        refused = _LIST_OF_KNOWN_FIELDS.split(message, maxsplit=1)[0]
        named = [
            (found.start(), name)
            for name in self._remaining((*OPTIONAL, *((BOUND,) if OTHER_BOUND in message else ())))
            if (found := _field_pattern(name).search(refused)) is not None
        ]
        if re.search(r"\bboth\b", refused):  # OPTIONAL begins with what a greedy answer needs least
            named = named[:1]
        if named:
            self.left_out += (min(named)[1],)
        return bool(named)

    def leave_out_next_step(self) -> bool:
        """Leave out the fields of the next of STEPS. Returns whether there was one."""
        more = next((fields for step in STEPS if (fields := self._remaining(step))), ())
        self.left_out += more
        return bool(more)

    def _remaining(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of ``names`` that can still be left out."""
        return tuple(name for name in names if name not in self.left_out and name not in self._extra)


_CHINESE = {"stream": "不支持流式"}


def _field_pattern(name: str) -> re.Pattern[str]:
    """Finds a field's name in a refusal. One that is also an English word counts only in quotes or where it
    is called a field."""
    if "_" in name:  # also as topK, top-k or top k
        return re.compile(rf"(?<![a-z0-9_]){name.replace('_', '[_ -]?')}(?![a-z0-9_])", re.IGNORECASE)
    noun = r"param(?:eter)?|argument|field|property|input|option|name|value|key|supplied|request|allowed"
    return re.compile(
        rf"['\"`>.\[({{]\s*{name}\b|(?:{noun})(?:s|\(s\))?:?\s+{name}\b|\b{name}:\s|\b{name}=|^{name}$"
        rf"|support {name}(?:ing)?\b|\b{name} (?:value|out of range|\d)|\bnon-{name}ing mode"
        rf"|(?:参数|字段|非法)[:：]?\s*{name}|{name}\s*(?:参数|字段)|{_CHINESE.get(name, '(?!)')}"
        rf"|\b{name}(?:ing|s)? (?:(?:is|are|does)(?:n['’]t)?|not|can(?:not|['’]t)|parameter|argument|field"
        rf"|must|should|requests? (?:is|are))\b",
        re.IGNORECASE | re.MULTILINE,
    )


def _content(request: CaptionRequest) -> list[dict[str, Any]]:
    images = iter(request.images)
    return [
        {"type": "image_url", "image_url": {"url": _data_url(next(images))}}
        if part is None
        else {"type": "text", "text": part}
        for part in message_parts(request.prompt, len(request.images))
    ]


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
