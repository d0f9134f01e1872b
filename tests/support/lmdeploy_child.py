"""`lmdeploy serve api_server` with a different engine, for a machine without a GPU.

    python -m tests.support.lmdeploy_child MODEL PORT SERVED_NAME NOTES

lmdeploy's own `serve` assembles everything: FastAPI app and middleware, routes, request checks, chat
template, tokenizer, vision preprocessing, AsyncEngine, uvicorn. Only the method that builds the GPU engine is
replaced. The process ends when its stdin does, so that it doesn't outlive its parent. It is a process of its
own because importing lmdeploy sets PIL's LOAD_TRUNCATED_IMAGES.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

from lmdeploy.messages import PytorchEngineConfig
from lmdeploy.serve.core import AsyncEngine
from lmdeploy.serve.openai.api_server import serve

from tests.support.lmdeploy_engine import GreedyEngine

SLOTS = 4


def main(model_path: str, port: int, served_name: str, notes: Path) -> None:
    """Serve until killed."""

    def build(_: AsyncEngine, model_path: str, backend_config: PytorchEngineConfig, **_options: Any) -> Any:
        return GreedyEngine(model_path, backend_config, notes)

    AsyncEngine._build_pytorch = build
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    serve(
        model_path,
        model_name=served_name,
        backend="pytorch",
        backend_config=PytorchEngineConfig(max_batch_size=SLOTS, enable_metrics=False),
        server_name="127.0.0.1",
        server_port=port,
    )


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
