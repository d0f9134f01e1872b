"""The page as a file, without a browser."""

import base64
import hashlib
import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.report.render import embedded_json

STRANGE = [
    "</script>",
    "</SCRIPT >",
    "<!--<script>",
    "]]>",
    "&lt;/script&gt;",
    "\u2028\u2029",
    '"\\',
    "🦀",
    "\u202eabc",
]


@pytest.mark.parametrize("text", STRANGE)
def test_no_text_can_end_the_element_that_contains_it(text: str) -> None:
    """A parser returns the original text."""
    embedded = embedded_json({text: [text]})

    assert not re.search("[<>&\u2028\u2029]", embedded)
    assert {text: [text]} == json.loads(embedded)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_is_read_back_unchanged(text: str) -> None:
    """Whatever a caption contains."""
    embedded = embedded_json(text)

    assert not set("<>&\u2028\u2029") & set(embedded)
    assert text == json.loads(embedded)


def test_the_policy_allows_only_the_pages_own_scripts_and_styles(nasty_run) -> None:
    """They are listed by hash, and no request is allowed."""
    page = nasty_run.written.path.read_text("utf-8")
    policy = html.unescape(re.search('Content-Security-Policy" content="([^"]*)"', page)[1])
    for kind, tag in (("script", "<script>(.*?)</script>"), ("style", "<style>(.*?)</style>")):
        (inside,) = re.findall(tag, page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()

        assert f"{kind}-src 'sha256-{digest}'" in policy

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_contains_no_address(nasty_run) -> None:
    """Except that of the SVG namespace, which is never requested."""
    page = nasty_run.written.path.read_text("utf-8")

    assert ["http://www.w3.org/2000/svg"] == re.findall(r"https?://[^\"'\s]*", page)


def test_the_title_is_the_escaped_name_of_the_run(own_run) -> None:
    """A folder may have any name."""
    from tests.report.conftest import shown

    run, images = own_run()
    renamed = run.path.rename(run.path.with_name("<title>&{{script}}"))
    run.path = renamed
    page = shown(run, images).written.path.read_text("utf-8")

    assert "<title>&lt;title&gt;&amp;{{script}} · Triptych report</title>" in page
