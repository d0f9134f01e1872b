"""Secrets that are sent never appear in messages, captions or files."""

from __future__ import annotations

import base64
import json
import urllib.parse
from pathlib import Path

import pytest

from tests.support.scripted_endpoint import CAPTION, Asked, Reply, ScriptedEndpoint, refuse, say, well
from tests.support.small_run import SmallRun
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.endpoints.secrets import Secrets, headers_to_send
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.engines.openai_server import ServerEngine
from triptych.errors import SetupError, UsageError

KEY = 'sk-test/0123456789+"quoted'


@pytest.mark.parametrize(
    "quoted",
    [
        KEY,
        json.dumps({"key": KEY}),
        json.dumps({"key": KEY}).replace("/", "\\/"),
        urllib.parse.quote(KEY, safe=""),
        base64.b64encode(KEY.encode()).decode(),
        KEY[:15] + "...",
    ],
)
def test_a_key_is_removed_in_every_form_in_which_it_is_quoted(quoted: str) -> None:
    """Verbatim, escaped, encoded or cut."""
    cleaned = Secrets([KEY]).removed(f"bad header Authorization: Bearer {quoted}, try again")

    assert "0123" not in cleaned
    assert "try again" in cleaned


def test_a_key_that_is_a_plain_word_stays_in_captions() -> None:
    """Local servers accept any key, such as EMPTY, and a caption may contain the word."""
    secrets = Secrets(["ollama", "sk-test-12345"])

    assert "An ollama sign, (removed)." == secrets.removed_from_caption("An ollama sign, sk-test-12345.")
    assert "key (removed) refused" == secrets.removed("key ollama refused")


@pytest.mark.parametrize("value", ["", " \n", "sk-\nhidden", "sk-hidd\u00e9n", "sk-\x1bhidden"])
def test_a_key_that_cannot_be_sent_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The value isn't shown."""
    monkeypatch.setenv("A_KEY", value)

    with pytest.raises(SetupError, match=r"captioning\.server\.api_key_env names A_KEY") as raised:
        headers_to_send("A_KEY", {})
    assert "hid" not in str(raised.value)


def test_keys_and_header_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is stripped. The decoded password of a login is a secret too."""
    monkeypatch.setenv("A_KEY", " sk-1234567\n")
    monkeypatch.setenv("LOGIN", base64.b64encode(b"somebody:hunter-pass").decode())

    assert {"Authorization": "Bearer sk-1234567"} == headers_to_send("A_KEY", {})[0]
    headers, secrets = headers_to_send(None, {"Authorization": "Basic $LOGIN", "X-Team": "vision"})
    assert "vision" == headers["X-Team"]
    assert "hunter-pass" in secrets


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer sk-hidden"},
        {"X-Api-Key": "sk-hidden"},
        {"Cookie": "session=hidden"},
        {"Host": "hidden"},
        {"X Team": "hidden"},
        {"X-Team": "hid\r\nden"},
    ],
)
def test_headers_that_would_store_a_secret_or_cannot_be_sent_are_refused(headers: dict[str, str]) -> None:
    """The error says how to write them, and doesn't show the value."""
    with pytest.raises(UsageError, match=r"captioning\.server\.headers") as raised:
        ServerConfig(headers=headers)
    assert "hidden" not in str(raised.value)


def test_a_key_that_an_endpoint_quotes_reaches_no_file(
    small_run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in a failure, nor in a caption, however the answer is cut into pieces."""
    monkeypatch.setenv("A_KEY", "sk-0123456789abcdef")

    def chat(asked: Asked) -> Reply:
        key = asked.headers["Authorization"]
        if asked.body["max_tokens"] != 32 and len(endpoint.asked) % 3 == 1:
            return refuse(400, f"bad header Authorization: {key} for you")
        return say(f"{CAPTION} It reads {key} on a sign, as clear as day, and that is all of it.")

    with ScriptedEndpoint(chat) as endpoint:
        config = ServerConfig(urls=(endpoint.url,), api_key_env="A_KEY")
        small_run.caption(CaptioningConfig(server=config, jobs=("single_en",), tile_px=112, max_tiles=1))

    rows = small_run.rows().values()
    assert any("(removed) for you" in (row.failure or "") for row in rows)
    assert any("It reads Bearer (removed) on a sign" in row.text for row in rows)
    assert [] == [path for path in _files(small_run.run.path) if b"0123456789" in path.read_bytes()]


def test_a_refused_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the endpoint quotes it."""
    monkeypatch.setenv("A_KEY", "sk-0123456789abcdef")
    no_entry = refuse(401, "Incorrect API key: sk-0123456789abcdef")
    with (
        ScriptedEndpoint(well, models=no_entry) as endpoint,
        pytest.raises(SetupError, match="refuses access") as raised,
    ):
        ServerEngine(ServerConfig(urls=(endpoint.url,), api_key_env="A_KEY"))
    assert "0123456789" not in str(raised.value)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "body", [{"api_key": "sk-1"}, {"a": {"Authorization": "x"}}, {"a": [{"password": "x"}]}]
)
def test_a_secret_in_the_body_is_refused(body: dict[str, object]) -> None:
    """It would be stored with the run, and appear in the card."""
    with pytest.raises(UsageError, match="no secret, which would be stored") as caught:
        ServerConfig(extra_body=body)

    assert "sk-1" not in str(caught.value)


def test_tokens_of_a_model_are_not_secrets() -> None:
    """Nor is an empty value."""
    ServerConfig(extra_body={"eos_token": "<|im_end|>", "max_tokens": 5, "api_key": None, "top_k": 1})
