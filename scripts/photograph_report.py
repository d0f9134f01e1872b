"""Takes the screenshots in docs/: a report's first screen, and one set with its captions, light and dark.

    python -m scripts.photograph_report DEMO/run

Comes in: a run with a report. Goes out: ``docs/report-*.png`` and ``docs/set-*.png``. Needs Chromium and a
Chinese font.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.support.browser import FLAGS, find_chromium

DOCS = Path(__file__).parents[1] / "docs"
SCREEN = {"width": 1440, "height": 900}
CARD = {"width": 1000, "height": 900}
"""The viewport in which a set's card is as wide as in the README."""


def screenshot_page(browser: Browser, report: Path, scheme: str) -> bytes:
    """The first screen of the report, as PNG."""
    page = browser.new_page(viewport=SCREEN, color_scheme=scheme)
    page.goto(report.as_uri())
    page.wait_for_timeout(300)
    shot: bytes = page.screenshot()
    page.close()
    return shot


def screenshot_set(browser: Browser, report: Path, scheme: str) -> bytes:
    """The first set of three images whose captions are all kept, as PNG."""
    page = browser.new_page(viewport=CARD, color_scheme=scheme, device_scale_factor=1.5)
    page.goto(report.as_uri())
    has_three_images = ":has(.badge:text-is('3')):not(:has(.badge:text-is('4')))"
    card = page.locator(f"article.set{has_three_images}:not(:has(.state))").first
    card.scroll_into_view_if_needed()
    card.evaluate("card => Promise.all([...card.querySelectorAll('img')].map(image => image.decode()))")
    shot: bytes = card.screenshot()
    page.close()
    return shot


def main() -> None:
    """Take all screenshots."""
    report = Path(sys.argv[1]).absolute() / "report" / "index.html"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=[*FLAGS, "--hide-scrollbars"]
        )
        for name, screenshot in (("report", screenshot_page), ("set", screenshot_set)):
            for scheme in ("light", "dark"):
                path = DOCS / f"{name}-{scheme}.png"
                shot = Image.open(io.BytesIO(screenshot(browser, report, scheme))).convert("RGB")
                shot.save(path, optimize=True)
                print(f"{path}  {path.stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
