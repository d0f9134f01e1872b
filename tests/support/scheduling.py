"""Which tests a worker of pytest-xdist runs together, and which come first.

Comes in: the tests. Goes out: units of work, the longest first, so that workers finish together. A unit has
the tests of one file, which share its fixtures, or all tests on a cluster, which takes ten seconds to start.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadFileScheduling

LONGEST = (
    (
        "tests/captioning/lmdeploy/test_over_nodes.py",
        "tests/captioning/test_on_cluster.py",
        "tests/executors/test_both.py",
        "tests/executors/test_late_results.py",
        "tests/executors/test_ray.py",
        "tests/triptych/test_cluster_run.py",
        "tests/triptych/test_demo_on_cluster.py",
        "tests/triptych/test_doctor_on_cluster.py",
    ),
    ("tests/triptych/test_demo.py",),
    ("tests/captioning/lmdeploy/test_engine.py",),
    ("tests/triptych/test_kill_resume.py",),
    ("tests/export/test_consumers.py",),
    ("tests/triptych/test_run_from_storage.py",),
    ("tests/triptych/test_growing_corpus.py",),
    ("tests/captioning/engines/test_transformers_serve.py",),
    ("tests/captioning/lmdeploy/test_against_lmdeploy.py",),
    ("tests/triptych/test_thousand_shards.py",),
    ("tests/captioning/test_faults.py",),
)
"""Units that may take half a minute or more, the longest first. The others start after them, in any order."""

_PLACES = {file: place for place, files in enumerate(LONGEST) for file in files}


def file_of(nodeid: str) -> str:
    """The file of a test."""
    return nodeid.partition("::")[0]


def longest_first(items: list[pytest.Item]) -> None:
    """Sort tests by LONGEST. The tests of a unit keep their order."""
    items.sort(key=lambda item: _PLACES.get(file_of(item.nodeid), len(LONGEST)))


class Units(LoadFileScheduling):
    """Distributes units in the order of the tests."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        file = file_of(nodeid)
        return LONGEST[_PLACES[file]][0] if file in _PLACES else file
