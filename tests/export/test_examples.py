"""The examples in docstrings."""

import doctest
from importlib import import_module

import pytest

MODULES = ["conversation_text", "manifest", "library"]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    """Each prints what it says."""
    failed, tried = doctest.testmod(import_module(f"triptych.export.{name}"))

    assert (0, True) == (failed, tried > 0)
