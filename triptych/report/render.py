"""Renders the page: template, style and scripts of page/, with the content as JSON.

Comes in: the page's Content. Goes out: HTML. The JSON is escaped so that it can't end its element. The page
loads nothing, and its Content-Security-Policy allows only the scripts and styles that are embedded here, by
their hashes. Not its job: the content (see write_report).
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from importlib import resources

import msgspec

from triptych.report.content import Content

SCRIPTS = (
    "dom.js",
    "charts.js",
    "funnel.js",
    "numbers.js",
    "lightbox.js",
    "units.js",
    "cards.js",
    "rules.js",
    "filters.js",
    "map.js",
    "review.js",
    "beside.js",
    "search.js",
    "live.js",
    "main.js",
)
"""In the order of their dependencies."""

_SLOT = re.compile(r"\{\{(\w+)\}\}")
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render(content: Content) -> bytes:
    """The whole page."""
    style = _read("style.css")
    script = '"use strict";\n(() => {\n' + "\n".join(map(_read, SCRIPTS)) + "})();\n"
    filling = {
        "policy": html.escape(policy(style, script, live=content.live)),
        "title": html.escape(content.identity.name),
        "style": style,
        "content": embedded_json(content),
        "script": script,
    }
    # In one pass, so that inserted text is never searched for slots.
    page = _SLOT.sub(lambda slot: filling[slot[1]], _read("page.html"))
    return page.encode("utf-8", "replace")


def embedded_json(value: object) -> str:
    """JSON that is safe in ``<script type="application/json">``, whatever strings it contains."""
    text = msgspec.json.encode(value).decode()
    return re.sub("[<>&\u2028\u2029]", lambda found: _UNSAFE[found[0]], text)


def policy(style: str, script: str, *, live: bool) -> str:
    """The Content-Security-Policy: only this style, this script and embedded pictures; for a served page also
    requests to its own server."""
    pictures, requests = ("'self' data:", " connect-src 'self';") if live else ("data:", "")
    return (
        f"default-src 'none'; img-src {pictures};{requests} style-src '{_source_hash(style)}';"
        f" script-src '{_source_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (resources.files("triptych.report") / "page" / name).read_text("utf-8")
