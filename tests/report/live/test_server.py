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
    """If the page is served on all addresses, the machine's name is printed, which works within the
    network."""
    printed: list[str] = []
    monkeypatch.setattr(server.web, "run_app", lambda *_, **__: None)
    server.serve_report(nasty_run.run.path, host, 0, printed.append)

    assert [f"http://{shown}"] == [each.rpartition(":")[0] for each in printed]


@pytest.mark.parametrize("host", ["1:2", "203.0.113.7"])
def test_a_host_that_is_no_address_of_this_machine_is_refused(nasty_run: Shown, host: str) -> None:
    """The error says what to use."""
    with pytest.raises(UsageError, match=r"^[^()]*; name an address of this machine"):
        server.serve_report(nasty_run.run.path, host, 0, print)
