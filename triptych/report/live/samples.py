"""The samples of the live page: drawn again as the run continues.

Comes in: a run that is watched. Goes out: the page's Content. Drawing reads all captions, so it is limited to
a small share of the time; a page that is requested meanwhile shows the last samples. Not its job: drawing
(see triptych.report.write_report).
"""

from __future__ import annotations

import threading
import time

from triptych.errors import TriptychError
from triptych.report.content import Content
from triptych.report.live.watch import Watch
from triptych.report.run_content import content_of_run, content_without_samples

WAITS_S = 5.0
"""How long a page waits for new samples before it shows the last ones."""

DRAWING_SHARE = 0.1
"""The largest share of the time that is spent on drawing."""

_NONE_YET = "the run is being read for samples; they appear here by themselves"


class Samples:
    """The samples of one run. Thread-safe."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._drawing: threading.Thread | None = None
        self._content: Content | None = None
        self._trouble = ""
        self._took_s = 0.0
        self._next_at = 0.0

    def are_drawn(self) -> bool:
        """Whether the next page has samples. If not, begin to draw them."""
        if self._content is None:
            self._begin()
        return self._content is not None

    def content(self) -> Content:
        """The newest samples, if drawing them doesn't take too long; else the last ones."""
        drawing = self._begin()
        if drawing is not None and (self._content is None or self._took_s < WAITS_S):
            drawing.join(WAITS_S)
        return self._content or content_without_samples(self._watch.run, self._trouble or _NONE_YET)

    def _begin(self) -> threading.Thread | None:
        """The thread that draws new samples; None if it isn't time for that."""
        with self._lock:
            if self._drawing is None and time.monotonic() >= self._next_at:
                # A daemon, so that reading millions of captions doesn't delay the server's exit.
                self._drawing = threading.Thread(target=self._draw, name="samples", daemon=True)
                self._drawing.start()
            return self._drawing

    def _draw(self) -> None:
        began = time.monotonic()
        try:
            run = self._watch.run
            if run.folder.is_finished("sets"):
                self._content, self._trouble = content_of_run(run), ""
            else:
                self._content, self._trouble = None, "samples are shown here once the sets are made"
        except (TriptychError, OSError) as error:  # files that are just being replaced, or damaged ones
            self._trouble = str(error)
        except Exception as error:  # a run that changes while it is read
            self._trouble = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._took_s = time.monotonic() - began
            with self._lock:
                self._next_at = time.monotonic() + self._took_s / DRAWING_SHARE
                self._drawing = None
