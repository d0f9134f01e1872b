"""The question that a checker is asked about a statement, and how its answers are read.

Comes in: a language, a statement, its name for the image; an answer. Goes out: the question; yes, no or
unclear. Not its job: cutting captions into statements (see statements).
"""

from __future__ import annotations

import functools
import hashlib
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Literal

import msgspec

from triptych.prompts.fields import sanitize

Answer = Literal["yes", "no", "unclear"]

ASKED_IN = ("en", "zh")
"""Languages that have a question; for captions in other languages it is the first one's."""

_TOKEN_SPACES = " \n\t▁Ġ"
"""White space in tokens: as it is, and as vocabularies spell it."""


class CheckPrompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question about one statement and one image."""

    version: int
    text: str
    """The question, with ``{statement}`` and ``{name}``."""
    this_image: str
    """The name of the image if the statement doesn't name it."""
    answers: dict[Answer, tuple[str, ...]]
    """How answers begin, in lower case."""

    @property
    def sha256(self) -> str:
        """The hash of the text and of how its answers are read, in hex."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    def question(self, statement: str, name: str = "") -> str:
        """The question about ``statement``, which calls the image ``name``."""
        text = self.text.strip().replace("{name}", name or self.this_image)
        return text.replace("{statement}", sanitize(statement))

    def parse_answer(self, text: str) -> Answer | None:
        """The answer that ``text`` gives; None if it is none of the three.

        >>> check_prompt("en").parse_answer("No. The dog is brown.")
        'no'
        >>> check_prompt("en").parse_answer("Not visible.") is None
        True
        """
        text = text.strip().lstrip("*\"'“‘「 ").lower()
        matches = [
            (len(start), answer)
            for answer, starts in self.answers.items()
            for start in starts
            if text.startswith(start) and not _is_within_word(text, len(start))
        ]
        return max(matches)[1] if matches else None

    def yes_probability(self, first_tokens: Mapping[str, float]) -> float | None:
        """The probability of yes against no, from those of an answer's first token; None if it is neither.

        >>> check_prompt("en").yes_probability({"Yes": 0.6, " no": 0.2, "The": 0.1})
        0.75
        """
        answers = [(self._answer_of(token), chance) for token, chance in first_tokens.items()]
        yes, no = (sum(chance for answer, chance in answers if answer == word) for word in ("yes", "no"))
        return round(yes / (yes + no), 6) if yes + no > 0 else None

    def _answer_of(self, token: str) -> Answer | None:
        """The answer that begins with this token; None if that is ambiguous."""
        begun = token.strip(_TOKEN_SPACES).lower()
        if not begun:
            return None
        if (answer := self.parse_answer(begun)) is not None:
            return answer
        possible = {
            answer for answer, starts in self.answers.items() for start in starts if start.startswith(begun)
        }
        return possible.pop() if len(possible) == 1 else None


def _is_within_word(text: str, end: int) -> bool:
    """Whether a word in Latin letters continues at ``end``, as "no" does in "nothing"."""
    return text[end - 1].isascii() and text[end : end + 1].isalnum()


@functools.cache
def check_prompt(language: str) -> CheckPrompt:
    """The built-in prompt for captions in ``language``."""
    name = f"check_{language if language in ASKED_IN else ASKED_IN[0]}.toml"
    content = (resources.files("triptych.prompts") / name).read_text("utf-8")
    return msgspec.convert(tomllib.loads(content), CheckPrompt)
