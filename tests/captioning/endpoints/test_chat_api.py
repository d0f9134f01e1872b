"""Reading an endpoint's answer, streamed or whole."""

from __future__ import annotations

import json

import pytest

from triptych.captioning.endpoints.chat_api import ChatAnswer, read_answer
from triptych.captioning.endpoints.request_errors import (
    NotNow,
    Refused,
    RequestError,
    TooLong,
    Transient,
    Unavailable,
)
from triptych.errors import SetupError

URL = "http://host/v1"


def events(*documents: object, end: bytes = b"data: [DONE]\n\n") -> bytes:
    return b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents) + end


def piece(content: str, finish_reason: str | None = None) -> dict[str, object]:
    return {"choices": [{"delta": {"content": content}, "finish_reason": finish_reason}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
WHOLE = ChatAnswer(text="A red kite.", finish_reason="stop", prompt_tokens=7, completion_tokens=2)


@pytest.mark.parametrize(
    "content",
    [
        events(piece("A red"), piece(" kite.", "stop"), USAGE),
        b": ping\r\n\r\n" + events(piece("A red"), piece(" kite.", "stop"), USAGE).replace(b"\n", b"\r\n"),
        events(piece("A red kite."), piece("", "stop"), USAGE, end=b""),
        json.dumps(
            {
                "choices": [{"message": {"content": "A red kite."}, "finish_reason": "stop"}],
                "usage": USAGE["usage"],
            }
        ).encode(),
    ],
    ids=["events", "comments and CRLF", "no [DONE]", "plain JSON"],
)
def test_a_caption_is_read_from_events_or_from_plain_json(content: bytes) -> None:
    """Even if a server doesn't stream although it was asked to."""
    assert WHOLE == read_answer(200, content, URL)


BROKEN = ("preempted", "engine_dead", "client_disconnected", "interrupted", "killed", "time_limit", "OTHER")
BROKEN += ("MALFORMED_FUNCTION_CALL", "not_finished", "in_progress")


def whole(message: object, **fields: object) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop", **fields}]}).encode()


LINES = b"".join(json.dumps(each).encode() + b"\n" for each in (piece("A red"), piece(" kite.", "stop")))
EVENTS = events(piece("A red"), piece(" kite.", "stop"))
KITE = piece("A kite.")
THOUGHTS = [{"type": "thinking", "text": "hm"}, {"type": "text", "text": "A kite."}]
GEMINI = {"parts": [{"text": "hm", "thought": True}, {"text": "A kite."}]}
NO_LIST = {"choices": {"message": {"content": "A kite."}, "finish_reason": "stop"}}
COUNTED = [
    {"choices": [{**piece(text)["choices"][0], "index": n}]} for n, text in enumerate(("A red", " kite."))
]
HALVES = (
    b'data: {"choices":[{"delta":{"content":"A \\ud83e"}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"\\ude81, a caf\xc3"}}]}\n\n'
    b'data: {"choices":[{"delta":{"content":"\xa9."},"finish_reason":"stop"}]}\n\n'
)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (LINES, "A red kite."),
        (LINES.replace(b"\n", b"\n\n"), "A red kite."),
        (EVENTS.replace(b"data: ", b"data: data: "), "A red kite."),
        (EVENTS.replace(b"data", b"\xef\xbb\xbfdata"), "A red kite."),
        (EVENTS.replace(b"\n", b"\r"), "A red kite."),
        (EVENTS.replace(b"data", b"event: m\nid: 1\ndata"), "A red kite."),
        (events(piece("A red"), piece(" kite."), USAGE, end=b""), "A red kite."),
        (events(piece("A red kite."), end=b"data: [done]"), "A red kite."),
        (events(KITE, {"choices": [{"delta": {}, "stop_reason": "end_turn"}]}, end=b""), "A kite."),
        (events({"choices": [{"index": 1, "delta": {"content": "B."}}, *KITE["choices"]]}), "A kite."),
        (events(*COUNTED), "A red kite."),
        (b"data: ping\n" + EVENTS.replace(b"\n\n", b"\n"), "A red kite."),
        (events({"choices": [{"delta": {"content": "A kite.", "stop_reason": "eos"}}]}, end=b""), "A kite."),
        (events({"choices": [{"index": 1, **KITE["choices"][0]}]}), "A kite."),
        (events({"choices": [{"index": "0", **KITE["choices"][0]}]}), "A kite."),
        (events({"code": 0, "data": KITE}), "A kite."),
        (events(*({"choices": [{"delta": {"content": each}, "message": {"content": all_}}]} for each, all_ in
                  (("A ", "A "), ("kite.", "A kite.")))), "A kite."),
        (events(KITE, end=b"[DONE]"), "A kite."),
        (events(KITE, end=b'data: "[DONE]"'), "A kite."),
        (EVENTS.replace(b"data: ", b" Data: "), "A red kite."),
        (whole("A kite."), "A kite."),
        (whole({"content": [{"type": "text", "text": {"value": "A kite."}}]}), "A kite."),
        (whole({"content": {"parts": [{"text": "A "}, {"text": "kite."}]}}), "A kite."),
        (whole({"content": THOUGHTS}), "A kite."),
        (whole(GEMINI), "A kite."),
        (whole({"content": GEMINI}), "A kite."),
        (events({"choices": [{"delta": GEMINI}]}), "A kite."),
        (whole({"content": ""}, text="A kite."), "A kite."),
        (whole({"content": None}), ""),
        (json.dumps(NO_LIST).encode(), "A kite."),
        (whole({"content": "A kite."}, logprobs=0).replace(b": 0", b": NaN"), "A kite."),
        (whole({"content": "A kite|flies."}).replace(b"|", b"\n"), "A kite\nflies."),
        (whole({"content": "A kite."}) + b"\n<!-- served -->", "A kite."),
        (HALVES, "A 🪁, a café."),
        (HALVES.replace(b"\\ude81", b""), "A \ufffd, a café."),
    ],
)  # fmt: skip
def test_unambiguous_forms_of_an_answer_are_read(content: bytes, text: str) -> None:
    """Events, lines and wrappers of gateways. Characters that were cut in half are joined."""
    answer = read_answer(200, content, URL)

    assert (text, "stop") == (answer.text, answer.finish_reason or "stop")
    answer.text.encode()


