"""Runs all stages on a few pictures, again and again, in children of a process that has imported everything.

Comes in: a run folder in any state, optionally a Watch. Goes out: how the command ended, its output, and what
it requested from the engine. The encoder computes mean colours, so that nothing imports torch, and captions
are committed one by one. Not its job: which faults occur (see points).
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import signal
import sys
import tarfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from PIL import Image

from tests.crash.changes import Watch
from tests.crash.engine import ASKED, MARK
from tests.support.colour_encoder import ColourEncoder, ColourOn
from triptych.__main__ import main

SETTINGS = {
    "embedding.model": "builtin:nano-clip",
    "sets.device": "cpu",
    "sets.related_cosine_similarity": 0.98,
    "sets.duplicate_cosine_similarity": 0.99999,
    "captioning.engine": "tests.crash.engine:SPEC",
    "captioning.tile_px": 112,
    "captioning.max_tiles": 1,
    "captioning.canary.every_s": 0,
    "captioning.jobs": '["single_en", "multi_zh"]',
    "filtering.grounding": "false",
    "filtering.workers": 1,
}

HUES = ((220, 30, 30), (30, 220, 30), (30, 30, 220), (200, 200, 20), (20, 200, 200))
"""There are three pictures of each of the first three, and one of each of the others."""

ENDS_WITHIN_S = 120
"""A command that takes longer is killed."""


class Ended(NamedTuple):
    """How a child ended."""

    status: int
    """The exit code; negative for a signal."""
    output: str
    """Its stdout and stderr."""
    asked: list[str]
    """The marks of its requests, in order."""


class CommandRunner:
    """Runs commands on one folder of pictures. Its own files are in ``folder``."""

    def __init__(self, folder: Path, images: Path) -> None:
        self._images, self._asked, self._output = images, folder / "asked", folder / "said"

    def in_folder(self, folder: Path) -> CommandRunner:
        """A copy with its own files, for another process."""
        return CommandRunner(folder, self._images)

    def run_command(self, out: Path) -> list[str]:
        """The command that runs all stages."""
        settings = [f"--set={key}={value}" for key, value in SETTINGS.items()]
        return ["triptych", "run", str(self._images), "--out", str(out), *settings]

    def load_everything(self, out: Path) -> None:
        """Run once in this process, so that its children have all modules. Asserts that no threads remain."""
        os.environ[ASKED] = str(self._asked)
        _patch_slow_parts()
        argv = sys.argv
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as output:
            status = _status_of([self.run_command(out), ["triptych", "verify", str(out)]])
        sys.argv = argv
        assert status == 0, output.getvalue()
        threads = len([*Path("/proc/self/task").iterdir()])
        assert threads == 1, f"{threads} threads; expected 1, as with OMP_NUM_THREADS=1: children would hang"

    def run(
        self, commands: Sequence[Sequence[str]], watch: Watch | None = None, log: Path | None = None
    ) -> Ended:
        """Run ``commands`` in a child until one fails, with ``watch``, whose changes go to ``log``."""
        self._asked.write_bytes(b"")
        child = os.fork()
        if child == 0:
            self._work(commands, watch, log)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        return Ended(code, self._output.read_text(), self._asked.read_text().split())

    def _work(self, commands: Sequence[Sequence[str]], watch: Watch | None, log: Path | None) -> NoReturn:
        """Run in the child, and end it."""
        status = 70
        try:
            signal.alarm(ENDS_WITHIN_S)
            descriptor = os.open(self._output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1)
            os.environ[ASKED] = str(self._asked)
            if watch is not None:
                watch.install()
            status = _status_of(commands)
            if watch is not None and log is not None:
                log.write_bytes(pickle.dumps(watch.changes))
        except BaseException:
            traceback.print_exc(file=sys.stderr)
        finally:
            sys.stdout.flush()
            os._exit(status)


def _patch_slow_parts() -> None:
    from triptych.captioning import scheduler
    from triptych.grouping import stage

    scheduler.BATCH_EVERY_S = 0.0
    stage.usable_devices = lambda devices: ["cpu"]  # type: ignore[assignment]
    stage.load_encoder = lambda *args, **kwargs: ColourEncoder(ColourOn())  # type: ignore[assignment]


def _status_of(commands: Sequence[Sequence[str]]) -> int:
    for command in commands:
        sys.argv = list(command)
        try:
            main()
        except SystemExit as end:
            if end.code not in (0, None):
                return end.code if isinstance(end.code, int) else 1
    return 0


def marks_in(content: bytes) -> list[str]:
    """The marks in complete lines."""
    return [mark.decode() for mark in MARK.findall(content[: content.rfind(b"\n") + 1])]


def draw_pile(folder: Path) -> Path:
    """Pictures in a tar in subfolders, in a compressed tar and in files; one is a copy, one is damaged."""
    (folder / "in" / "side").mkdir(parents=True)
    (folder / "loose").mkdir()
    encoded = [_picture(hue, number) for hue in HUES[:3] for number in range(3)]
    encoded += [_picture(hue, 0) for hue in HUES[3:]]
    _write_tar(folder / "in" / "side" / "a.tar", encoded[:3] + encoded[9:10])
    _write_tar(folder / "b.tar.gz", encoded[3:6] + encoded[10:])
    for number, content in enumerate([*encoded[6:9], encoded[6], b"\x89PNG\r\n"]):
        (folder / "loose" / f"{number}.png").write_bytes(content)
    return folder


def _picture(hue: tuple[int, int, int], number: int) -> bytes:
    """Blotches of one hue, of the size that the encoder expects."""
    rng = np.random.default_rng([*hue, number])
    blotches = np.array(hue) + rng.integers(-20, 20, (8, 8, 3)) + 5 * number
    buffer = io.BytesIO()
    Image.fromarray(blotches.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _write_tar(path: Path, contents: Sequence[bytes]) -> None:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for number, content in enumerate(contents):
            member = tarfile.TarInfo(f"{number}.png")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
