"""Runs Label Studio's own checks on an export, in the environment of its SDK, and prints the results as JSON.

python load_in_label_studio.py LABEL_CONFIG FILE...
"""

import json
import sys
from pathlib import Path

from label_studio_sdk.label_interface import LabelInterface


def main() -> None:
    """Check the labelling interface, and the data and predictions of each task."""
    interface = LabelInterface(sys.argv[1])
    interface.validate()
    print(json.dumps([_check(interface, json.loads(Path(path).read_text("utf-8"))) for path in sys.argv[2:]]))


def _check(interface: LabelInterface, tasks: list[dict]) -> dict[str, object]:
    return {
        "tasks": len(tasks),
        "good_data": sum(interface.validate_task({"data": task["data"]}) for task in tasks),
        "errors": [
            error
            for task in tasks
            for prediction in task["predictions"]
            for error in interface.validate_prediction(prediction, return_errors=True)
        ],
    }


if __name__ == "__main__":
    main()
