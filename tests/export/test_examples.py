"""The examples in docstrings of triptych.export."""

import doctest
from importlib import import_module

import pytest

MODULES = ["conversation_text", "manifest", "library"]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_a_modules_docstrings_are_correct(name: str) -> None:
    """Each prints what the docstring shows."""
    failed, tried = doctest.testmod(import_module(f"triptych.export.{name}"))

    assert (0, True) == (failed, tried > 0)
