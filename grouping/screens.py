"""Screens: leave images out before sets are made and captions requested, each with a reason.

Comes in: image records with their measures, a config. Goes out: Screened records, and how many images each
screen would leave out at other thresholds. No image is decoded: measures were taken at embedding time. Not
its job: taking them (see embedding.measures).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.grouping.config import ScreensConfig
from triptych.records import ImageRecord, Measures, Screened
from triptych.runs.rule_scores import RuleScores, in_bins


class Screen(NamedTuple):
    """One reason to leave an image out."""

    name: str
    """The config key, and the reason recorded for its images."""
    measure: Callable[[ImageRecord], float | None]
    """Returns None if unknown."""
    leaves_out: Literal["above", "below"]
    """Side of the threshold that is left out."""
    threshold: float
    """Used where the setting is ``on``; docs/measurements/screens.md has its effects."""
    step: float
    """Bin width of the counts around the threshold."""
    needs_measures: bool = True

    def is_violated(self, value: float | NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
        """Whether an image with ``value`` is left out; elementwise for arrays. False for NaN."""
        beyond = np.greater if self.leaves_out == "above" else np.less
        violated: NDArray[np.bool_] = beyond(value, threshold)
        return violated


def _of_picture(measure: Callable[[Measures], float]) -> Callable[[ImageRecord], float | None]:
    return lambda record: None if record.measures is None else measure(record.measures)


def _shorter_side(record: ImageRecord) -> float | None:
    return min(record.width_px, record.height_px) or None


def _aspect_ratio(record: ImageRecord) -> float | None:
    sides = record.width_px, record.height_px
    return round(max(sides) / min(sides), 4) if min(sides) else None


SCREENS = (
    Screen("too_small", _shorter_side, "below", 64, 4, needs_measures=False),
    Screen("extreme_aspect_ratio", _aspect_ratio, "above", 5, 0.1, needs_measures=False),
    Screen("nearly_uniform", _of_picture(lambda of: of.contrast), "below", 4, 0.5),
    Screen("too_dark", _of_picture(lambda of: of.brightest), "below", 64, 4),
    Screen("too_bright", _of_picture(lambda of: of.darkest), "above", 192, 4),
    Screen("blurred", _of_picture(lambda of: of.sharpness), "below", 50, 5),
    Screen("text_page", _of_picture(lambda of: of.text), "above", 0.22, 0.01),
)
"""In order of precedence: the first that leaves an image out gives the reason."""


def screen_thresholds(config: ScreensConfig) -> dict[str, float | None]:
    """Threshold by screen, in order; None if the screen is off."""
    found: dict[str, float | None] = {}
    for screen in SCREENS:
        setting = getattr(config, screen.name)
        found[screen.name] = screen.threshold if setting == "on" else None if setting == "off" else setting
    return found


class Screening:
    """Applies all screens to images, in any number of calls."""

    def __init__(self, config: ScreensConfig) -> None:
        self.thresholds = screen_thresholds(config)
        self.screened: list[Screened] = []
        """Images left out so far, in input order."""
        self.unmeasured = 0
        """Images with bytes but no measures, counted if an active screen needs measures."""
        self._needs_measures = any(
            screen.needs_measures and self.thresholds[screen.name] is not None for screen in SCREENS
        )
        self._bins: list[dict[int, list[int]]] = [{} for _ in SCREENS]

    def look_at(self, records: Sequence[ImageRecord]) -> None:
        """Screen readable images."""
        if not records:
            return
        # None becomes NaN
        values = np.array([[screen.measure(record) for record in records] for screen in SCREENS], np.float64)
        beyond = np.zeros(values.shape, bool)
        for at, screen in enumerate(SCREENS):
            if (threshold := self.thresholds[screen.name]) is not None:
                beyond[at] = screen.is_violated(values[at], threshold)
        for image in np.flatnonzero(beyond.any(axis=0)).tolist():
            at = int(beyond[:, image].argmax())
            self.screened.append(
                Screened(key=records[image].key, reason=SCREENS[at].name, value=float(values[at, image]))
            )
        if self._needs_measures:
            self.unmeasured += sum(
                record.measures is None and bool(record.content_hash) for record in records
            )
        others = beyond.sum(axis=0) - beyond
        for at, screen in enumerate(SCREENS):
            known = ~np.isnan(values[at])
            away = (values[at, known] - self._counted_around(screen)) / screen.step
            for k, is_alone, count in in_bins(away, others[at, known] == 0, screen.leaves_out):
                both = self._bins[at].setdefault(k, [0, 0])
                both[0] += count
                both[1] += count * is_alone

    def scores(self) -> Iterator[RuleScores]:
        """How many images each screen would leave out, screens that are off included."""
        for screen, bins in zip(SCREENS, self._bins, strict=True):
            yield RuleScores(
                job="",
                rule=screen.name,
                setting=f"sets.screens.{screen.name}",
                threshold=self._counted_around(screen),
                violated=screen.leaves_out,
                step=screen.step,
                bins=[(k, bins[k][0], bins[k][1]) for k in sorted(bins)],
                is_off=self.thresholds[screen.name] is None,
            )

    def _counted_around(self, screen: Screen) -> float:
        threshold = self.thresholds[screen.name]
        return screen.threshold if threshold is None else threshold
