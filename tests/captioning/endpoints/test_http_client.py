"""The HTTP client: proxies, redirects, certificates, limits, and answers cut anywhere."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.scripted_endpoint import (
    CAPTION,
    MODEL,
    Asked,
    Reply,
    ScriptedEndpoint,
    delta,
    events,
    listed,
    refuse,
    well,
)
from triptych.captioning.endpoints.proxies import is_loopback, proxy_for
from triptych.captioning.engine import CaptionRequest, Completion
from triptych.captioning.engines import RequestLimits
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.engines.openai_server import ServerEngine
from triptych.captioning.tiling import trial_jpeg
from triptych.errors import SetupError

REQUEST = CaptionRequest(id="single_en:a.jpg", prompt="Go.", images=(trial_jpeg(56),), max_tokens=40)
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without proxies."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def ask(url: str, *, limits: RequestLimits | None = None, **settings: Any) -> Completion:
    """The completion of REQUEST."""
    limits = limits or RequestLimits(max_attempts=1, patience_s=1.0, first_token_timeout_s=5.0)
    engine = ServerEngine(ServerConfig(urls=(url,), **settings), limits=limits)
    try:
        return engine.caption([REQUEST])[0]
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("url", "no_proxy", "expected"),
    [
        ("http://gpu1:8000/v1", "", "http://proxy:3128"),
        ("https://gpu1/v1", "", "http://secure:3128"),
        ("http://gpu1:8000/v1", "gpu1", None),
        ("http://gpu1.cluster/v1", ".cluster", None),
        ("http://10.1.2.3/v1", "10.0.0.0/8,gpu", None),
        ("http://11.1.2.3/v1", "10.0.0.0/8,gpu", "http://proxy:3128"),
        ("http://10.1.2.3/v1", "gpu 10.*", None),
        ("http://gpu1.cluster/v1", "*.cluster", None),
        ("http://gpu1:8000/v1", "gpu1:8000", None),
        ("http://gpu1:8000/v1", "gpu1:8001,u1,pu1", "http://proxy:3128"),
        ("http://GPU1/v1", "x, Gpu1", None),
        ("http://gpu1/v1", "*", None),
        ("http://[fd00::1]:80/v1", "[fd00::1]", None),
        ("http://127.0.0.1:8000/v1", "", None),
        ("http://localhost/v1", "", None),
        ("http://[::1]/v1", "", None),
        ("http://[::ffff:127.0.0.1]/v1", "", None),
        ("http://0.0.0.0:8000/v1", "", None),
        ("http://notlocalhost/v1", "", "http://proxy:3128"),
    ],
)
def test_proxies_come_from_the_environment(
    url: str, no_proxy: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By scheme, except for hosts and networks in no_proxy. This machine is never reached through a proxy."""
    monkeypatch.setenv("http_proxy", "proxy:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://secure:3128")
    monkeypatch.setenv("no_proxy", no_proxy)

    assert expected == proxy_for(url)


