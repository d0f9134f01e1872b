"""The grounding rank as a score."""

from triptych.filtering.caption import CaptionText
from triptych.filtering.rules.ungrounded import UNGROUNDED, grounding_rank
from triptych.languages import language_of


def test_the_rank_is_the_score() -> None:
    """0 where it wasn't measured."""
    english = language_of("en")

    assert 0.4 == grounding_rank(CaptionText("A dog.", english, grounding_rank=0.4))
    assert 0.0 == grounding_rank(CaptionText("A dog.", english))


def test_a_set_may_rank_higher() -> None:
    """Each phrase is compared with each image that it names."""
    english = language_of("en")

    assert (0.34, 0.55) == tuple(UNGROUNDED.threshold_of(subject, english) for subject in ("image", "set"))
