"""Pictures and sentences to CLIP vectors; the one file that imports open_clip and torch.

Comes in: a checkpoint, upright RGB pictures or sentences. Goes out: unit vectors. Every way in which
a checkpoint can't be loaded ends in one SetupError with one line, in seconds. Not its job: reading
and decoding (see embed). Import this file only when there is something to embed: it takes seconds.
"""

from __future__ import annotations

import contextlib
import difflib
import logging
from collections.abc import Callable, Iterator, Sequence

import httpx
import numpy as np
import open_clip
import torch
from huggingface_hub import constants as hub_constants
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from corpus.errors import SetupError
from corpus.records import Language
from grouping.checkpoint import HUB_PREFIX, Checkpoint

HUB_ANSWERS_WITHIN_S = 10.0
"""huggingface_hub by itself retries for 46 s before it says that there is no network."""

TEXTS_AT_ONCE = 256

CHINESE_PROBE = "图中有一座红色的房子"
"""The commonest characters of any Chinese caption. An English byte vocabulary takes 2 to 3 pieces a
character for it, a multilingual one 1 or fewer."""
MOST_PIECES_A_CHARACTER = 1.5


class OpenClipEncoder:
    """An open_clip image tower. ``encode`` is for one thread at a time, ``preprocess`` for any number."""

    def __init__(self, model: torch.nn.Module, device: torch.device) -> None:
        self.model = model
        self.device = device
        self._dtype = torch.float16 if device.type == "cuda" else torch.float32
        settings = PreprocessCfg(**model.visual.preprocess_cfg)  # type: ignore[union-attr,arg-type]
        self._transform = image_transform_v2(settings, is_train=False)
        height, width = settings.size if isinstance(settings.size, (tuple, list)) else [settings.size] * 2
        self.input_side_px = max(height, width)
        """The longer side of what the model sees, in pixels."""
        self._input_size = (height, width)

    def preprocess(self, picture: Image.Image) -> NDArray[np.float32]:
        """One RGB picture as ``float32[3, height, width]``, resized and normalised as the model wants."""
        pixels: NDArray[np.float32] = self._transform(picture).numpy()
        return pixels

    def encode(self, pictures: Sequence[NDArray[np.float32]]) -> NDArray[np.float16]:
        """Preprocessed pictures to ``float16[n, dim]``, each row scaled to length 1 in float32 first.

        A picture for which the model gives no direction (zeros, infinities) gets a row of NaN.
        """
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack(pictures)).to(self.device, self._dtype)
            raw = self.model.encode_image(pixels).float()  # type: ignore[operator]
            lengths = raw.norm(dim=1, keepdim=True)
            unit = torch.where(torch.isfinite(lengths) & (lengths > 0), raw / lengths, torch.nan)
        rows: NDArray[np.float16] = unit.cpu().numpy().astype(np.float16)
        return rows

    def check(self) -> None:
        """Raise SetupError if the model gives nothing finite for a plain grey picture."""
        height, width = self._input_size
        row = self.encode([np.zeros((3, height, width), np.float32)])
        if not np.isfinite(row).all():
            raise SetupError("gives no finite vector for a grey picture; its weights are damaged")


