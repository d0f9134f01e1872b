"""Fields that many endpoints accept. Each refuses others in the way that documentation and reports show."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from tests.support.asking import REQUEST, ask, ask_in_turn, unless
from tests.support.scripted_endpoint import (
    CAPTION,
    MODEL,
    Asked,
    Reply,
    Script,
    ScriptedEndpoint,
    refuse,
    say,
    well,
)
from triptych.captioning.endpoints.dialect import Dialect
from triptych.captioning.engine import GREEDY
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.engines.openai_server import ServerEngine


def detail(body: dict[str, Any], *allowed: str) -> list[dict[str, Any]]:
    """The errors of pydantic for fields that aren't allowed, which quote the values sent."""
    return [
        {
            "type": "extra_forbidden",
            "loc": ["body", name],
            "msg": "Extra inputs are not permitted",
            "input": value,
        }
        for name, value in body.items()
        if name not in allowed
    ]


MISTRAL = ("model", "messages", "stream", "max_tokens", "temperature", "top_p")
OPENAI = ("model", "messages", "stream", "stream_options", "max_tokens", "temperature", "top_p", "seed")


def _openai(body: dict[str, Any]) -> Reply:
    name = next(name for name in body if name not in OPENAI)
    return refuse(400, f"Unrecognized request argument supplied: {name}")


def _o_series(asked: Asked) -> Reply:
    body = asked.body
    if "max_tokens" in body:
        return refuse(
            400,
            "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
        )
    if body.get("temperature", 1) != 1:
        return refuse(400, "Unsupported value: 'temperature' does not support 0.7 with this model.")
    if "top_p" in body:
        return refuse(400, "Unsupported parameter: 'top_p' is not supported with this model.")
    return (
        well(asked)
        if body.keys() <= {*OPENAI, "max_completion_tokens"}
        else _openai({k: v for k, v in body.items() if k != "max_completion_tokens"})
    )


def _gemini(asked: Asked) -> Reply:
    unknown = [name for name in asked.body if name not in (*OPENAI, "max_completion_tokens")]
    if not unknown:
        return well(asked)
    words = "\n".join(
        f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.' for name in unknown
    )
    error = {"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}
    return Reply(400, [json.dumps([error]).encode()])


def _serde(asked: Asked) -> Reply:
    unknown = next((name for name in asked.body if name not in OPENAI), None)
    known = ", ".join(f"`{name}`" for name in OPENAI)
    return (
        well(asked) if unknown is None else refuse(422, f"unknown field `{unknown}`, expected one of {known}")
    )


def _tgi(asked: Asked) -> Reply:
    if asked.body.get("top_p") == 1.0:
        words = "Input validation error: `top_p` must be > 0.0 and < 1.0"
        return Reply(422, [json.dumps({"error": words, "error_type": "validation"}).encode()])
    return well(asked)


DIALECTS: dict[str, tuple[Script, set[str]]] = {
    "vLLM": (well, set()),
    "OpenAI": (
        unless(lambda body: body.keys() <= set(OPENAI), _openai),
        {"top_k", "repetition_penalty"},
    ),
    "OpenAI, reasoning models": (
        _o_series,
        {"max_tokens", "temperature", "top_p", "top_k", "repetition_penalty"},
    ),
    "Gemini": (_gemini, {"top_k", "repetition_penalty"}),
    "TGI": (_tgi, set()),
    "Rust's serde": (_serde, {"top_k", "repetition_penalty"}),
    "Mistral": (
        unless(
            lambda body: not detail(body, *OPENAI[:3], *OPENAI[4:7]),
            lambda body: Reply(
                422, [json.dumps({"detail": detail(body, *OPENAI[:3], *OPENAI[4:7])}).encode()]
            ),
        ),
        {"top_k", "repetition_penalty", "stream_options", "seed"},
    ),
    "transformers serve": (
        unless(
            lambda body: not body.keys() - set(OPENAI),
            lambda body: refuse(422, f"Unexpected fields in the request: {body.keys() - set(OPENAI)}"),
        ),
        {"top_k", "repetition_penalty"},
    ),
    "one that doesn't say": (
        unless(lambda body: "stream_options" not in body, lambda _: refuse(400, "invalid request")),
        {"top_k", "repetition_penalty", "stream_options", "top_p", "seed"},
    ),
    "one that breaks down on it": (
        unless(
            lambda body: "top_k" not in body,
            lambda _: refuse(500, "TypeError: create() got an unexpected keyword argument 'top_k'"),
        ),
        {"top_k"},
    ),
    "one that doesn't stream": (
        unless(lambda body: "stream" not in body, lambda _: refuse(400, "'stream' is not supported")),
        {"stream", "stream_options"},
    ),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_refused_fields_are_left_out_and_reported_once(name: str) -> None:
    """No other field is left out, since a server fills in missing fields by itself."""
    script, left_out = DIALECTS[name]
    messages: list[str] = []
    with ScriptedEndpoint(script) as endpoint:
        completion = ask(endpoint, said=messages)

    assert (None, CAPTION, 1) == (completion.failure, completion.text, completion.attempts)
    sent = endpoint.asked[-1].body
    assert left_out == {*OPENAI, "top_k", "repetition_penalty"} - sent.keys()
    assert ("max_tokens" in left_out) == (sent.get("max_completion_tokens") == 40)
    assert len(messages) == bool(left_out)
    assert all(word in messages[0] for word in left_out if word != "stream_options")


def test_a_refusal_of_a_value_is_doubted_once() -> None:
    """TGI refuses a top_p of 1. Its message doesn't call the field unknown, so it is sent once more."""
    greedy = msgspec.structs.replace(REQUEST, sampling=GREEDY)
    with ScriptedEndpoint(_tgi) as endpoint:
        completions = ask_in_turn(endpoint, greedy, greedy)

    assert [CAPTION] * 2 == [completion.text for completion in completions]
    assert [True, False, True, False] == ["top_p" in asked.body for asked in endpoint.asked]


def test_words_of_prose_are_not_taken_for_fields() -> None:
    """Words such as stream and seed count only if they are called fields."""
    dialect = Dialect()

    assert not dialect.leave_out_named(
        "cannot decode the byte stream; the seed of a plant; temperature of a sea"
    )
    assert () == dialect.left_out


def test_extra_fields_override_all_others_and_are_never_left_out() -> None:
    """A value of null leaves a field out."""
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "top_k": None, "temperature": 0.2}
    with ScriptedEndpoint(
        unless(lambda body: "top_p" not in body, lambda _: refuse(400, "unknown field top_p"))
    ) as endpoint:
        ask(endpoint, extra_body=extra)

    body = endpoint.asked[-1].body
    assert {"enable_thinking": False} == body["chat_template_kwargs"]
    assert (0.2, False, False) == (body["temperature"], "top_k" in body, "top_p" in body)


def test_accepted_fields_are_learned_from_one_request_before_the_others() -> None:
    """The first request is alone until it has ended, so a strict endpoint refuses only one."""
    strict = unless(lambda body: "top_k" not in body, lambda _: refuse(400, "unknown field top_k"))
    with ScriptedEndpoint(
        lambda asked: Reply(200, [0.1, *strict(asked).pieces]) if "top_k" not in asked.body else strict(asked)
    ) as endpoint:
        engine = ServerEngine(ServerConfig(urls=(endpoint.url,)))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: engine.caption([REQUEST]), range(8)))
        engine.close()

    assert [True, *[False] * 8] == ["top_k" in asked.body for asked in endpoint.asked]


