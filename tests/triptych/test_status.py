"""The pace of captioning, as `triptych status` shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.fault_server import FaultServer
from tests.support.made_up_run import QUICK, MadeUpRun, make_up_run
from tests.triptych.conftest import Command


@pytest.fixture
def sampled(tmp_path: Path, triptych: Command) -> MadeUpRun:
    """A run of 40 images with English captions of a sample of 10."""
    made_up = make_up_run(tmp_path, 40)
    with FaultServer(slots=4, latency_s=0.1) as server:
        settings = [f"--set={name}={value}" for name, value in QUICK.items()]
        settings += ["--set=captioning.max_in_flight=4", "--job=single_en", "--sample=10"]
        outcome = triptych("caption", made_up.path, f"--server={server.urls[0]}", *settings)
    assert outcome.exit_code == 0, outcome.stderr
    assert re.search(r"10/10 captions, .* tokens/s, p50 .* engine \d+% busy", outcome.stderr)
    return made_up


def test_a_sample_predicts_the_time_for_all_captions(sampled: MadeUpRun, triptych: Command) -> None:
    """At the pace of the sample, for the number of captions without it."""
    text = triptych("status", sampled.path).stdout
    pace = json.loads(triptych("status", sampled.path, "--json").stdout)["pace"]["single_en"]

    assert re.search(r"  with this set-up all 40 captions of single_en take [\d.]+ s", text)
    assert (10, 40, 0) == (pace["captions"], pace["without_sample"], pace["left"])
    assert pytest.approx(40 / pace["captions_per_s"] / 3600) == pace["without_sample_hours"]


def test_the_pace_has_tokens_percentiles_and_the_engines_busy_share(
    sampled: MadeUpRun, triptych: Command
) -> None:
    """Of real requests with 300 prompt tokens, which take at least 0.1 s each."""
    pace = json.loads(triptych("status", sampled.path, "--json").stdout)["pace"]["single_en"]

    assert 3000 == pace["prompt_tokens"]
    assert 500 < pace["completion_tokens"] < 1000
    assert 0.1 <= pace["latency_s"]["p50"] <= pace["latency_s"]["p95"] <= pace["latency_s"]["p99"]
    assert 0.0 < pace["engine_busy_share"] <= 1.0
    assert (0, 0) == (pace["retried"], pace["asked_again"])


def test_figures_accumulate_over_restarts(sampled: MadeUpRun, triptych: Command) -> None:
    """Here with a larger sample."""
    with FaultServer(slots=4, latency_s=0.1) as server:
        settings = [f"--set={name}={value}" for name, value in QUICK.items()]
        triptych(
            "caption", sampled.path, f"--server={server.urls[0]}", *settings, "--job=single_en", "--sample=25"
        )
    pace = json.loads(triptych("status", sampled.path, "--json").stdout)["pace"]["single_en"]

    assert (25, 7500) == (pace["captions"], pace["prompt_tokens"])
