"""Imports between the product, tests, benchmarks and scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMPORT = re.compile(r"^\s*(?:from|import)\s+((?:benchmarks|tests|scripts)\b[\w.]*)", re.MULTILINE)
PRODUCT = ("triptych", "grouping", "captioning", "filtering", "export")


def _imported(folder: str, but: str = "") -> set[str]:
    """Modules of benchmarks, tests and scripts that files below ``folder`` import; ``but`` is a folder to
    leave out."""
    paths = [
        path for path in sorted((ROOT / folder).rglob("*.py")) if not but or ROOT / but not in path.parents
    ]
    assert paths
    return {name for path in paths for name in IMPORT.findall(path.read_text("utf-8"))}


@pytest.mark.parametrize("folder", PRODUCT)
def test_the_product_imports_neither_tests_nor_benchmarks_nor_scripts(folder: str) -> None:
    """The wheel doesn't contain them."""
    assert set() == _imported(folder)


def test_tests_do_not_import_benchmarks() -> None:
    """What both need is in tests/support. Only tests/benchmarks, which tests the benchmarks, imports them."""
    names = {name for name in _imported("tests", but="tests/benchmarks") if name.startswith("benchmarks")}

    assert set() == names


def test_benchmarks_import_no_tests() -> None:
    """Only tests/support and the two harnesses, so that renaming a test breaks no benchmark."""
    names = {name for name in _imported("benchmarks") if name.startswith("tests")}
    shared = ("tests.support", "tests.crash", "tests.damage")

    assert set() == {name for name in names if not name.startswith(shared) or ".test_" in name}
