"""Reads secrets from the environment, and removes them from what servers send back.

Comes in: the name of a key's variable, configured headers, the environment. Goes out: headers to send, and
``Secrets``, which removes keys, secret headers and proxy passwords from texts. Not its job: sending.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, urlsplit

from triptych.errors import SetupError, UsageError

REMOVED = "(removed)"

MIN_SECRET = 4
"""Characters: shorter values occur in any text by chance."""

MIN_IN_CAPTION = 8
"""From captions, shorter secrets and plain words are not removed: a local server's key may be ``EMPTY`` or
``ollama``, which a caption may contain."""

SHOWN_PREFIX = 8
"""Servers that quote a key in part quote its beginning: that is removed with what follows it."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SECRET_NAME = re.compile(r"auth|cookie|token|secret|passw|key|credential|session|signature", re.IGNORECASE)
_SECRET_FIELD = re.compile(
    r"(?:api|access|secret|auth)[_-]?(?:key|token)|passw|secret|credential|authorization|bearer",
    re.IGNORECASE,
)
"""Names of fields in a request's body, where "token" alone is rarely a secret."""

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))")
_OWN_HEADERS = frozenset({"content-type", "content-length", "transfer-encoding", "host", "connection"})


class Secrets:
    """Secret values, in every encoding in which a server may send them back."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values if len(value) >= MIN_SECRET for form in _forms(value)}
        everywhere = sorted(forms, key=len, reverse=True)
        self._anywhere = _pattern(everywhere)
        self._in_captions = _pattern([f for f in everywhere if len(f) >= MIN_IN_CAPTION and not f.isalpha()])

    def removed(self, text: str) -> str:
        """``text``, such as an error message, without secrets."""
        return self._anywhere.sub(REMOVED, text) if self._anywhere is not None else text

    def removed_from_caption(self, text: str) -> str:
        """A caption without secrets."""
        return self._in_captions.sub(REMOVED, text) if self._in_captions is not None else text

    def removed_from_bytes(self, content: bytes) -> bytes:
        """The body of an answer without secrets."""
        if self._anywhere is None:
            return content
        return self.removed(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _forms(value: str) -> set[str]:
    quoted = json.dumps(value)[1:-1]
    encoded = base64.b64encode(value.encode()).decode()
    return {value, quoted, quoted.replace("/", "\\/"), quote(value, safe=""), encoded, encoded.rstrip("=")}


def _pattern(forms: list[str]) -> re.Pattern[str] | None:
    if not forms:
        return None
    halves = {form[:SHOWN_PREFIX] for form in forms if len(form) > 2 * SHOWN_PREFIX}
    alternatives = [*map(re.escape, forms), *(rf"{re.escape(half)}[^\s\"'<>,;}}]*" for half in halves)]
    return re.compile("|".join(alternatives))


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise UsageError where a header can't be sent, or has a secret that would be stored with the run."""
    for name, value in headers.items():
        key = "captioning.server.headers"
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise UsageError(f"{key}: {name!r} can't be set; expected NAME: VALUE, with a name", key=key)
        if _SECRET_NAME.search(name) and not _VARIABLE.search(value):
            raise UsageError(
                f"{key}: the value of {name} would be stored with the run; put it into an environment"
                f" variable, and name that in single quotes: --header '{name}: $VARIABLE'",
                key=key,
            )
        if not _is_sendable(value):
            raise UsageError(f"{key}: the value of {name} isn't printable ASCII", key=key)


def secret_fields(body: object) -> Iterator[str]:
    """The names of fields, at any depth, that suggest that their value is a secret."""
    if isinstance(body, Mapping):
        for name, value in body.items():
            if isinstance(value, str) and value and _SECRET_FIELD.search(name):
                yield name
            yield from secret_fields(value)
    elif isinstance(body, list):
        for each in body:
            yield from secret_fields(each)


def headers_to_send(api_key_env: str | None, headers: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Headers with variables replaced by their values, and all secret values. Raises SetupError for a
    variable that isn't set, or whose value can't be sent."""
    sent: dict[str, str] = {}
    secret: list[str] = []

    def from_environment(found: re.Match[str]) -> str:
        secret.append(_variable(found[1] or found[2], "captioning.server.headers"))
        return secret[-1]

    if api_key_env is not None:
        secret.append(_variable(api_key_env, "captioning.server.api_key_env"))
        sent["Authorization"] = f"Bearer {secret[-1]}"
    for name, value in headers.items():
        sent[name] = _VARIABLE.sub(from_environment, value)
        if sent[name] != value:
            secret += [sent[name], *sent[name].split()[1:]]
    return sent, secret + [password for value in secret if (password := _basic_auth_password(value))]


def _basic_auth_password(value: str) -> str:
    """The password in a login of HTTP's Basic scheme; empty where ``value`` is none."""
    try:
        user, colon, password = base64.b64decode(value, validate=True).decode("ascii").partition(":")
    except ValueError:
        return ""
    return password if user and colon and password.isprintable() else ""


def _variable(name: str, key: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise SetupError(f"{key} names {name}, which is not set; export {name}=KEY", key=key)
    if not _is_sendable(value):
        raise SetupError(
            f"{key} names {name}, whose value contains a line break, a control character or a letter that is"
            f" not ASCII; export {name} again",
            key=key,
        )
    return value


def _is_sendable(value: str) -> bool:
    return value.isascii() and value.isprintable()


def password_of(url: str) -> list[str]:
    """The secrets in a proxy's URL: its password, and user and password together."""
    parts = urlsplit(url)
    return [parts.password, f"{parts.username}:{parts.password}"] if parts.password else []
