"""The page as one file: template, style and scripts that lie beside this file, and the content in it.

Comes in: the content. Goes out: UTF-8 HTML that asks for nothing. Its policy lets run only the very
scripts and styles that are put in here, by their hashes, and nothing be fetched; the content is JSON
in which no character can end its element. Not its job: what is shown (see the readers).
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from importlib import resources

import msgspec

from triptych.report.content import Content

SCRIPTS = ("dom.js", "charts.js", "funnel.js", "numbers.js", "units.js", "cards.js", "review.js", "main.js")
"""In the order in which they build on each other."""

_SLOT = re.compile(r"\{\{(\w+)\}\}")
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render(content: Content) -> bytes:
    """The whole page."""
    style = _read("style.css")
    script = '"use strict";\n(() => {\n' + "\n".join(map(_read, SCRIPTS)) + "})();\n"
    filling = {
        "policy": html.escape(policy(style, script)),
        "title": html.escape(content.identity.name),
        "style": style,
        "content": embedded_json(content),
        "script": script,
    }
    # One pass: what is put in is never looked through for slots.
    page = _SLOT.sub(lambda slot: filling[slot[1]], _read("page.html"))
    return page.encode("utf-8", "replace")


def embedded_json(value: object) -> str:
    """JSON that may stand in a ``<script type="application/json">``, whatever its strings hold."""
    text = msgspec.json.encode(value).decode()
    return re.sub("[<>&\u2028\u2029]", lambda found: _UNSAFE[found[0]], text)


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy: nothing but this style, this script and pictures in the page."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_source_hash(style)}';"
        f" script-src '{_source_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (resources.files("triptych.report") / "page" / name).read_text("utf-8")
