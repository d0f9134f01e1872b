"""What identifies a model and an engine in the fingerprint of captions."""

from __future__ import annotations

from pathlib import Path

from tests.support.contexts import JOBS
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.fingerprint import MAX_HASHED_BYTES, engine_settings, model_identity
from triptych.captioning.lmdeploy.config import LmdeployConfig


def test_a_retrained_model_has_another_identity(tmp_path: Path) -> None:
    """Its large files have the same names and sizes, but other bytes. A moved model has the same identity."""
    folders = [tmp_path / place / "internvl" for place in ("first", "again", "moved")]
    for folder, byte in zip(folders, (b"a", b"b", b"a"), strict=True):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(byte * (MAX_HASHED_BYTES + 1))

    first, again, moved = map(model_identity, map(str, folders))

    assert first == moved != again
    assert first.startswith("internvl, sha256 ")


def test_documentation_is_no_part_of_a_models_identity(tmp_path: Path) -> None:
    """A model card, licence or picture can't change a caption; a chat template or vocabulary can."""
    (tmp_path / "config.json").write_text("{}")
    before = model_identity(str(tmp_path))
    for name in ("README.md", "LICENSE", "license.txt", "USE_POLICY.md", "NOTICE", ".gitattributes", "a.png"):
        (tmp_path / name).write_text("words")

    assert before == model_identity(str(tmp_path))
    for name in ("chat_template.jinja", "merges.txt", "modeling_x.py", "tokenizer.model"):
        (tmp_path / name).write_text("words")
        assert before != (before := model_identity(str(tmp_path)))


def test_extra_arguments_of_lmdeploy_are_in_the_fingerprint() -> None:
    """They may quantise the model, or change its chat template."""
    plain, quantised = (
        engine_settings(
            CaptioningConfig(engine="lmdeploy", model="a/b", lmdeploy=LmdeployConfig(extra_args=arguments)),
            JOBS["single_en"],
        )
        for arguments in ((), ("--quant-policy", "8"))
    )

    assert {**plain, "extra_args": "--quant-policy 8"} == quantised
