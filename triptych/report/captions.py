"""Captions as the page shows them, with the words that a rule or a check objects to.

Comes in: captions, verdicts, checks of their statements. Goes out: the page's captions, with marks. Not its
job: finding the words (see filtering.objections), painting them (see page/cards.js).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from triptych.filtering.objections import objections
from triptych.filtering.scoring import CaptionInput, Scorer
from triptych.jobs import Job
from triptych.records import Caption, StatementCheck, Verdict
from triptych.report.content import CaptionShown, Mark
from triptych.runs.human_verdicts import digest_of_text


def caption_shown(job: Job, caption: Caption, verdict: Verdict | None) -> CaptionShown:
    """A caption and its state."""
    state, why, rules = "not judged", "", list[str]()
    if caption.failure is not None:
        state, why = "failed", caption.failure
    elif verdict is not None:
        state = "kept" if verdict.keep else "rejected"
        rules = list(verdict.scores) or ([verdict.reason] if verdict.reason else [])
        why = ", ".join(rules)
    instead = verdict.text if verdict is not None else ""
    is_repaired = verdict is not None and bool(verdict.removed)
    text = instead if is_repaired else caption.text
    return CaptionShown(
        id=caption.id,
        job=job.name,
        language=job.language,
        state=state,
        text=text,
        digest=digest_of_text(text),
        edited="" if is_repaired else instead,
        removed=list(verdict.removed) if verdict is not None else [],
        unfit=verdict.unfit if verdict is not None else "",
        why=why,
        rules=rules,
    )


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
