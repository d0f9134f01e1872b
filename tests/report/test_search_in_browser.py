"""Finding cards and pictures in headless Chromium: large, on the map, by words and by chips."""

import shlex

import pytest

from tests.support.browser import Visit


def test_a_picture_opens_large_and_arrows_go_through_its_set(visit: Visit) -> None:
    """Around to the first again, each with a line to type; Escape closes; the review stays where it was."""
    page = visit.page
    pictures = page.locator(".card.set").first.locator("img")
    names = pictures.evaluate_all("images => images.map(image => image.alt)")
    shown = page.locator(".lightbox img")
    pictures.first.click()
    where = page.locator(".where").inner_text()
    command = page.locator(".lightbox code")
    seen = [shown.get_attribute("alt")]
    typed = [command.inner_text()]
    for _ in names:
        page.keyboard.press("ArrowRight")
        seen.append(shown.get_attribute("alt"))
        typed.append(command.inner_text())

    assert [*names, names[0]] == seen
    assert [["triptych", "explain", "run", name] for name in seen] == [shlex.split(line) for line in typed]
    assert shown.bounding_box()["height"] > 2 * pictures.first.bounding_box()["height"]

    page.keyboard.press("Escape")

    assert not shown.is_visible()
    assert where == page.locator(".where").inner_text()


def test_the_map_holds_every_picture_and_lights_up_those_of_a_set(visit: Visit) -> None:
    """Each somewhere within the field; a key on one opens it."""
    page = visit.page
    urls = page.locator(".card img").evaluate_all("images => [...new Set(images.map(image => image.src))]")
    points = page.locator(".point")

    assert len(urls) == points.count()
    places = points.evaluate_all("all => all.flatMap(p => [p.style.left, p.style.top]).map(parseFloat)")
    assert 0 <= min(places) <= max(places) <= 100

    first = page.locator(".point.in-set").first
    first.focus()

    assert (
        page.locator(".card.set").first.locator("figure:not(.left-out)").count()
        == page.locator(".lit").count()
    )

    page.keyboard.press("Enter")

    assert first.get_attribute("title") == page.locator(".lightbox img").get_attribute("alt")


def test_search_leaves_the_cards_that_say_it(visit: Visit) -> None:
    """All words, in any order and case; what is hidden is passed over by the review, and comes back."""
    page = visit.page
    everything = page.locator(".card:visible").count()
    page.keyboard.press("/")
    page.keyboard.type("NOTHING says this")

    assert 0 == page.locator(".card:visible").count()
    assert f"0 of {everything} cards" == page.locator(".search output").inner_text()

    page.get_by_role("searchbox").fill("")

    assert everything == page.locator(".card:visible").count()

    single = page.locator(".card.single .name").first.inner_text()
    page.get_by_role("searchbox").fill(single)
    found = page.locator(".card:visible")

    assert 0 < found.count() < everything
    assert all(single in text for text in found.all_inner_texts())


def test_chips_filter_cards(visit: Visit) -> None:
    """Of one group any, of several groups all; and everything comes back."""
    page = visit.page
    everything = page.locator(".card:visible").count()
    page.get_by_text("Filter the cards").click()
    jobs = page.get_by_role("group", name="filter by job")
    jobs.get_by_role("button", name="Multi Chinese").click()

    assert {"set", "rejected"} == set(
        page.locator(".card:visible").evaluate_all("cards => cards.map(card => card.classList[1])")
    )

    page.get_by_role("group", name="filter by rule").get_by_role("button", name="exact duplicate").click()

    assert 0 == page.locator(".card:visible").count()
    assert page.locator(".filters output").inner_text().startswith("0 of ")

    jobs.get_by_role("button", name="Multi Chinese").click()
    shown = page.locator(".card:visible").all_inner_texts()

    assert 0 < len(shown) < everything
    assert all("exact duplicate" in text for text in shown)

    page.get_by_role("button", name="Show all").click()

    assert everything == page.locator(".card:visible").count()


def test_a_line_around_pictures_of_the_map_chooses_them(visit: Visit) -> None:
    """They open together, and their cards are shown; a click with shift takes one out again."""
    page = visit.page
    draw_around_all(visit)
    page.mouse.up()
    chosen = page.locator(".point.chosen").count()

    assert not page.locator(".lightbox").is_visible()
    assert 3 <= chosen
    assert f"{chosen} pictures chosen" == page.locator(".map-bar output").inner_text()

    page.locator(".point.chosen").first.click(modifiers=["Shift"])

    assert chosen - 1 == page.locator(".point.chosen").count()

    names = page.locator(".point.chosen").evaluate_all("points => points.map(point => point.title)")
    page.get_by_role("button", name="Open").click()

    assert names[0] == page.locator(".lightbox img").get_attribute("alt")
    assert f"1 of {len(names)}" in page.locator(".lightbox figcaption").inner_text()

    page.keyboard.press("Escape")
    page.get_by_role("button", name="Show their cards").click()
    shown = page.locator(".card:visible").all_inner_texts()

    assert shown
    assert all(any(name in text for name in names) for text in shown)
    assert page.locator(".map-field").is_visible()

    page.get_by_text("Filter the cards").click()
    page.get_by_role("button", name="Show all").click()

    assert 0 == page.locator(".point.chosen").count()
    assert not page.locator(".map-bar").is_visible()


@pytest.mark.parametrize(
    ("button", "meanwhile"),
    [("right", ""), ("left", "window.dispatchEvent(new PointerEvent('pointercancel'))")],
)
def test_a_right_click_and_a_broken_off_line_choose_nothing(
    visit: Visit, button: str, meanwhile: str
) -> None:
    """The line is gone as well."""
    draw_around_all(visit, button)
    visit.page.evaluate(meanwhile)
    visit.page.mouse.up(button=button)

    assert 0 == visit.page.locator(".point.chosen").count()
    assert "" == (visit.page.locator(".lasso polygon").get_attribute("points") or "")


def draw_around_all(visit: Visit, button: str = "left") -> None:
    """Around the field of the map; the button stays down."""
    mouse, field = visit.page.mouse, visit.page.locator(".map-field")
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    visit.page.locator(".point").first.hover()
    mouse.down(button=button)
    for across, down in [(1.02, -0.02), (1.02, 1.02), (-0.02, 1.02), (-0.02, -0.02)]:
        mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=4)
