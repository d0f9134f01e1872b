"""A run that is killed again and again ends with the bytes of one that wasn't."""

from pathlib import Path

import pytest

from tests.support.forked_command import ForkedCommand
from tests.support.killed_runs import (
    bytes_in,
    export_digests,
    moments,
    run_and_kill,
    run_undisturbed,
    triptych_run,
)

pytestmark = pytest.mark.slow

KILLS = 6


def test_killed_runs_export_the_same_bytes(few_images: Path, tmp_path: Path) -> None:
    """SIGKILL at seeded moments over all stages; the ledger adds up at the end. The demo's own images
    and 20 kills, of processes that import everything anew: python -m benchmarks.kill_resume."""
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    extra = ["--set", "captioning.transformers.batch_size=2"]
    run_undisturbed(triptych_run(few_images, calm, extra))
    command = triptych_run(few_images, killed, extra)
    landed = sum(
        run_and_kill(command, killed, *moment, start=ForkedCommand)
        for moment in moments(7, KILLS, bytes_in(calm))
    )
    run_undisturbed(command)

    assert landed >= KILLS // 2
    assert export_digests(calm)
    assert export_digests(calm) == export_digests(killed)