class OpenClipTextEncoder:
    """An open_clip text tower. Its vectors compare with those of the same checkpoint's image tower."""

    def __init__(
        self, model: torch.nn.Module, tokenizer: Callable[..., torch.Tensor], device: torch.device
    ) -> None:
        self._model, self._tokenizer, self._device = model, tokenizer, device
        self._languages = _languages_of(tokenizer)

    def reads(self, language: Language) -> bool:
        """Whether the tower's vocabulary has words of ``language``."""
        return language in self._languages

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[n, dim]``, each row of length 1. What is longer than the tower reads is cut off."""
        blocks = []
        with torch.inference_mode():
            for start in range(0, len(texts), TEXTS_AT_ONCE):
                tokens = self._tokenizer(list(texts[start : start + TEXTS_AT_ONCE])).to(self._device)
                raw = self._model.encode_text(tokens).float()  # type: ignore[operator]
                blocks.append((raw / raw.norm(dim=1, keepdim=True)).cpu().numpy())
        return np.concatenate(blocks)


def load_text_encoder(checkpoint: Checkpoint, device: str) -> OpenClipTextEncoder:
    """Load the text tower of ``checkpoint``. Raises SetupError as load_encoder does."""
    encoder = load_encoder(checkpoint, device)
    with _quiet(), _offline():
        try:
            tokenizer = open_clip.get_tokenizer(checkpoint.model)
        except Exception as error:  # whatever a tokenizer's files make it raise
            reason = " ".join(str(error).split())[:300]
            raise SetupError(
                f"embedding model {checkpoint.model} has no tokenizer on this machine"
                f" ({type(error).__name__}: {reason}); set filtering.grounding=false or get its files"
            ) from None
    return OpenClipTextEncoder(encoder.model, tokenizer, encoder.device)


def _languages_of(tokenizer: Callable[..., torch.Tensor]) -> frozenset[Language]:
    """English always; Chinese where the vocabulary has its characters, whole and not as bytes."""
    inner = getattr(tokenizer, "tokenizer", None)
    if inner is None:  # open_clip's own vocabulary, of English words and bytes
        return frozenset({"en"})
    pieces = inner(CHINESE_PROBE, add_special_tokens=False)["input_ids"]
    unknown = sum(piece == inner.unk_token_id for piece in pieces)
    if unknown or len(pieces) > MOST_PIECES_A_CHARACTER * len(CHINESE_PROBE):
        return frozenset({"en"})
    return frozenset({"en", "zh"})


def load_encoder(checkpoint: Checkpoint, device: str) -> OpenClipEncoder:
    """Load ``checkpoint`` on ``device`` (``auto``, ``cpu``, ``cuda``).

    Raises SetupError: an unknown name or tag, weights that are neither on disk nor to be had, weights
    that don't fit the config, no GPU where one was asked for.
    """
    where = _pick_device(device)
    if checkpoint.folder is None and not checkpoint.model.startswith(HUB_PREFIX):
        _check_known(checkpoint)
    try:
        with _quiet():
            model = _create(checkpoint, where)
            encoder = OpenClipEncoder(model.eval(), where)
            encoder.check()
    except SetupError as error:
        raise SetupError(f"embedding model {checkpoint.model}: {error}") from None
    except Exception as error:  # open_clip and torch raise whatever a config or a file makes them raise
        reason = " ".join(str(error).split())[:300]
        raise SetupError(
            f"embedding model {checkpoint.model} can't be loaded ({type(error).__name__}: {reason});"
            " check that its config and weights belong together, or name another with embedding.model"
        ) from None
    return encoder


def _pick_device(device: str) -> torch.device:
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise SetupError(
            "embedding.device is cuda, but torch finds no GPU here; set it to auto or cpu, or fix the driver"
        )
    return torch.device("cuda" if has_gpu and device != "cpu" else "cpu")


def _check_known(checkpoint: Checkpoint) -> None:
    """Raise SetupError, with the closest ones, where open_clip has no such model or tag."""
    name, tag = checkpoint.model, checkpoint.pretrained
    models = open_clip.list_models()
    if name not in models:
        raise SetupError(
            f"embedding model {name} is neither a folder nor a name that open_clip knows"
            f"{_closest(name, models)}; open_clip.list_models() has them all"
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag is None:
        raise SetupError(
            f"embedding model {name} needs embedding.pretrained;"
            f" expected a weights file or a tag such as {_some(tags)}"
        )
    is_file = not checkpoint.identity.endswith(f" {tag}")
    if not is_file and not open_clip.get_pretrained_cfg(name, tag):
        raise SetupError(
            f"embedding.pretrained {tag} is neither a weights file nor a tag of {name}{_closest(tag, tags)};"
            f" it has {_some(tags)}"
        )


def _closest(word: str, known: Sequence[str]) -> str:
    lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(word.lower(), lower, n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(lower[each] for each in found)}?)" if found else ""


def _some(tags: Sequence[str]) -> str:
    more = f" and {len(tags) - 5} more" if len(tags) > 5 else ""
    return f"{', '.join(tags[:5])}{more}" if tags else "none: its weights were not published"


def _create(checkpoint: Checkpoint, where: torch.device) -> torch.nn.Module:
    """The model with its weights: from a folder or the hub's cache; else downloaded, if the hub answers."""
    try:
        with _offline():
            return _create_now(checkpoint, where)
    except Exception:
        if checkpoint.folder is not None or hub_constants.is_offline_mode():
            raise
    if not _hub_answers():
        raise SetupError(
            f"its weights are not on this machine and {hub_constants.ENDPOINT} can't be reached; on a machine"
            " with network, download a folder with open_clip_config.json and weights, and name it as"
            " embedding.model"
        )
    return _create_now(checkpoint, where)


def _create_now(checkpoint: Checkpoint, where: torch.device) -> torch.nn.Module:
    model: torch.nn.Module = open_clip.create_model(
        checkpoint.model,
        pretrained=checkpoint.pretrained,
        precision="fp16" if where.type == "cuda" else "fp32",
        device=where,
        require_pretrained=True,
    )
    return model


def _hub_answers() -> bool:
    """Whether the hub gives any answer at all: one request, no retries."""
    try:
        httpx.head(hub_constants.ENDPOINT, timeout=HUB_ANSWERS_WITHIN_S, follow_redirects=False)
    except httpx.HTTPError:
        return False
    return True


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Let huggingface_hub look at its cache only: a cached model loads at once, with or without network."""
    before = hub_constants.HF_HUB_OFFLINE
    hub_constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        hub_constants.HF_HUB_OFFLINE = before


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip's log off stderr: what matters of it comes out as an error.

    The root logger gets a handler that drops everything, as ``logging.info`` would give it one that prints.
    """
    root, drop = logging.getLogger(), logging.NullHandler()
    before = logging.root.manager.disable
    root.addHandler(drop)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
        root.removeHandler(drop)
