"""Captions that say exactly what an earlier caption of the job says.

Comes in: the captions of one job, in export order. Goes out: whether each is a repetition of an
earlier one. Not its job: captions that say nearly the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


class ExactDuplicates:
    """Remembers what the captions of one job said: 16 bytes of each different text."""

    def __init__(self) -> None:
        self._said: set[bytes] = set()
        self._kept: set[bytes] = set()

    def said_before(self, units: Sequence[str], *, dropped: bool) -> bool:
        """Whether an earlier caption has these ``units``, and remember them.

        Equal in words and characters is equal: case, punctuation and spacing don't count. A caption
        that no other rule drops only counts as a duplicate of one that is kept, so that of several
        equal captions one always stays. A text without any unit has nothing to repeat.
        """
        if not units:
            return False
        key = hashlib.blake2b(" ".join(units).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        before = key in (self._said if dropped else self._kept)
        self._said.add(key)
        if not dropped:
            self._kept.add(key)
        return before
