# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Judge captions from elsewhere
#
# The filter needs neither a run nor a model: it judges captions from any tool. `uv pip install triptych` is enough.

# %%
good = [
    "A red boat lies at a wooden pier, and two people in blue coats carry a basket of fish up the steps.",
    "Three sheep graze on a green hill behind a stone wall, while a dark cloud comes up over the valley.",
    "A yellow tram stops at a crossing in the rain; a woman with an umbrella waits on the island to get in.",
    "On the kitchen table stand a blue jug, two cups and a plate with half a loaf of bread and some cheese.",
]
bad = [
    "I'm sorry, but I can't help with describing this image.",
    "A red boat. A red boat. A red boat. A red boat. A red boat. A red boat. A red boat. A red boat.",
    "Une barque rouge est amarrée au quai, et deux personnes portent un panier de poissons sur les marches.",
    "A boat.",
    good[0],
]

# %% [markdown]
# In Python, `judge` returns a verdict per caption, with the reason and the scores of all rules that reject it:

# %%
import triptych

for verdict, text in zip(triptych.judge([*good, *bad]), [*good, *bad], strict=True):
    print("keep  " if verdict.keep else "reject", f"{verdict.reason or '':<16}", text[:80])

# %% [markdown]
# The command line takes a JSON Lines file with one caption per line; `images` is the number of images described:

# %%
import json
import subprocess
import sys
import tempfile
from pathlib import Path

work = Path(tempfile.mkdtemp())
rows = [
    {"id": f"{number}", "job": "single_en", "text": text, "images": 1}
    for number, text in enumerate([*good, *bad])
]
(work / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")


def triptych_command(*arguments: str) -> None:
    """Run `triptych ...` in the folder and show its output."""
    command = [sys.executable, "-m", "triptych", *arguments]
    print(subprocess.run(command, cwd=work, capture_output=True, text=True, check=True).stdout)


triptych_command("filter", "captions.jsonl", "--out", "verdicts.jsonl")
print((work / "verdicts.jsonl").read_text())

# %% [markdown]
# Each line has `id`, `keep`, `reason` and `scores`. The order is that of the captions.

# %%
verdicts = [json.loads(line) for line in (work / "verdicts.jsonl").read_text().splitlines()]
assert [True] * len(good) + [False] * len(bad) == [verdict["keep"] for verdict in verdicts]
