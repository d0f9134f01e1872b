"""Triptych turns a pile of images into a caption dataset.

The public Python API: ``open_run`` and ``reopen_run`` give a Pipeline whose stages are methods;
``load_config`` makes its config. Everything else is implementation.
"""

from triptych.config import RunConfig, load_config
from triptych.opening import open_run, reopen_run
from triptych.pipeline import Pipeline

__all__ = ["Pipeline", "RunConfig", "load_config", "open_run", "reopen_run"]
