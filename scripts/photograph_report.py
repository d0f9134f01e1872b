"""The pictures of the report in docs/: light and dark, on a desk's screen and a phone's.

    python -m scripts.photograph_report DEMO/run

Comes in: a run whose report has been made. Goes out: ``docs/report-*.png``. Needs Chromium, and fonts with
Chinese.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.report.test_in_browser import FLAGS, find_chromium

DOCS = Path(__file__).parents[1] / "docs"
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
SHOTS = (
    ("report-light.png", DESK, "light", "sets"),
    ("report-dark.png", DESK, "dark", "sets"),
    ("report-funnel-light.png", DESK, "light", None),
    ("report-funnel-dark.png", DESK, "dark", None),
    ("report-phone-light.png", PHONE, "light", "singles"),
    ("report-phone-dark.png", PHONE, "dark", "sets"),
)


def photograph(
    browser: Browser, report: Path, size: dict[str, int], scheme: str, section: str | None
) -> bytes:
    """One screen of the page, from the top or from the head of a section."""
    page = browser.new_page(viewport=size, color_scheme=scheme)
    page.goto(report.as_uri())
    if section is not None:
        page.evaluate("id => document.getElementById(id).scrollIntoView({behavior: 'instant'})", section)
    page.wait_for_timeout(300)  # until the way through the sections has caught up
    shot: bytes = page.screenshot()
    page.close()
    return shot


def main() -> None:
    """Take them all."""
    report = Path(sys.argv[1]).absolute() / "report" / "index.html"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=[*FLAGS, "--hide-scrollbars"]
        )
        for name, size, scheme, section in SHOTS:
            shot = Image.open(io.BytesIO(photograph(browser, report, size, scheme, section))).convert("RGB")
            shot.save(DOCS / name, optimize=True)
            print(f"{DOCS / name}  {(DOCS / name).stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
