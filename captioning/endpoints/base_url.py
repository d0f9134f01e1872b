"""From the URL that a user writes to the base URL of an endpoint.

Comes in: a value of --server. Goes out: a base URL with a version, to which ``/chat/completions`` is
appended. Not its job: whether a server listens there.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_VERSION = re.compile(r"v\d[\w.]*", re.IGNORECASE)
_OF_A_CALL = re.compile(
    r"/(?:chat(?:/completions)?|completions|models|responses|messages|embeddings)$", re.IGNORECASE
)


def base_url(text: str) -> str:
    """The base URL that ``text`` stands for. Raises ValueError, with a reason that shows no password.

    >>> base_url("http://gpu1:23333"), base_url("HTTPS://host/vllm/V1/chat/completions")
    ('http://gpu1:23333/v1', 'https://host/vllm/V1')
    >>> base_url("https://generativelanguage.googleapis.com/v1beta/openai/")
    'https://generativelanguage.googleapis.com/v1beta/openai'
    """
    text = text.strip()
    if not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("it contains a space, a backslash or a control character")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError("it can't be parsed" if "@" in text else str(error)) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it has no host after http:// or https://")
    if "@" in parts.netloc:
        raise ValueError(
            "it contains a user or a password, which would be stored with the run; leave them out, export"
            " LOGIN=$(printf USER:PASSWORD | base64), and add --header 'Authorization: Basic $LOGIN'"
        )
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError(
            "it has a query or a fragment after its path; leave that out and put a secret into a header"
            " (--header); Azure takes no api-version at https://NAME.openai.azure.com/openai/v1"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = _OF_A_CALL.sub("", re.sub("/+", "/", parts.path).rstrip("/"))
    if not any(map(_VERSION.fullmatch, path.split("/"))):
        path += "/v1"
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{path}"


def other_base_urls(url: str) -> tuple[str, ...]:
    """Further URLs to try where ``url`` answers 404: without its version, and with ``/v1`` appended, even
    to a path that only looks like a version.

    >>> other_base_urls("http://gpu1:8000/v1"), other_base_urls("https://host/api")
    (('http://gpu1:8000',), ('https://host/api/v1',))
    >>> other_base_urls("http://host/v100")
    ('http://host/v100/v1', 'http://host')
    """
    before, _, last = url.rpartition("/")
    with_version = () if last.lower() == "v1" else (f"{url}/v1",)
    return (*with_version, before) if _VERSION.fullmatch(last) else with_version


def is_showable(text: str) -> bool:
    """Whether an invalid URL is safe to print: it can contain no secret and no control characters."""
    return text.isprintable() and not any(mark in text for mark in "@?#")
