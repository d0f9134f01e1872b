"""Opens pages in headless Chromium, for tests and for the documentation's pictures.

Comes in: a page's file. Goes out: the page, its console messages and errors, and the URLs that it requested.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright import sync_api

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")


def find_chromium() -> str | None:
    """$TRIPTYCH_CHROMIUM, or the first of the usual names on the PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("TRIPTYCH_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


class Visit:
    """One open page, with its console messages and errors (``trouble``) and requested URLs (``requests``)."""

    def __init__(self, browser: sync_api.Browser, path: Path, **options: object) -> None:
        self.context = browser.new_context(viewport={"width": 1440, "height": 900}, **options)
        self.page = self.context.new_page()
        self.trouble: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.trouble.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