@pytest.mark.parametrize(
    "message",
    [
        {"reasoning_content": "hm"},
        {"reasoning_details": [{"text": "hm"}]},
        {"thinking_blocks": [{"thinking": "hm"}]},
        {"analysis": "hm"},
        {"provider_specific_fields": {"reasoning": "hm"}},
        {"content": THOUGHTS[:1]},
        {"parts": GEMINI["parts"][:1]},
    ],
)
def test_thoughts_in_a_separate_field_are_recognised_and_left_out(message: dict[str, object]) -> None:
    """Whatever the field is called."""
    assert read_answer(200, whole({"content": "", **message}), URL).has_reasoning
    assert not read_answer(200, whole({"content": ""}), URL).has_reasoning


def test_the_words_of_an_answer_that_broke_off_are_reported() -> None:
    """Some servers put there what went wrong."""
    with pytest.raises(Transient, match="Generation failed: out of memory"):
        read_answer(200, events(piece("Generation failed: out of memory", "error")), URL)


def test_a_piece_of_invalid_json_is_not_ignored() -> None:
    """It may have contained text, so the request is sent again."""
    content = events(piece("A red")).replace(b"}]}", b"", 1) + events(piece(" kite.", "stop"))

    with pytest.raises(Transient, match="no JSON"):
        read_answer(200, content, URL)


def test_an_answer_that_was_complete_when_the_connection_broke_counts() -> None:
    """Whether it ended with a finish reason or with [DONE]."""
    answer = read_answer(200, events(piece("A red kite.", "stop"), end=b""), URL, cut=Transient("reset"))
    done = read_answer(200, events(piece("A red kite.")), URL, cut=Transient("reset"))

    assert ("A red kite.", "stop") == (answer.text, answer.finish_reason)
    assert ("A red kite.", "") == (done.text, done.finish_reason)


def test_an_error_in_plain_text_is_told_if_the_connection_stays_open() -> None:
    """As mistral.rs leaves it (issue 1874)."""
    with pytest.raises(Transient, match=r"no token within 60 s, and sent only: .*choices must be"):
        read_answer(200, b"data: choices must be 1\n\n", URL, cut=Transient("gave no token within 60 s"))


def test_a_finish_reason_in_each_piece_is_no_sign_of_the_end() -> None:
    """Gateways to Gemini have sent that (litellm issue 2195): the text may have been cut."""
    pieces = piece("A red", "stop"), piece(" kite", "stop")

    assert "A red kite" == read_answer(200, events(*pieces, end=b""), URL).text
    with pytest.raises(Transient, match="reset"):
        read_answer(200, events(*pieces, end=b""), URL, cut=Transient("reset"))


