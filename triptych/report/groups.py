"""Sets and duplicates: one pass over their files, for the histograms and the samples.

Comes in: a run with finished sets. Goes out: distributions over all of them, and those that are
shown. Not its job: their images and captions (see nearness, captions).
"""

from __future__ import annotations

from collections import Counter

import msgspec

from triptych.records import Duplicate, ImageSet
from triptych.report.histogram import CosineHistogram
from triptych.report.sampling import Drawn, StratifiedDraw
from triptych.runs.folder import RunFolder

EVEN_SETS = 40
"""A precision of 0.9 is then known to about 0.1 either way (Wilson, 95 %)."""
MOST_SET_PICTURES = 240
"""Evenly drawn sets are fewer where sets are so large that they would need more pictures."""
SETS_PER_STRATUM = 1
MOST_RARE_SETS = 12
EVEN_DUPLICATES = 36
DUPLICATES_PER_STRATUM = 2
MOST_RARE_DUPLICATES = 8
_QUARTERS = 4


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """What one pass saw."""

    sizes: Counter[int]
    min_cosines: CosineHistogram
    mean_cosines: CosineHistogram
    duplicate_cosines: CosineHistogram
    sets: list[Drawn[ImageSet]]
    duplicates: list[Drawn[Duplicate]]
    set_aside: set[str]
    """The keys of all duplicates."""


def read_groups(run: RunFolder, related: float | None, duplicate: float | None) -> Groups:
    """Read ``sets.jsonl`` and ``duplicates.jsonl`` once. The band is [related, duplicate), if known."""
    low, high = related if related is not None else 0.0, duplicate if duplicate is not None else 1.0
    sizes: Counter[int] = Counter()
    min_cosines = CosineHistogram("weakest pair of a set", "all sets")
    mean_cosines = CosineHistogram("mean over a set's pairs", "all sets")
    sets: StratifiedDraw[ImageSet] = StratifiedDraw(EVEN_SETS, SETS_PER_STRATUM)
    quarter_width = max(high - low, 1e-6) / _QUARTERS
    for each in run.sets():
        sizes[len(each.keys)] += 1
        min_cosines.add(each.min_cosine_similarity)
        mean_cosines.add(each.mean_cosine_similarity)
        quarter = int((each.min_cosine_similarity - low) / quarter_width)
        sets.offer(each.id, (quarter, len(each.keys)), each)
    duplicates: StratifiedDraw[Duplicate] = StratifiedDraw(EVEN_DUPLICATES, DUPLICATES_PER_STRATUM)
    duplicate_cosines = CosineHistogram("duplicate and the image that stays", "all duplicates")
    set_aside: set[str] = set()
    for copy in run.duplicates():
        set_aside.add(copy.key)
        duplicate_cosines.add(copy.cosine_similarity)
        # The surest copies and those just over the bound are both worth a look.
        nearness = "same bytes" if copy.reason == "same bytes" else f"{copy.cosine_similarity:.2f}"
        duplicates.offer(copy.key, nearness, copy)
    largest = max(sizes, default=1)
    return Groups(
        sizes=sizes,
        min_cosines=min_cosines,
        mean_cosines=mean_cosines,
        duplicate_cosines=duplicate_cosines,
        sets=sets.taken(MOST_SET_PICTURES // largest, min(MOST_RARE_SETS, MOST_SET_PICTURES // largest // 3)),
        duplicates=duplicates.taken(at_most_rare=MOST_RARE_DUPLICATES),
        set_aside=set_aside,
    )
