"""The in-process engine, and the only file of captioning that imports transformers.

Comes in: requests. Goes out: completions, batched, on a CPU in float32 or on a GPU in bfloat16. On a CPU
several batches run side by side with one thread each. Threads inside one operation wait for each other at
every step: on 2 cores, steps were 30 times slower when another process took one. Single-threaded arithmetic
also rounds the same for any number of cores.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import torch
import transformers
from transformers import AutoModelForImageTextToText, AutoProcessor

from triptych.captioning.engine import GREEDY, BusyMeter, CaptionRequest, Completion
from triptych.captioning.engines.config import TransformersConfig
from triptych.captioning.engines.token_choice import TokenChoice
from triptych.captioning.models.location import locate
from triptych.captioning.tiling import unpack
from triptych.errors import SetupError
from triptych.executors.processes import core_count
from triptych.prompts import message_parts

MAX_CPU_BATCHES = 8
"""Each has its own key-value cache; with more, Python's GIL is the limit."""


class TransformersEngine:
    """An image-text-to-text checkpoint in Hugging Face format. Thread-safe."""

    def __init__(self, model: str, config: TransformersConfig) -> None:
        """``model`` is a folder or a hub id. Raises SetupError where it can't be loaded."""
        self._name = model
        self._batch_size = config.batch_size
        self._device = _choose_device(config.device)
        self._dtype = torch.float32 if self._device.type == "cpu" else torch.bfloat16
        self._processor, self._model = _load(model, self._device, self._dtype)
        self._end_ids = _end_token_ids(self._model, self._processor.tokenizer)
        self._meter = BusyMeter()
        self._threads_before = torch.get_num_threads()
        if self._device.type == "cpu":
            torch.set_num_threads(1)

    @property
    def group_size(self) -> int:
        return self._batch_size

    @property
    def concurrency(self) -> int:
        if self._device.type != "cpu":
            return 1
        return min(core_count(), MAX_CPU_BATCHES)

    @property
    def slots(self) -> int:
        return self.concurrency

    def slot_s(self) -> float:
        return self._meter.slot_s()

    @property
    def identity(self) -> Mapping[str, str]:
        return {"precision": str(self._dtype).removeprefix("torch.")}

    def describe(self) -> str:
        return f"transformers, {self._name} on {self._device} in {self.identity['precision']}"

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        """Caption one batch, each request with its own sampling. Texts depend on the rest of the batch only
        by the rounding of its padding."""
        with self._meter.slot():
            return self._generate(requests) if requests else []

    def _generate(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        inputs = self.model_inputs(requests)
        prompt_tokens = inputs["attention_mask"].sum(dim=1).tolist()
        samplings = [request.sampling for request in requests]
        greedy = all(sampling == GREEDY for sampling in samplings)
        top_logprobs = max(request.top_logprobs for request in requests)
        try:
            with torch.inference_mode():
                generated = self._model.generate(
                    **inputs.to(self._device, dtype=self._dtype),
                    do_sample=False,
                    logits_processor=[] if greedy else [TokenChoice(samplings, inputs["input_ids"].shape[1])],
                    max_new_tokens=max(request.max_tokens for request in requests),
                    return_dict_in_generate=True,
                    output_logits=top_logprobs > 0,
                )
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
                raise SetupError(
                    f"{self._device} is out of memory with a batch of {len(requests)};"
                    " set captioning.transformers.batch_size or captioning.max_tiles lower"
                    " (captions so far stay on disk)"
                ) from None
            raise
        rows = generated.sequences[:, inputs["input_ids"].shape[1] :].tolist()
        completions = [
            self._completion(request, row, prompt)
            for request, row, prompt in zip(requests, rows, prompt_tokens, strict=True)
        ]
        if not top_logprobs:
            return completions
        chances, tokens = generated.logits[0].float().softmax(dim=-1).topk(top_logprobs, dim=-1)
        decode = self._processor.tokenizer.decode
        return [
            msgspec.structs.replace(each, first_tokens=dict(zip(map(decode, ids), row, strict=True)))
            for each, ids, row in zip(completions, tokens.tolist(), chances.tolist(), strict=True)
        ]

    def model_inputs(self, requests: Sequence[CaptionRequest]) -> Any:
        """The model's inputs: ``input_ids`` and ``attention_mask`` int64[n, length], padded on the left, and
        ``pixel_values`` float32[n_tiles, 3, side_px, side_px], normalised."""
        return self._processor.apply_chat_template(
            [_conversation(request) for request in requests],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )

    def close(self) -> None:
        torch.set_num_threads(self._threads_before)

    def _completion(self, request: CaptionRequest, tokens: list[int], prompt_tokens: int) -> Completion:
        end = next((i for i, token in enumerate(tokens) if token in self._end_ids), len(tokens))
        kept = tokens[: min(end, request.max_tokens)]
        return Completion(
            id=request.id,
            text=self._processor.tokenizer.decode(kept, skip_special_tokens=True),
            finish_reason="stop" if len(kept) == end < len(tokens) else "length",
            prompt_tokens=prompt_tokens,
            completion_tokens=len(kept),
        )


def _conversation(request: CaptionRequest) -> list[dict[str, Any]]:
    images = iter(request.images)
    content = [
        {"type": "image", "image": unpack(next(images))} if part is None else {"type": "text", "text": part}
        for part in message_parts(request.prompt, len(request.images))
    ]
    return [{"role": "user", "content": content}]


def _choose_device(device: str) -> torch.device:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(device)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise SetupError(
            f"captioning.transformers.device is {device}, but this machine has {torch.cuda.device_count()}"
            " usable CUDA devices; set it to auto or cpu"
        )
    return chosen


def _load(model: str, device: torch.device, dtype: torch.dtype) -> tuple[Any, Any]:
    source, local_only = locate(model)
    with _quiet():
        try:
            processor = AutoProcessor.from_pretrained(source, local_files_only=local_only)
            loaded, report = AutoModelForImageTextToText.from_pretrained(
                source, local_files_only=local_only, dtype=dtype, output_loading_info=True
            )
        except Exception as error:  # anything from a missing file to a damaged tensor
            raise SetupError(_why_not_loaded(model, error)) from None
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise SetupError(
            f"model {model} lacks {len(missing)} of its weights, such as {missing[0]};"
            " it is damaged or has another architecture: download it again"
        )
    if not getattr(processor, "chat_template", None):
        raise SetupError(f"model {model} has no chat template; captioning needs a chat checkpoint")
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"  # otherwise captions would follow the padding
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # transformers warns about a checkpoint's sampling settings, which don't apply to a greedy search.
    loaded.generation_config.update(do_sample=False, temperature=None, top_p=None, top_k=None)
    return processor, loaded.to(device).eval()


def _why_not_loaded(model: str, error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return (
            f"model {model} needs its own code, which Triptych doesn't run;"
            " use its Hugging Face format (a name that ends in -hf), or serve it and use --server"
        )
    first_line = next((line for line in str(error).splitlines() if line.strip()), "").strip()
    return (
        f"model {model} can't be loaded ({type(error).__name__}: {first_line});"
        " expected an image-text-to-text checkpoint with its processor, in Hugging Face format"
    )


def _end_token_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    ids = model.generation_config.eos_token_id
    if ids is None:
        ids = tokenizer.eos_token_id
    return frozenset(ids if isinstance(ids, list) else [ids])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence progress bars and warnings while a model is loaded: errors are raised anyway."""
    log = transformers.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()
