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

from triptych.captioning.endpoints.backoff import pause_s, retry_after_s
from triptych.captioning.endpoints.base_url import other_base_urls
from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.endpoints.http_client import HttpClient, Response
from triptych.captioning.endpoints.model_client import ModelClient, trial_request
from triptych.captioning.endpoints.request_errors import (
    RequestError,
    TimedOut,
    Transient,
    Unreachable,
    no_access,
)
from triptych.errors import SetupError

LISTED_AT_ONCE = 16
LIST_TIMEOUT_S = 15.0
"""A loaded server may be slow to list its models, but it does."""

MAX_SHOWN = 5
MAX_NAME = 256
"""Letters. A longer name is none."""


BUSY_STATUS = frozenset({408, 425, 429})
TRIES = 4
"""Before an endpoint that is busy counts as one that isn't there."""


class _NotThere(Exception):
    """Nobody listens, or it isn't ready at the moment."""


class _Busy(_NotThere):
    """It has too much to do for too long, or doesn't answer a trial."""


async def find_model(
    http: HttpClient,
    client: ModelClient,
    endpoints: Sequence[Endpoint],
    model: str | None,
) -> list[str]:
    """Tell ``client`` the name of the model that all serve; returns in words which endpoints aren't there:
    those rest. An endpoint that isn't found at its URL is looked for with or without a /v1 behind it.

    Raises SetupError where none is there, or one refuses the key or doesn't serve ``model``; with
    ``model`` None where the first list hasn't exactly one, or another list hasn't that one.
    """
    at_once = asyncio.Semaphore(LISTED_AT_ONCE)

    async def listed(endpoint: Endpoint) -> list[str] | _NotThere:
        async with at_once:
            try:
                return await _list_models(http, client, endpoint, needs_list=model is None)
            except _NotThere as absent:
                return absent

    absent: list[str] = []
    there: list[tuple[Endpoint, list[str]]] = []
    client.is_named = model is not None
    answers = await asyncio.gather(*map(listed, endpoints))
    for endpoint, served in zip(endpoints, answers, strict=True):
        if isinstance(served, _NotThere):
            absent.append(str(served))
            endpoint.failed(Unreachable(str(served)))
        else:
            there.append((endpoint, served))
    if not there:
        advice = "try again later" if isinstance(answers[0], _Busy) else "start the server"
        raise SetupError(f"{absent[0]}; {advice} or name another with --server")
    client.model = _the_one(http, there) if model is None else model
    for endpoint, served in there:
        if client.model in served:
            continue
        try:
            await _try_name(http, client, endpoint, served)
        except _Busy as error:
            absent.append(str(error))
            endpoint.failed(Unreachable(str(error)))
            continue
        if served:
            words = f"{_in_words(served)}, and answers to {client.model} as well"
            client.say_once(endpoint, "alias", words)
    if len(absent) == len(endpoints):
        raise SetupError(f"{absent[0]}; try again later or name another with --server")
    return absent


def _the_one(http: HttpClient, there: Sequence[tuple[Endpoint, list[str]]]) -> str:
    """The model that all list which have a list. Raises SetupError where the first lists not exactly one, or
    another not that one: a server with one model often answers to any name."""
    listing = [(http.name(endpoint.url), served) for endpoint, served in there if served]
    if not listing:
        first = http.name(there[0][0].url)
        raise SetupError(
            f"{first} lists no models; name the one to ask for with --model, or its right path with --server"
            " where it lists them elsewhere",
            key="captioning.model",
        )
    (first, served), *others = listing
    if len(served) > 1:
        raise SetupError(
            f"{first} {_in_words(served)}; name one of them with --model", key="captioning.model"
        )
    for other, lists in others:
        if served[0] not in lists:
            raise SetupError(
                f"{first} {_in_words(served)}, and {other} {_in_words(lists)}; a run asks one model: name it"
                " with --model, or leave one of them out",
                key="captioning.model",
            )
    return served[0]


