"""The page in headless Chromium, opened from its file."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.conftest import BREAKS_OUT, CLOSES_SCRIPT, DEGREES, Shown
from triptych.report.identity import report_id
from triptych.report.precision import precisions, read_verdicts

Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `make setup`")

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")


def find_chromium() -> str | None:
    """$TRIPTYCH_CHROMIUM, else the first of the usual names on the path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("TRIPTYCH_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    """One Chromium for the tests of this file."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium: install it (apt-get install chromium) or set TRIPTYCH_CHROMIUM to one")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield opened
        opened.close()


class Visit:
    """One open page, and everything that went wrong or out."""

    def __init__(self, browser: sync_api.Browser, path: Path, **options: object) -> None:
        self.context = browser.new_context(viewport={"width": 1440, "height": 900}, **options)
        self.page = self.context.new_page()
        self.trouble: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.trouble.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())


@pytest.fixture
def visit(browser: sync_api.Browser, nasty_run: Shown) -> Iterator[Visit]:
    """The nasty run's page, in a browser that knows nothing of it yet."""
    opened = Visit(browser, nasty_run.written.path)
    yield opened
    opened.context.close()


def test_the_page_opens_without_a_request_or_an_error(visit: Visit, nasty_run: Shown) -> None:
    """The file itself is all that is read."""
    visit.page.wait_for_load_state("networkidle")

    assert [] == visit.trouble
    assert [nasty_run.written.path.as_uri()] == [url for url in visit.requests if not url.startswith("data:")]


def test_every_picture_is_shown(visit: Visit) -> None:
    """Decoded, with pixels."""
    widths = visit.page.eval_on_selector_all(
        "main img", "images => Promise.all(images.map(i => i.decode().then(() => i.naturalWidth)))"
    )

    assert len(DEGREES) <= len(widths)
    assert 0 < min(widths)


def test_captions_and_names_are_text_and_nothing_more(visit: Visit) -> None:
    """No element, no script, no handler of theirs is in the document."""
    page = visit.page

    assert BREAKS_OUT == page.locator(".set .caption .text").first.evaluate("node => node.textContent")
    assert 0 < page.get_by_text(CLOSES_SCRIPT, exact=True).count()
    assert (None, 2, 0, 0) == (
        page.evaluate("window.broken ?? null"),
        page.evaluate("document.scripts.length"),
        page.locator("[onclick], [onerror]").count(),
        page.locator("img[src=x]").count(),
    )


def test_the_sums_of_the_funnel_are_written_out_and_close(visit: Visit) -> None:
    """Images and the four jobs."""
    sums = visit.page.locator("#funnel .equation").all_inner_texts()

    assert "8 found = 3 in sets + 3 single + 1 duplicates + 1 unreadableadds up" == sums[0]
    assert "6 planned = 5 kept + 0 rejected + 1 failedadds up" == sums[2]
    assert 5 == len(sums) == visit.page.locator("#funnel .closes").count()


