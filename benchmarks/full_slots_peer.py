"""Another client for the requests of full_slots. Runs in its own environment, without Triptych.

    python full_slots_peer.py NAME URL REQUESTS SLOTS

REQUESTS is a JSONL file of chat messages with images as data URLs, already resized and encoded, which
Triptych has to do itself. The last line of the output is the number of answers.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from pathlib import Path

MODEL = "made-up"
MAX_TOKENS = 512
RAY_ACTORS = 4


def with_openai(url: str, requests: Path, slots: int) -> int:
    """A hand-written client: openai's, limited by a semaphore."""
    from openai import AsyncOpenAI

    async def main() -> int:
        client = AsyncOpenAI(base_url=url, api_key="none")
        semaphore = asyncio.Semaphore(slots)

        async def ask(line: str) -> str | None:
            async with semaphore:
                answer = await client.chat.completions.create(
                    model=MODEL, messages=json.loads(line), max_tokens=MAX_TOKENS
                )
                return answer.choices[0].message.content

        with requests.open() as lines:
            return sum(bool(text) for text in await asyncio.gather(*map(ask, lines)))

    return asyncio.run(main())


def with_curator(url: str, requests: Path, slots: int) -> int:
    """bespokelabs-curator's LLM, with limits that don't slow it down."""
    os.environ |= {"OPENAI_API_KEY": "none", "TELEMETRY_ENABLED": "0", "CURATOR_DISABLE_CACHE": "1"}
    # It counts tokens with tiktoken, which would download a file that litellm, its dependency, ships.
    shipped = Path(str(importlib.util.find_spec("litellm").origin)).parent  # type: ignore[union-attr]
    os.environ["TIKTOKEN_CACHE_DIR"] = str(shipped / "litellm_core_utils" / "tokenizers")
    from bespokelabs import curator

    class Captioner(curator.LLM):  # type: ignore[misc]
        def prompt(self, row: dict[str, str]) -> object:
            return json.loads(row["messages"])

        def parse(self, row: dict[str, str], response: str) -> dict[str, str]:
            return {"text": response}

    captioner = Captioner(
        model_name=MODEL,
        backend="openai",
        generation_params={"max_tokens": MAX_TOKENS},
        backend_params={
            "base_url": url,
            "max_concurrent_requests": slots,
            "max_requests_per_minute": 1_000_000,
            "max_tokens_per_minute": 1_000_000_000,
        },
    )
    answers = captioner([{"messages": line} for line in requests.read_text().splitlines()])
    found = getattr(answers, "dataset", answers)
    return sum(bool(row["text"]) for row in found)


def with_ray(url: str, requests: Path, slots: int) -> int:
    """Ray Data's HTTP processor.

    An actor sends the requests of a batch one after the other (ray 2.60, http_request_stage.py), so more
    requests in flight need more actors, which are processes.
    """
    import ray
    from ray.data.llm import HttpRequestProcessorConfig, build_processor

    ray.init(num_cpus=2 * RAY_ACTORS, include_dashboard=False, log_to_driver=False)
    config = HttpRequestProcessorConfig(
        url=f"{url}/chat/completions", batch_size=16, qps=100_000, concurrency=RAY_ACTORS
    )
    processor = build_processor(
        config,
        preprocess=lambda row: {
            "payload": {"model": MODEL, "messages": json.loads(row["messages"]), "max_tokens": MAX_TOKENS}
        },
        postprocess=lambda row: {"text": row["http_response"]["choices"][0]["message"]["content"]},
    )
    rows = [{"messages": line} for line in requests.read_text().splitlines()]
    table = ray.data.from_items(rows, override_num_blocks=max(1, len(rows) // 16))
    return sum(bool(row["text"]) for row in processor(table).take_all())


PEERS = {"openai": with_openai, "curator": with_curator, "ray": with_ray}

if __name__ == "__main__":
    name, url, requests, slots = sys.argv[1:]
    print(PEERS[name](url, Path(requests), int(slots)))