def test_an_answer_cut_after_an_early_token_count_is_discarded() -> None:
    """Some gateways send the number of prompt tokens before the text."""
    with pytest.raises(Transient, match="reset"):
        read_answer(200, events(USAGE, piece("A red"), end=b""), URL, cut=Transient("reset"))


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (200, events(piece("A red"), end=b""), Transient),
        (200, events(piece("A red"), end=b'data: {"choi'), Transient),
        (200, events(piece("A red"), {"error": {"message": "engine", "code": 500}}), Transient),
        (200, events({"error": {"message": "bad image", "code": 400}}), Refused),
        (200, events(piece("A red", "abort")), Transient),
        (200, whole({"content": "A red"}, error={"code": 400, "message": "bad image"}), Refused),
        (200, whole({"content": None, "refusal": "No."}), Refused),
        (200, events({"choices": [{"delta": {"refusal": "No"}}]}), Refused),
        (200, b'{"error": {"code": "%s"}}' % (b"5" * 5000), Transient),
        (200, b'{"code": 503, "msg": "no worker"}', Unavailable),
        (200, b'{"code": "InvalidParameter", "message": "bad image", "request_id": "1"}', Refused),
        (200, b"", Transient),
        (200, b'{"error_code": 10402, "text": "timeout"}', Transient),
        (200, events(piece("A red"), end=b'event: error\ndata: {"message": "engine"}\n\n'), Transient),
        (200, events(piece("A red"), end=b"event: error\ndata: engine\n\n"), Transient),
        (200, b'{"error": {"status": 429, "message": "slow down"}}', NotNow),
        (200, events(piece("A red", "rate_limit")), Transient),
        (200, events(piece("A red", "ERROR_TOXIC")), Refused),
        *((200, events(piece("A red", reason), end=b""), Transient) for reason in BROKEN),
        (200, events({"error": {"code": "data_inspection_failed", "message": "no"}}), Refused),
        (200, events({"error": {"code": "1301", "message": "内容可能包含不安全或敏感内容"}}), Refused),
        (200, events({"error": {"code": "1302", "message": "您当前使用该API的并发数过高"}}), NotNow),
        (200, b'{"error_code": 336007, "error_msg": "the max input characters is 2000"}', TooLong),
        (200, b'{"choices": null, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}', NotNow),
        (200, b'{"choices": null, "base_resp": {"status_msg": "input new_sensitive"}}', Refused),
        (200, b'{"__type": "ThrottlingException", "message": "slow down"}', NotNow),
        (200, b'error: {"code":400,"message":"the request exceeds the context size"}', TooLong),
        (204, b"", Transient),
        (403, b"flagged", Refused),
        (200, b'{"object": "error", "code": 400, "message": "bad image"}', Refused),
        (200, b'{"object": "error", "code": 503, "message": "asleep"}', Unavailable),
        (400, b'{"message": "bad image"}', Refused),
        (429, b"", NotNow),
        (404, b"", Unavailable),
        (499, b"", Transient),
        (502, b"<html>", Transient),
    ],
)
def test_anything_else_raises_its_own_class_of_error(
    status: int, content: bytes, kind: type[RequestError]
) -> None:
    """Exactly that class: it decides what is done about the error."""
    with pytest.raises(RequestError) as raised:
        read_answer(status, content, URL)

    assert kind is raised.type


def event_error(document: object) -> bytes:
    return b"event: error\n" + events(document)


