"""Which fields an endpoint takes: everything but a model, messages and a bound can be left out.

Comes in: a request; the words in which an endpoint refused one. Goes out: the JSON of its body. All that a
caption depends on is sent at first, since what is left out a server fills in from the model's own
generation_config.json; what the endpoint doesn't take is left out from then on. The JPEGs are put in as data
URLs at the last moment: a body is 2.3 times as large as its JPEGs while it is made, and only those being sent
have one. Not its job: sending, and whether it was a field that was refused.
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
"""What is left out, one step after the other, of an endpoint that doesn't say what it doesn't take: first
what OpenAI's API doesn't have."""

BOUND, OTHER_BOUND = "max_tokens", "max_completion_tokens"
"""The bound on a caption's length, and what OpenAI's newer models want in its place."""

_WHAT_IS_KNOWN = re.compile(
    r"\bexpected one of|\b(?:supported|allowed|valid|known|available|permitted) (?:\w+ )?"
    r"(?:fields?|parameters?|arguments?|properties|names?|values?|keys?|are|is)\b|\bdid you mean",
    re.IGNORECASE,
)
"""Behind it a server lists what it does take."""

_IS_UNKNOWN = re.compile(
    r"\bunexpected keyword|\b(?:unknown|unsupported|unrecogni[sz]ed|unexpected|invalid|extra) (?:\w+ )?"
    r"(?:argument|field|input|key|name|option|param|propert)"
    r"|cannot find field|\bnot (?:be )?(?:support|permit|allow|recogni[sz]ed)|n['’]t support|不支持",
    re.IGNORECASE,
)
"""What an error says that is about a field, and doesn't only quote the request."""


def is_about_fields(words: str) -> bool:
    """Whether ``words`` say that a field isn't known, and not only name some."""
    return _IS_UNKNOWN.search(words) is not None


class Dialect:
    """What one endpoint takes. For the event loop's thread."""

    def __init__(self, extra_body: Mapping[str, Any] | None = None) -> None:
        """``extra_body`` goes over every body; a field that is null there is left out."""
        self._extra = dict(extra_body or {})
        self._left_out: tuple[str, ...] = ()

    def copy(self) -> Dialect:
        """One to try: it learns, and this one doesn't."""
        copied = Dialect(self._extra)
        copied._left_out = self._left_out
        return copied

    def keep(self, tried: Dialect) -> None:
        """Leave out from now on what has been left out of a request that was served."""
        self._left_out += tuple(name for name in tried._left_out if name not in self._left_out)

    @property
    def left_out(self) -> tuple[str, ...]:
        """In the order in which it was refused."""
        return self._left_out

    def words(self) -> str:
        """What is left out, for a person."""
        fields = [name for name in self._left_out if name != BOUND]
        renamed = [f"{BOUND}, for which it gets {OTHER_BOUND}"] if BOUND in self._left_out else []
        return ", ".join([*fields, *renamed])

    def body(self, model: str, request: CaptionRequest) -> bytes:
        """The JSON. Greedy has top_k 1 because lmdeploy's server samples whatever the temperature. It
        streams: a request without streaming keeps its engine slot when its client has given up.
        """
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
        if BOUND in self._left_out or OTHER_BOUND in self._extra:
            fields[OTHER_BOUND] = fields.pop(BOUND)
        for name in self._left_out:
            fields.pop(name, None)
        fields |= self._extra
        if not fields.get("stream") and "stream_options" not in self._extra:
            fields.pop("stream_options", None)
        return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})

    def learn(self, words: str) -> bool:
        """Leave out the field that ``words`` refuse, the first one that they name. Whether there is one. The
        bound is refused where the other one is named beside it; else its value may be."""
        refused = _WHAT_IS_KNOWN.split(words, maxsplit=1)[0]
        named = [
            (found.start(), name)
            for name in (*OPTIONAL, *((BOUND,) if OTHER_BOUND in words else ()))
            if name not in self._left_out and name not in self._extra
            if (found := _named(name).search(refused)) is not None
        ]
        if re.search(r"\bboth\b", refused):  # what a greedy answer needs least: they stand in that order
            named = named[:1]
        if named:
            self._left_out += (min(named)[1],)
        return bool(named)

    def leave_out_more(self) -> bool:
        """The next of STEPS. Whether there was one."""
        for step in STEPS:
            more = tuple(n for n in step if n not in self._left_out and n not in self._extra)
            if more:
                self._left_out += more
                return True
        return False


def _named(name: str) -> re.Pattern[str]:
    """A field's name in a refusal. One that is a word counts in quotes, or where it is called a field."""
    if "_" in name:
        return re.compile(rf"(?<!\w)(?:{name}|{_camel_case(name)})(?!\w)", re.IGNORECASE)
    called = r"parameter|argument|field|property|input|option|name|value|key|supplied|request"
    return re.compile(
        rf"['\"`>.\[({{]\s*{name}\b|(?:{called})(?:s|\(s\))?:?\s+{name}\b|\b{name}:\s"
        rf"|support {name}(?:ing)?\b|\b{name} not (?:support|allow|permit)"
        rf"|(?:参数|字段)[:：]?\s*{name}\b|\b{name}\s*(?:参数|字段)"
        rf"|\b{name}(?:ing)? (?:is|are|parameter|argument|field|must|should|does|requests? (?:is|are))\b",
        re.IGNORECASE,
    )


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _content(request: CaptionRequest) -> list[dict[str, Any]]:
    pictures = iter(request.images)
    return [
        {"type": "image_url", "image_url": {"url": _data_url(next(pictures))}}
        if part is None
        else {"type": "text", "text": part}
        for part in message_parts(request.prompt, len(request.images))
    ]


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
