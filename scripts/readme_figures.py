"""The README's table of promises, filled in from what the benchmarks recorded.

    python -m scripts.readme_figures [--check]      # with --check: fails where the README says otherwise

Comes in: ``benchmarks/results/*.json``. Goes out: the lines of README.md between the two marks, so that no
figure there is typed by hand. Not its job: measuring, and what is promised (see promises).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.promises import PROMISES, Promise

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
COMMAND = "make figures"
BEGIN, END = "<!-- figures:begin -->\n", "<!-- figures:end -->"


class NoFigure(Exception):
    """A result doesn't have what a promise shows, or says otherwise."""


def table(results: Path = RESULTS) -> str:
    """The rows of every promise whose result is there."""
    lines = ["| promise | measured | command |", "|---|---|---|"]
    for promise in PROMISES:
        path = results / f"{promise.result}.json"
        if path.exists():
            document = json.loads(path.read_text("utf-8"))
            lines.append(f"| {promise.promise} | {sentence(promise, document)} | `{document['command']}` |")
    return "\n".join(lines) + "\n"


def sentence(promise: Promise, document: dict[str, Any]) -> str:
    """What the result says of the promise. Raises NoFigure where it says nothing, or the contrary."""
    measured = document["measured"]
    try:
        for condition in filter(None, promise.must_be.split(" and ")):
            left, right = condition.split(" == ")
            if str(_value(measured, left)) != str(_value(measured, right)):
                raise NoFigure(f"{promise.result}.json: {condition} doesn't hold; the promise is broken")
        return re.sub(
            r"\{(?:(least|most) )?([^{}:]+)(?::([^{}]*))?\}",
            lambda m: _shown(_chosen(list(_values(measured, m[2].split("/"))), m[1], m[2]), m[3] or ""),
            promise.figure,
        )
    except (KeyError, IndexError) as error:
        raise NoFigure(f"{promise.result}.json has no {error} for the figure {promise.figure!r}") from None


def _value(measured: object, text: str) -> object:
    """What lies under these keys; the text itself where it is a constant."""
    return text if text.isdigit() or text in ("True", "False") else next(_values(measured, text.split("/")))


def _values(node: Any, keys: list[str]) -> Iterator[Any]:
    if not keys:
        yield node
    elif keys[0] == "*":
        for child in node.values():
            if _has(child, keys[1:]):
                yield from _values(child, keys[1:])
    else:
        yield from _values(node[int(keys[0])] if isinstance(node, list) else node[keys[0]], keys[1:])


def _has(node: Any, keys: list[str]) -> bool:
    return not keys or keys[0] == "*" or (isinstance(node, dict) and keys[0] in node)


def _chosen(values: list[Any], which: str | None, keys: str) -> Any:
    if not values:
        raise KeyError(keys)
    return {"least": min, "most": max, None: lambda found: found[0]}[which](values)


def _shown(value: Any, spec: str) -> str:
    if spec == "MB":
        return f"{value / 1e6:.1f} MB"
    if spec == "min":
        return f"{value / 60:.0f} minutes"
    return format(value, spec)


def filled(readme: str, rows: str) -> str:
    """``readme`` with ``rows`` between its marks."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoFigure(f"README has no marks {BEGIN.strip()} and {END}; they say where the table goes")
    return f"{before}{begin}{rows}{end}{after}"


def main() -> int:
    """Write the table, or say that it is not current."""
    readme = README.read_text("utf-8")
    try:
        wanted = filled(readme, table())
    except NoFigure as error:
        print(error, file=sys.stderr)
        return 1
    if "--check" not in sys.argv[1:]:
        README.write_text(wanted, "utf-8")
        return 0
    if readme == wanted:
        return 0
    print(f"README.md doesn't say what benchmarks/results say; run `{COMMAND}`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