@pytest.mark.parametrize(
    "words",
    [
        "This model does not support seeding.",
        "seed: Extra inputs are not permitted",
        "Unsupported parameter(s): seed",
        "不支持的参数：seed",
        "This model does not support seed",
        "seeds of 7 and higher: seed not supported",
        "1 validation error for ChatCompletionRequest\nseed\n  extra fields not permitted",
        "Seed out of range",
        "Per-request seeds are not supported on this engine",
        "Additional properties are not allowed: seed",
        "Invalid param: seed",
        "seed 7 not allowed",
        "参数非法：seed 必须大于0",
        "不支持参数seed",
    ],
)
def test_a_refused_field_is_left_out_whatever_the_message(words: str) -> None:
    """No other field is."""
    with ScriptedEndpoint(lambda a: refuse(400, words) if "seed" in a.body else well(a)) as endpoint:
        assert CAPTION == ask(endpoint).text

    assert 0.7 == endpoint.asked[-1].body["temperature"]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("stream_options", "Stream options can only be defined when `stream=True`."),
        ("stream", "streaming not supported"),
        ("stream", "Streaming isn't supported for this model"),
        ("stream", "stream=true is not supported"),
        ("stream", "This model only supports non-streaming mode"),
        ("stream", "该模型不支持流式输出"),
        ("temperature", "Invalid temperature value 0.7, must be 1"),
        ("temperature", "For this model temperature cannot be changed"),
        ("top_k", "top-k sampling is not supported"),
        ("top_k", "topK is not supported"),
        ("repetition_penalty", "Repetition penalty not supported"),
    ],
)
def test_a_field_is_recognised_in_other_spellings(field: str, words: str) -> None:
    """With blanks, hyphens or capitals, as a verb, or in Chinese."""
    dialect = Dialect()

    assert dialect.leave_out_named(words)
    assert (field,) == dialect.left_out


def test_temperature_stays_if_it_and_another_field_exclude_each_other() -> None:
    """A greedy answer needs it."""

    def one(asked: Asked) -> Reply:
        both = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        return refuse(400, both) if {"temperature", "top_p"} <= asked.body.keys() else well(asked)

    with ScriptedEndpoint(one) as endpoint:
        assert CAPTION == ask(endpoint).text

    assert "top_p" not in endpoint.asked[1].body and 0.7 == endpoint.asked[1].body["temperature"]


