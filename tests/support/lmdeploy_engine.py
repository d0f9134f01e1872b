"""An engine for lmdeploy's server on a machine without a GPU: greedy search with transformers on the CPU.

Comes in: token ids and pixel values, made by lmdeploy's chat template and vision preprocessing. Goes out:
lmdeploy's EngineOutput, token by token, with the statuses that lmdeploy's own PyTorch engine gives. It saves
its inputs (`inputs/<n>.npz`, in order of arrival). If the file `mishaps` isn't empty, its first line is the
status with which the next request ends after a few tokens. It imports lmdeploy, so it needs its own process.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lmdeploy._guided_decoding import compile_response_format
from lmdeploy.messages import (
    EngineOutput,
    GenerationConfig,
    PytorchEngineConfig,
    ResponseType,
    ScheduleMetrics,
)
from transformers import (
    AutoModelForImageTextToText,
    AutoTokenizer,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.generation.streamers import BaseStreamer
from xgrammar import GrammarCompiler, TokenizerInfo
from xgrammar.contrib.hf import LogitsProcessor

TOKENS_BEFORE_MISHAP = 5


class GreedyEngine:
    """An engine with the methods that lmdeploy's AsyncEngine calls."""

    def __init__(self, model_path: str, engine_config: PytorchEngineConfig, notes: Path) -> None:
        torch.set_num_threads(1)
        self.engine_config = engine_config
        self.model = AutoModelForImageTextToText.from_pretrained(model_path, dtype=torch.float32).eval()
        self.tokens_made = 0
        tokenizer = AutoTokenizer.from_pretrained(model_path)
        vocabulary = TokenizerInfo.from_huggingface(
            tokenizer, vocab_size=self.model.config.text_config.vocab_size
        )
        self._compiler = GrammarCompiler(vocabulary)
        self._json_habits = _JsonHabits(tokenizer)
        self._inputs = notes / "inputs"
        self._mishaps = notes / "mishaps"
        self._numbers = itertools.count()

    def create_instance(self) -> GreedyHandle:
        return GreedyHandle(self)

    def get_schedule_metrics(self) -> ScheduleMetrics:
        return ScheduleMetrics(active_seqs=1, scheduler_tick=self.tokens_made)

    async def get_health_status(self) -> dict[str, Any]:
        return {"alive": True, "message": "", "schedule_metrics": self.get_schedule_metrics()}

    async def sleep(self, level: int) -> None:
        """Do nothing: lmdeploy itself refuses requests from now on."""

    def wakeup(self, tags: list[str]) -> None:
        """Do nothing: lmdeploy itself takes requests again."""

    def close(self) -> None:
        pass

    def format_processors(self, response_format: dict[str, Any] | None) -> list[LogitsProcessor]:
        """Logits processors that enforce the format, with the grammar that lmdeploy makes from a request."""
        if response_format is None:
            return []
        return [self._json_habits, LogitsProcessor(compile_response_format(self._compiler, response_format))]

    def save_input(self, input_ids: list[int], pixel_values: torch.Tensor | None) -> None:
        pixels = np.zeros(0) if pixel_values is None else pixel_values.float().numpy()
        np.savez(self._inputs / f"{next(self._numbers)}.npz", input_ids=input_ids, pixel_values=pixels)

    def take_mishap(self) -> ResponseType | None:
        first, *rest = [*self._mishaps.read_text().splitlines(), ""]
        self._mishaps.write_text("\n".join(line for line in rest if line))
        return ResponseType[first] if first else None


class GreedyHandle:
    """Runs one request at a time."""

    def __init__(self, engine: GreedyEngine) -> None:
        self._engine = engine
        self._cancelled = threading.Event()

    async def async_cancel(self, session_id: int) -> None:
        self._cancelled.set()

    async def async_stream_infer(
        self,
        session_id: int,
        input_ids: list[int],
        gen_config: GenerationConfig,
        multimodal: list[dict[str, Any]] | None = None,
        **_: Any,
    ) -> AsyncIterator[EngineOutput]:
        """Yield SUCCESS with each token except the last, which has FINISH, as lmdeploy's own engine does."""
        self._cancelled.clear()
        tiles = torch.cat([item["pixel_values"] for item in multimodal]) if multimodal else None
        self._engine.save_input(input_ids, tiles)
        mishap = self._engine.take_mishap()
        if gen_config.top_k != 1 or gen_config.repetition_penalty != 1.0:
            yield EngineOutput(ResponseType.NOT_SUPPORTED, [])
            return
        tokens = _Tokens(asyncio.get_running_loop())
        search = asyncio.ensure_future(asyncio.to_thread(self._search, input_ids, tiles, gen_config, tokens))
        last: list[int] = []
        count = 0
        try:
            while (token := await tokens.queue.get()) is not None:
                self._engine.tokens_made += 1
                if mishap is not None and count == TOKENS_BEFORE_MISHAP:
                    yield EngineOutput(mishap, [])
                    return
                if last:
                    yield EngineOutput(ResponseType.SUCCESS, last)
                last, count = [token], count + 1
            await search
            status = ResponseType.CANCEL if self._cancelled.is_set() else ResponseType.FINISH
            yield EngineOutput(status, last)
        finally:
            self._cancelled.set()

    def _search(
        self, input_ids: list[int], tiles: torch.Tensor | None, gen_config: GenerationConfig, tokens: _Tokens
    ) -> None:
        ids = torch.tensor([input_ids])
        pixels = {} if tiles is None else {"pixel_values": tiles.float()}
        try:
            with torch.inference_mode():
                self._engine.model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    **pixels,
                    do_sample=False,
                    max_new_tokens=gen_config.max_new_tokens,
                    eos_token_id=gen_config.stop_token_ids,
                    logits_processor=self._engine.format_processors(gen_config.response_format),
                    streamer=tokens,
                    stopping_criteria=StoppingCriteriaList([_Cancelled(self._cancelled)]),
                )
        finally:
            tokens.end()


class _JsonHabits:
    """Imitates a model that knows JSON: no needless whitespace, and where it would end its caption, it ends
    the string."""

    def __init__(self, tokenizer: Any) -> None:
        words = tokenizer.batch_decode([[number] for number in range(len(tokenizer))])
        self._blanks = [number for number, word in enumerate(words) if word.isspace()]
        self._quote, self._end = tokenizer.convert_tokens_to_ids('"'), tokenizer.eos_token_id

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scores = scores.clone()
        scores[:, self._blanks] = -torch.inf
        scores[:, self._quote] = torch.maximum(scores[:, self._quote], scores[:, self._end])
        return scores


class _Tokens(BaseStreamer):
    """Passes each new token to the event loop, and None at the end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.queue: asyncio.Queue[int | None] = asyncio.Queue()
        self._loop = loop
        self._seen_prompt = False

    def put(self, value: torch.Tensor) -> None:
        if self._seen_prompt:
            self._loop.call_soon_threadsafe(self.queue.put_nowait, int(value[0]))
        self._seen_prompt = True

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self.queue.put_nowait, None)


class _Cancelled(StoppingCriteria):
    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self._event.is_set())
