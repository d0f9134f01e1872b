"""Error messages of many servers: which of them mean that a request is too long."""

from __future__ import annotations

import pytest

from tests.support.asking import ask
from tests.support.scripted_endpoint import ScriptedEndpoint, refuse
from triptych.captioning.endpoints.request_errors import (
    NotNow,
    Refused,
    RequestError,
    TooLong,
    Transient,
    Unavailable,
    error_for,
    excerpt,
)
from triptych.errors import SetupError

TOO_LONG = {
    "lmdeploy": "Input length (9000) must be smaller than the model context length (8192).",
    "vLLM": "The prompt (total length 25938) is too long to fit into the model (context length 4096).",
    "vLLM, decoder": "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
    "OpenAI": "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens",
    "OpenAI, new": "Input tokens exceed the configured limit of 272000 tokens.",
    "SGLang": "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
    "SGLang, sum": "Requested token count exceeds the model's maximum context length of 4096 tokens.",
    "SGLang, images": "Multimodal prompt is too long after expanding multimodal tokens. max=8192",
    "TGI": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 and 512",
    "TGI, inputs": "Input validation error: `inputs` must have less than 1024 tokens. Given: 2048",
    "llama.cpp": "the request exceeds the available context size. try increasing the context size",
    "Ollama": "prompt too long; exceeded max context length by 914 tokens",
    "Anthropic": "prompt is too long: 210000 tokens > 200000 maximum",
    "Anthropic, sum": "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000",
    "Anthropic, image": "image exceeds 5 MB maximum: 5316852 bytes > 5242880 bytes",
    "Gemini": "The input token count (1234567) exceeds the maximum number of tokens allowed (1048576).",
    "Gemini, body": "Request payload size exceeds the limit: 20971520 bytes.",
    "Mistral": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
    "DashScope": "Range of input length should be [1, 30720]",
    "Bedrock": "Input is too long for requested model.",
    "vLLM, bound": "'max_tokens' or 'max_completion_tokens' is too large: 1024. This model's maximum context"
    " length is 4096 tokens and your request has 3800 input tokens (1024 > 4096 - 3800).",
    "vLLM, nothing left": "max_tokens must be at least 1, got -808.",
    "OpenAI, window": "Your input exceeds the context window of this model. Please adjust your input.",
    "OpenAI, pixels": "Image is too large: total pixels exceed limit",
    "Azure": "Please reduce the length of the messages or completion.",
    "Vertex": "The input token count is 40000 but the model only supports up to 32768.",
    "TensorRT-LLM": "The sum of prompt length (9000) and max_tokens (512) should not exceed 8192",
    "xAI": "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "LM Studio": "Trying to keep the first 5000 tokens when context the overflows.",
    "Qianfan": "the max input characters is 2000",
    "AWS": "Request Too Long",
    "actix": "JSON payload (4000000 bytes) is larger than allowed (limit: 2097152 bytes).",
    "axum": "Failed to buffer the request body: length limit exceeded",
    "Go": "http: request body too large",
    "Spring": "Maximum upload size exceeded",
    "in Japanese": "最大コンテキスト長を超えています",
    "in German": "Der Prompt ist zu lang",
    "in French": "Le prompt est trop long pour ce modèle",
    "in Spanish": "El prompt es demasiado largo",
    "in signs": "prompt_tokens=5000 > max_model_len=4096",
    "a Chinese gateway": "输入长度超过模型的最大上下文",
    "another one": "上下文长度超限",
    "a picture's size in Chinese": "图片大小超过10MB限制",
    "in Korean": "입력 컨텍스트 길이 초과",
    "no room": "not enough context for this prompt",
    "full": "context window full",
    "over": "the prompt is over the model's context window",
    "with what to do": "Your prompt is too long; please shorten it and try again",
    "an image": "Request too large. Try again with a smaller image",
    "gRPC": "rpc error: code = ResourceExhausted desc = grpc: received message larger than max"
    " (5242880 vs. 4194304)",
    "no fit": "the input cannot fit into the context",
    "no fit, short": "Sequence of 9000 tokens can't fit in 8192",
    "no fit, one word": "This prompt can not fit in the context window",
    "bigger": "Prompt has 5000 tokens, which is bigger than the maximum 4096",
    "needs to be": "Prompt needs to be shorter than 8192 tokens",
    "has to be": "The prompt has to be at most 8192 tokens long",
    "ought to be": "Input should be no longer than 8192 tokens",
    "a sum": "Prompt tokens (9000) + max_tokens (512) > n_ctx (8192)",
    "a comparison": "n_tokens (9000) > n_ctx (8192)",
    "surpassed": "The prompt surpasses the context of 8192 tokens",
    "room": "There is no room for 9000 tokens in a context of 8192",
    "room, short": "insufficient context length for the prompt",
    "few of many": "Sending 3 images: prompt of 9000 tokens exceeds the context of 8192",
    "pixels of many": "6 images exceed the maximum of 4000000 pixels",
    "tokens of images": "the number of image tokens (9000) exceeds the context",
    "tokens of many": "too many image tokens: 9000 of at most 4096 image tokens",
    "you": "You have more than 8192 tokens in the prompt",
    "pictures in Chinese": "图片数据过大",
    "a size of images": "total size of images exceeds the maximum of 20 MB",
    "vLLM, parameter": "You passed 15361 tokens. However, the model's context length is only 4096 tokens.",
    "llama.cpp, no shift": "context shift is disabled",
    "LM Studio, reached": "Reached context length of 4096 tokens with this model",
    "DashScope, data": "Exceeded limit on max bytes per data-uri item : 10485760",
    "DashScope, file": "Multimodal file size is too large",
    "DashScope, total": "The total size of the request exceeds 6MB",
    "Bedrock, schema": "#/messages/0/content/0: expected maxLength: 20000000, actual: 2512312, please"
    " reformat your input and try again.",
    "nginx, log": "client intended to send too large body: 2000000 bytes",
    "gRPC, short": "stream error: message larger than max (5000000 vs. 4194304)",
    "patches": "num_patches 60 exceeds max_num_patches 40",
    "cache": "KV cache is full: prompt needs 9000 slots, only 8192 available",
    "blocks": "Not enough KV cache blocks for prompt of 9000 tokens",
    "a limit": "Prompt has 5000 tokens but the limit is 4096",
    "seq_len": "seq_len 5000 > max_seq_len 4096",
    "an image's bytes": "The image data exceeds the max limit (10 MB).",
    "tokens in Chinese": "tokens数超出限制",
    "a picture in Chinese": "图像尺寸过大，请压缩后重试",
    "a file in Chinese": "上传文件超过大小限制",
    "tokens in Japanese": "入力トークン数が上限を超えました",
    "input in Korean": "입력이 너무 깁니다",
    "in Russian": "Слишком длинный запрос: превышен контекст",
    "a model that takes few": "The model takes at most 4096 tokens, the prompt has more than that",
}
OTHER_LIMITS = [
    '{"error":"context deadline exceeded"}',
    "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
    "request body read time-out exceeded",
    "time limit exceeded while generating tokens",
    "exceeded the maximum generation time for this prompt",
    "generation of tokens exceeded 60 seconds",
    "request took too long",
    "queue length exceeds limit",
    "too many pending prompts",
    "concurrent request limit of this context exceeded",
    "Max retries exceeded with url: /v1/chat/completions (prompt)",
    "Too many tokens, please wait before trying again",
    "Too many tokens in the batch, try again shortly",
    "ThrottlingException: too many tokens",
    "Rate_limit_exceeded: too many tokens",
    "Token limit reached: your plan exceeded",
    "Daily token limit reached",
    "this prompt exceeds your credits",
    "请求超时，输入长度超过",
]
REFUSED = [
    "cannot identify image file",
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please"
    " modify your prompt and retry.",
    "At most 1 image(s) may be provided in one request.",
    "Too many images in one prompt: 3 > 1",
    "Unrecognized request argument supplied: top_k",
    "Unsupported parameter: 'max_tokens' is not supported here. Use 'max_completion_tokens'.",
    "Input validation error: `temperature` must be less than 2",
    "body -> top_k\n  Extra inputs are not permitted (type=extra_forbidden)",
    "Invalid image: only JPEG and PNG are supported",
    "Multiple images are not supported by this model",
    "The response was filtered due to the prompt triggering the content policy",
    '{"loc":["body","temperature"],"msg":"Input should be greater than 0","input":0.0}',
    "max_tokens is too large: 99. This model supports at most 50 completion tokens, whereas you gave 99.",
    "image size is too small: width must be greater than 28",
    "Maximum number of images exceeded: 4",
    "the number of images exceeds 4",
    "number of images (6) exceeds the maximum (4)",
    "6 images exceed the maximum of 4 for this model",
    "image count 6 exceeds 4",
    "You passed 6 images, which is more than the 4 this model takes",
    "a request must have at most 4 images",
    "more than 4 images",
    "no more than 4 images are allowed",
    "the model only supports up to 4 images",
    "too many multimodal items: 6 images",
    "exceeded the maximum of 4 pictures",
    "图片数量超过限制",
    "最多支持4张图片",
    "Image width must be greater than 28 pixels",
    "image height must be larger than 28 pixels, got 20",
    "Image dimensions must be at least 28 pixels",
    "The image must have more than 100 pixels",
    "images: List should have at most 4 items after validation",
    "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]",
    "absolute aspect ratio must be smaller than 200, got image of 400",
]


