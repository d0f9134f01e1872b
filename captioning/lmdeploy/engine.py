"""The engine that starts lmdeploy servers on this machine's GPUs, and captions through them.

Comes in: requests. Goes out: completions, from one `lmdeploy serve api_server` for each group of GPUs. A
server that dies or hangs is restarted, and its requests are sent again. No server outlives this process. Not
its job: sending requests (see engines.openai_server).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from pathlib import Path

import msgspec

from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.engine import CaptionRequest, Completion
from triptych.captioning.engines import RequestLimits
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.engines.openai_server import ServerEngine
from triptych.captioning.lmdeploy.command import groups_here, serve_command, serve_environment, served_name
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.lmdeploy.server_process import ServerLog, ServerProcess, reserved_ports
from triptych.captioning.lmdeploy.supervisor import Supervisor, why_not_serving
from triptych.errors import SetupError

RESTART_MARGIN_S = 120.0
"""Requests wait this much longer than a start may take: the old server has to end first, and there is a
pause."""


class LmdeployEngine(ServerEngine):
    """One model on one or many servers of this machine. Thread-safe."""

    def __init__(
        self,
        model: str,
        config: LmdeployConfig,
        limits: RequestLimits,
        logs: Path,
        say: Callable[[str], None],
    ) -> None:
        """Start the servers and wait until all are ready: minutes for a large model.

        ``logs`` is the folder of their logs, ``say`` takes messages to the user. Raises SetupError where
        there is no GPU, or a server doesn't start.
        """
        self._backend = config.backend
        self._given_up: str | None = None
        groups = groups_here(config.tp)
        with contextlib.ExitStack() as resources:
            ports = resources.enter_context(reserved_ports(len(groups), config.port))
            children = [
                ServerProcess(
                    number,
                    serve_command(model, config, port),
                    serve_environment(group),
                    port,
                    ServerLog(logs / f"lmdeploy-{number}.log"),
                )
                for number, (group, port) in enumerate(zip(groups, ports, strict=True))
            ]
            for end in (*(child.stop for child in children), *(child.ask_to_end for child in children)):
                resources.callback(end)
            servers = "one lmdeploy server" if len(children) == 1 else f"{len(children)} lmdeploy servers"
            say(f"captions: starting {servers} (logs: {logs})")
            _start(children, config.startup_timeout_s)
            urls = tuple(child.url for child in children)
            patience_s = max(limits.patience_s, config.startup_timeout_s + RESTART_MARGIN_S)
            limits = msgspec.structs.replace(limits, patience_s=patience_s)
            super().__init__(ServerConfig(urls=urls), served_name(model), limits, say)
            resources.callback(super().close)
            for child, endpoint in zip(children, self.endpoints, strict=True):
                resources.callback(Supervisor(child, endpoint, config, say, self._give_up).end)
            self._resources = resources.pop_all()

    @property
    def identity(self) -> Mapping[str, str]:
        return {**super().identity, "lmdeploy_backend": self._backend}

    def describe(self) -> str:
        return f"lmdeploy ({self._backend}) started here, {super().describe()}"

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        return self._unless_given_up(super().caption, requests)

    def caption_at(self, endpoint: Endpoint, requests: Sequence[CaptionRequest]) -> list[Completion]:
        return self._unless_given_up(super().caption_at, endpoint, requests)

    def _unless_given_up(self, ask: Callable[..., list[Completion]], *arguments: object) -> list[Completion]:
        """Raises SetupError where a server was given up, even while ``ask`` runs."""
        if self._given_up is None:
            try:
                return ask(*arguments)
            except (SetupError, CancelledError):
                if self._given_up is None:
                    raise
        raise SetupError(self._given_up)

    def close(self) -> None:
        self._resources.close()

    def _give_up(self, why: str) -> None:
        """Cancel all requests, since some wait for a server that won't come back."""
        self._given_up = self._given_up or why
        self.cancel_all()


def _start(children: Sequence[ServerProcess], timeout_s: float) -> None:
    for child in children:
        child.start()
    found = why_not_serving(children, timeout_s)
    if found is not None:
        child, fault = found
        raise SetupError(
            f"lmdeploy server {child.number} {fault} at its start; its log ends with:"
            f" {child.log.tail()} (log: {child.log.path}); fix that and run the same command again"
        )
