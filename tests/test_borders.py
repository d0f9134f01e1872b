"""What may import what, beside the product: it needs nothing of them, and tests need no benchmark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMPORT = re.compile(r"^\s*(?:from|import)\s+((?:benchmarks|tests|scripts)\b[\w.]*)", re.MULTILINE)
PRODUCT = ("triptych", "grouping", "captioning", "filtering", "export")


def _imported(folder: str, but: str = "") -> set[str]:
    """Modules of benchmarks, tests and scripts that files below ``folder`` import, but for one folder."""
    paths = [
        path for path in sorted((ROOT / folder).rglob("*.py")) if not but or ROOT / but not in path.parents
    ]
    assert paths
    return {name for path in paths for name in IMPORT.findall(path.read_text("utf-8"))}


@pytest.mark.parametrize("folder", PRODUCT)
def test_the_product_imports_neither_tests_nor_benchmarks_nor_scripts(folder: str) -> None:
    """They are in no wheel."""
    assert set() == _imported(folder)


def test_tests_do_not_import_benchmarks() -> None:
    """What both need lies in tests/support. Only tests/benchmarks, which tests them, imports benchmarks."""
    names = {name for name in _imported("tests", but="tests/benchmarks") if name.startswith("benchmarks")}

    assert set() == names


def test_benchmarks_import_support_and_no_tests() -> None:
    """But for the two harnesses. A benchmark doesn't break when a test is renamed."""
    names = {name for name in _imported("benchmarks") if name.startswith("tests")}
    shared = ("tests.support", "tests.crash", "tests.damage")

    assert set() == {name for name in names if not name.startswith(shared) or ".test_" in name}
