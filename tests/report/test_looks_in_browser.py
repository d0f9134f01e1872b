"""The page is accessible, in headless Chromium: sizes, contrast, both colour schemes, axe-core."""

import pytest

from tests.report.conftest import Shown
from tests.support.browser import Visit

Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: `make setup`")


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_the_window_and_its_text_is_readable(
    browser: sync_api.Browser, nasty_run: Shown, width: int, scheme: str
) -> None:
    """The text is large enough and has enough contrast with its background."""
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


@pytest.mark.parametrize("width", [390, 1024, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_accessibility_problem(
    browser: sync_api.Browser, nasty_run: Shown, width: int, scheme: str
) -> None:
    """All its rules run: contrast, labels, landmarks, tables, scrollable texts. The page's policy is bypassed
    to load it."""
    visit = Visit(browser, nasty_run.written.path, color_scheme=scheme, bypass_csp=True)
    try:
        visit.page.set_viewport_size({"width": width, "height": 844})
        visit.page.add_style_tag(content=".rejected .text { max-height: 2em }")
        found = Axe().run(visit.page).response["violations"]
    finally:
        visit.context.close()

    assert [] == [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found]


def test_the_switch_overrides_the_systems_colour_scheme(browser: sync_api.Browser, nasty_run: Shown) -> None:
    """The choice is kept when the page is loaded again."""
    visit = Visit(browser, nasty_run.written.path, color_scheme="light")
    try:
        background = "getComputedStyle(document.body).backgroundColor"
        light = visit.page.evaluate(background)
        visit.page.get_by_role("button", name="dark").click()
        dark = visit.page.evaluate(background)
        visit.page.reload()

        assert light != dark
        visit.page.wait_for_function(f"{background} === '{dark}'")  # the page is drawn after it has loaded
    finally:
        visit.context.close()


def contrast(page: sync_api.Page, selector: str) -> float:
    """The WCAG contrast ratio of an element's text to its background, both as computed by the browser."""
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
