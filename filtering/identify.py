"""The language of a sentence in Latin letters; the one file that imports py3langid.

Comes in: a sentence. Goes out: whether it is English. The model is part of that package; nothing is
downloaded. Not its job: other scripts (see language).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

MOST_CHARACTERS = 400
"""Read of a sentence: enough to be sure, and a bound on the time for a text without full stops."""

IN_LATIN_LETTERS = tuple(
    "en fr de es it pt nl sv da no fi pl cs sk ro hu tr id ms vi hr sl et lv lt ca la af sw tl is ga cy"
    " sq eu gl".split()
)
"""The languages that it chooses from, in ISO 639."""


def is_english(sentence: str) -> bool:
    """Whether ``sentence`` is likelier to be English than any other language in Latin letters."""
    return _classifier()(sentence[:MOST_CHARACTERS])[0] == "en"


@functools.cache
def _classifier() -> Callable[[str], tuple[str, float]]:
    import py3langid

    py3langid.set_languages(list(IN_LATIN_LETTERS))
    return py3langid.classify  # type: ignore[no-any-return]
