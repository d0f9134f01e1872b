"""What can go wrong between a request and its caption, sorted by what to do about it.

Comes in: an HTTP status or an error code, and the words beside it. Goes out: the RequestError that it is, or
SetupError where the endpoint refuses the key.

    RequestError        the base; its text names the endpoint and what it answered
    ├── Refused         the request will never be served: a bad image
    │   └── TooLong     not with that many tiles
    └── Transient       it may be served later or elsewhere
        ├── TimedOut    no byte in time: also a sign that the endpoint has too much to do
        └── NotNow      it isn't the request (429)
            └── Unavailable         the endpoint serves nobody (503, 404)
                └── Unreachable     nobody listens there

Whose fault each is, and why: docs/decisions/0022. Not its job: finding errors in answers (see chat_api),
trying again (see engines.openai_server).
"""

from __future__ import annotations

import re
from typing import ClassVar

from triptych.errors import SetupError

PASSING_STATUS = frozenset({408, 409, 425, 499})
"""Of the 4xx: those that may pass, as all of 5xx may. 499: lmdeploy cancelled it. All other 4xx but
404 and 429 are for good."""

UNAVAILABLE_STATUS = frozenset({404, 503})
"""It isn't the request: the engine sleeps or is dead, or another model is served there by now."""

_ELSEWHERE = frozenset({402, 404, 502, 503, 504, 529})
"""Said of an account, of a path, or by a gateway of a server behind it: no word on a request's size."""

NO_SUCH_THING_STATUS = frozenset({501, 505})
"""Of the 5xx: those that won't pass."""

SHOWN = 300
"""Letters of an answer that a message quotes."""

_A_SIZE = re.compile(
    r"context|tokens?\b|prompt|inputs?\b(?! validation)|sequence|payload|request (?:body|size|too)|messages\b"
    r"|received message|message (?:size|is too)|body (?:is|size)|entity|length|images?\b|pixels|upload"
    r"|characters"
    r"|上下文|长度|请求体|输入|コンテキスト|入力|컨텍스트|提示词|图片(?:大小|数据)",
    re.IGNORECASE,
)
_TOO_MUCH = re.compile(
    r"too (?:long|large|big|many)|exceed|surpass|overflow"
    r"|(?:(?:not|n['’]t) (?:be|have) |(?<!be )(?<!must have )(?<!should have ))"
    r"(?:longer|larger|bigger|greater|more) than"
    r"|(?:must|should|(?:has|have|needs?|ought) to) (?:be|have)"
    r" (?:<|≤|less|smaller|fewer|shorter|at most|no (?:more|longer|larger|bigger|greater))"
    r"|(?:n['’]t|not) fit|maximum (?:context|model|input|prompt|sequence)"
    r"|out of range|range of|limit(?:ed)? (?:of|to)|reduce the (?:length|size)|only supports? up to|max input"
    r"|\b(?:over|above|past) the (?:model|context|budget)|\bonly \d+ fit|\bno room"
    r"|(?:not enough|insufficient|out of) (?:context|room)"
    r"|context window (?:is )?full|token limit reached"
    r"|max_tokens must be at least 1, got -|\d\)? ?>=? ?\(?(?:max|n_ctx|context|limit)"
    r"|zu (?:lang|groß)|trop (?:long|grand)|dépass|demasiado (?:larg|grand)"
    r"|超过|超出|超长|超限|大于|초과|过长|过大|長すぎ|超えて",
    re.IGNORECASE,
)
"""A size, and that it is too much. Servers agree on no more than that: lmdeploy, vLLM, SGLang, TGI,
llama.cpp, Ollama, OpenAI, Anthropic, Gemini and Mistral say it in words of their own."""

_TOO_LONG_CODES = ("context_length_exceeded", "request_too_large", "string_above_max_length")

_OF_NO_SIZE = r"(?![^.;]*(?:pixel|token|byte|[mk]i?b\b|context|size|length|large|resolution|prompt))"

_ABOUT_NUMBERS = re.compile(
    r"\b(?:images?|pictures?|image_url|mm)\b(?:(?!pix)[^.;]){0,40}\b(?:per (?:request|prompt)|in one|limit)"
    r"|\b(?:at most|up to|than|of|exceeds?|only) (?:the )?\d+ (?:image|picture|multi\w*)s?\b(?! token| patch)"
    r"|(?:too many|number of) (?:\w+ )?(?:image|picture|item)s?\b(?! token| patch)"
    r"|\b(?:image|picture)s? (?:count|number)|(?:single|one|multiple|several) images?\b"
    rf"|\b\d+ (?:image|picture)s\b{_OF_NO_SIZE}[^.;]*(?:exceed|more than|max|limit)"
    r"|图片(?:数(?!据)|个数|张数)|\d ?张(?![^。；]*(?:大小|长度|MB))"
    r"|too small|aspect ratio|input should be (?:greater|less)"
    r"|\bmax_(?:completion_)?tokens\b[^.;]{0,20}\b"
    r"(?:is too large: \d+\. This model supports|(?:must|should|(?:has|needs) to) be (?:less|at most))",
    re.IGNORECASE,
)
"""Not the size of a request, but how many images there are, or what a field may be."""

