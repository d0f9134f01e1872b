"""Which items are shown."""

import random

from triptych.report.sampling import Draw, StratifiedDraw

IDS = [f"sa_{number // 1000:06d}/sa_{number}.jpg" for number in range(20_000)]


def draw(identifiers: list[str], count: int = 400) -> list[str]:
    drawn: Draw[str] = Draw(count)
    for identifier in identifiers:
        drawn.offer(identifier, identifier)
    return drawn.taken()


def test_the_same_items_are_drawn_in_whatever_order_they_come() -> None:
    """Shards may be read in any order."""
    shuffled = random.Random(1).sample(IDS, len(IDS))

    assert draw(IDS) == draw(shuffled)


def test_the_draw_is_even() -> None:
    """Each tenth of the corpus gets about a tenth of the places: 40 of 400, standard deviation 6."""
    tenths = [0] * 10
    for identifier in draw(IDS):
        tenths[IDS.index(identifier) * 10 // len(IDS)] += 1

    assert 400 == sum(tenths)
    assert all(40 - 4 * 6 < tenth < 40 + 4 * 6 for tenth in tenths), tenths


def test_a_smaller_draw_begins_a_larger_one() -> None:
    """So a review that stops half way has seen an even sample too."""
    assert draw(IDS, 50) == draw(IDS, 400)[:50]


def test_fewer_than_asked_are_all_taken() -> None:
    """A small run is shown whole."""
    assert sorted(IDS[:7]) == sorted(draw(IDS[:7]))


def test_a_rare_stratum_is_added_and_marked() -> None:
    """Two in 20,000 would hardly come up evenly."""
    drawn: StratifiedDraw[str] = StratifiedDraw(20, 1)
    for number, identifier in enumerate(IDS):
        drawn.offer(identifier, "rare" if number in (11, 17_000) else "common", identifier)
    taken = drawn.taken()

    assert 20 == sum(how == "even" for _, how in taken)
    assert 1 == sum(how == "rare" and item in (IDS[11], IDS[17_000]) for item, how in taken)


def test_a_stratum_that_came_up_evenly_is_not_added_again() -> None:
    """No item is shown twice."""
    drawn: StratifiedDraw[str] = StratifiedDraw(20, 5)
    for identifier in IDS[:30]:
        drawn.offer(identifier, "all", identifier)

    assert 20 == len({item for item, _ in drawn.taken()}) == len(drawn.taken())
