"""Models of transformers: real architectures, small and with random weights, and the real loading code."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoImageProcessor,
    AutoModel,
    BitImageProcessor,
    ConvNextConfig,
    ConvNextImageProcessor,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    PoolFormerImageProcessor,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from triptych.errors import SetupError
from triptych.grouping.embedding.preprocess import resize_to
from triptych.grouping.encoders.choice import load_encoder, load_text_encoder, resolve_encoder
from triptych.grouping.encoders.transformers import input_shape

VISION = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
TEXT = {
    key: value for key, value in VISION.items() if "size" not in key or key.startswith(("hidden", "inter"))
}
WORDS = ["<pad>", "</s>", "<unk>", "a", "cat", "dog", "red"]


def _dinov2(folder: Path) -> None:
    Dinov2Model(Dinov2Config(**VISION)).save_pretrained(folder)
    BitImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28}, image_std=[0.2, 0.3, 0.2]
    ).save_pretrained(folder)


def _siglip(folder: Path) -> None:
    text = {
        **TEXT,
        "vocab_size": len(WORDS),
        "max_position_embeddings": 8,
        "pad_token_id": 0,
        "eos_token_id": 1,
    }
    SiglipModel(SiglipConfig(vision_config=VISION, text_config=text)).save_pretrained(folder)
    SiglipImageProcessor(size={"height": 28, "width": 28}).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)


def _siglip_vision(folder: Path) -> None:
    SiglipVisionModel(SiglipVisionConfig(**VISION)).save_pretrained(folder)
    SiglipImageProcessor(size={"height": 28, "width": 28}).save_pretrained(folder)


def _convnext(folder: Path) -> None:
    ConvNextModel(ConvNextConfig(hidden_sizes=[8, 8, 16, 32], depths=[1, 1, 1, 1])).save_pretrained(folder)
    ConvNextImageProcessor(size={"shortest_edge": 56}).save_pretrained(folder)


def _large_convnext(folder: Path) -> None:
    """Only a preprocessor, which doesn't crop from 384 pixels on."""
    ConvNextImageProcessor(size={"shortest_edge": 384}).save_pretrained(folder)


def _poolformer(folder: Path) -> None:
    """Only a preprocessor, which crops at any size; here by an even number of pixels (see input_shape)."""
    PoolFormerImageProcessor(
        size={"shortest_edge": 398}, crop_size={"height": 384, "width": 384}
    ).save_pretrained(folder)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], None]], Path]:
    """Returns the folder of the random model that a function saves. Each is saved once."""
    made: dict[str, Path] = {}

    def save(make: Callable[[Path], None]) -> Path:
        if make.__name__ not in made:
            torch.manual_seed(5)
            made[make.__name__] = tmp_path_factory.mktemp(make.__name__)
            make(made[make.__name__])
        return made[make.__name__]

    return save


Saved = Callable[[Callable[[Path], None]], Path]


def _pixels(count: int, side_px: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, side_px, side_px, 3), np.uint8)


@pytest.mark.parametrize("make", [_dinov2, _siglip, _siglip_vision, _convnext])
def test_a_folder_gives_the_vectors_of_the_library(make: Callable[[Path], None], saved: Saved) -> None:
    """The model's pooled output for pictures of its input size, normalised to length 1."""
    folder = saved(make)
    model = AutoModel.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder)
    encoder = load_encoder(resolve_encoder(f"transformers:{folder}"), "cpu")
    pixels = _pixels(20, encoder.shape.height_px)

    found = encoder.encode(pixels).astype(np.float32)

    inputs = processor(list(pixels), do_resize=False, do_center_crop=False, return_tensors="pt")
    with torch.inference_mode():
        features = getattr(model, "get_image_features", model)(pixel_values=inputs["pixel_values"])
        expected = torch.nn.functional.normalize(features.pooler_output.flatten(1), dim=1).numpy()
    assert (20, 32) == found.shape
    assert np.allclose(expected, found, atol=1e-3)


