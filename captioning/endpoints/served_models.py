"""Which model endpoints serve.

Comes in: endpoints, the model that a user named, or none. Goes out: the served name to ask for, and which
endpoints aren't there; or a SetupError of one line. Where the list doesn't settle it (there is none, or the
name isn't in it, as with an alias) a trial request does. Not its job: captions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec

from triptych.captioning.endpoints.base_url import other_base_url
from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.endpoints.http_client import HttpClient, Response
from triptych.captioning.endpoints.model_client import ModelClient, trial_request
from triptych.captioning.endpoints.request_errors import RequestError, Transient, Unreachable, no_access
from triptych.errors import SetupError

LISTED_AT_ONCE = 16
LIST_TIMEOUT_S = 15.0
"""A loaded server may be slow to list its models, but it does."""

MAX_SHOWN = 5
MAX_NAME = 256
"""Letters. A longer name is none."""


class _NotThere(Exception):
    """Nobody listens, or it isn't ready at the moment."""


async def find_model(
    http: HttpClient,
    client: ModelClient,
    endpoints: Sequence[Endpoint],
    model: str | None,
) -> list[str]:
    """Tell ``client`` the name of the model that all serve; returns in words which endpoints aren't there:
    those rest. An endpoint that isn't found at its URL is looked for with or without a /v1 behind it.

    Raises SetupError where none is there, or one refuses the key or doesn't serve ``model``; with
    ``model`` None where the first that answers doesn't serve exactly one.
    """
    at_once = asyncio.Semaphore(LISTED_AT_ONCE)

    async def listed(endpoint: Endpoint) -> list[str] | _NotThere:
        async with at_once:
            try:
                return await _list_models(http, endpoint, needs_list=model is None)
            except _NotThere as absent:
                return absent

    absent: list[str] = []
    unlisted: list[tuple[Endpoint, list[str]]] = []
    answers = await asyncio.gather(*map(listed, endpoints))
    for endpoint, served in zip(endpoints, answers, strict=True):
        if isinstance(served, _NotThere):
            absent.append(str(served))
            endpoint.failed(Unreachable(str(served)))
        elif model is None and len(served) != 1:
            raise SetupError(
                f"{http.name(endpoint.url)} {_in_words(served)};"
                f" name {'one of them' if served else 'the one to ask for'} with --model",
                key="captioning.model",
            )
        else:
            model = model or served[0]
            if model not in served:
                unlisted.append((endpoint, served))
    if len(absent) == len(endpoints) or model is None:
        raise SetupError(f"{absent[0]}; start the server or name another with --server")
    client.model = model
    for endpoint, served in unlisted:
        await _try_name(http, client, endpoint, served)
        if served:
            client.say_once(endpoint, "alias", f"{_in_words(served)}, and answers to {model} as well")
    return absent


async def _try_name(http: HttpClient, client: ModelClient, endpoint: Endpoint, served: list[str]) -> None:
    name = http.name(endpoint.url)
    try:
        await client.trial(endpoint, trial_request())
    except RequestError as error:
        if error.code == 404 and await _is_elsewhere(client, endpoint):
            return
        raise SetupError(
            f"{name} {_in_words(served)}, not {client.model};"
            f" name a served model with --model, or another endpoint with --server ({error})",
            key="captioning.model",
        ) from None


async def _is_elsewhere(client: ModelClient, endpoint: Endpoint) -> bool:
    """Whether it answers a trial at the other form of its URL, by which it is asked from then on."""
    url, endpoint.url = endpoint.url, other_base_url(endpoint.url)
    try:
        await client.trial(endpoint, trial_request())
    except RequestError:
        endpoint.url = url
        return False
    return True


async def _list_models(http: HttpClient, endpoint: Endpoint, *, needs_list: bool) -> list[str]:
    """What an endpoint says that it serves; nothing where it has no list. Raises _NotThere, and SetupError
    where it refuses access to a list that is needed."""
    answer = await _ask_for_list(http, endpoint)
    names = _names(answer)
    if answer.status == 404:
        url, endpoint.url = endpoint.url, other_base_url(endpoint.url)
        with contextlib.suppress(_NotThere, SetupError):
            names = _names(await _ask_for_list(http, endpoint))
        endpoint.url = endpoint.url if names else url
    where = f"endpoint {http.name(endpoint.url)}"
    if answer.status in (401, 403) and needs_list:
        raise no_access(answer.status, answer.content, where)
    if answer.status > 501:  # a server that answers 500 or 501 may caption, and have no list
        raise _NotThere(f"{where} is not ready (HTTP {answer.status} for its models)")
    return names


async def _ask_for_list(http: HttpClient, endpoint: Endpoint) -> Response:
    try:
        return await http.models(endpoint, LIST_TIMEOUT_S)
    except Unreachable as error:
        raise _NotThere(f"endpoint {error}") from None
    except Transient as error:
        raise _NotThere(f"endpoint {error} when it was asked for its models") from None


def _names(answer: Response) -> list[str]:
    """Those in a list of models, in OpenAI's form or a gateway's. One that a terminal can't show is none."""
    try:
        decoded: Any = msgspec.json.decode(answer.content) if answer.status == 200 else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    models = (
        next((decoded[key] for key in ("data", "models") if decoded.get(key)), [])
        if isinstance(decoded, dict)
        else decoded
    )
    if not isinstance(models, list):
        return []
    names = [
        next((m[key] for key in ("id", "name", "model") if m.get(key)), "") if isinstance(m, dict) else m
        for m in models
    ]
    usable = (n for n in names if isinstance(n, str) and 0 < len(n) <= MAX_NAME and n.isprintable())
    return list(dict.fromkeys(usable))


def _in_words(served: list[str]) -> str:
    if not served:
        return "lists no models"
    more = f" and {len(served) - MAX_SHOWN:,} more" if len(served) > MAX_SHOWN else ""
    return f"serves {', '.join(served[:MAX_SHOWN])}{more}"
