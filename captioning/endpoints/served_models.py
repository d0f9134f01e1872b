"""Finds out which model endpoints serve.

Comes in: endpoints, and the model that the user named, if any. Goes out: the served name to ask for, and
which endpoints are unavailable; or a SetupError. Where an endpoint has no list of models, or the name isn't
in it (an alias), a trial request decides. Not its job: captions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec

from triptych.captioning.endpoints.backoff import pause_s, retry_after_s
from triptych.captioning.endpoints.base_url import other_base_urls
from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.endpoints.event_stream import BOM
from triptych.captioning.endpoints.http_client import HttpClient, Response
from triptych.captioning.endpoints.model_client import ModelClient, trial_request
from triptych.captioning.endpoints.request_errors import (
    RequestError,
    TimedOut,
    Transient,
    Unreachable,
    access_refused,
    excerpt,
)
from triptych.errors import SetupError

LISTED_AT_ONCE = 16
LIST_TIMEOUT_S = 15.0
"""A loaded server may be slow to list its models."""

MAX_SHOWN = 5
MAX_NAME_CHARS = 256
"""A longer name is ignored."""

BUSY_STATUS = frozenset({408, 425, 429})
TRIES = 4
"""Before a busy endpoint counts as unavailable."""


class _NotReady(Exception):
    """Nothing listens there, or the server isn't ready at the moment."""


class _Busy(_NotReady):
    """The server is up, but stays busy, loads its model, or doesn't answer a trial request."""


async def find_model(
    http: HttpClient,
    client: ModelClient,
    endpoints: Sequence[Endpoint],
    model: str | None,
) -> list[str]:
    """Set the model of ``client`` to the one that all endpoints serve. Returns why endpoints are unavailable;
    those rest. An endpoint that isn't found at its URL is also tried with or without a /v1 after it.

    Raises SetupError where no endpoint is available, or one refuses the key or doesn't serve ``model``; with
    ``model`` None where the first list hasn't exactly one model, or another list lacks that one.
    """
    at_once = asyncio.Semaphore(LISTED_AT_ONCE)

    async def listed(endpoint: Endpoint) -> list[str] | _NotReady:
        async with at_once:
            try:
                return await _list_models(http, client, endpoint, needs_list=model is None)
            except _NotReady as error:
                return error

    absent: list[str] = []
    available: list[tuple[Endpoint, list[str]]] = []
    client.is_named = model is not None
    answers = await asyncio.gather(*map(listed, endpoints))
    for endpoint, served in zip(endpoints, answers, strict=True):
        if isinstance(served, _NotReady):
            absent.append(str(served))
            endpoint.failed(Unreachable(str(served)))
        else:
            available.append((endpoint, served))
    if not available:
        advice = "try again later" if isinstance(answers[0], _Busy) else "start the server"
        raise SetupError(f"{absent[0]}; {advice} or name another with --server")
    client.model = _common_model(http, available) if model is None else model
    for endpoint, served in available:
        endpoint.lists_model = client.model in served
        if endpoint.lists_model:
            continue
        try:
            await _try_name(http, client, endpoint, served)
        except _Busy as error:
            absent.append(str(error))
            endpoint.failed(Unreachable(str(error)))
            continue
        if served:
            client.say_once(endpoint, "alias", f"{_describe(served)}, and answers to {client.model} as well")
    if len(absent) == len(endpoints):
        raise SetupError(f"{absent[0]}; try again later or name another with --server")
    return absent


def _common_model(http: HttpClient, available: Sequence[tuple[Endpoint, list[str]]]) -> str:
    """The model that every endpoint with a list has in it. Raises SetupError where the first lists not
    exactly one, or another lacks it: asking wouldn't help, as a server with one model often answers to any
    name."""
    listing = [(http.name(endpoint.url), served) for endpoint, served in available if served]
    if not listing:
        first = http.name(available[0][0].url)
        raise SetupError(
            f"{first} lists no models; name the one to ask for with --model, or the path where it lists them"
            " with --server",
            key="captioning.model",
        )
    (first, served), *others = listing
    if len(served) > 1:
        raise SetupError(
            f"{first} {_describe(served)}; name one of them with --model", key="captioning.model"
        )
    for other, lists in others:
        if served[0] not in lists:
            raise SetupError(
                f"{first} {_describe(served)}, and {other} {_describe(lists)}; a run uses one model: name it"
                " with --model, or leave one of the endpoints out",
                key="captioning.model",
            )
    return served[0]


async def check_late(http: HttpClient, client: ModelClient, endpoint: Endpoint) -> None:
    """Check that an endpoint which was unavailable serves the model: another may have been started there.
    Raises Unreachable where it doesn't, or is still unavailable."""
    try:
        served = await _list_models(http, client, endpoint, needs_list=False)
        if client.model in served:
            endpoint.lists_model = True
        elif not endpoint.lists_model and (client.is_named or not served):
            await _try_name(http, client, endpoint, served)
        else:
            words = f"{http.name(endpoint.url)} {_describe(served)}, not {client.model}"
            client.say_once(endpoint, f"another model at {endpoint.url}", f"{words}: not used")
            raise _NotReady(words)
    except (_NotReady, SetupError) as error:
        raise Unreachable(str(error)) from None


