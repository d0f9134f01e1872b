"""Loading open_clip models, and their vectors."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from tests.support.made_up import TINY_CONFIG, seen_by
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene, vary_scene
from triptych.errors import SetupError
from triptych.grouping.encoders.choice import load_encoder, resolve_encoder
from triptych.models import resolve_model


def test_rows_are_unit_vectors_in_float16(tiny_clip: Path) -> None:
    """float16[n, dim]: lengths are 1 up to rounding, and equal pictures have equal rows."""
    encoder = load_encoder(resolve_encoder(str(tiny_clip)), "cpu")
    red, blue = Image.new("RGB", (64, 48), "red"), Image.new("RGB", (40, 90), "blue")

    rows = encoder.encode(seen_by(encoder.shape, [red, blue, red]))

    assert rows.dtype == np.float16
    assert rows.shape == (3, 16)
    assert np.allclose(np.linalg.norm(rows.astype(np.float32), axis=1), 1, atol=1e-3)
    assert np.array_equal(rows[0], rows[2])
    assert not np.array_equal(rows[0], rows[1])


def test_a_picture_without_a_finite_vector_gets_a_row_of_nan(
    tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tower's numbers overflow for white; the other row is finite."""
    encoder = load_encoder(resolve_encoder(str(tiny_clip)), "cpu")
    embed = encoder.embed
    monkeypatch.setattr(encoder, "embed", lambda x: embed(torch.where(x > x.new_tensor(1.9), torch.inf, x)))

    rows = encoder.encode(seen_by(encoder.shape, [Image.new("RGB", (32, 32), c) for c in ("black", "white")]))

    assert np.isfinite(rows[0]).all()
    assert np.isnan(rows[1]).all()


@pytest.mark.parametrize("count", [64, 23, 7, 1])
def test_rows_are_the_same_bytes_for_any_number_of_threads(tiny_clip: Path, count: int) -> None:
    """One thread or three: torch's own threads would change the last bits."""
    checkpoint = resolve_encoder(str(tiny_clip))
    pixels = np.random.default_rng(3).integers(0, 256, (count, 32, 32, 3), np.uint8)

    one, three = (load_encoder(checkpoint, "cpu", cpu_threads=n).encode(pixels) for n in (1, 3))

    assert one.tobytes() == three.tobytes()


def test_half_precision_stays_near_full_precision(tiny_clip: Path) -> None:
    """fp16 and bf16 models give nearly the same unit vectors for the same pixels."""
    checkpoint = resolve_encoder(str(tiny_clip))
    pixels = np.random.default_rng(3).integers(0, 256, (8, 32, 32, 3), np.uint8)
    full, half, brain = (
        load_encoder(checkpoint, "cpu", precision).encode(pixels).astype(np.float32)
        for precision in ("fp32", "fp16", "bf16")
    )

    assert (full * half).sum(axis=1).min() > 0.999
    assert (full * brain).sum(axis=1).min() > 0.99


def test_custom_weights_are_loaded_from_a_file(tmp_path: Path) -> None:
    """A known architecture with a weights file as ``pretrained``: the vectors are those of its weights."""
    (tmp_path / "tiny-known.json").write_text(json.dumps(TINY_CONFIG))
    open_clip.add_model_config(tmp_path / "tiny-known.json")
    model = open_clip.create_model("tiny-known")
    weights = tmp_path / "mine.pt"
    torch.save(model.state_dict(), weights)
    encoder = load_encoder(resolve_encoder("tiny-known", str(weights)), "cpu")
    pixels = np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), np.uint8)
    normalise = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)

    rows = encoder.encode(pixels).astype(np.float32)

    with torch.inference_mode():
        inputs = torch.stack([normalise(Image.fromarray(each)) for each in pixels])
        expected = model.eval().encode_image(inputs, normalize=True).numpy()
    assert np.allclose(expected, rows, atol=1e-3)


