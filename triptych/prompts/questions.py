"""What a checker is asked about a statement, and what its answer means.

Comes in: a language, a statement, what it calls the image. Goes out: the words to ask; of an answer one of
yes, no and unclear. Not its job: cutting captions into statements (see statements).
"""

from __future__ import annotations

import functools
import hashlib
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Literal

import msgspec

from triptych.prompts.fields import harmless

Word = Literal["yes", "no", "unclear"]

ASKED_IN = ("en", "zh")
"""Languages with a question of their own; about captions in others is asked in the first."""


_SPACE_IN_TOKENS = " \n\t▁Ġ"
"""As it is, and as vocabularies write it."""


class CheckPrompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question about one statement and one image."""

    version: int
    text: str
    """With ``{statement}`` and ``{name}``."""
    this_image: str
    """What an image is called where the statement has no name for it."""
    answers: dict[Word, tuple[str, ...]]
    """How answers begin, in small letters."""

    @property
    def sha256(self) -> str:
        """The hash of the text and of how its answers are read, in hex."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    def asked(self, statement: str, name: str = "") -> str:
        """The words to ask. ``name`` is what the statement calls the image."""
        words = self.text.strip().replace("{name}", name or self.this_image)
        return words.replace("{statement}", harmless(statement))

    def word(self, answer: str) -> Word | None:
        """What an answer says; None where it says none of the three.

        >>> check_prompt("en").word("No. The dog is brown.")
        'no'
        >>> check_prompt("en").word("Not visible.") is None
        True
        """
        begins = answer.strip().lstrip("*\"'“‘「 ").lower()
        found = [
            (len(start), word)
            for word, starts in self.answers.items()
            for start in starts
            if begins.startswith(start) and not _goes_on(begins, len(start))
        ]
        return max(found)[1] if found else None

    def yes_probability(self, first_tokens: Mapping[str, float]) -> float | None:
        """Of an answer, from the probabilities of its first token; None where it says neither.

        >>> check_prompt("en").yes_probability({"Yes": 0.6, " no": 0.2, "The": 0.1})
        0.75
        """
        found = [(self._word_of(token), chance) for token, chance in first_tokens.items()]
        yes, no = (sum(chance for said, chance in found if said == word) for word in ("yes", "no"))
        return round(yes / (yes + no), 6) if yes + no > 0 else None

    def _word_of(self, token: str) -> Word | None:
        """What an answer says that begins with this token; None where it may be one word or another."""
        begun = token.strip(_SPACE_IN_TOKENS).lower()
        if not begun:
            return None
        if (said := self.word(begun)) is not None:
            return said
        words = {word for word, starts in self.answers.items() for start in starts if start.startswith(begun)}
        return words.pop() if len(words) == 1 else None


def _goes_on(text: str, end: int) -> bool:
    """Whether a word in Latin letters doesn't end there, as "no" doesn't in "nothing"."""
    return text[end - 1].isascii() and text[end : end + 1].isalnum()


@functools.cache
def check_prompt(language: str) -> CheckPrompt:
    """The one that ships for ``language``."""
    name = f"check_{language if language in ASKED_IN else ASKED_IN[0]}.toml"
    content = (resources.files("triptych.prompts") / name).read_text("utf-8")
    return msgspec.convert(tomllib.loads(content), CheckPrompt)
