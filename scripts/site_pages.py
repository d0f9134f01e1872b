"""An mkdocs hook: adds pages from outside docs/ to the site, and rewrites links that leave docs/.

Comes in: README.md, CONTRIBUTING.md, BENCHMARKS.md and CHANGELOG.md, and every page of docs/. Goes out: the
former as pages of the site, with links between all of them; a link to a file that isn't on the site becomes
its path. Raises PluginError for a broken link. Not its job: links within docs/, which mkdocs checks.
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
"""Path in the repository to path on the site."""

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s#]*)(#[^)\s]*)?\)")
_HTML_SOURCE = re.compile(r'(src|srcset)="(?!https?:)([^"]+)"')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages in ``PAGES``."""
    for name, site_path in PAGES.items():
        files.append(File.generated(config, site_path, content=(ROOT / name).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to where their targets are on the site."""
    page_path = page.file.src_uri
    repository_paths = {site_path: ROOT / name for name, site_path in PAGES.items()}
    source = repository_paths.get(page_path, DOCS / page_path)

    def rewrite_link(found: re.Match[str]) -> str:
        mark, text, target, anchor = found.groups()
        site_path = _on_site(source, target)
        if site_path is None:
            return f"{text} (`{(source.parent / target).resolve().relative_to(ROOT)}`)"
        return f"{mark}[{text}]({_relative(page_path, site_path)}{anchor or ''})"

    def rewrite_source(found: re.Match[str]) -> str:
        site_path = _on_site(source, found[2])
        return f'{found[1]}="{_relative(page_path, site_path or found[2])}"'

    return _HTML_SOURCE.sub(rewrite_source, _LINK.sub(rewrite_link, markdown))


def _on_site(source: Path, target: str) -> str | None:
    """The path on the site of a link in ``source``; None if its target is in the repository only."""
    path = (source.parent / target).resolve()
    if not path.exists():
        raise PluginError(f"{source.relative_to(ROOT)} links to {target}, which doesn't exist")
    if path.is_relative_to(DOCS) and path.is_file():
        return path.relative_to(DOCS).as_posix()
    return PAGES.get(path.relative_to(ROOT).as_posix())


def _relative(page_path: str, site_path: str) -> str:
    return Path(os.path.relpath(site_path, Path(page_path).parent)).as_posix()