def test_a_gpu_out_of_memory_is_a_one_line_error(tiny_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to lower. The device is renamed to a GPU here; the exception is torch's own class."""
    encoder = load_encoder(resolve_encoder(str(tiny_clip)), "cpu")

    def out_of_memory(pixels: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(encoder, "_encode_at_once", out_of_memory)
    monkeypatch.setattr(encoder, "device", torch.device("cuda:1"))
    with pytest.raises(SetupError, match=r"cuda:1 has too little memory for 8 images at once; lower"):
        encoder.encode(np.zeros((8, 32, 32, 3), np.uint8))


def test_a_moved_folder_is_the_same_encoder(tiny_clip: Path, tmp_path: Path) -> None:
    """The identity covers config and weights, not the path or a ``local-dir:`` prefix."""
    moved = shutil.copytree(tiny_clip, tmp_path / "moved")

    identities = {
        resolve_encoder(name, "ignored").identity
        for name in (str(tiny_clip), f"local-dir:{tiny_clip}", str(moved))
    }

    assert len(identities) == 1


def test_other_weights_are_another_encoder(tiny_clip: Path, tmp_path: Path) -> None:
    """A retrained checkpoint isn't mistaken for the old one."""
    retrained = shutil.copytree(tiny_clip, tmp_path / "retrained")
    weights = retrained / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")

    assert resolve_encoder(str(retrained)).identity != resolve_encoder(str(tiny_clip)).identity


@pytest.mark.parametrize(
    ("model", "pretrained", "message"),
    [
        (
            "./no/such/folder",
            None,
            "no/such/folder is not there; expected a folder with open_clip_config.json",
        ),
        ("ViT-B-33", "openai", r"neither a folder nor a name .* \(did you mean ViT-B-32"),
        ("ViT-B-32", "laion2b_s34b_b78k", r"nor a tag of ViT-B-32 \(did you mean laion2b_s34b_b79k"),
        ("ViT-B-32", None, "needs embedding.pretrained; expected a weights file or a tag such as openai"),
    ],
)
def test_a_missing_model_is_a_one_line_error_with_a_hint(
    model: str, pretrained: str | None, message: str
) -> None:
    """The error names the model, and what exists instead."""
    with pytest.raises(SetupError, match=message) as caught:
        load_encoder(resolve_encoder(model, pretrained), "cpu")

    assert "\n" not in str(caught.value)


def test_an_unreachable_hub_is_reported_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The connection is refused and the cache empty: no retries, and the error says what to do."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    checkpoint = resolve_encoder("hf-hub:nobody/nothing")

    with pytest.raises(
        SetupError, match=r"http://127\.0\.0\.1:9 can't be reached; on a machine with network"
    ):
        load_encoder(checkpoint, "cpu")


def test_a_folder_without_config_or_weights_is_refused(tmp_path: Path) -> None:
    """Without open_clip_config.json, or without weights."""
    with pytest.raises(SetupError, match=r"has no open_clip_config\.json"):
        resolve_encoder(str(tmp_path))
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(SetupError, match=r"has no weights; expected open_clip_model\.safetensors"):
        resolve_encoder(str(tmp_path))


def test_weights_that_do_not_fit_their_config_are_refused(tiny_clip: Path, tmp_path: Path) -> None:
    """The config has another width: a one-line error, however long torch's message is."""
    folder = shutil.copytree(tiny_clip, tmp_path / "misfit")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["embed_dim"] = 24
    (folder / "open_clip_config.json").write_text(json.dumps(config))

    with pytest.raises(SetupError, match=r"can't be loaded .*check that its config and weights") as caught:
        load_encoder(resolve_encoder(str(folder)), "cpu")

    assert "\n" not in str(caught.value)


def test_weights_that_give_nan_are_refused(tiny_clip: Path, tmp_path: Path) -> None:
    """NaN in the weights is found before the first image is embedded."""
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_clip, tmp_path / "broken")
    weights = load_file(folder / "open_clip_model.safetensors")
    weights["visual.proj"].fill_(float("nan"))
    save_file(weights, folder / "open_clip_model.safetensors")

    with pytest.raises(SetupError, match="no finite vector for a grey picture"):
        load_encoder(resolve_encoder(str(folder)), "cpu")


def test_the_builtin_clip_separates_copies_variations_and_other_themes() -> None:
    """Of drawn scenes, a recompressed copy is nearer than a variation, and that nearer than another theme."""
    encoder = load_encoder(resolve_encoder(resolve_model("builtin:nano-clip")), "cpu")
    scene = imagine_scene("unseen", 7)
    other = next(s for s in (imagine_scene("unseen", n) for n in range(99)) if s.theme != scene.theme)
    drawn = [paint(each, 300, 200) for each in (scene, vary_scene(scene, "unseen", 0), other)]
    buffer = io.BytesIO()
    drawn[0].save(buffer, "JPEG", quality=45)
    pictures = [*drawn, Image.open(buffer)]

    rows = encoder.encode(seen_by(encoder.shape, pictures)).astype(np.float32)
    variation, other_theme, copy = (rows[0] @ rows[1:].T).tolist()

    assert copy > variation > other_theme
    assert copy > 0.98
    assert other_theme < 0.5
