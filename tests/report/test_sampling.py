"""How items are drawn."""

import random
from collections import Counter

from triptych.report.sampling import Draw, SpreadDraw, StratifiedDraw

IDS = [f"sa_{number // 1000:06d}/sa_{number}.jpg" for number in range(20_000)]


def draw(identifiers: list[str], count: int = 400) -> list[str]:
    drawn: Draw[str] = Draw(count)
    for identifier in identifiers:
        drawn.offer(identifier, identifier)
    return drawn.taken()


def test_the_same_items_are_drawn_whatever_their_order() -> None:
    """Shards may be read in any order."""
    shuffled = random.Random(1).sample(IDS, len(IDS))

    assert draw(IDS) == draw(shuffled)


def test_the_draw_is_even() -> None:
    """About a tenth of the items come from each tenth of the corpus: 40 of 400, with a standard deviation of
    6."""
    tenths = [0] * 10
    for identifier in draw(IDS):
        tenths[IDS.index(identifier) * 10 // len(IDS)] += 1

    assert 400 == sum(tenths)
    assert all(40 - 4 * 6 < tenth < 40 + 4 * 6 for tenth in tenths), tenths


def test_a_larger_draw_starts_with_a_smaller_one() -> None:
    """So a review that stops half way has an even sample, too."""
    assert draw(IDS, 50) == draw(IDS, 400)[:50]


def test_if_there_are_fewer_items_than_requested_all_are_drawn() -> None:
    """A small run is shown completely."""
    assert sorted(IDS[:7]) == sorted(draw(IDS[:7]))


def test_items_of_a_rare_stratum_are_added_and_marked() -> None:
    """An even draw would rarely include 2 of 20,000."""
    drawn: StratifiedDraw[str] = StratifiedDraw(20, 1)
    for number, identifier in enumerate(IDS):
        drawn.offer(identifier, "rare" if number in (11, 17_000) else "common", identifier)
    taken = drawn.taken()

    assert 20 == sum(how == "even" for _, how in taken)
    assert 1 == sum(how == "rare" and item in (IDS[11], IDS[17_000]) for item, how in taken)


def test_items_of_a_stratum_in_the_even_draw_are_not_added() -> None:
    """No item is shown twice."""
    drawn: StratifiedDraw[str] = StratifiedDraw(20, 5)
    for identifier in IDS[:30]:
        drawn.offer(identifier, "all", identifier)

    assert 20 == len({item for item, _ in drawn.taken()}) == len(drawn.taken())


def spread(count: int, identifiers: list[str], at_most: int | None = None) -> list[str]:
    """A stratified draw: a tenth of the items are large, a thousandth are huge, and all others are small."""
    drawn: SpreadDraw[str] = SpreadDraw(count)
    for number, identifier in enumerate(identifiers):
        size = "huge" if number % 1000 == 1 else "large" if number % 10 == 0 else "small"
        drawn.offer(identifier, size, f"{size} {identifier}")
    return drawn.taken(at_most)


def test_each_stratum_has_its_share_of_the_draw() -> None:
    """To within one item. If its share is less than one item, it has one in that share of all draws."""
    sizes = Counter(item.partition(" ")[0] for item in spread(100, IDS))
    huge = [
        sum(item.startswith("huge") for item in spread(100, IDS[:end])) for end in range(10_000, 20_000, 100)
    ]

    assert (100, True, True) == (sizes.total(), sizes["large"] in (9, 10, 11), sizes["huge"] in (0, 1))
    assert {0, 1} == set(huge)
    assert 2 <= sum(huge) <= 20  # 10 of 100 are expected


def test_within_a_stratum_the_smallest_hashes_are_drawn_and_the_order_is_by_hash() -> None:
    """So the first items of a review are an even sample of all strata."""
    taken = spread(100, IDS)
    large = [item.partition(" ")[2] for item in taken if item.startswith("large")]

    assert large == draw(IDS[::10], len(large))
    ids = [item.partition(" ")[2] for item in taken]
    assert ids == draw(ids)
    assert 40 == len(spread(100, IDS, 40))
    assert 3 == len(spread(100, IDS[:3])) and [] == spread(100, [])


def test_items_without_a_stratum_are_left_out_of_the_even_draw() -> None:
    """They may still be drawn because their kind is rare."""
    drawn: StratifiedDraw[str] = StratifiedDraw(20, 1)
    for number, identifier in enumerate(IDS[:100]):
        drawn.offer(identifier, number == 7, identifier, None if number == 7 else 0)

    assert [(IDS[7], "rare")] == [pair for pair in drawn.taken() if pair[0] == IDS[7]]
