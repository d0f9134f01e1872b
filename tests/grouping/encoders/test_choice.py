"""The devices that a config may name."""

from __future__ import annotations

import pytest

from triptych.errors import SetupError
from triptych.grouping.encoders.choice import usable_devices


@pytest.mark.parametrize(
    ("devices", "message"),
    [(("cuda:99",), "names cuda:99, but torch finds"), (("cpu", "cuda:98"), "names cuda:98")],
)
def test_a_missing_gpu_is_refused(devices: tuple[str, ...], message: str) -> None:
    """The error names the device, and what torch finds."""
    with pytest.raises(SetupError, match=message):
        usable_devices(devices)


def test_devices_may_repeat() -> None:
    """Each mention is a process of its own."""
    assert ["cpu", "cpu"] == usable_devices(("cpu", "cpu"))
