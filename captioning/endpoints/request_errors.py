"""The errors of a request to an endpoint, by what to do about them.

Comes in: an HTTP status or error code, and the server's message. Goes out: a RequestError, or SetupError
where the endpoint refuses the key.

    RequestError        the base; its text names the endpoint and what it answered
    ├── Refused         the request will never be served: a bad image
    │   └── TooLong     prompt and images are too large: fewer tiles may help
    └── Transient       the request may be served later or elsewhere
        ├── TimedOut    no byte in time, which is also a sign of overload
        └── NotNow      the endpoint takes no more at the moment (429)
            └── Unavailable         the endpoint serves nobody (503, 404)
                └── Unreachable     nothing listens there

How each is handled, and why: docs/decisions/0022. Not its job: finding errors in answers (see chat_api),
retries (see engines.openai_server).
"""

from __future__ import annotations

import re
from typing import ClassVar

from triptych.errors import SetupError

PASSING_STATUS = frozenset({408, 409, 425, 499})
"""The 4xx that are worth a retry, besides 404 and 429; so are 5xx. 499: lmdeploy cancelled the request."""

UNAVAILABLE_STATUS = frozenset({404, 503})
"""Not about the request: the server's engine sleeps or is dead, or it serves another model by now."""

_NOT_ABOUT_SIZE = frozenset({404, 502, 503, 504, 529})
"""About a path, or a server behind a gateway: never about the size of a request."""

PERMANENT_5XX_STATUS = frozenset({501, 505})

EXCERPT_CHARS = 300
"""How much of an answer a message quotes."""

_A_SIZE = re.compile(
    r"context|tokens?(?![a-z_])|prompt|inputs?\b(?! validation)|sequence|payload|request too|messages\b"
    r"|received message|message (?:is too|larger)|(?<![</])body|entity|length|\bsize\b|images?\b|pixels"
    r"|patches|upload|\bfile\b|data-?uri|characters|kv[ _]?(?:cache|blocks)|seq_len"
    r"|上下文|长度|请求体|输入|コンテキスト|入力|컨텍스트|입력|提示词|图[片像]|文件|entrada|контекст|запрос",
    re.IGNORECASE,
)
_TOO_MUCH = re.compile(
    r"too (?:long|large|big|many)|exceed|surpass|overflow|reached"
    r"|(?:(?:not|n['’]t) (?:be|have) |(?<!be )(?<!must have )(?<!should have ))"
    r"(?:longer|larger|bigger|greater|more) than|expected maxlength|limit is \d|max limit|length is only"
    r"|(?:must|should|(?:has|have|needs?|ought) to) (?:be|have)"
    r" (?:<|≤|less|smaller|fewer|shorter|at most|no (?:more|longer|larger|bigger|greater))"
    r"|(?:n['’]t|not) fit|maximum (?:context|model|input|prompt|sequence)"
    r"|out of range|range of|limit(?:ed)? (?:of|to)|reduce the (?:length|size)|only supports? up to|max input"
    r"|\b(?:over|above|past) the (?:model|context|budget)|\bonly \d+ fit|\bno room"
    r"|(?:not enough|insufficient|out of) (?:context|room|kv|blocks)|cache is full|context shift is disabled"
    r"|context window (?:is )?full|token limit reached"
    r"|max_tokens must be at least 1, got -|\d\)? ?>=? ?\(?(?:max|n_ctx|context|limit)"
    r"|zu (?:lang|groß)|trop (?:long|grand)|dépass|demasiado (?:larg|grand)|превы|слишком"
    r"|超过|超出|超长|超限|大于|초과|너무|过长|过大|過大|長すぎ|超えて|超え|超過",
    re.IGNORECASE,
)
"""A message about length names a size and says that it is too much. No more is common to lmdeploy, vLLM,
SGLang, TGI, llama.cpp, Ollama, OpenAI, Anthropic, Gemini and Mistral."""

_TOO_LONG_CODES = ("context_length_exceeded", "request_too_large", "string_above_max_length")

_NOT_IN_SIZE_UNITS = r"(?![^.;]*(?:pixel|token|byte|[mk]i?b\b|context|size|length|large|resolution|prompt))"

_ABOUT_NUMBERS = re.compile(
    r"\b(?:images?|pictures?|image_url|mm)\b(?:(?!pix|data|size|file)[^.;]){0,40}"
    r"\b(?:per (?:request|prompt)|in one|limit)"
    r"|\b(?:at most|up to|than|of|exceeds?|only) (?:the )?\d+ (?:image|picture|multi\w*)s?\b(?! token| patch)"
    r"|(?:too many|number of) (?:\w+ )?(?:image|picture|item)s?\b(?! token| patch)"
    r"|\b(?:image|picture)s? (?:count|number)|(?:single|one|multiple|several) images?\b"
    rf"|\b\d+ (?:image|picture)s\b{_NOT_IN_SIZE_UNITS}[^.;]*(?:exceed|more than|max|limit)"
    r"|图片(?:数(?!据)|个数|张数)|\d ?张(?![^。；]*(?:大小|长度|MB))"
    r"|too small|aspect ratio|input should be (?:greater|less)|(?:list|array|tuple) should have"
    r"|range of \W?(?!input)\w+ should"
    r"|\bmax_(?:completion_)?tokens\b[^.;]{0,20}\b"
    r"(?:is too large: \d+\. This model supports|(?:must|should|(?:has|needs) to) be (?:less|at most))",
    re.IGNORECASE,
)
"""Messages on the number of images or the value of a field, not on the size of the request."""

