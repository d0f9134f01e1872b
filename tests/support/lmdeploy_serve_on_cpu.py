"""lmdeploy with its own command line, and another engine below, for a machine without a GPU.

    python -m tests.support.lmdeploy_serve_on_cpu serve api_server MODEL OPTIONS...

As lmdeploy_child, but lmdeploy's own parser reads the options. $LMDEPLOY_NOTES names a folder, in which
each process leaves a file named by its number. A parser alone: PARSE_ONLY=1 prints what it understood.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from lmdeploy.cli.cli import CLI
from lmdeploy.cli.entrypoint import run
from lmdeploy.cli.serve import SubCliServe
from lmdeploy.messages import PytorchEngineConfig
from lmdeploy.serve.core import AsyncEngine


def serve_on_cpu() -> None:
    """What `lmdeploy` does, with one method replaced."""
    from tests.support.lmdeploy_engine import GreedyEngine

    notes = Path(os.environ["LMDEPLOY_NOTES"]) / str(os.getpid())
    (notes / "inputs").mkdir(parents=True)
    (notes / "mishaps").touch()

    def build(_: AsyncEngine, model_path: str, backend_config: PytorchEngineConfig, **_options: Any) -> Any:
        return GreedyEngine(model_path, backend_config, notes)

    AsyncEngine._build_pytorch = build
    run()


def print_understood() -> None:
    """What lmdeploy's parser makes of the command line, as JSON."""
    CLI.add_parsers()
    SubCliServe.add_parsers()
    understood = vars(CLI.parser.parse_args())
    print(json.dumps({name: value for name, value in understood.items() if name != "run"}))


if __name__ == "__main__":
    sys.argv[0] = "lmdeploy"
    print_understood() if os.environ.get("PARSE_ONLY") else serve_on_cpu()
