"""lmdeploy's own command line with a different engine, for a machine without a GPU.

    python -m tests.support.lmdeploy_serve_on_cpu serve api_server MODEL OPTIONS...

Like lmdeploy_child, but lmdeploy's own parser reads the options. Each process makes a folder in
$LMDEPLOY_NOTES, named after its process id. With PARSE_ONLY=1, it only prints the parsed options.
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
    """Do what `lmdeploy` does, with one method replaced."""
    from tests.support.lmdeploy_engine import GreedyEngine

    notes = Path(os.environ["LMDEPLOY_NOTES"]) / str(os.getpid())
    (notes / "inputs").mkdir(parents=True)
    (notes / "mishaps").touch()

    def build(_: AsyncEngine, model_path: str, backend_config: PytorchEngineConfig, **_options: Any) -> Any:
        return GreedyEngine(model_path, backend_config, notes)

    AsyncEngine._build_pytorch = build
    run()


def print_options() -> None:
    """Print the options that lmdeploy's parser gets from the command line, as JSON."""
    CLI.add_parsers()
    SubCliServe.add_parsers()
    options = vars(CLI.parser.parse_args())
    print(json.dumps({name: value for name, value in options.items() if name != "run"}))


if __name__ == "__main__":
    sys.argv[0] = "lmdeploy"
    print_options() if os.environ.get("PARSE_ONLY") else serve_on_cpu()
