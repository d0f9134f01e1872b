"""Many captions of one job at once: what screens look at instead of at each text.

Comes in: candidates. Goes out: per caption, how many units, characters of a class and cue words there
are. Not its job: which captions a rule has to look at (its screen stands beside each rule), how texts
become arrays (see text_arrays).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.candidate import Candidate
from triptych.filtering.characters import IS_HAN, IS_UNPRINTABLE, rare_classes
from triptych.filtering.cues import all_cue_words
from triptych.filtering.text_arrays import text_arrays
from triptych.filtering.vocabulary import Vocabulary, hash_of_pairs, vocabulary
from triptych.records import JobName

CHARACTERS = 512 * 1024
"""Of a block, about: a few hundred calls of numpy are then little beside its captions."""

LOOK = np.nan
"""In a screen's scores: the rule has to look at this caption."""

Look = Callable[["Block"], NDArray[np.bool_]]
"""Says something of each caption of a block."""


class Block:
    """``n`` candidates of one job, at least one."""

    def __init__(self, candidates: Sequence[Candidate], vocabulary: Vocabulary) -> None:
        self.texts = [each.text for each in candidates]
        self.job, self.language, self.is_multi = (
            candidates[0].job,
            candidates[0].language,
            candidates[0].is_multi,
        )
        self.finish_reasons = [each.finish_reason for each in candidates]
        self.arrays, self.is_odd = text_arrays(self.texts)
        """``is_odd``, ``bool[n]``: every rule looks at these, whatever the arrays say."""
        self.unit_counts = self.arrays.unit_counts
        self.image_counts = np.fromiter((each.image_count for each in candidates), np.int64, len(self))
        self._vocabulary = vocabulary
        self._counts: dict[frozenset[str], NDArray[np.int64]] = {}
        self._flags: dict[Look, NDArray[np.bool_]] = {}
        self.is_unprintable = self.has(IS_UNPRINTABLE)
        for at, (candidate, is_odd) in enumerate(zip(candidates, self.is_odd.tolist(), strict=True)):
            if not is_odd:
                candidate.block, candidate.place = self, at

    def __len__(self) -> int:
        return len(self.texts)

    @functools.cached_property
    def captions(self) -> NDArray[np.int64]:
        """Of each unit, which caption it is in."""
        return np.repeat(np.arange(len(self)), self.unit_counts)

    @functools.cached_property
    def _found(self) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        """The units of the block that are cue words or counted words; and which word each is."""
        return self._vocabulary.find(self.arrays.hashes)

    def units_among(self, words: frozenset[str]) -> NDArray[np.int64]:
        """The places in the arrays of the units that are among ``words``, which are counted words."""
        places, found = self._found
        return places[self._vocabulary.mask(words)[found]]

    @functools.cached_property
    def _words(self) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        """Of each cue word and counted word in the block, the caption that it is in; and which word it is."""
        hashes, captions = self.arrays.hashes, self.captions
        places, words = self._found
        may_have_pairs = self.has(IS_HAN)[captions]
        hashes, of_pairs = hashes[may_have_pairs], captions[may_have_pairs]
        firsts, pairs = self._vocabulary.find(hash_of_pairs(hashes[:-1], hashes[1:]))
        return np.concatenate([captions[places], of_pairs[firsts]]), np.concatenate([words, pairs])

    @functools.cached_property
    def _cues(self) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        """The same of cue words alone, which are far fewer."""
        captions, words = self._words
        is_cue = self._vocabulary.is_cue(words)
        return captions[is_cue], words[is_cue]

    def count(self, words: frozenset[str]) -> NDArray[np.int64]:
        """``int64[n]``: how many units are among ``words``, which are cue words or counted words."""
        counts = self._counts.get(words)
        if counts is None:
            captions, found = self._cues if words <= all_cue_words() else self._words
            counts = np.bincount(captions[self._vocabulary.mask(words)[found]], minlength=len(self))
            self._counts[words] = counts
        return counts

    def has(self, kind: np.uint32) -> NDArray[np.bool_]:
        """``bool[n]``: which captions have a character of one of these classes."""
        found: NDArray[np.bool_] = self.arrays.classes & kind != 0
        return found

    def once(self, look: Look) -> NDArray[np.bool_]:
        """``bool[n]``: what ``look`` says of the captions, who is asked once."""
        flags = self._flags.get(look)
        if flags is None:
            flags = self._flags[look] = look(self)
        return flags

    def has_any(self, needle: str) -> NDArray[np.bool_]:
        """``bool[n]``: which texts have ``needle``, such as hardly any text has."""
        if needle not in self._joined:
            return np.zeros(len(self), np.bool_)
        return np.fromiter((needle in text for text in self.texts), np.bool_, len(self))

    @functools.cached_property
    def _joined(self) -> str:
        return "\n".join(self.texts)

    def has_at(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """``bool[n]``: which captions these characters are in."""
        return np.diff(np.searchsorted(places, self.arrays.begins)) > 0

    @functools.cached_property
    def has_run_of_four(self) -> NDArray[np.bool_]:
        """``bool[n]``: which captions have one character four times in a row."""
        codes = self.arrays.codes
        same = codes[1:] == codes[:-1]
        return self.has_at(np.flatnonzero(same[:-2] & same[1:-1] & same[2:]))

    def places_of(self, kind: np.uint32) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where characters of one of these classes are in the arrays, in order, and in which caption each.

        Not for common classes.
        """
        places, captions, classes = self._rare_characters
        is_kind = classes & kind != 0
        return places[is_kind], captions[is_kind]

    @functools.cached_property
    def _rare_characters(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32]]:
        classes = self.arrays.character_classes
        places = np.flatnonzero(classes & rare_classes() != 0)
        captions = np.searchsorted(self.arrays.begins, places, side="right") - 1
        return places, captions, classes[places]

    def sum_characters(self, is_counted: NDArray[np.bool_]) -> NDArray[np.int64]:
        """``int64[n]``: how many characters of each caption are counted, given for each."""
        return np.add.reduceat(is_counted, self.arrays.begins[:-1], dtype=np.int64)

    def cue_words_of(self, at: int) -> AbstractSet[str]:
        """Of a caption, the different cue words."""
        begins, words = self._cues_by_caption
        names = self._vocabulary.words
        return {names[word] for word in words[begins[at] : begins[at + 1]]}

    @functools.cached_property
    def _cues_by_caption(self) -> tuple[list[int], list[int]]:
        captions, words = self._cues
        order = captions.argsort(kind="stable")
        return np.searchsorted(captions[order], np.arange(len(self) + 1)).tolist(), words[order].tolist()


def says(look: Look, candidate: Candidate) -> bool:
    """What ``look`` says of one caption, from its block or from one of its own."""
    block = candidate.block or Block([candidate], vocabulary())
    return bool(block.once(look)[candidate.place])


def look_where(look: NDArray[np.bool_], otherwise: float = 0.0) -> NDArray[np.float64]:
    """Scores of a screen that knows nothing but which captions have to be looked at."""
    return np.where(look, LOOK, otherwise)


def chunks_of(candidates: Sequence[Candidate]) -> Iterator[list[int]]:
    """The places of ``candidates``, a group for each block: of one job, CHARACTERS or one longer text."""
    places: dict[JobName, list[int]] = {}
    characters: dict[JobName, int] = {}
    for at, candidate in enumerate(candidates):
        chunk = places.setdefault(candidate.job, [])
        size = characters.get(candidate.job, 0) + len(candidate.text) + 1
        if chunk and size > CHARACTERS:
            yield chunk
            places[candidate.job], size = [at], len(candidate.text) + 1
        else:
            chunk.append(at)
        characters[candidate.job] = size
    yield from places.values()
