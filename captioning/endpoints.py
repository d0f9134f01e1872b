"""Endpoints of one model: connected, checked, and with a count of what each has in flight.

Comes in: URLs as a user writes them. Goes out: endpoints that answered and serve the model, or a
SetupError of one line. Not its job: captions (see server_engine).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import httpx
import msgspec

from corpus.errors import SetupError

CONNECT_TIMEOUT_S = 5.0
CHECK_TIMEOUT_S = 15.0
"""A loaded server may be slow to list its models, but it does."""


class Endpoint:
    """One server. ``in_flight`` belongs to whoever holds the engine's lock."""

    def __init__(self, url: str, api_key: str | None, timeout_s: float) -> None:
        self.url = with_version(url)
        self.in_flight = 0
        self.rests_until = 0.0
        self.client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        )

    def rest(self, pause_s: float) -> None:
        """Prefer others for a while."""
        self.rests_until = time.monotonic() + pause_s


class _Model(msgspec.Struct, frozen=True):
    id: str


class _Models(msgspec.Struct, frozen=True):
    data: list[_Model]


def with_version(url: str) -> str:
    """The base URL with its version: ``http://host:23333`` becomes ``http://host:23333/v1``."""
    bare = url.rstrip("/")
    return bare if bare.rpartition("/")[2].startswith("v") and bare.count("/") > 2 else f"{bare}/v1"


def connect(
    urls: Sequence[str], model: str | None, api_key: str | None, timeout_s: float
) -> tuple[list[Endpoint], str]:
    """Every endpoint, and the name of the model that all of them serve.

    Raises SetupError where an endpoint isn't there, refuses the key, or doesn't serve ``model``; with
    ``model`` None where the first serves more than one.
    """
    endpoints = [Endpoint(url, api_key, timeout_s) for url in urls]
    try:
        for endpoint in endpoints:
            served = _list_models(endpoint)
            if model is None:
                if len(served) != 1:
                    raise SetupError(
                        f"{endpoint.url} serves {len(served)} models ({', '.join(served)});"
                        " name one of them with --model"
                    )
                model = served[0]
            elif model not in served:
                raise SetupError(
                    f"{endpoint.url} serves {', '.join(served) or 'nothing'}, not {model};"
                    " name a served model with --model, or another endpoint with --server"
                )
    except BaseException:
        for endpoint in endpoints:
            endpoint.client.close()
        raise
    assert model is not None
    return endpoints, model


def served_models(endpoint: Endpoint) -> list[str]:
    """What an endpoint serves at this moment; nothing where it doesn't say."""
    try:
        return _list_models(endpoint)
    except SetupError:
        return []


def _list_models(endpoint: Endpoint) -> list[str]:
    try:
        answer = endpoint.client.get(
            "models", timeout=httpx.Timeout(CHECK_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        )
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise SetupError(
            f"endpoint {endpoint.url} can't be reached ({type(error).__name__}: {error});"
            " start the server or name another with --server"
        ) from None
    if answer.status_code in (401, 403):
        raise SetupError(
            f"endpoint {endpoint.url} refuses access (HTTP {answer.status_code});"
            " name the environment variable of its key in captioning.api_key_env"
        )
    try:
        if answer.status_code == 200:
            return [model.id for model in msgspec.json.decode(answer.content, type=_Models).data]
    except msgspec.MsgspecError:
        pass
    raise SetupError(
        f"endpoint {endpoint.url} is not OpenAI-compatible: {endpoint.url}/models answered"
        f" HTTP {answer.status_code} without a list of models; check the URL given with --server"
    )
