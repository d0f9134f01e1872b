"""Libraries of models, imported without torch's compiler.

Comes in: the name of a library. Goes out: nothing; it is imported. Meanwhile torchvision asks
``torch._dynamo`` whether an operator could be compiled, and timm tells it what must not be. Loading it takes
as much processor time as torch itself, and no encoder is compiled here, so stand-ins answer these two. A
library that asks for anything else is left to be imported with the compiler, as is whatever needs it later.
Not its job: loading models (see the families).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


def import_library(name: str) -> None:
    """Import torchvision and ``name``, where they are installed and can be without the compiler."""
    with contextlib.suppress(ImportError):
        import_module("torch")  # its own imports meet no stand-in
    stand_ins = {} if "torch._dynamo" in sys.modules else _stand_ins()
    sys.modules.update(stand_ins)
    try:
        for library in ("torchvision", name):
            with contextlib.suppress(ImportError, AttributeError):
                import_module(library)
    finally:
        for each in stand_ins:
            del sys.modules[each]


def _stand_ins() -> dict[str, ModuleType]:
    compiler, utils = ModuleType("torch._dynamo"), ModuleType("torch._dynamo.utils")
    compiler.__path__ = []
    vars(compiler).update(disable=_as_it_is, utils=utils)
    vars(utils).update(is_compile_supported=lambda device_type: False)
    return {each.__name__: each for each in (compiler, utils)}


def _as_it_is(what: Callable[..., Any] | None = None, *arguments: object, **named: object) -> Any:
    """What is decorated, or what decorates."""
    return _as_it_is if what is None else what