async def check_late(http: HttpClient, client: ModelClient, endpoint: Endpoint) -> None:
    """That an endpoint serves the model which was not there when the others were asked for theirs. Raises
    Unreachable where it doesn't, or isn't there yet."""
    try:
        served = await _list_models(http, client, endpoint, needs_list=False)
        if client.model not in served and (client.is_named or not served):
            await _try_name(http, client, endpoint, served)
        elif client.model not in served:
            words = f"{http.name(endpoint.url)} {_in_words(served)}, not {client.model}"
            client.say_once(endpoint, f"another model at {endpoint.url}", f"{words}: left alone")
            raise _NotThere(words)
    except (_NotThere, SetupError) as error:
        raise Unreachable(str(error)) from None


async def _try_name(http: HttpClient, client: ModelClient, endpoint: Endpoint, served: list[str]) -> None:
    name = http.name(endpoint.url)
    try:
        await _trial(client, endpoint)
    except RequestError as error:
        if error.code == 404 and await _is_elsewhere(client, endpoint):
            return
        if isinstance(error, Transient) and error.code != 404:
            raise _Busy(f"{name} {_in_words(served)}, and doesn't answer at the moment ({error})") from None
        if error.code == 404 and not served and "model" not in error.said.lower():
            forms = " and ".join((endpoint.url, *other_base_urls(endpoint.url)))
            what = f"and nothing is served at {forms}"
            advice = "its path is wrong: name the one before /chat/completions with --server"
        else:
            what = f"not {client.model}"
            advice = "name a served model with --model, or another endpoint with --server"
        raise SetupError(
            f"{name} {_in_words(served)}, {what}; {advice} ({error})", key="captioning.model"
        ) from None


async def _trial(client: ModelClient, endpoint: Endpoint) -> None:
    """Ask for a trial picture, and again where the answer says that this may pass. 404 is said of a model."""
    for errors in range(1, TRIES + 1):
        try:
            await client.trial(endpoint, trial_request())
        except Transient as error:
            if errors == TRIES or error.code == 404 or isinstance(error, TimedOut):
                raise
            await asyncio.sleep(pause_s(errors) + error.retry_after_s)
        else:
            return


async def _is_elsewhere(client: ModelClient, endpoint: Endpoint) -> bool:
    """Whether it answers a trial at another form of its URL, by which it is asked from then on."""
    url, is_served = endpoint.url, False
    try:
        for other in other_base_urls(url):
            endpoint.url = other
            with contextlib.suppress(RequestError, SetupError):
                await client.trial(endpoint, trial_request())
                is_served = True
                break
    finally:
        if not is_served:
            endpoint.url = url
    return is_served


async def _list_models(
    http: HttpClient, client: ModelClient, endpoint: Endpoint, *, needs_list: bool
) -> list[str]:
    """What an endpoint says that it serves; nothing where it has no list. Raises _NotThere, and SetupError
    where it refuses access to a list that is needed."""
    answer = await _ask_for_list(http, client, endpoint)
    names = _names(answer)
    url = endpoint.url
    if answer.status == 404:
        for other in other_base_urls(url):
            endpoint.url = other
            with contextlib.suppress(_NotThere, SetupError):
                names = _names(await _ask_for_list(http, client, endpoint))
            if names:
                break
            endpoint.url = url
    where = f"endpoint {http.name(endpoint.url)}"
    if answer.status in (401, 403) and needs_list:
        raise no_access(answer.status, answer.content, where)
    if answer.status in BUSY_STATUS and needs_list:
        raise _Busy(f"{where} is busy (HTTP {answer.status} for its models, {TRIES} times)")
    if answer.status > 501:  # a server that answers 500 or 501 may caption, and have no list
        raise _NotThere(f"{where} is not ready (HTTP {answer.status} for its models)")
    return names


async def _ask_for_list(http: HttpClient, client: ModelClient, endpoint: Endpoint) -> Response:
    for errors in range(1, TRIES + 1):
        try:
            answer = await http.models(endpoint, LIST_TIMEOUT_S)
        except Unreachable as error:
            raise _NotThere(f"endpoint {error}") from None
        except Transient as error:
            raise _NotThere(f"endpoint {error} when it was asked for its models") from None
        if answer.status not in BUSY_STATUS or errors == TRIES:
            return answer
        wait_s = pause_s(errors) + retry_after_s(answer.retry_after)
        client.say_once(
            endpoint, "busy", f"is busy (HTTP {answer.status}): asked again in {max(1.0, wait_s):.0f} s"
        )
        await asyncio.sleep(wait_s)
    raise AssertionError("the last try returns")


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