async def _try_name(http: HttpClient, client: ModelClient, endpoint: Endpoint, served: list[str]) -> None:
    """Check with a trial that an endpoint answers to a name that isn't in its list. Raises _Busy, or
    SetupError where it doesn't."""
    name = http.name(endpoint.url)
    try:
        await _trial(client, endpoint)
    except RequestError as error:
        if error.code == 404 and await _is_elsewhere(client, endpoint):
            return
        if isinstance(error, Transient) and error.code != 404:
            raise _Busy(f"{name} {_describe(served)}, and doesn't answer at the moment ({error})") from None
        if error.code == 404 and not served and "model" not in error.server_message.lower():
            forms = " and ".join((endpoint.url, *other_base_urls(endpoint.url)))
            what = f"and nothing is served at {forms}"
            advice = "its path is wrong: name the one before /chat/completions with --server"
        else:
            what = f"not {client.model}"
            advice = "name a served model with --model, or another endpoint with --server"
        raise SetupError(
            f"{name} {_describe(served)}, {what}; {advice} ({error})", key="captioning.model"
        ) from None


async def _trial(client: ModelClient, endpoint: Endpoint) -> None:
    """Send a trial request, again where the error is a passing one. A 404 is about the model."""
    for errors in range(1, TRIES + 1):
        try:
            await client.send(endpoint, trial_request(), is_trial=True)
        except Transient as error:
            if errors == TRIES or error.code == 404 or isinstance(error, TimedOut):
                raise
            await asyncio.sleep(pause_s(errors) + error.retry_after_s)
        else:
            return


async def _is_elsewhere(client: ModelClient, endpoint: Endpoint) -> bool:
    """Whether it answers a trial at another form of its URL, which it keeps then."""
    url = endpoint.url
    for other in other_base_urls(url):
        endpoint.url = other
        with contextlib.suppress(RequestError, SetupError):
            await client.send(endpoint, trial_request(), is_trial=True)
            return True
    endpoint.url = url
    return False


async def _list_models(
    http: HttpClient, client: ModelClient, endpoint: Endpoint, *, needs_list: bool
) -> list[str]:
    """The models that an endpoint lists; empty without a list. Raises _NotReady, and SetupError where it
    refuses access to a list that is needed."""
    answer = await _ask_for_list(http, client, endpoint)
    names = _names(answer)
    url = endpoint.url
    if answer.status == 404:
        for other in other_base_urls(url):
            endpoint.url = other
            with contextlib.suppress(_NotReady, SetupError):
                names = _names(await _ask_for_list(http, client, endpoint))
            if names:
                break
            endpoint.url = url
    where = f"endpoint {http.name(endpoint.url)}"
    if answer.status in (401, 403) and needs_list:
        raise access_refused(answer.status, answer.content, where)
    if answer.status in BUSY_STATUS and needs_list:
        raise _Busy(f"{where} is busy (HTTP {answer.status} for its models, {TRIES} times)")
    if answer.status > 501:  # with 500 or 501, the server may caption and just have no list
        words = excerpt(answer.content)
        raise _Busy(f"{where} is not ready (HTTP {answer.status} for its models{words and f': {words}'})")
    return names


async def _ask_for_list(http: HttpClient, client: ModelClient, endpoint: Endpoint) -> Response:
    for errors in range(1, TRIES + 1):
        try:
            answer = await http.models(endpoint, LIST_TIMEOUT_S)
        except Unreachable as error:
            raise _NotReady(f"endpoint {error}") from None
        except Transient as error:
            raise _NotReady(f"endpoint {error} when it was asked for its models") from None
        if answer.status not in BUSY_STATUS or errors == TRIES:
            return answer
        wait_s = pause_s(errors) + retry_after_s(answer.retry_after)
        client.say_once(
            endpoint, "busy", f"is busy (HTTP {answer.status}): asked again in {max(1.0, wait_s):.0f} s"
        )
        await asyncio.sleep(wait_s)
    raise AssertionError("the last try returns")


def _names(answer: Response) -> list[str]:
    """The printable names in a list of models, in OpenAI's form or a gateway's."""
    try:
        content = answer.content.removeprefix(BOM)
        decoded: Any = msgspec.json.decode(content) if answer.status == 200 else []
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
    usable = (n for n in names if isinstance(n, str) and 0 < len(n) <= MAX_NAME_CHARS and n.isprintable())
    return list(dict.fromkeys(usable))


def _describe(served: list[str]) -> str:
    if not served:
        return "lists no models"
    more = f" and {len(served) - MAX_SHOWN:,} more" if len(served) > MAX_SHOWN else ""
    return f"serves {', '.join(served[:MAX_SHOWN])}{more}"
