"""The address of an endpoint, as users write it and as it is asked.

Comes in: what was given with --server. Goes out: a base URL that ends in a version, to which
``/chat/completions`` is appended. Not its job: whether somebody listens there.
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
        raise ValueError("it holds a blank, a backslash or a control character")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{error}" if "@" not in text else "it can't be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it names no host behind http:// or https://")
    if "@" in parts.netloc:
        raise ValueError(
            "it holds a user or a password, which would be stored with the run; leave them out, export"
            " LOGIN=$(printf USER:PASSWORD | base64), and add --header 'Authorization: Basic $LOGIN'"
        )
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError("it has something behind its path; a secret goes into a header (--header)")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = _OF_A_CALL.sub("", re.sub("/+", "/", parts.path).rstrip("/"))
    if not any(map(_VERSION.fullmatch, path.split("/"))):
        path += "/v1"
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{path}"


def other_base_urls(url: str) -> tuple[str, ...]:
    """Where an endpoint may be that isn't found at ``url``: without its version, or with one behind it, which
    is behind another where the path of a gateway only looks like one.

    >>> other_base_urls("http://gpu1:8000/v1"), other_base_urls("https://host/api")
    (('http://gpu1:8000',), ('https://host/api/v1',))
    >>> other_base_urls("http://host/v100")
    ('http://host/v100/v1', 'http://host')
    """
    before, _, last = url.rpartition("/")
    with_version = () if last.lower() == "v1" else (f"{url}/v1",)
    return (*with_version, before) if _VERSION.fullmatch(last) else with_version


def is_showable(text: str) -> bool:
    """Whether a URL that is refused may be shown: no secret can be in it, nothing that moves a cursor."""
    return text.isprintable() and not any(mark in text for mark in "@?#")