def test_a_token_limit_stays_if_another_field_is_named_as_well() -> None:
    """The other field is left out first."""
    dialect = Dialect()

    assert dialect.leave_out_named("'max_tokens', 'max_completion_tokens' and 'seed' cannot both be set")
    body = json.loads(dialect.body(MODEL, REQUEST))
    assert "seed" not in body and "max_tokens" in body


@pytest.mark.parametrize("words", ["invalid request", "With this model logprobs are not supported"])
def test_refused_probabilities_are_left_out(words: str) -> None:
    """Even if the refusal names no field: a trial has the same fields as the refused request."""
    asks = msgspec.structs.replace(REQUEST, top_logprobs=5)
    script = unless(lambda body: "logprobs" not in body, lambda _: refuse(400, words))
    with ScriptedEndpoint(script) as endpoint:
        completion = ask(endpoint, request=asks)

    assert (None, CAPTION) == (completion.failure, completion.text)
    assert "top_logprobs" in endpoint.asked[0].body
    assert "logprobs" not in endpoint.asked[-1].body
    assert 0.7 == endpoint.asked[-1].body["temperature"]


def test_a_trial_costs_a_job_no_field() -> None:
    """TGI accepts a top_p of 0.9 and refuses 1, which a greedy trial would have."""
    bad = refuse(400, "cannot identify image file")
    with ScriptedEndpoint() as endpoint:
        endpoint.chat = lambda asked: bad if len(endpoint.asked) == 1 else _tgi(asked)
        engine = ServerEngine(ServerConfig(urls=(endpoint.url,)))
        completions = [engine.caption([REQUEST])[0] for _ in range(2)]
        engine.close()

    assert [True, False] == [each.failure is not None for each in completions]
    assert [0.9, 0.9, 0.9] == [asked.body.get("top_p") for asked in endpoint.asked]


QUOTED = (
    "params: {'temperature': 0.7, 'top_k': 20, 'top_p': 0.9, 'repetition_penalty': 1.05, 'stream': True,"
    " 'stream_options': {'include_usage': True}, 'seed': 7}"
)


def test_a_refused_image_whose_refusal_quotes_the_request_costs_no_field() -> None:
    """It is refused without the quoted fields as well, and the next request has all fields."""
    bad = msgspec.structs.replace(REQUEST, prompt="A bad one.")
    words = f"cannot identify image file; {QUOTED}"
    messages: list[str] = []
    with ScriptedEndpoint(
        lambda asked: refuse(400, words) if "A bad one." in json.dumps(asked.body) else well(asked)
    ) as endpoint:
        completions = ask_in_turn(endpoint, bad, REQUEST, said=messages)

    assert [True, False] == [completion.failure is not None for completion in completions]
    assert {*OPENAI, "top_k", "repetition_penalty"} == endpoint.asked[-1].body.keys()
    assert [] == messages


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (500, f"EngineCore died; request {QUOTED}"),
        (500, "error reading stream: connection reset by peer"),
        (503, "upstream: unexpected end of stream, temperature: 0.7"),
        (400, f"cannot open the image; {QUOTED}"),
        (400, "Bad request"),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_a_transient_error_costs_no_field(status: int, words: str, times: int) -> None:
    """Whatever it names: the same fields are accepted afterwards."""
    with ScriptedEndpoint() as endpoint:
        endpoint.chat = lambda a: refuse(status, words) if len(endpoint.asked) <= times else well(a)
        completions = ask_in_turn(endpoint, REQUEST, REQUEST)

    assert completions[-1].failure is None
    assert {*OPENAI, "top_k", "repetition_penalty"} == endpoint.asked[-1].body.keys()


def test_a_caption_is_made_with_all_accepted_fields() -> None:
    """Even if a transient refusal has named some."""
    with ScriptedEndpoint() as endpoint:
        endpoint.chat = lambda asked: (
            refuse(400, f"cannot open the image; {QUOTED}")
            if len(endpoint.asked) == 1
            else say(f"A caption with {' '.join(asked.body)}.")
        )
        (completion,) = ask_in_turn(endpoint, REQUEST)

    assert all(field in completion.text for field in ("temperature", "top_k", "seed"))


@pytest.mark.parametrize("stream", [False, None])
def test_stream_options_are_not_sent_without_a_stream(stream: bool | None) -> None:
    """OpenAI refuses them then. If the user sets them, they are sent."""
    named = {"stream": stream, "stream_options": {"include_usage": False}}

    assert "stream_options" not in json.loads(Dialect({"stream": stream}).body(MODEL, REQUEST))
    assert named["stream_options"] == json.loads(Dialect(named).body(MODEL, REQUEST))["stream_options"]