@pytest.mark.parametrize("status", [400, 422, 500])
@pytest.mark.parametrize("words", TOO_LONG.values(), ids=TOO_LONG)
def test_too_long_is_recognised_in_the_words_of_many_servers(words: str, status: int) -> None:
    """They name a size and say that it is too much. Half the tiles may help."""
    assert TooLong is type(error_for(status, words, "http://host/v1"))


@pytest.mark.parametrize("words", TOO_LONG.values(), ids=TOO_LONG)
def test_too_long_costs_no_field(words: str) -> None:
    """Even if max_tokens is named: without it, a caption's length would have no limit."""
    with ScriptedEndpoint(lambda _: refuse(400, words)) as endpoint:
        completion = ask(endpoint)

    assert (completion.failure or "").startswith("too long: ")
    assert {40} == {asked.body.get("max_tokens") for asked in endpoint.asked}


@pytest.mark.parametrize("words", REFUSED)
def test_other_refusals_are_not_too_long(words: str) -> None:
    """Fewer tiles would not help."""
    assert Refused is type(error_for(400, words, "http://host/v1"))


@pytest.mark.parametrize("status", [400, 403, 500])
@pytest.mark.parametrize("words", OTHER_LIMITS)
def test_exceeding_another_limit_is_not_too_long(words: str, status: int) -> None:
    """It may be a limit of time, of a queue, a rate or a plan. Half the tiles wouldn't help."""
    assert (Transient if status == 500 else Refused) is type(error_for(status, words, "http://host/v1"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (413, TooLong),
        (404, Unavailable),
        (503, Unavailable),
        (429, NotNow),
        (408, Transient),
        (502, Transient),
        (501, Refused),
        (405, Refused),
        (402, SetupError),
    ],
)
def test_some_statuses_decide_whatever_the_message_says(
    status: int, kind: type[RequestError | SetupError]
) -> None:
    """An HTML page of a gateway has a body element, which has nothing to do with the request's body."""
    page = "<html><head><title>Error</title></head><body>Sorry, we exceed ourselves.</body></html>"
    assert kind is type(error_for(status, page, "http://host/v1"))


@pytest.mark.parametrize("status", [408, 404, 429, 500, 502, 503, 529])
def test_every_error_that_may_pass_has_the_retry_after(status: int) -> None:
    """Anthropic sends one with 529, gateways send one with 502."""
    error = error_for(status, "overloaded", "http://host/v1", retry_after_s=7.0)
    assert isinstance(error, Transient) and error.retry_after_s == 7.0


@pytest.mark.parametrize("words", ["insufficient_quota", "credit balance is too low", "您的账户已欠费"])
def test_a_429_for_want_of_money_ends_the_run(words: str) -> None:
    """Waiting wouldn't help, unlike with any other 429."""
    assert SetupError is type(error_for(429, words, "http://host/v1"))
    assert NotNow is type(error_for(429, "You exceeded your current quota, retry in 7 s", "http://host/v1"))


def test_an_excerpt_is_one_line_that_moves_no_cursor() -> None:
    """Escape sequences and line breaks are made harmless, and only the beginning is shown."""
    assert "a \\x1b]0;PWNED\\x07 b" == excerpt("a\n\x1b]0;PWNED\x07   b")
    assert len(excerpt("x" * 10**6)) < 400
