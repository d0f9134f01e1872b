"""What the page says about the run's identity."""

from collections.abc import Callable
from pathlib import Path

import pytest

from triptych.report.identity import identity_of
from triptych.runs.folder import RunFolder

HASH = "sha256:" + 8 * "0123abcd"


@pytest.mark.parametrize(
    ("made_with", "model", "shown"),
    [
        ("ViT-B-32 laion2b_s34b_b79k", "ViT-B/32", "ViT-B-32 laion2b_s34b_b79k"),
        ("stored embeddings", "ViT-B-32", "stored embeddings"),
        (HASH, "myclip", "myclip (sha256:0123abcd)"),
        (HASH, "/opt/models/myclip/", "myclip (sha256:0123abcd)"),
        (f"timm {HASH}", "timm:/opt/models/dino", "timm:dino (sha256:0123abcd)"),
        (f"ViT-B-32 {HASH}", "ViT-B/32", "ViT-B/32 (sha256:0123abcd)"),
    ],
)
def test_the_encoder_is_the_one_that_made_the_embeddings(
    own_run: Callable[[], tuple[RunFolder, Path]], made_with: str, model: str, shown: str
) -> None:
    """Not the one in the settings, if it differs. A folder is shown without its path."""
    run, _ = own_run()
    run.run_file.config["embedding"] = {"model": model, "pretrained": "laion2b_s34b_b79k"}
    run.run_file.stages["embeddings"].settings["encoder"] = made_with

    assert shown == identity_of(run, ()).encoder


def test_a_run_that_has_only_begun_has_no_models_yet(tmp_path: Path) -> None:
    """As the live page shows it."""
    identity = identity_of(RunFolder.create_or_open(tmp_path / "run"), ())

    assert ("no model yet", "no model yet") == (identity.model, identity.encoder)
