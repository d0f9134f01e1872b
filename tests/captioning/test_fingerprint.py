"""What a caption's text depends on."""

from __future__ import annotations

from pathlib import Path

from tests.support.contexts import JOBS
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.fingerprint import MAX_HASHED_BYTES, engine_settings, model_identity
from triptych.captioning.lmdeploy.config import LmdeployConfig


def test_a_model_that_was_trained_again_is_another_one(tmp_path: Path) -> None:
    """Its large files have the same names and sizes, and other bytes all through; a moved one is the same."""
    folders = [tmp_path / place / "internvl" for place in ("first", "again", "moved")]
    for folder, byte in zip(folders, (b"a", b"b", b"a"), strict=True):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(byte * (MAX_HASHED_BYTES + 1))

    first, again, moved = map(model_identity, map(str, folders))

    assert first == moved != again
    assert first.startswith("internvl, sha256 ")


def test_what_lmdeploy_is_started_with_decides_what_it_writes() -> None:
    """A quantised model, or one with another chat template."""
    plain, quantised = (
        engine_settings(
            CaptioningConfig(engine="lmdeploy", model="a/b", lmdeploy=LmdeployConfig(extra_args=arguments)),
            JOBS["single_en"],
        )
        for arguments in ((), ("--quant-policy", "8"))
    )

    assert {**plain, "extra_args": "--quant-policy 8"} == quantised
