"""Imports model libraries without torch's compiler.

Comes in: the name of a library. Goes out: nothing; the library is imported. On import, torchvision asks
``torch._dynamo`` whether an operator can be compiled, and timm marks functions not to compile. Importing
``torch._dynamo`` takes as much processor time as torch itself, and no encoder is compiled here, so stubs
answer these two calls. If a library needs anything else, its import fails here and is repeated later with the
compiler. Not its job: loading models (see the families).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


def import_library(name: str) -> None:
    """Import torchvision and ``name``, if they are installed and importable without the compiler."""
    with contextlib.suppress(ImportError):
        import_module("torch")  # first, so that its own imports don't see the stubs
    stubs = {} if "torch._dynamo" in sys.modules else _stubs()
    sys.modules.update(stubs)
    try:
        for library in ("torchvision", name):
            with contextlib.suppress(ImportError, AttributeError):
                import_module(library)
    finally:
        for each in stubs:
            del sys.modules[each]


def _stubs() -> dict[str, ModuleType]:
    compiler, utils = ModuleType("torch._dynamo"), ModuleType("torch._dynamo.utils")
    compiler.__path__ = []
    vars(compiler).update(disable=_no_op_decorator, utils=utils)
    vars(utils).update(is_compile_supported=lambda device_type: False)
    return {each.__name__: each for each in (compiler, utils)}


def _no_op_decorator(function: Callable[..., Any] | None = None, *_: object, **__: object) -> Any:
    """Return ``function`` unchanged. Works with or without arguments, as ``disable`` does."""
    return _no_op_decorator if function is None else function
