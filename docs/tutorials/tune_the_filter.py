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
# # Tune the filter
#
# Every rule has a threshold, and changing it doesn't require new captions. In this tutorial, the demo's captioner
# captions twelve drawn images, and then the threshold of one rule is changed.
# First run `uv pip install "triptych[local]"`.

# %%
import tempfile
from pathlib import Path

import triptych
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene

work = Path(tempfile.mkdtemp())
(work / "photos").mkdir()
for number in range(12):
    paint(imagine_scene("unseen", number), 336, 224).save(work / "photos" / f"{number:02d}.png")

settings = {"captioning.jobs": ["single_en"], "filtering.grounding": False}
with triptych.open_run(work / "run", [work / "photos"], preset="demo", settings=settings) as run:
    run.run()
    words = sorted(len(caption.text.split()) for caption in run.captions("single_en"))
print(len(words), "captions of", words, "words")

# %% [markdown]
# Show what each rule rejects now, and what it would reject with another threshold. `--dry-run` writes nothing.

# %%
import subprocess
import sys


def triptych_command(*arguments: str) -> None:
    """Run `triptych ...` and show its output."""
    command = [sys.executable, "-m", "triptych", *arguments]
    print(subprocess.run(command, cwd=work, capture_output=True, text=True, check=True).stdout)


middle = words[len(words) // 2]
triptych_command("filter", "run", "--dry-run")
triptych_command(
    "filter", "run", "--dry-run", "--set", f"filtering.thresholds.too_short={middle}", "--accept", "too_short"
)

# %% [markdown]
# Show every score of one caption with its threshold:

# %%
triptych_command("filter", "run", "--explain", "single_en:00.png")

# %% [markdown]
# If you are satisfied, apply the change. Captions are kept; the verdicts and the export are made again.

# %%
tuned = {"filtering.thresholds": {"too_short": middle}, "filtering.accepted": ["too_short"]}
with triptych.open_run(work / "run", settings=tuned) as run:
    run.make_again(["verdicts", "export"])
    result = run.filter()
    run.export()
    kept = len(list(run.rows("single_en")))
print(kept, "captions are exported")

# %% [markdown]
# A rule of your own is a function: see [Judging captions](../python-api.md#judging-captions).

# %%
assert 0 < kept < len(words)