@pytest.mark.parametrize("make", [_dinov2, _siglip, _convnext, _large_convnext, _poolformer])
@pytest.mark.parametrize("size", [(305, 203), (97, 310), (60, 60)], ids=str)
def test_frames_match_the_models_preprocessor(
    make: Callable[[Path], None], size: tuple[int, int], saved: Saved
) -> None:
    """With cropping, squashing and partial cropping, they differ by at most two levels of 255."""
    processor = AutoImageProcessor.from_pretrained(saved(make))
    noise = np.random.default_rng(1).integers(0, 256, (size[1] // 4 + 1, size[0] // 4 + 1, 3), np.uint8)
    picture = Image.fromarray(noise).resize(size, Image.Resampling.BILINEAR)

    ours = resize_to(input_shape(processor.to_dict()), picture, *size).framed

    theirs = processor(picture, do_normalize=False, do_rescale=False, return_tensors="np")["pixel_values"][0]
    assert np.abs(theirs.transpose(1, 2, 0).astype(float) - ours).max() <= 2


def test_texts_get_the_vectors_of_the_library(saved: Saved) -> None:
    """Texts are padded to the model's context length."""
    folder = saved(_siglip)
    texts = ["a cat", "a red dog", "red " * 30]
    model = AutoModel.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)

    tower = load_text_encoder(resolve_encoder(f"transformers:{folder}"), "cpu")
    found = tower.encode_texts(texts)

    inputs = tokenizer(texts, padding="max_length", max_length=8, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        features = model.get_text_features(input_ids=inputs["input_ids"]).pooler_output
        expected = torch.nn.functional.normalize(features, dim=1).numpy()
    assert np.allclose(expected, found, atol=1e-5)
    assert [True, False] == [tower.reads("en"), tower.reads("zh")]


def test_an_image_only_model_has_no_text_tower(saved: Saved) -> None:
    """The error says how to disable grounding."""
    with pytest.raises(SetupError, match=r"has no text tower.*; set filtering.grounding=false"):
        load_text_encoder(resolve_encoder(f"transformers:{saved(_dinov2)}"), "cpu")


def test_the_identity_depends_on_weights_and_preprocessing(saved: Saved, tmp_path: Path) -> None:
    """A moved folder has the same identity; other preprocessing gives another one."""
    folder = saved(_dinov2)
    moved = shutil.copytree(folder, tmp_path / "moved")
    identity = resolve_encoder(f"transformers:{folder}").identity

    assert identity == resolve_encoder(f"transformers:{moved}").identity
    config = json.loads((moved / "preprocessor_config.json").read_text())
    (moved / "preprocessor_config.json").write_text(json.dumps({**config, "resample": 2}))
    assert identity != resolve_encoder(f"transformers:{moved}").identity
    assert "transformers:a/b" == resolve_encoder("transformers:a/b").identity


def test_a_damaged_model_is_a_one_line_error(saved: Saved, tmp_path: Path) -> None:
    """Weights without one layer, and a preprocessor without a fixed frame."""
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(saved(_siglip_vision), tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "layers.0.mlp.fc1" not in k}, broken / "model.safetensors")
    unframed = shutil.copytree(saved(_dinov2), tmp_path / "unframed")
    config = json.loads((unframed / "preprocessor_config.json").read_text())
    (unframed / "preprocessor_config.json").write_text(json.dumps({**config, "do_center_crop": False}))

    for folder, message in ((broken, "lacks 2 of its weights, such as"), (unframed, "no fixed size")):
        with pytest.raises(SetupError, match=message) as caught:
            load_encoder(resolve_encoder(f"transformers:{folder}"), "cpu")
        assert "\n" not in str(caught.value)


def test_an_unreachable_hub_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model isn't in the cache. The library's pauses between attempts are disabled."""
    from huggingface_hub import constants

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SetupError, match="its weights are not on this machine and http"):
        load_encoder(resolve_encoder("transformers:nobody/nothing"), "cpu")
