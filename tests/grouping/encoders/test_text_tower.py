"""Text towers of every kind that open_clip builds, small and with random weights."""

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from transformers import RobertaConfig

from triptych.grouping.encoders.choice import load_text_encoder, resolve_encoder
from triptych.grouping.encoders.tower import Placement, TextTower
from triptych.models import resolve_model

TEXTS = [
    "a cat",
    "two dogs and a red boat",
    "a " * 60 + "bird",
    "一只猫",
    *(f"number {at}" for at in range(70)),
]
VISION = {"image_size": 32, "patch_size": 16, "layers": 1, "width": 64, "head_width": 32}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}


def _model(kind: str, folder: Path) -> torch.nn.Module:
    torch.manual_seed(7)
    if kind == "plain":
        return open_clip.CLIP(32, VISION, TEXT).eval()
    changes: dict[str, object] = {"text tower apart": {}, "pooled at the end": {"pool_type": "last"}}.get(
        kind, {}
    )
    if kind == "transformers":
        RobertaConfig(
            vocab_size=49408, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, pad_token_id=0
        ).save_pretrained(folder)
        changes = {"hf_model_name": str(folder), "hf_model_pretrained": False}
    return open_clip.CustomTextCLIP(32, VISION, {**TEXT, **changes}).eval()


@pytest.mark.parametrize("kind", ["plain", "text tower apart", "pooled at the end", "transformers"])
def test_texts_get_the_vectors_of_open_clip(kind: str, tmp_path: Path) -> None:
    """With one full batch and one that is padded."""
    model, tokenizer = _model(kind, tmp_path), open_clip.get_tokenizer("ViT-B-32")
    with torch.inference_mode():
        expected = model.encode_text(tokenizer(TEXTS), normalize=True)
    on_cpu = Placement(device="cpu", precision="fp32")

    tower = TextTower(tokenizer, model.encode_text, languages=frozenset({"en"}), placement=on_cpu)
    found = tower.encode_texts(TEXTS)

    assert len(TEXTS) > 64
    assert np.allclose(expected.numpy(), found, atol=1e-5)


def test_a_texts_vector_does_not_depend_on_its_batch() -> None:
    """Nor on the number of threads. It is the same to the last bit."""
    checkpoint = resolve_encoder(resolve_model("builtin:nano-clip"))
    together = load_text_encoder(checkpoint, "cpu", 2).encode_texts(TEXTS)
    one = load_text_encoder(checkpoint, "cpu", 1)
    apart = np.concatenate([one.encode_texts([text]) for text in TEXTS[:8]])

    assert (together[:8] == apart).all()
    assert (together[::-1] == one.encode_texts(TEXTS[::-1])).all()
