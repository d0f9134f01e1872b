"""Settings of embeddings and sets, with the thresholds that decide quality.

Comes in: values from presets, a TOML file, flags. Goes out: two checked Structs. A value out of range
raises UsageError with what was found and what is expected. Not its job: merging the sources.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from triptych.errors import UsageError, expect_fields

RELATED_COSINE_SIMILARITY = 0.75
"""For ViT-B/32. Not measured: MMDU groups captions at a cosine of 0.75, and no source gives a threshold for
pictures. CLIP-XAI-GAME's README reports 0.8 to 0.9 for two photographs of the same kind of subject. Check the
sets of a first run before a large one."""

DUPLICATE_COSINE_SIMILARITY = 0.94
"""For ViT-B/32. Above it, clip-retrieval's search page drops results as duplicates (`get_non_uniques`)."""

MAX_IMAGES_IN_SET = 16
"""InternVL takes at most 40 tiles of an 8,192-token context; more images leave under 3 tiles each."""

ScreenSetting = Literal["off", "on"] | float
"""Off, on with the measured threshold, or on with this threshold."""

SearchDevice = Literal["auto", "cpu", "cuda"]
Preference = Literal["precision", "coverage"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]

_DEVICE = re.compile(r"cpu|cuda(:\d+)?")


class EmbeddingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How images become vectors."""

    model: str = "ViT-B-32"
    """An open_clip model name, ``hf-hub:OWNER/NAME``, or a folder (its path, or ``local-dir:PATH``) with
    open_clip_config.json and its weights. Models of other libraries: ``timm:NAME_OR_FOLDER``,
    ``transformers:NAME_OR_FOLDER``."""
    pretrained: str | None = "laion2b_s34b_b79k"
    """The open_clip tag of the weights, or a weights file (also of timm). Ignored if ``model`` is a
    folder, ``hf-hub:`` or ``transformers:``."""
    batch_size: int = 64
    """Images per forward pass of the model."""
    decode_threads: int = 0
    """Threads that decode images, shared among the devices; 0 means one per core."""
    devices: Literal["auto"] | tuple[str, ...] = "auto"
    """Where the model runs, with one process and one copy of the model per entry. ``auto`` means all GPUs, or
    the CPU if there is none; otherwise a list of ``cpu``, ``cuda`` or ``cuda:N``, which may repeat."""
    precision: Precision = "auto"
    """Floating-point type of the model: ``auto`` is fp16 on a GPU and fp32 on a CPU."""

    def __post_init__(self) -> None:
        expect_fields(self, "embedding")
        if not self.model:
            raise UsageError("embedding.model is empty; expected an open_clip name or a model folder")
        _check_at_least("embedding.batch_size", self.batch_size, 1)
        _check_at_least("embedding.decode_threads", self.decode_threads, 0)
        if self.devices != "auto" and not (self.devices and all(map(_DEVICE.fullmatch, self.devices))):
            raise UsageError(
                f"embedding.devices is {list(self.devices)}; expected auto, or a list of cpu, cuda or cuda:N"
            )


class ScreensConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which images are left out before sets are made and captions requested. Each screen is ``off``, ``on``,
    or on with a threshold of your own."""

    too_small: ScreenSetting = "off"
    """Shorter side in pixels; an image below is left out. On: 64."""
    extreme_aspect_ratio: ScreenSetting = "off"
    """Longer side divided by the shorter; an image above is left out. On: 5."""
    nearly_uniform: ScreenSetting = "on"
    """Standard deviation of brightness and colours, from 0 to 128; an image below is left out. On: 4."""
    too_dark: ScreenSetting = "off"
    """99th percentile of the pixels' brightness, from 0 to 255; an image below is left out. On: 64."""
    too_bright: ScreenSetting = "off"
    """1st percentile of the pixels' brightness, from 0 to 255; an image above is left out. On: 192."""
    blurred: ScreenSetting = "off"
    """Variance of the Laplacian, at 256 pixels on the longer side; an image below is left out. On: 50."""
    text_page: ScreenSetting = "off"
    """Resemblance to lines of text, from 0 to about 1; an image above is left out. On: 0.22."""

    def __post_init__(self) -> None:
        expect_fields(self, "sets.screens")
        for name in self.__struct_fields__:
            threshold = getattr(self, name)
            if not isinstance(threshold, str) and not 0 < threshold < math.inf:
                raise UsageError(f"sets.screens.{name} is {threshold}; expected off, on or a number above 0")


class SetsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which images are duplicates, and which form a set. Similarities are cosines of embeddings."""

    related_cosine_similarity: float | Literal["auto"] = "auto"
    """Every pair of images in a set is at least this similar. Scales differ between encoders; ``auto``
    derives the threshold from the corpus (see sets.thresholds)."""
    duplicate_cosine_similarity: float | Literal["auto"] = "auto"
    """Two images at least this similar are near duplicates; only one is kept. 1 means equal embeddings."""
    prefer: Preference = "precision"
    """``precision`` leaves an image single rather than add it to a set that it fits less well; ``coverage``
    makes larger sets, whose images need only be related (docs/sets.md has the curve)."""
    neighbours: int = 32
    """Nearest neighbours of each image that are considered for its set."""
    min_images: int = 2
    """Smallest number of images in a set."""
    max_images: int = 5
    """Largest number of images in a set."""
    size_weights: tuple[int, ...] | None = None
    """Relative frequency of each set size from ``min_images`` to ``max_images``, where enough images are
    related. None: falls evenly towards the largest, as 4, 3, 2, 1 for 2 to 5 images."""
    max_sets: int | None = None
    """Keep this many sets, spread over the whole corpus, in the sizes given by ``size_weights``, the most
    certain ones first. None: keep all."""
    contrast_share: float = 0.0
    """Share of sets, from 0 to 1, with one odd image, which is marked, among related ones."""
    varied_share: float = 0.0
    """Share of sets, from 0 to 1, whose images are all unlike each other."""
    seed: int = 0
    """Seed for choosing contrast and varied sets and their images."""
    together: str = ""
    """Only images of the same group share a set. The group is ``folder``, or a key of the .json beside an
    image or a Parquet column, such as ``album``. An image without one is in no set."""
    apart: str = ""
    """Images of the same group never share a set. The group is ``folder``, or a field such as ``video``. An
    image without one may share a set with any other."""
    min_recall: float = 0.95
    """Share of true nearest neighbours to find in a corpus too large for exact search. More takes longer."""
    device: SearchDevice = "auto"
    """Where neighbours are searched; ``auto`` means a GPU if torch finds one."""
    screens: ScreensConfig = ScreensConfig()
    """Images that are left out before anything is grouped."""
    threads: int = 0
    """Threads of the search on a CPU; 0 means one per core. The result doesn't depend on it."""

    def __post_init__(self) -> None:
        expect_fields(self, "sets")
        related, duplicate = self.related_cosine_similarity, self.duplicate_cosine_similarity
        lowest = -1 if related == "auto" else related
        highest = 1 if duplicate == "auto" else duplicate
        if not -1 <= lowest < highest <= 1:
            raise UsageError(
                f"sets.related_cosine_similarity is {related} and duplicate_cosine_similarity {duplicate};"
                " expected -1 <= related < duplicate <= 1"
            )
        _check_at_least("sets.neighbours", self.neighbours, 1)
        if not 2 <= self.min_images <= self.max_images <= MAX_IMAGES_IN_SET:
            raise UsageError(
                f"sets.min_images is {self.min_images} and sets.max_images {self.max_images};"
                f" expected 2 <= min_images <= max_images <= {MAX_IMAGES_IN_SET}"
            )
        weights, sizes = self.weight_of_sizes(), self.max_images - self.min_images + 1
        if len(weights) != sizes or min(weights) < 0 or not any(weights):
            raise UsageError(
                f"sets.size_weights is {list(weights)}; expected {sizes} weights of 0 or more, not all 0: one"
                f" for each size from {self.min_images} to {self.max_images} images"
            )
        if not 0 < self.min_recall <= 1:
            raise UsageError(f"sets.min_recall is {self.min_recall}; expected more than 0, at most 1")
        _check_at_least("sets.threads", self.threads, 0)
        if self.max_sets is not None:
            _check_at_least("sets.max_sets", self.max_sets, 0)
        self._check_kinds()

    def _check_kinds(self) -> None:
        contrast, varied = self.contrast_share, self.varied_share
        if not (min(contrast, varied) >= 0 and contrast + varied <= 1):
            raise UsageError(
                f"sets.contrast_share is {contrast} and sets.varied_share {varied}; expected 0 or more, and"
                " at most 1 together"
            )
        if contrast and self.max_images < 3:
            raise UsageError(
                f"sets.contrast_share is {contrast} and sets.max_images {self.max_images}; expected 3 or more"
                " images: two related ones and an odd one"
            )
        if self.together and self.apart:
            raise UsageError(
                f"sets.together is {self.together!r} and sets.apart {self.apart!r}; expected one of them"
            )

    @property
    def has_other_kinds(self) -> bool:
        """Whether contrast or varied sets are wanted."""
        return bool(self.contrast_share or self.varied_share)

    def weight_of_sizes(self) -> Sequence[int]:
        """Relative frequencies of the sizes from ``min_images`` to ``max_images``."""
        return self.size_weights or range(self.max_images - self.min_images + 1, 0, -1)


def _check_at_least(name: str, found: int, least: int) -> None:
    if found < least:
        raise UsageError(f"{name} is {found}; expected {least} or more")
