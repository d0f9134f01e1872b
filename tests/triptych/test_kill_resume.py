"""A run that is killed repeatedly exports the same bytes as an undisturbed one."""

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
    """SIGKILL at seeded moments in all stages. python -m benchmarks.kill_resume does the same with the demo's
    own images, 20 kills, and processes that import everything anew."""
    undisturbed, killed = tmp_path / "calm", tmp_path / "killed"
    extra = ["--set", "captioning.transformers.batch_size=2"]
    run_undisturbed(triptych_run(few_images, undisturbed, extra))
    command = triptych_run(few_images, killed, extra)
    landed = sum(
        run_and_kill(command, killed, *moment, start=ForkedCommand)
        for moment in moments(7, KILLS, bytes_in(undisturbed))
    )
    run_undisturbed(command)

    assert landed >= KILLS // 2
    assert export_digests(undisturbed)
    assert export_digests(undisturbed) == export_digests(killed)
