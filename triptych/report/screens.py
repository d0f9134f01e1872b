"""Examples of images that each screen leaves out, or would if it were on.

Comes in: a run with finished sets, its readable images one by one. Goes out: the screens of the page. Not its
job: screening (see grouping.screens).
"""

from __future__ import annotations

from collections import Counter, defaultdict

from triptych.grouping.screens import SCREENS
from triptych.report.content import ScreenShown
from triptych.report.neighbours import LocatedImage
from triptych.report.sampling import Draw
from triptych.report.thumbnails import Thumbnails
from triptych.runs.folder import RunFolder

EXAMPLES = 12
"""Examples per screen."""


class ScreenExamples:
    """Draws evenly from the images that a screen leaves out, or would leave out."""

    def __init__(self, run: RunFolder) -> None:
        self._screened = {each.key: each for each in run.screened()}
        self._scores = {each.rule: each for each in run.screen_scores()}
        off = {name for name, scores in self._scores.items() if scores.is_off}
        self._off = [screen for screen in SCREENS if screen.name in off]
        self._draws: dict[str, Draw[tuple[LocatedImage, float]]] = defaultdict(lambda: Draw(EXAMPLES))

    @property
    def keys(self) -> set[str]:
        """The keys of all images that are left out."""
        return set(self._screened)

    def offer(self, image: LocatedImage) -> None:
        """Take a readable image into account."""
        key = image.record.key
        if found := self._screened.get(key):
            self._draws[found.reason].offer(key, (image, found.value))
            return
        for screen in self._off:
            value = screen.measure(image.record)
            if value is not None and screen.is_violated(value, screen.threshold):
                self._draws[screen.name].offer(key, (image, value))

    def shown(self, thumbnails: Thumbnails) -> list[ScreenShown]:
        """Every screen, in order; none if the sets were made by a version without screens."""
        counts = Counter(each.reason for each in self._screened.values())
        return [
            ScreenShown(
                name=name,
                count=counts[name],
                scores=scores,
                examples=[(thumbnails.number_of(image), value) for image, value in self._draws[name].taken()],
            )
            for name, scores in self._scores.items()
        ]
