"""Stands in for `lmdeploy serve api_server`, and dies on demand, to test its supervisor.

    python -m tests.support.stand_in_server serve api_server MODEL --server-port PORT ...

If $STAND_IN_DIES is ``after N``, it ends once its health has been requested N times. Meanwhile it has a child
process that sleeps. The process ids of both are the names of files in $LMDEPLOY_NOTES.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class _Handler(BaseHTTPRequestHandler):
    asked = 0
    served = ""

    def do_GET(self) -> None:
        body = json.dumps({"object": "list", "data": [{"id": self.served}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        _Handler.asked += self.path == "/health"
        if _Handler.asked >= int(os.environ.get("STAND_IN_DIES", "after 1000000").split()[1]):
            print("RuntimeError: CUDA error: an illegal memory access was encountered", flush=True)
            os._exit(3)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    """Serve until $STAND_IN_DIES says otherwise."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--server-port", type=int)
    parser.add_argument("--model-name")
    options, _ = parser.parse_known_args(sys.argv[3:])
    _Handler.served = options.model_name
    helper = subprocess.Popen(["sleep", "300"])
    for pid in (os.getpid(), helper.pid):
        (Path(os.environ["LMDEPLOY_NOTES"]) / str(pid)).touch()
    HTTPServer(("127.0.0.1", options.server_port), _Handler).serve_forever()


if __name__ == "__main__":
    main()
