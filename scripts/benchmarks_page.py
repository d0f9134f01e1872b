"""Generates BENCHMARKS.md and its chart from the recorded results.

    python -m scripts.benchmarks_page [--check]      # --check: fail if a file is out of date, write nothing

Comes in: ``benchmarks/results/*.json``. Goes out: BENCHMARKS.md and docs/benchmarks.svg. Not its job:
measuring, and the claims (see benchmark_figures).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.bar_chart import bar_chart
from scripts.benchmark_figures import CLAIMS, RATIOS, Claim

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
COMMAND = "make figures"

PAGE = """# Benchmarks

Generated from [benchmarks/results](benchmarks/results) by `make figures`; each result there has its date,
commit and machine. Speeds are ratios to a named peer, measured in the same run, and medians of several runs.
Everything was measured on two shared cores without a GPU. The command in a row repeats its measurement.
Figures by topic, and those behind decisions: [docs/measurements](docs/measurements/README.md).

A *job* is a kind of caption: of a single image or of a set of related images, in English or Chinese.
*Screens* leave out bad images before captioning. The *checker* is a second model that verifies statements of
captions. *Canaries* are pictures with known contents; an engine is asked about them now and then, to see
whether it still works.

![Times as fast as the named peer, measured in the same run](docs/benchmarks.svg)

{table}"""


class NoFigure(Exception):
    """A result lacks a value that a claim shows, or contradicts the claim."""


def table(results: Path = RESULTS) -> str:
    """One row for each claim that has a recorded result."""
    lines = ["| what | measured | command |", "|---|---|---|"]
    for claim in CLAIMS:
        path = results / f"{claim.result}.json"
        if path.exists():
            document = json.loads(path.read_text("utf-8"))
            lines.append(f"| {claim.claim} | {sentence(claim, document)} | `{document['command']}` |")
    return "\n".join(lines) + "\n"


def sentence(claim: Claim, document: dict[str, Any]) -> str:
    """The claim's figure with the values of the result. Raises NoFigure if one is missing or it is false."""
    measured = document["measured"]
    try:
        for condition in filter(None, claim.condition.split(" and ")):
            left, right = condition.split(" == ")
            if str(_value(measured, left)) != str(_value(measured, right)):
                raise NoFigure(f"{claim.result}.json: {condition} doesn't hold; the claim is false")
        return re.sub(
            r"\{(?:(least|most) )?([^{}:]+)(?::([^{}]*))?\}",
            lambda m: _format(_pick(list(_values(measured, m[2].split("/"))), m[1], m[2]), m[3] or ""),
            claim.figure,
        )
    except (KeyError, IndexError) as error:
        raise NoFigure(f"{claim.result}.json has no {error} for the figure {claim.figure!r}") from None


def _value(measured: object, text: str) -> object:
    """The value under these keys, or ``text`` itself if it is a constant."""
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


def _pick(values: list[Any], which: str | None, keys: str) -> Any:
    if not values:
        raise KeyError(keys)
    return {"least": min, "most": max, None: lambda found: found[0]}[which](values)


def _format(value: Any, spec: str) -> str:
    if spec == "MB":
        return f"{value / 1e6:.1f} MB"
    if spec == "min":
        return f"{value / 60:.0f} minutes"
    return format(value, spec)


def chart() -> str:
    """A bar chart of RATIOS, as an SVG."""
    bars = []
    for ratio in RATIOS:
        measured = json.loads((RESULTS / f"{ratio.result}.json").read_text("utf-8"))["measured"]
        value = next(_values(measured, ratio.keys.split("/")))
        bars.append((ratio.what, f"than {ratio.peer}", float(value)))
    return bar_chart(bars, "Times as fast as the named peer, measured in the same run")


def main() -> int:
    """Write the page and the chart, or check that they are up to date."""
    try:
        wanted = {
            ROOT / "BENCHMARKS.md": PAGE.format(table=table()),
            ROOT / "docs" / "benchmarks.svg": chart(),
        }
    except NoFigure as error:
        print(error, file=sys.stderr)
        return 1
    if "--check" not in sys.argv[1:]:
        for path, text in wanted.items():
            path.write_text(text, "utf-8")
        return 0
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text("utf-8") != text]
    for path in stale:
        name = path.relative_to(ROOT)
        print(f"{name} is out of date with benchmarks/results; run `{COMMAND}`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
