"""Measures the size of the product: files, lines, longest functions, layers of imports.

    python -m scripts.product_size [REF ...]      # commits, or . for the working tree, which is the default

Comes in: the Python files of the product's folders. Goes out: tables for docs/measurements/house.md. Tests,
benchmarks and scripts don't count, nor do the shapes that the demo draws. Not its job: judging the figures.
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
STAGES = ("grouping", "captioning", "filtering", "export")
FOLDERS = (*STAGES, "corpus", "triptych")
"""Folders of product code, now or in the past: corpus was replaced by sources and runs."""
DRAWINGS = ("brush", "tints", "backdrops", "land_figures", "shore_figures")
"""Files of the demo, or of its folder ``drawings``, that only define shapes."""
LISTED_FUNCTIONS = 8
WORKING_TREE = "."
"""Among refs."""


class Function(NamedTuple):
    """A function, and its lines from ``def`` to its end."""

    lines: int
    name: str


class Layers(NamedTuple):
    """The imports between the modules of a folder."""

    depth: int
    """Modules on the longest chain of imports; the modules of a cycle count as one."""
    imports: int
    cycles: list[list[str]]


def main() -> None:
    """Print the tables."""
    states = {}
    for ref in sys.argv[1:] or [WORKING_TREE]:
        sources = read_working_tree() if ref == WORKING_TREE else read_commit(ref)
        states[ref] = without_drawings(sources)
    print("\n".join(report(states)))


def read_working_tree() -> dict[str, str]:
    """Path to text. The stages are at the root; their links below triptych/ are not followed."""
    paths = [
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if not any(parent.is_symlink() for parent in path.parents)
    ]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(paths)}


def read_commit(ref: str) -> dict[str, str]:
    """Path to text, at a commit."""
    packed = subprocess.run(["git", "archive", ref], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return {
            member.name: file.read().decode()
            for member in archive
            if member.name.endswith(".py") and member.name.split("/")[0] in FOLDERS
            if member.isfile() and (file := archive.extractfile(member)) is not None
        }


def without_drawings(sources: Mapping[str, str]) -> dict[str, str]:
    """``sources`` without the demo's shapes."""
    drawings = {f"triptych/demo/{folder}{name}.py" for name in DRAWINGS for folder in ("", "drawings/")}
    return {
        path: text
        for path, text in sources.items()
        if path not in drawings and path != "triptych/demo/drawings/__init__.py"
    }


def report(states: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """The lines of the tables, with the states side by side. ``states``: sources by ref."""
    yield "| folder | " + " | ".join(f"files, {ref} | lines | layers" for ref in states) + " |"
    yield "|---|" + "---|" * 3 * len(states)
    folders = {folder: None for sources in states.values() for folder in _folders(sources)}
    for folder in (*folders, ""):
        cells = [_size(folder, sources) for sources in states.values()]
        yield f"| {folder or 'all'} | {' | '.join(cells)} |"
    for ref, sources in states.items():
        yield from ("", f"| longest functions, {ref} | lines |", "|---|---|")
        for function in sorted(functions_of(sources), reverse=True)[:LISTED_FUNCTIONS]:
            yield f"| {function.name} | {function.lines} |"
        yield ""
        for names in layers_of("", sources).cycles:
            yield f"- Cycle of imports, {ref}: {', '.join(names)}"


def _size(folder: str, sources: Mapping[str, str]) -> str:
    """The table cells with files, lines and layers of ``folder``."""
    inside = [text for path, text in sources.items() if path.startswith(f"{folder}/" if folder else "")]
    lines = sum(len(text.splitlines()) for text in inside)
    return f"{len(inside)} | {lines:,} | {layers_of(folder, sources).depth}" if inside else " | | "


def _folders(sources: Mapping[str, str]) -> list[str]:
    """The existing folders of ``FOLDERS``, and those below triptych/."""
    below = {"/".join(path.split("/")[:2]) for path in sources if path.startswith("triptych/")}
    nested = sorted(name for name in below if not name.endswith(".py"))
    present = [name for name in FOLDERS if any(path.startswith(f"{name}/") for path in sources)]
    return [*present, *nested]


def functions_of(sources: Mapping[str, str]) -> list[Function]:
    """Every function and method."""
    return [
        Function((node.end_lineno or node.lineno) - node.lineno + 1, f"{path} {node.name}")
        for path, text in sources.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def layers_of(folder: str, sources: Mapping[str, str]) -> Layers:
    """The imports between the modules below ``folder``, including those in functions and for types."""
    modules = {_module_name(path): text for path, text in sources.items()}
    inside = {name for name in modules if not folder or name.startswith(folder.replace("/", "."))}
    imported = {name: _imported_modules(modules[name], modules) & inside - {name} for name in inside}
    components = _strongly_connected(imported)
    depths: dict[str, int] = {}
    for names in components:  # a module comes after those that it imports
        below = {other for name in names for other in imported[name]} - set(names)
        depth = 1 + max((depths[other] for other in below), default=0)
        depths |= dict.fromkeys(names, depth)
    return Layers(
        max(depths.values(), default=0),
        sum(map(len, imported.values())),
        [sorted(names) for names in components if len(names) > 1],
    )


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imported_modules(text: str, modules: Mapping[str, str]) -> set[str]:
    """The modules that the module ``text`` imports, however the import is spelt."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {_at_root(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            base = _at_root(node.module)
            submodules = {f"{base}.{alias.name}" for alias in node.names} & modules.keys()
            whole = {base} if len(submodules) < len(node.names) else set()
            names |= submodules | whole
    return names & modules.keys()


def _at_root(name: str) -> str:
    """The name by path: ``triptych.filtering.x`` is ``filtering.x``."""
    first, _, rest = name.partition(".")
    return rest if first == "triptych" and rest.split(".")[0] in STAGES else name


def _strongly_connected(imported: Mapping[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of the imports, each after those that it imports (Tarjan)."""
    found: list[list[str]] = []
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_names: list[str] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        open_names.append(name)
        for other in sorted(imported[name]):
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in open_names:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            at = open_names.index(name)
            found.append(open_names[at:])
            del open_names[at:]

    for name in sorted(imported):
        if name not in order:
            visit(name)
    return found


if __name__ == "__main__":
    main()