_ABOUT_OTHERS = re.compile(
    r"deadline|tim(?:e|ed)[ _-]?out|\btime (?:limit|exceed)|(?:ing|ion|max|imum) time\b|\btook\b"
    r"|tak(?:es|ing) too long|\b\d+(?:\.\d+)? ?(?:ms|s|secs?|seconds?|minutes?)\b|\bwait|\bretries"
    r"|queue|concurren|in[ -]flight|pending|overload|throttl|\bbusy|at capacity"
    r"|rate[ _-]?limit|quota|per (?:min|hour|day)|\bdaily|monthly|this month"
    r"|\bcredits?\b|balance|billing|your (?:plan|tier|subscription|account)"
    r"|超时|排队|并发|限流|频率|配额|额度|余额",
    re.IGNORECASE,
)
"""Nor is it the size: how long it took, what else there is to do, or what is paid for."""

_AGAIN = re.compile(r"\btry(?:ing)? again|\bretry\b", re.IGNORECASE)
_SMALLER = re.compile(r"reduc|short(?!ly)|small|fewer|\bless\b|trim|truncat|resiz|compress", re.IGNORECASE)
"""What may be sent again as it is isn't too long."""


class RequestError(Exception):
    """One request to one endpoint brought no caption."""

    said: str = ""
    """What the endpoint said, at length; empty where it said nothing."""
    code: int = 0
    """The HTTP status that it said it with; 0 where none came."""


class Refused(RequestError):
    """The request will never be served."""


class TooLong(Refused):
    """Prompt and images exceed the model's context."""


class Transient(RequestError):
    """The same request may well be served later or elsewhere."""

    counts_as_attempt: ClassVar[bool] = True
    """Of the attempts that a request has."""
    is_overload: ClassVar[bool] = False
    """Whether the endpoint had too much to do."""
    is_of_endpoint: ClassVar[bool] = True
    """Whether it says that the endpoint isn't well."""
    retry_after_s: float = 0.0
    """For how long the endpoint asked to be left alone; 0: not at all."""


class TimedOut(Transient):
    """Nothing came for too long."""

    is_overload = True


class NotNow(Transient):
    """The endpoint can't take it now."""

    counts_as_attempt = False
    is_overload = True
    is_of_endpoint = False

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(NotNow):
    """The endpoint serves nobody at the moment: others are to be asked."""

    is_of_endpoint = True


class Unreachable(Unavailable):
    """Nobody listens there."""

    is_overload = False


def fault(code: int, words: str, where: str, retry_after_s: float = 0.0) -> RequestError | SetupError:
    """The error to raise for ``words``, which came with ``code``. ``where`` names the endpoint."""
    answer = f"{where}, HTTP {code}: {shown(words)}"
    if code == 401:  # 403 may be a gateway's word on a picture
        return no_access(code, words, where)
    if code == 429:
        return NotNow(answer, retry_after_s)
    if code == 413 or (code not in PASSING_STATUS and code not in _ELSEWHERE and is_too_long(words)):
        error: RequestError = TooLong(answer)
    elif code in UNAVAILABLE_STATUS:
        error = Unavailable(answer, retry_after_s)
    elif (code >= 500 and code not in NO_SUCH_THING_STATUS) or code in PASSING_STATUS:
        error = Transient(answer)
    else:
        error = Refused(answer)
    error.said, error.code = words, code
    return error


def no_access(code: int, words: str | bytes, where: str) -> SetupError:
    """That an endpoint refuses the key, or wants one."""
    return SetupError(
        f"{where} refuses access (HTTP {code}: {shown(words)});"
        " name the environment variable of its key in captioning.server.api_key_env",
        key="captioning.server.api_key_env",
    )


def is_too_long(words: str) -> bool:
    """Whether ``words`` say that prompt and images are more than the model, or a gateway, takes."""
    if any(code in words for code in _TOO_LONG_CODES):
        return True
    if _ABOUT_NUMBERS.search(words) or _ABOUT_OTHERS.search(words):
        return False
    if _AGAIN.search(words) and not _SMALLER.search(words):
        return False
    return bool(_A_SIZE.search(words) and _TOO_MUCH.search(words))


def shown(content: bytes | str) -> str:
    """The beginning of something from outside, in one line that a terminal may show."""
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    text = " ".join(text[: 2 * SHOWN].split())
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[: SHOWN + 1])
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
