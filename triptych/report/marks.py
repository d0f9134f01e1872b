"""Marks the words of a caption that a rule or a check objects to.

Comes in: captions of the page with the rules that reject or flag them, checks of their statements. Goes out:
the captions with marks. Not its job: finding the words (see filtering.objections), painting them (see
page/cards.js).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from triptych.filtering.objections import objections
from triptych.filtering.scoring import CaptionInput, Scorer
from triptych.records import StatementCheck
from triptych.report.content import CaptionShown, Mark


def marked(
    shown: CaptionShown, scorer: Scorer | None, image_count: int, denied: Sequence[StatementCheck] = ()
) -> CaptionShown:
    """``shown`` with a mark for each span of its text that one of its rules objects to, for the phrase that
    fits its images least, and for each ``denied`` statement."""
    if scorer is None or shown.job not in scorer.jobs:
        return shown
    given = CaptionInput(shown.id, shown.job, shown.text, image_count)
    marks = [
        Mark(start=_utf16(shown.text, start), end=_utf16(shown.text, end), rule=rule)
        for rule in shown.rules
        for start, end in objections(scorer, given, rule)
    ]
    if shown.unfit and (found := re.search(re.escape(shown.unfit), shown.text, re.IGNORECASE)):
        start, end = (_utf16(shown.text, at) for at in found.span())
        marks.append(Mark(start=start, end=end, rule="ungrounded"))
    images_of: dict[tuple[int, int], list[int]] = {}
    for each in denied:
        images_of.setdefault((each.start, each.end), []).append(each.image_number)
    marks += [
        Mark(
            start=_utf16(shown.text, start),
            end=_utf16(shown.text, end),
            rule="untrue",
            images=sorted(images) if image_count > 1 else [],
        )
        for (start, end), images in images_of.items()
    ]
    return msgspec.structs.replace(shown, marks=sorted(marks, key=lambda mark: (mark.start, -mark.end)))


def _utf16(text: str, at: int) -> int:
    """The position in UTF-16 units, as browsers count."""
    return len(text[:at].encode("utf-16-le", "surrogatepass")) // 2