_ABOUT_LOAD_OR_QUOTA = re.compile(
    r"deadline|tim(?:e|ed)[ _-]?out|\btime (?:limit|exceed)|(?:ing|ion|max|imum) time\b|\btook\b"
    r"|tak(?:es|ing) too long|\b\d+(?:\.\d+)? ?(?:ms|s|secs?|seconds?|minutes?)\b|\bwait|\bretries"
    r"|queue|concurren|in[ -]flight|pending|overload|throttl|\bbusy|at capacity"
    r"|rate[ _-]?limit|quota|per (?:min|hour|day)|\bdaily|monthly|this month"
    r"|\bcredits?\b|balance|billing|your (?:plan|tier|subscription|account)"
    r"|超时|排队|并发|限流|频率|配额|额度|余额",
    re.IGNORECASE,
)
"""Messages on time, load or payment, not on the size of the request."""

_NO_MONEY = re.compile(
    r"insufficient[_ ](?:quota|balance|credit|fund)|exceeded_current_quota|credit balance|余额不足|欠费",
    re.IGNORECASE,
)
"""A 429 that waiting doesn't end."""

_AGAIN = re.compile(r"\btry(?:ing)? again|\bretry\b", re.IGNORECASE)
_SMALLER = re.compile(
    r"reduc|short(?!ly)|small|fewer|\bless\b|trim|truncat|resiz|reformat|compress", re.IGNORECASE
)
"""A message that asks to try again, but not with less, isn't about size."""


class RequestError(Exception):
    """A request to one endpoint failed."""

    server_message: str = ""
    """The endpoint's own words, longer than the error quotes them; empty without any."""
    code: int = 0
    """The HTTP status; 0 without an answer."""


class Refused(RequestError):
    """The request will never be served."""


class TooLong(Refused):
    """Prompt and images exceed the model's context."""


class Transient(RequestError):
    """The same request may be served later or elsewhere."""

    counts_as_attempt: ClassVar[bool] = True
    """Whether it uses up one of the request's attempts."""
    is_overload: ClassVar[bool] = False
    """Whether it shows that the endpoint has too much to do."""
    is_endpoint_fault: ClassVar[bool] = True
    """Whether it shows that the endpoint is unhealthy."""
    retry_after_s: float = 0.0
    """How long the endpoint asked to wait, by Retry-After; 0: it didn't."""


class TimedOut(Transient):
    """Nothing came for too long."""

    is_overload = True


class NotNow(Transient):
    """The endpoint takes no more requests at the moment."""

    counts_as_attempt = False
    is_overload = True
    is_endpoint_fault = False


class Unavailable(NotNow):
    """The endpoint serves nobody at the moment: requests go to others."""

    is_endpoint_fault = True


class Unreachable(Unavailable):
    """Nothing listens there."""

    is_overload = False


def error_for(code: int, message: str, where: str, retry_after_s: float = 0.0) -> RequestError | SetupError:
    """The error to raise where the endpoint ``where`` answered ``message`` with status ``code``."""
    answer = f"{where}, HTTP {code}: {excerpt(message)}"
    if code == 401:  # 403 may be a gateway's verdict on an image
        return access_refused(code, message, where)
    if code == 402 or (code == 429 and _NO_MONEY.search(message)):
        return SetupError(f"{answer}; pay or raise the limit and run the same command again")
    if code == 429:
        error: RequestError = NotNow(answer)
    elif code == 413 or (code not in PASSING_STATUS | _NOT_ABOUT_SIZE and is_too_long(message)):
        error = TooLong(answer)
    elif code in UNAVAILABLE_STATUS:
        error = Unavailable(answer)
    elif (code >= 500 and code not in PERMANENT_5XX_STATUS) or code in PASSING_STATUS:
        error = Transient(answer)
    else:
        error = Refused(answer)
    if isinstance(error, Transient):
        error.retry_after_s = retry_after_s
    error.server_message, error.code = message, code
    return error


def access_refused(code: int, message: str | bytes, where: str) -> SetupError:
    """The error for an endpoint that refuses the key, or wants one."""
    return SetupError(
        f"{where} refuses access (HTTP {code}: {excerpt(message)});"
        " put a valid key into the variable that captioning.server.api_key_env names (--api-key-env)",
        key="captioning.server.api_key_env",
    )


def is_too_long(message: str) -> bool:
    """Whether ``message`` says that prompt and images are more than the model, or a gateway, takes."""
    if any(code in message for code in _TOO_LONG_CODES):
        return True
    if _ABOUT_NUMBERS.search(message) or _ABOUT_LOAD_OR_QUOTA.search(message):
        return False
    if _AGAIN.search(message) and not _SMALLER.search(message):
        return False
    return bool(_A_SIZE.search(message) and _TOO_MUCH.search(message))


def excerpt(content: bytes | str) -> str:
    """The beginning of untrusted text, as one line that is safe to print."""
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    text = " ".join(text[: 2 * EXCERPT_CHARS].split())[: EXCERPT_CHARS + 1]
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return text if len(text) <= EXCERPT_CHARS else text[:EXCERPT_CHARS] + "..."
