"""The address that `triptych report RUN --serve` prints."""

from __future__ import annotations

import socket

import pytest

from tests.report.conftest import Shown
from triptych.errors import UsageError
from triptych.report.live import server


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", socket.gethostname())])
def test_the_address_is_one_that_a_browser_can_open(
    nasty_run: Shown, monkeypatch: pytest.MonkeyPatch, host: str, shown: str
) -> None:
    """Of all addresses of the machine, its name stands for them: others on the network know it by that."""
    said: list[str] = []
    monkeypatch.setattr(server.web, "run_app", lambda *_, **__: None)
    server.serve_report(nasty_run.run.path, host, 0, said.append)

    assert [f"http://{shown}"] == [each.rpartition(":")[0] for each in said]


@pytest.mark.parametrize("host", ["1:2", "203.0.113.7"])
def test_a_host_that_is_not_this_machine_is_refused(nasty_run: Shown, host: str) -> None:
    """The line says what to name."""
    with pytest.raises(UsageError, match="name an address of this machine"):
        server.serve_report(nasty_run.run.path, host, 0, print)
