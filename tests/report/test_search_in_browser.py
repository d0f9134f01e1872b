"""Searching cards and pictures in headless Chromium: in large view, on the map, by words and with filters."""

import shlex

import pytest

from tests.support.browser import Visit


def test_a_click_enlarges_a_picture_and_arrows_move_through_its_set(visit: Visit) -> None:
    """After the last comes the first. Each has a command to copy. Escape closes it, and the current item
    stays."""
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


def test_the_map_has_every_picture_and_highlights_those_of_a_set(visit: Visit) -> None:
    """Each is within the field, and the Enter key enlarges it."""
    page = visit.page
    urls = page.locator(".card img").evaluate_all("images => [...new Set(images.map(image => image.src))]")
    points = page.locator(".point")

    assert len(urls) == points.count()
    places = points.evaluate_all("all => all.flatMap(p => [p.style.left, p.style.top]).map(parseFloat)")
    assert 0 <= min(places) <= max(places) <= 100

    first = page.locator(".point.is-in-set").first
    first.focus()

    assert (
        page.locator(".card.set").first.locator("figure:not(.left-out)").count()
        == page.locator(".lit").count()
    )

    page.keyboard.press("Enter")

    assert first.get_attribute("title") == page.locator(".lightbox img").get_attribute("alt")


def test_a_search_shows_only_the_cards_that_contain_all_words(visit: Visit) -> None:
    """In any order and case. Other cards come back when the search is cleared."""
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


def test_filters_show_only_matching_cards(visit: Visit) -> None:
    """Any filter of a group has to match, in each group. A button shows all cards again."""
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


def test_a_line_drawn_around_pictures_on_the_map_selects_them(visit: Visit) -> None:
    """They can be opened together and their cards shown. A click with Shift deselects one."""
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
def test_a_right_click_or_a_cancelled_line_selects_nothing(visit: Visit, button: str, meanwhile: str) -> None:
    """The line disappears."""
    draw_around_all(visit, button)
    visit.page.evaluate(meanwhile)
    visit.page.mouse.up(button=button)

    assert 0 == visit.page.locator(".point.chosen").count()
    assert "" == (visit.page.locator(".lasso polygon").get_attribute("points") or "")


def draw_around_all(visit: Visit, button: str = "left") -> None:
    """Draw a line around the whole map. The button stays pressed."""
    mouse, field = visit.page.mouse, visit.page.locator(".map-field")
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    visit.page.locator(".point").first.hover()
    mouse.down(button=button)
    for across, down in [(1.02, -0.02), (1.02, 1.02), (-0.02, 1.02), (-0.02, -0.02)]:
        mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=4)


def test_on_a_phone_a_search_shows_what_it_finds_on_the_first_screen(visit: Visit) -> None:
    """From anywhere on the page; and the box stays in view."""
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#identity").scroll_into_view_if_needed()
    page.get_by_role("searchbox").fill("crab")
    page.wait_for_timeout(100)

    box = page.get_by_role("searchbox").bounding_box()
    assert 0 <= box["x"] and box["x"] + box["width"] < 390
    assert page.locator(".card:visible").first.bounding_box()["y"] < 844


def test_filters_find_captions_by_their_state(visit: Visit) -> None:
    """Kept, rejected, failed."""
    page = visit.page
    page.get_by_text("Filter the cards").click()
    page.get_by_role("group", name="filter by caption").get_by_role("button", name="failed").click()

    assert ["single a.png"] == page.locator(".card:visible figcaption .name").all_inner_texts()
