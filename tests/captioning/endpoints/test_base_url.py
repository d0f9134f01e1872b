"""The address of an endpoint, in every form in which users write it."""

from __future__ import annotations

import pytest

from triptych.captioning.endpoints.base_url import base_url
from triptych.captioning.engines.config import ServerConfig
from triptych.errors import UsageError


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("http://host:8000", "http://host:8000/v1"),
        ("http://host:8000/", "http://host:8000/v1"),
        ("http://host:8000/v1/", "http://host:8000/v1"),
        ("  http://host/v1\n", "http://host/v1"),
        ("HTTP://Host:8000/V1", "http://host:8000/V1"),
        ("http://host/vllm", "http://host/vllm/v1"),
        ("http://host/vision/v1", "http://host/vision/v1"),
        ("http://host/v1/chat/completions", "http://host/v1"),
        ("http://host/v1/models/", "http://host/v1"),
        ("http://host/api/v3", "http://host/api/v3"),
        ("http://host/v1.0", "http://host/v1.0"),
        ("http://host//v1//", "http://host/v1"),
        ("http://host/v1/responses", "http://host/v1"),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "https://generativelanguage.googleapis.com/v1beta/openai",
        ),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_every_form_of_a_url_is_understood(written: str, asked: str) -> None:
    """With or without a version, which is v and a digit, or with the full path of a call."""
    assert asked == base_url(written)
    assert asked == base_url(asked)


@pytest.mark.parametrize(
    "written",
    [
        "host:8000",
        "ftp://host/v1",
        "http://",
        "http:///v1",
        "http://host:99999/v1",
        "http://ho st/v1",
        "http://host/v1?api_key=hunter-0815",
        "http://host/v1#hunter-0815",
        "http://somebody:hunter-0815@host/v1",
        "http://hunter-0815@host:port/v1",
        "http://host\\v1",
        "http://host/\x1b[2J",
    ],
)
def test_an_invalid_url_is_refused_without_showing_secrets(written: str) -> None:
    """Nor characters that would move a terminal's cursor."""
    with pytest.raises(
        UsageError, match=r"captioning\.server\.urls is .*; expected http://HOST:PORT/v1"
    ) as raised:
        ServerConfig(urls=("http://fine/v1", written))
    assert "hunter" not in str(raised.value)
    assert str(raised.value).isprintable()
