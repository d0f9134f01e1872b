"""The documents match the repository: decisions, links, the tree in architecture.md, and commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from triptych.cli import cli

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "decisions"
DECISIONS = sorted(FOLDER.glob("[0-9]*.md"))
MAX_LINES = 40
SECTIONS = ["Context", "Decision", "Consequences"]
HEAD = re.compile(
    r"# (?P<number>\d{4}): (?P<title>.+)\n\n"
    r"- Status: (?P<status>proposed|accepted|superseded)\n"
    r"- Date: (?P<date>\d{4}-\d\d-\d\d)\n"
    r"(?:- Superseded by: \[(?P<by>\d{4})\]\(.+\).*\n)?\n"
)


def _head(path: Path) -> re.Match[str]:
    head = HEAD.match(path.read_text("utf-8"))
    assert head is not None
    return head


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_the_parts_of_the_template(path: Path) -> None:
    """Its file name begins with its number. It names a successor if, and only if, it is superseded."""
    head = _head(path)
    text = path.read_text("utf-8")

    assert path.name.startswith(head["number"])
    assert (head["status"] == "superseded") == (head["by"] is not None)
    assert SECTIONS == re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert MAX_LINES >= len(text.splitlines())


def test_the_index_lists_every_decision() -> None:
    """By number, with its title, status and date."""
    rows = [line for line in (FOLDER / "README.md").read_text("utf-8").splitlines() if line.startswith("| [")]
    expected = []
    for path in DECISIONS:
        head = _head(path)
        status = f"superseded by {head['by']}" if head["by"] else head["status"]
        expected.append(f"| [{head['number']}]({path.name}) | {head['title']} | {status} | {head['date']} |")

    assert expected == rows


def test_links_between_documents_are_not_broken() -> None:
    """To files of docs and the root, and to headings in them."""
    pages = [*ROOT.glob("*.md"), *FOLDER.parent.rglob("*.md")]
    broken = []
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text("utf-8")):
            name, _, heading = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            if not file.exists() or (heading and heading not in _anchors(file)):
                broken.append(f"{page.name}: {target}")

    assert [] == broken


def test_everything_in_the_tree_of_architecture_md_exists() -> None:
    """Each file and folder lies below the folder under which the tree names it. The tree fits on one
    screen."""
    tree = (FOLDER.parent / "architecture.md").read_text("utf-8").split("```")[1].strip().splitlines()
    missing = []
    top = ROOT
    for line in tree:
        names = re.findall(r"(?<![\w/.])(\w+(?:/|\.py))(?![\w/.])", line)
        if not line.startswith(" "):
            top = ROOT / names.pop(0)
            names = [name for name in names if name.endswith("/") and not (ROOT / name).is_dir()]
        missing += [name for name in names if not any(top.rglob(name.rstrip("/")))]

    assert [] == missing
    assert len(tree) <= 60


def _anchors(page: Path) -> set[str]:
    """The headings of ``page``, spelt as in links to them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _commands(page: Path) -> list[list[str]]:
    """The words of each ``triptych ...`` line in a page's code blocks. A backslash at the end continues a
    line."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```(?:bash|sh)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"^ {4}(triptych .*)", text, re.MULTILINE)
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("triptych ")]


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_every_command_in_the_documents_is_valid(page: Path) -> None:
    """Its options exist and accept their values. Files that it names needn't exist."""
    if page.name == "cli.md":  # generated from the commands
        return
    refused = []
    for words in _commands(page):
        if not words or words[0].startswith("-"):
            continue
        command = cli.commands.get(words[0])
        try:
            assert command is not None, "no such command"
            command.make_context(words[0], [word for word in words[1:] if word != "..."])
        except (click.ClickException, AssertionError) as error:
            if "does not exist" not in str(error):
                refused.append(f"triptych {shlex.join(words)}: {error}")

    assert [] == refused