@pytest.mark.parametrize("proxy", ["http://", "http://user:hunter-0815@proxy:abc", "http://proxy:99999"])
def test_a_proxy_without_host_or_port_is_reported_in_one_line(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its password."""
    monkeypatch.setenv("http_proxy", proxy)

    with pytest.raises(SetupError, match=r"has no valid host and port; set http_proxy to") as raised:
        proxy_for("http://gpu1/v1")
    assert "hunter" not in str(raised.value)


def test_a_proxy_of_another_kind_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says what to set."""
    monkeypatch.setenv("all_proxy", "socks5://proxy:1080")

    with pytest.raises(SetupError, match=r"names a socks5 proxy for http://gpu1.*no_proxy=gpu1"):
        proxy_for("http://gpu1/v1")
    assert is_loopback("api.localhost")


def test_models_and_captions_go_through_the_same_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets full URLs and its login. Errors name it, without its password."""

    def relay(asked: Asked) -> Reply:
        return refuse(502, "no such host: hunter-0815") if "captions" in asked.headers else well(asked)

    with ScriptedEndpoint(relay, path="http://gpu1.cluster:8000/v1") as proxy:
        monkeypatch.setenv("http_proxy", f"http://somebody:hunter-0815@127.0.0.1:{proxy.port}")
        assert CAPTION == ask("http://gpu1.cluster:8000/v1").text
        failed = ask("http://gpu1.cluster:8000/v1", headers={"captions": "no"})

    assert {f"http://gpu1.cluster:8000/v1/{path}" for path in ("models", "chat/completions")} == set(
        proxy.paths
    )
    assert "Basic " in proxy.asked[0].headers["Proxy-Authorization"]
    assert f"(through the proxy http://127.0.0.1:{proxy.port})" in (failed.failure or "")
    assert "hunter" not in (failed.failure or "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("of_models", [True, False])
def test_a_redirect_is_reported_in_one_line_and_not_followed(status: int, of_models: bool) -> None:
    """A POST would become a GET, and the key would be sent to another server."""
    path = "models" if of_models else "chat/completions"
    away = Reply(status, [b""], {"Location": f"https://other.host/v1/{path}"})
    with (
        ScriptedEndpoint(
            well if of_models else lambda _: away, models=away if of_models else listed(MODEL)
        ) as endpoint,
        pytest.raises(SetupError, match=rf"redirects to https://other.host/v1 \(HTTP {status}\)"),
    ):
        ask(endpoint.url)


@pytest.mark.parametrize("status", [301, 307, 308])
@pytest.mark.parametrize("is_relative", [True, False])
def test_a_trailing_slash_that_a_server_requires_is_added(status: int, is_relative: bool) -> None:
    """A redirect to the same path with a slash is followed, and occurs once per path."""
    with ScriptedEndpoint() as endpoint:
        slashed = ScriptedEndpoint.reply_to

        def reply(asked: Asked) -> Reply:
            if asked.path.endswith("/"):
                return slashed(endpoint, asked._replace(path=asked.path[:-1]))
            endpoint.paths.append(asked.path)
            place = asked.path if is_relative else f"http://127.0.0.1:{endpoint.port}{asked.path}"
            return Reply(status, [b""], {"Location": f"{place}/"})

        endpoint.reply_to = reply  # type: ignore[method-assign]
        engine = ServerEngine(ServerConfig(urls=(endpoint.url,)))
        completions = engine.caption([REQUEST] * 3)
        engine.close()

    assert [CAPTION] * 3 == [completion.text for completion in completions]
    assert 4 + 2 == len(endpoint.paths)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("/other/v1/chat/completions", r"to http://127.0.0.1:\d+/other/v1 \(HTTP 307\); name that with"),
        ("https://other.host/v1/chat/completions/", r"to https://other.host/v1 \(HTTP 307\); name that with"),
        ("/v1/chat/completions", "to itself .HTTP 307., so another --server wouldn't help: fix"),
        ("", "without a location .HTTP 307.; name another endpoint"),
        ("http://[", r"to http://\[ \(HTTP 307\)"),
    ],
)
def test_an_error_names_the_full_redirect_target(location: str, words: str) -> None:
    """As a URL to use instead. Otherwise it says that there is none."""
    away = Reply(307, [b""], {"Location": location})
    with ScriptedEndpoint(lambda _: away) as endpoint, pytest.raises(SetupError, match=words):
        ask(endpoint.url)


def test_netrc_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The login of another program isn't sent."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hunter-0815\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptedEndpoint() as endpoint:
        ask(endpoint.url)

    assert "Authorization" not in endpoint.asked[0].headers


def test_unreadable_certificates_are_reported_in_one_line(tmp_path: Any) -> None:
    """A missing file, and one without a certificate."""
    (tmp_path / "no.pem").write_text("nothing")
    for name in ("missing.pem", "no.pem"):
        with pytest.raises(SetupError, match=rf"ca_file .*{name} can't be read"):
            ask("https://127.0.0.1:1/v1", ca_file=str(tmp_path / name))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
def test_a_self_signed_endpoint_is_trusted_if_its_certificate_is_given(tmp_path: Any) -> None:
    """A real TLS server. Without the file, under another name or over HTTP, it is an error of one line."""
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "ca.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=gpu1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with ScriptedEndpoint() as endpoint:
        endpoint.encrypt(context)
        assert CAPTION == ask(f"https://127.0.0.1:{endpoint.port}", ca_file=certificate).text
        for url, settings, words in (
            (f"https://127.0.0.1:{endpoint.port}", {}, "no secure connection .*self-signed.*--ca-file"),
            (
                f"https://localhost:{endpoint.port}",
                {"ca_file": certificate},
                "no secure connection .*--ca-file",
            ),
            (f"http://127.0.0.1:{endpoint.port}", {}, "start the server or name another"),
        ):
            with pytest.raises(SetupError, match=words):
                ask(url, **settings)


def test_a_list_of_models_is_bounded_in_bytes_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless, slow and extremely compressed lists are each reported in one line, within seconds."""
    monkeypatch.setattr("triptych.captioning.endpoints.served_models.LIST_TIMEOUT_S", 1.0)
    bomb = gzip.compress(bytes(64 * 2**20))
    for models in (
        Reply(200, [b"x" * 2**20] * 32),
        Reply(200, [b" ", 0.2] * 50),
        Reply(200, [bomb], {"Content-Encoding": "gzip"}),
    ):
        began = time.monotonic()
        with (
            ScriptedEndpoint(models=models) as endpoint,
            pytest.raises(SetupError, match="asked for its models; start the server"),
        ):
            ask(endpoint.url)
        assert time.monotonic() - began < 8


def test_comments_are_not_tokens() -> None:
    """They keep a connection open, but a caption doesn't wait forever."""
    limits = RequestLimits(max_attempts=1, patience_s=1.0, first_token_timeout_s=1.0)
    with ScriptedEndpoint(lambda _: Reply(200, [b": ping\n\n", 0.2] * 20)) as endpoint:
        completion = ask(endpoint.url, limits=limits)

    assert "gave no token within 1 s" in (completion.failure or "")


def test_long_headers_of_gateways_are_read() -> None:
    """Such as a policy of 20 kB."""
    headers = {"Content-Security-Policy": "a" * 20_000}
    with ScriptedEndpoint(lambda asked: well(asked)._replace(headers=headers)) as endpoint:
        assert CAPTION == ask(endpoint.url).text


def test_an_answer_ends_with_done() -> None:
    """Even if the server keeps the connection open."""
    pieces = [events(delta(content=CAPTION), delta("stop")), 4.0]
    with ScriptedEndpoint(lambda _: Reply(200, pieces, {"Content-Type": "text/event-stream"})) as endpoint:
        limits = RequestLimits(max_attempts=1, token_timeout_s=2.0, timeout_s=3.0)
        assert CAPTION == ask(endpoint.url, limits=limits).text


@pytest.mark.parametrize("after", [[4.0], [b": ka\n\n", 0.2] * 20], ids=["nothing", "comments"])
def test_an_answer_with_a_finish_reason_is_complete(after: list[bytes | float]) -> None:
    """Even if no [DONE] follows and the connection stays open."""
    pieces = [events(delta(content=CAPTION), delta("stop"), done=False), *after]
    with ScriptedEndpoint(lambda _: Reply(200, pieces)) as endpoint:
        completion = ask(endpoint.url, limits=RequestLimits(max_attempts=1, token_timeout_s=0.5))

    assert (None, CAPTION, "stop") == (completion.failure, completion.text, completion.finish_reason)


def test_a_finished_answer_does_not_wait_for_another_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the finish reason, only a token count may follow, so the slot is soon free."""
    monkeypatch.setattr("triptych.captioning.endpoints.http_client.FINISHES_WITHIN_S", 0.3)
    released = threading.Event()
    waited: list[bool] = []

    def pieces() -> Iterator[bytes]:
        yield events(delta(content=CAPTION), delta("stop"), done=False)
        waited.append(released.wait(20.0))

    with ScriptedEndpoint(lambda _: Reply(200, pieces())) as endpoint:  # type: ignore[arg-type]
        text = ask(endpoint.url).text
        released.set()

    assert CAPTION == text
    assert False not in waited


def test_a_finish_reason_in_each_piece_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one alone is a sign of the end."""
    monkeypatch.setattr("triptych.captioning.endpoints.http_client.FINISHES_WITHIN_S", 0.1)
    begin, end = (delta("stop", content=text) for text in (CAPTION[:30], CAPTION[30:]))
    pieces = [events(begin, delta("stop"), done=False), 0.5, events(end, done=False)]
    with ScriptedEndpoint(lambda _: Reply(200, pieces)) as endpoint:
        assert CAPTION == ask(endpoint.url).text


def test_half_an_answer_without_further_tokens_is_a_failure() -> None:
    """Although the connection stays open."""
    pieces = [events(delta(content=CAPTION[:30]), done=False), 2.0]
    with ScriptedEndpoint(lambda _: Reply(200, pieces)) as endpoint:
        completion = ask(endpoint.url, limits=RequestLimits(max_attempts=1, token_timeout_s=0.3))

    assert "gave no further token within 0.3 s" in (completion.failure or "")


def test_a_refusal_counts_even_if_the_connection_stays_open() -> None:
    """Its status is known."""
    pieces = [*refuse(422, "cannot identify image file").pieces, 2.0]
    with ScriptedEndpoint() as endpoint:
        endpoint.chat = lambda asked: Reply(422, pieces) if len(endpoint.asked) == 1 else well(asked)
        limits = RequestLimits(max_attempts=1, token_timeout_s=0.3)
        completion = ask(endpoint.url, limits=limits)

    assert (completion.failure or "").startswith("refused: ")


def test_comments_before_tokens_do_not_hide_them() -> None:
    """Text after a comment counts, wherever the pieces are cut."""
    limits = RequestLimits(max_attempts=1, patience_s=1.0, first_token_timeout_s=1.0, token_timeout_s=1.0)
    pieces: list[bytes | float] = []
    for part in (delta(content=CAPTION[:40]), delta(content=CAPTION[40:]), delta("stop")):
        sent = b": keep-alive\n\n" + events(part, done=False)
        pieces += [sent[:9], 0.35, sent[9:40], 0.35]
        pieces.append(sent[40:])
    with ScriptedEndpoint(lambda _: Reply(200, pieces)) as endpoint:
        assert CAPTION == ask(endpoint.url, limits=limits).text


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_may_be_cut_at_any_byte(seed: int) -> None:
    """Even within a character. The caption is the same."""
    rng = random.Random(seed)
    text = "一只红色的风筝 🪁 飘在麦田上方，两个人站在门边抬头望着它。"
    stream = b": ping\r\n\r\n" + b"".join(
        b"data: " + json.dumps(delta(content=letter), ensure_ascii=False).encode() + b"\r\n\r\n"
        for letter in text
    )
    stream += events(delta("stop"))
    cuts = sorted({rng.randrange(len(stream)) for _ in range(60)})
    pieces: list[bytes | float] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        pieces += [stream[start:end], 0.002]
    with ScriptedEndpoint(lambda _: Reply(200, pieces)) as endpoint:
        assert text == ask(endpoint.url).text
