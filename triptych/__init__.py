"""Triptych turns a pile of images into a caption dataset.

The public Python API: ``open_run`` and ``reopen_run`` give a Pipeline whose stages are methods;
``load_config`` makes its config. Everything else is implementation.
"""

from triptych.config import RunConfig, load_config
from triptych.pipeline import Pipeline, open_run, reopen_run

__all__ = ["Pipeline", "RunConfig", "load_config", "open_run", "reopen_run"]