LIMITED = {"message": "slow down", "code": 429}
LONG = "Input length (9000) must be smaller than the model context length (8192)."


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (event_error({"error": LIMITED}), NotNow, "slow down"),
        (event_error({"error": {"error": LIMITED}}), NotNow, "slow down"),
        (event_error({"error": "slow down", "code": 429}), NotNow, "slow down"),
        (event_error({"error": {"message": LONG, "code": 400}}), TooLong, LONG),
        (event_error({"type": "error", "error": {"type": "overloaded_error"}}), Unavailable, "503"),
        (event_error({"detail": "engine died"}), Transient, "engine died"),
        (events({"type": "error", **LIMITED}), NotNow, "slow down"),
        (events({"error": {"code": "rate_limit_exceeded", "message": "slow down"}}), NotNow, "429"),
        (events({"error": {"type": "too_many_requests", "message": "slow down"}}), NotNow, "429"),
        (events({"error": {"status": "RESOURCE_EXHAUSTED"}}), NotNow, "429"),
        (events({"error": {"code": "server_overloaded"}}), Unavailable, "503"),
        (events({"error": "Model is overloaded", "error_type": "overloaded"}), Unavailable, "Model is"),
        (events({"error": True, "message": "engine died"}), Transient, "engine died"),
        (events({"error": {"message": LONG, "code": 429}}), NotNow, "429"),
        (events({"error": {"message": LONG, "code": "504"}}), Transient, "504"),
    ],
)
def test_errors_in_a_200_keep_their_code_and_words(
    content: bytes, kind: type[RequestError], words: str
) -> None:
    """However they are wrapped, and even if the code is a word. The code decides before the message does."""
    with pytest.raises(RequestError) as raised:
        read_answer(200, content, URL)

    assert kind is raised.type
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (b'data: {"detail":"upstream died"}', Transient),
        (b'data: {"code":500,"message":"upstream died"}', Transient),
        (b'data: {"code":429,"msg":"upstream died"}', NotNow),
        (b'data: {"errors":[{"message":"upstream died"}]}', Transient),
        (b'data: [{"reason":"upstream died"}]', Transient),
        (b'data: "upstream died"', Transient),
        (b"data: upstream died", Transient),
        (b"data: [ERROR] upstream died", Transient),
        (b'event:error\ndata:{"code":"InternalError","message":"upstream died"}', Transient),
        (b"event:error\ndata:upstream died", Transient),
        (b'event: Error\ndata: {"message":"Input upstream died: prompt too long"}', TooLong),
    ],
)
@pytest.mark.parametrize("usage", [False, True])
def test_an_answer_interrupted_by_an_error_is_discarded(
    event: bytes, kind: type[RequestError], usage: bool
) -> None:
    """Whatever the error's form, and even if a token count and [DONE] follow."""
    counts = events(*([USAGE] if usage else []))

    with pytest.raises(RequestError, match="upstream died") as raised:
        read_answer(200, events(piece("A red bird "), end=event + b"\n\n" + counts), URL)

    assert kind is raised.type


def test_a_key_that_is_refused_in_a_200_ends_the_run() -> None:
    """As with status 401."""
    with pytest.raises(SetupError, match="api_key_env"):
        read_answer(200, b'{"error": {"type": "authentication_error", "message": "invalid x-api-key"}}', URL)


def test_an_error_event_without_a_message_is_an_error() -> None:
    """It means that the answer isn't complete."""
    with pytest.raises(Transient, match="no reason given"):
        read_answer(200, events(piece("A red bird ", "stop"), end=b"event: error\n\ndata: [DONE]\n\n"), URL)


@pytest.mark.parametrize(
    "event",
    [
        b"data: ping",
        b'data: "ping"',
        b'data: {"type": "ping"}',
        b"event: ping\ndata: {}",
        b"data: null",
        b"data:",
        b": keep-alive",
        b"data: [KEEP-ALIVE]",
        b'data: {"choices": [], "prompt_filter_results": []}',
        b"data: [DONE]",
    ],
)
def test_keep_alives_do_not_interrupt_an_answer(event: bytes) -> None:
    """Nor does metadata that a gateway sends before the text."""
    before = events({"id": "1", "model": "looker"}, piece("A red "), end=event + b"\n\n")
    answer = read_answer(200, before + events(piece("kite.")), URL)

    assert ("A red kite.", "") == (answer.text, answer.finish_reason)


@pytest.mark.parametrize(
    "words",
    [
        "Input length (9000) must be smaller than the model context length (8192).",
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens",
        "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
    ],
    ids=["lmdeploy", "OpenAI and vLLM", "vLLM, images"],
)
@pytest.mark.parametrize("in_a_200", [False, True])
def test_too_long_is_recognised_by_its_message(words: str, in_a_200: bool) -> None:
    """In the words of several servers."""
    error = {"object": "error", "message": words, "code": 400}
    status, content = (200, events({"error": error})) if in_a_200 else (400, json.dumps(error).encode())

    with pytest.raises(TooLong):
        read_answer(status, content, URL)


def test_too_long_is_recognised_by_openais_code() -> None:
    """Whatever the message says."""
    with pytest.raises(TooLong):
        read_answer(400, b'{"error": {"message": "no", "code": "context_length_exceeded"}}', URL)