def test_the_keyboard_judges_and_the_browser_remembers(visit: Visit) -> None:
    """g and b judge and go on, arrows and j and k move, u takes back."""
    page = visit.page
    for key in ("j", "g", "b", "ArrowRight", "b", "ArrowLeft", "u", "k", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    page.reload()

    assert ["set", "multi_en"] == [row["kind"] for row in downloaded(page)]
    assert [True, False] == [row["good"] for row in downloaded(page)]
    assert "1 good 1 bad" == page.locator(".tally").inner_text()
    assert 1 == page.locator(".unit.is-good").count() == page.locator(".unit.is-bad").count()


def test_downloaded_verdicts_become_a_precision(visit: Visit, nasty_run: Shown, tmp_path: Path) -> None:
    """The way from a key to an interval."""
    for key in "jggggggb":
        visit.page.keyboard.press(key)
    path = tmp_path / "verdicts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in downloaded(visit.page)), "utf-8")
    found = precisions(read_verdicts(path, report_id(nasty_run.run)))

    assert {"set": (1, 1), "multi_en": (1, 1)} == {p.kind: (p.good, p.judged) for p in found[:2]}
    assert 7 == sum(p.judged for p in found)
    assert 6 == sum(p.good for p in found)


def test_a_click_judges_too(visit: Visit) -> None:
    """There is no keyboard on a phone."""
    visit.page.locator(".card.set > header .judge.bad").click()

    assert [("set", False)] == [(row["kind"], row["good"]) for row in downloaded(visit.page)]


def test_a_threshold_can_be_moved_both_ways(visit: Visit) -> None:
    """Of single_en, one caption of 4 words is caught, and stays rejected by another rule; five have 15."""
    slider = visit.page.get_by_label("too short, Single English: another threshold")
    effect = visit.page.locator(".curve", has=slider).locator(".effect")

    assert "10 as set: 1 caught, 0 by no other rule" == effect.inner_text()

    slider.fill("-6")

    assert "4: 0 caught, the same captions kept" == effect.inner_text()

    slider.fill("6")

    assert "16: 6 caught, 5 more captions rejected" == effect.inner_text()


def test_pictures_are_on_the_first_screen(visit: Visit) -> None:
    """Before anybody scrolls; a click leads to the set's card."""
    first = visit.page.locator(".contact img").first

    assert visit.page.viewport_size["height"] > first.bounding_box()["y"] + first.bounding_box()["height"]

    visit.page.locator(".contact").first.click()
    card = visit.page.locator(".card:target")

    assert 1 == card.count()
    assert card.locator("img").first.get_attribute("src") == first.get_attribute("src")


def test_a_picture_opens_large_and_arrows_go_through_its_set(visit: Visit) -> None:
    """Around to the first again; Escape closes; the review stays where it was."""
    page = visit.page
    pictures = page.locator(".card.set").first.locator("img")
    names = pictures.evaluate_all("images => images.map(image => image.alt)")
    shown = page.locator(".lightbox img")
    pictures.first.click()
    where = page.locator(".where").inner_text()
    seen = [shown.get_attribute("alt")]
    for _ in names:
        page.keyboard.press("ArrowRight")
        seen.append(shown.get_attribute("alt"))

    assert [*names, names[0]] == seen
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


def test_the_address_of_a_card_leads_to_it(browser: sync_api.Browser, nasty_run: Shown) -> None:
    """Whatever characters its name holds."""
    visit = Visit(browser, nasty_run.written.path)
    try:
        ids = visit.page.eval_on_selector_all(".card[id]", "cards => cards.map(card => card.id)")
        last = visit.page.locator(".card.rejected a.ordinal").last.get_attribute("href")
        visit.page.goto(nasty_run.written.path.as_uri() + last)
        visit.page.reload()

        assert len(ids) == len(set(ids))
        assert visit.page.locator(".card.rejected").last.bounding_box()["y"] < 900
    finally:
        visit.context.close()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable(browser: sync_api.Browser, nasty_run: Shown, width: int, scheme: str) -> None:
    """Nothing is wider than the window; text is large enough and stands out from what is behind it."""
    visit = Visit(browser, nasty_run.written.path, color_scheme=scheme)
    try:
        visit.page.set_viewport_size({"width": width, "height": 844})

        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        assert 14 <= visit.page.evaluate(
            "parseFloat(getComputedStyle(document.querySelector('.text')).fontSize)"
        )

        for selector in (
            ".text",
            ".facts",
            ".equation",
            ".breakdowns",
            ".section-head p",
            ".notice, .effect",
        ):
            assert 4.5 <= contrast(visit.page, selector), selector
    finally:
        visit.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_a_screen_reader_would_miss(
    browser: sync_api.Browser, nasty_run: Shown, scheme: str
) -> None:
    """Contrast, labels, landmarks, tables: all rules of axe-core, which is put in past the policy."""
    visit = Visit(browser, nasty_run.written.path, color_scheme=scheme, bypass_csp=True)
    try:
        found = Axe().run(visit.page).response["violations"]
    finally:
        visit.context.close()

    assert [] == [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found]


def test_the_switch_overrides_the_systems_colours(browser: sync_api.Browser, nasty_run: Shown) -> None:
    """And is remembered."""
    visit = Visit(browser, nasty_run.written.path, color_scheme="light")
    try:
        background = "getComputedStyle(document.body).backgroundColor"
        light = visit.page.evaluate(background)
        visit.page.get_by_role("button", name="dark").click()
        dark = visit.page.evaluate(background)
        visit.page.reload()

        assert light != dark
        assert dark == visit.page.evaluate(background)
    finally:
        visit.context.close()


def downloaded(page: sync_api.Page) -> list[dict]:
    """What the button hands out."""
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download").click()
    return [json.loads(line) for line in Path(caught.value.path()).read_text("utf-8").splitlines()]


def contrast(page: sync_api.Page, selector: str) -> float:
    """WCAG's ratio of an element's text to what is painted behind it, both as the browser has them."""
    return page.locator(selector).first.evaluate("""node => {
      const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
      const rgb = colour => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
      };
      let behind = node;
      while (behind && rgb(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
      const luminance = colour => rgb(colour).slice(0, 3).map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
      const a = luminance(getComputedStyle(node).color);
      const b = luminance(getComputedStyle(behind).backgroundColor);
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }""")
