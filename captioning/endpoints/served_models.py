"""Which model endpoints serve.

Comes in: endpoints, the model that a user named, or none. Goes out: the served name to ask for, and which
endpoints aren't there; or a SetupError of one line. Where the list doesn't settle it (there is none, or the
name isn't in it, as with an alias) a trial request does. Not its job: captions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.endpoints.error_words import shown
from triptych.captioning.endpoints.http_client import HttpClient, TimeLimits
from triptych.captioning.endpoints.probe import probe
from triptych.captioning.endpoints.request_errors import RequestError, Transient, Unreachable
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
    client: HttpClient,
    endpoints: Sequence[Endpoint],
    model: str | None,
    limits: TimeLimits,
    say: Callable[[str], None],
) -> tuple[str, list[str]]:
    """The name of the model that all serve, and in words which endpoints aren't there: those rest. ``say``
    gets a line where an endpoint answers to a name that it doesn't list.

    Raises SetupError where none is there, or one refuses the key or doesn't serve ``model``; with
    ``model`` None where the first that answers doesn't serve exactly one.
    """
    at_once = asyncio.Semaphore(LISTED_AT_ONCE)

    async def listed(endpoint: Endpoint) -> list[str] | _NotThere:
        async with at_once:
            try:
                return await _list_models(client, endpoint)
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
                f"{client.name(endpoint.url)} {_in_words(served)};"
                f" name {'one of them' if served else 'the one to ask for'} with --model",
                key="captioning.model",
            )
        else:
            model = model or served[0]
            if model not in served:
                unlisted.append((endpoint, served))
    if len(absent) == len(endpoints) or model is None:
        raise SetupError(f"{absent[0]}; start the server or name another with --server")
    for endpoint, served in unlisted:
        await _try_name(client, endpoint, model, served, limits)
        if served:
            say(f"captions: {client.name(endpoint.url)} {_in_words(served)}, and answers to {model} as well")
    return model, absent


async def _try_name(
    client: HttpClient, endpoint: Endpoint, model: str, served: list[str], limits: TimeLimits
) -> None:
    try:
        await probe(client, endpoint, model, limits)
    except RequestError as error:
        raise SetupError(
            f"{client.name(endpoint.url)} {_in_words(served)}, not {model};"
            f" name a served model with --model, or another endpoint with --server ({error})",
            key="captioning.model",
        ) from None


async def _list_models(client: HttpClient, endpoint: Endpoint) -> list[str]:
    """What an endpoint says that it serves; nothing where it has no list. Raises SetupError where it refuses
    access, and _NotThere."""
    where = f"endpoint {client.name(endpoint.url)}"
    try:
        answer = await client.models(endpoint, LIST_TIMEOUT_S)
    except Unreachable as error:
        raise _NotThere(f"endpoint {error}") from None
    except Transient as error:
        raise _NotThere(f"endpoint {error} when it was asked for its models") from None
    if answer.status in (401, 403):
        raise SetupError(
            f"{where} refuses access (HTTP {answer.status}: {shown(answer.content)});"
            " name the environment variable of its key in captioning.server.api_key_env",
            key="captioning.server.api_key_env",
        )
    if answer.status > 501:  # a server that answers 500 or 501 may caption, and have no list
        raise _NotThere(f"{where} is not ready (HTTP {answer.status} for its models)")
    try:
        return _names(msgspec.json.decode(answer.content)) if answer.status == 200 else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def _names(decoded: Any) -> list[str]:
    """Those in a list of models, in OpenAI's form or a gateway's. One that a terminal can't show is none."""
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
