"""docs/scale.md is made of the results, and multiplies them out rightly."""

import json
from pathlib import Path

import pytest

from scripts import scale_model
from scripts.scale_model import PAGE, RESULTS, SIZES, bottleneck, cost_of, measured, page


def test_the_page_says_what_the_results_say() -> None:
    """A benchmark that is recorded again has to be followed by `make figures`."""
    assert page() == PAGE.read_text("utf-8"), "run `make figures`"


def test_eleven_million_images_by_a_76b_take_what_the_arithmetic_says() -> None:
    """11,186,000 in English, 1,000,000 in Chinese, 154,000 of sets that count twice; 150 tokens at 135/s."""
    cost = cost_of(SIZES["11M"])

    assert 12_340_000 == pytest.approx(cost.captions)
    assert (11_186_000 + 1_000_000 + 2 * 154_000) * 150 / 135 / 3600 == pytest.approx(
        cost.caption_gpu_h["76B"]
    )
    assert 2 * measured("join") == pytest.approx(cost.join_core_h)


def test_the_join_grows_by_its_measured_exponent_and_the_rest_with_the_images() -> None:
    """Ten times the images."""
    small, large = cost_of(10**8), cost_of(10**9)

    assert 10 ** measured("join_power") == pytest.approx(large.join_core_h / small.join_core_h)
    assert 10 == pytest.approx(large.client_core_h / small.client_core_h)
    assert 10 == pytest.approx(large.memory_gb / small.memory_gb)


def test_more_gpus_leave_what_only_the_driver_does() -> None:
    """Which is then the longest part."""
    cost = cost_of(10**8)

    assert bottleneck(cost, 8, "76B").startswith("captions (")
    assert bottleneck(cost, 10**6, "8B").startswith("sets, on the driver (")
    assert cost.hours(8, "8B")["sets, on the driver"] == cost.hours(512, "8B")["sets, on the driver"]


def test_another_result_makes_another_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No figure of a result is typed by hand."""
    before = page()
    for path in RESULTS.glob("*.json"):
        document = json.loads(path.read_text("utf-8"))
        if path.stem == "full_slots":
            document["measured"]["fitting"]["cpu_ms_per_image"] *= 3
        (tmp_path / path.name).write_text(json.dumps(document), "utf-8")
    monkeypatch.setattr(scale_model, "RESULTS", tmp_path)
    measured.cache_clear()
    try:
        assert before != page()
    finally:
        measured.cache_clear()
