"""Models of timm: real architectures, small and with random weights, through the real loading code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from triptych.errors import SetupError
from triptych.grouping.embedding.preprocess import resize_to
from triptych.grouping.encoders.choice import load_encoder, load_text_encoder, resolve_encoder
from triptych.grouping.encoders.timm import input_shape

NAME = "test_vit"
"""timm's tiny architecture for tests; DINOv2 is the same class, only larger."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint file of random weights, with its classifier."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("timm") / "mine.pth"
    torch.save(timm.create_model(NAME, pretrained=False).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as timm saves it: a narrow DINOv2 without classifier, cropped at 0.875."""
    torch.manual_seed(4)
    arguments = {"embed_dim": 32, "depth": 1, "num_heads": 2, "img_size": 28, "num_classes": 0}
    model = timm.create_model("vit_small_patch14_dinov2", pretrained=False, **arguments)
    folder = tmp_path_factory.mktemp("models") / "dinov2"
    timm.models.save_for_hf(model, folder, model_args=arguments, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"] |= {"input_size": [3, 28, 28], "crop_pct": 0.875, "num_classes": 0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _pixels(count: int, side_px: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, side_px, side_px, 3), np.uint8)


def _expected(model: torch.nn.Module, pixels: np.ndarray) -> np.ndarray:
    """Vectors of timm's own transform and forward pass. Pictures of the right size aren't resized."""
    settings = timm.data.resolve_model_data_config(model) | {"crop_pct": 1.0}
    transform = timm.data.create_transform(**settings, is_training=False)
    with torch.inference_mode():
        vectors = model.eval()(torch.stack([transform(Image.fromarray(each)) for each in pixels]))
        return torch.nn.functional.normalize(vectors, dim=1).numpy()


def test_a_checkpoint_file_gives_timms_vectors(weights: Path) -> None:
    """The features before the classifier, normalised to length 1."""
    model = timm.create_model(NAME, pretrained=False, checkpoint_path=str(weights))
    model.reset_classifier(0)
    encoder = load_encoder(resolve_encoder(f"timm:{NAME}", str(weights)), "cpu")
    pixels = _pixels(20, encoder.shape.height_px)

    found = encoder.encode(pixels)

    assert (20, model.num_features) == found.shape
    assert np.allclose(_expected(model, pixels), found.astype(np.float32), atol=1e-3)


def test_a_folder_gives_timms_vectors(dinov2: Path) -> None:
    """DINOv2's vector is its class token; half precision stays near it."""
    model = timm.create_model(f"local-dir:{dinov2}", pretrained=True)
    checkpoint = resolve_encoder(f"timm:{dinov2}")
    encoder = load_encoder(checkpoint, "cpu")
    pixels = _pixels(3, 28)

    found = encoder.encode(pixels).astype(np.float32)
    in_bf16 = load_encoder(checkpoint, "cpu", "bf16").encode(pixels).astype(np.float32)

    assert np.allclose(_expected(model, pixels), found, atol=1e-3)
    assert (found * in_bf16).sum(axis=1).min() > 0.99


@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(301, 203), (97, 310), (60, 60)], ids=str)
def test_frames_match_timms_transform(crop_mode: str, interpolation: str, size: tuple[int, int]) -> None:
    """For each crop mode and filter, and any shape, they differ by at most one level of 255."""
    settings = {
        "input_size": (3, 28, 28),
        "interpolation": interpolation,
        "crop_pct": 0.875,
        "crop_mode": crop_mode,
        "mean": (0.5, 0.4, 0.6),
        "std": (0.2, 0.2, 0.2),
    }
    noise = np.random.default_rng(1).integers(0, 256, (size[1] // 4 + 1, size[0] // 4 + 1, 3), np.uint8)
    picture = Image.fromarray(noise).resize(size, Image.Resampling.BILINEAR)

    ours = resize_to(input_shape(settings), picture, *size).framed

    transform = timm.data.create_transform(**settings, is_training=False, normalize=False)
    theirs = np.asarray(transform(picture)).transpose(1, 2, 0)
    assert (28, 28, 3) == ours.shape
    assert np.abs(theirs.astype(int) - ours.astype(int)).max() <= 1


def test_the_identity_depends_on_the_weights(weights: Path, dinov2: Path, tmp_path: Path) -> None:
    """It has the name, or a digest of the file or folder wherever that is; open_clip's tag doesn't count."""
    moved = shutil.copytree(dinov2, tmp_path / "moved")
    by_name, by_tag, by_file = (
        resolve_encoder(f"timm:{NAME}", pretrained).identity
        for pretrained in (None, "laion2b_s34b_b79k", str(weights))
    )

    assert f"timm:{NAME}" == by_name == by_tag
    assert by_file.startswith(f"timm:{NAME} sha256:")
    assert resolve_encoder(f"timm:{dinov2}").identity == resolve_encoder(f"timm:{moved}").identity


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_smal_patch14_dinov2", r"neither a folder nor a name that timm knows \(did you mean vit_small"),
        ("./nowhere", "nowhere is not there; expected a folder with config.json"),
        ("test_vit4", "has no published weights; name a checkpoint file as embedding.pretrained"),
    ],
)
def test_a_missing_model_is_a_one_line_error_with_a_hint(name: str, message: str) -> None:
    """The error names the model, and what exists instead."""
    with pytest.raises(SetupError, match=message) as caught:
        load_encoder(resolve_encoder(f"timm:{name}"), "cpu")

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("weights_file", ["/weights/typo.pth", "~/w.safetensors", "typo.pt"])
def test_a_missing_checkpoint_is_refused(weights_file: str) -> None:
    """Published weights aren't used instead."""
    with pytest.raises(SetupError, match="is not there; expected weights of timm:"):
        resolve_encoder(f"timm:{NAME}", weights_file)


def test_a_checkpoint_of_another_model_is_refused(dinov2: Path) -> None:
    """By a one-line error, before the first image."""
    with pytest.raises(SetupError, match=f"embedding model timm:{NAME} can't be loaded") as caught:
        load_encoder(resolve_encoder(f"timm:{NAME}", str(dinov2 / "model.safetensors")), "cpu")

    assert "\n" not in str(caught.value)


def test_a_timm_model_has_no_text_tower(weights: Path) -> None:
    """The error says how to disable grounding."""
    with pytest.raises(SetupError, match=r"has no text tower.*; set filtering.grounding=false"):
        load_text_encoder(resolve_encoder(f"timm:{NAME}", str(weights)), "cpu")
