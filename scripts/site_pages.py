"""A hook of mkdocs: pages of the site that lie outside of docs/, and links that lead out of it.

Comes in: README.md, CONTRIBUTING.md, BENCHMARKS.md and CHANGELOG.md, and every page of docs/. Goes out: the
former as pages of the site; links between all of them; links to files that the site doesn't have as their
names. Raises PluginError where a link leads nowhere. Not its job: links within docs/, which mkdocs checks.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "BENCHMARKS.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
}
"""By their place in the repository: where the site has them."""

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s#]*)(#[^)\s]*)?\)")
_HTML_SOURCE = re.compile(r'(src|srcset)="(?!https?:)([^"]+)"')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for name, place in PAGES.items():
        files.append(File.generated(config, place, content=(ROOT / name).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where the site has what they name."""
    place = page.file.src_uri
    source = next((ROOT / name for name, there in PAGES.items() if there == place), DOCS / place)

    def link(found: re.Match[str]) -> str:
        mark, text, target, anchor = found.groups()
        there = _on_site(source, target)
        if there is None:
            return f"{text} (`{(source.parent / target).resolve().relative_to(ROOT)}`)"
        return f"{mark}[{text}]({_relative(place, there)}{anchor or ''})"

    def html(found: re.Match[str]) -> str:
        there = _on_site(source, found[2])
        return f'{found[1]}="{_relative(place, there or found[2])}"'

    return _HTML_SOURCE.sub(html, _LINK.sub(link, markdown))


def _on_site(source: Path, target: str) -> str | None:
    """Where the site has what ``source`` links to; None where it hasn't, but the repository has."""
    path = (source.parent / target).resolve()
    if not path.exists():
        raise PluginError(f"{source.relative_to(ROOT)} links to {target}, which is not there")
    if path.is_relative_to(DOCS) and path.is_file():
        return path.relative_to(DOCS).as_posix()
    return PAGES.get(path.relative_to(ROOT).as_posix())


def _relative(place: str, there: str) -> str:
    return Path(os.path.relpath(there, Path(place).parent)).as_posix()
