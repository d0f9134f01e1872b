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
# # Sets from a folder
#
# Triptych finds duplicates and images that belong together. The images of this tutorial are drawn: eight scenes, each
# in three slightly different versions. A folder of your own works the same way.
# First run `uv pip install "triptych[local]"`.

# %%
import tempfile
from pathlib import Path

from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene, vary_scene

work = Path(tempfile.mkdtemp())
photos = work / "photos"
photos.mkdir()
for number in range(8):
    scene = imagine_scene("unseen", number)
    for variant in range(3):
        shown = vary_scene(scene, "unseen", variant) if variant else scene
        paint(shown, 336, 224).save(photos / f"{number}_{variant}.png")
print(len(list(photos.iterdir())), "images")

# %% [markdown]
# `open_run` creates a run folder, and `group` embeds the images and packs them into sets. On the command line this is
# `triptych group photos/ --out run`. The demo's encoder ships with Triptych; without `settings`, ViT-B-32 is used.

# %%
import triptych

with triptych.open_run(work / "run", [photos], settings={"embedding.model": "builtin:nano-clip"}) as run:
    result = run.group()
    sets = list(run.sets())
    duplicates = list(run.duplicates())

for each in sets:
    print(each.id, each.keys, round(each.min_cosine_similarity, 3))
print(len(duplicates), "duplicates are set aside")

# %% [markdown]
# Show one of the sets:

# %%
from PIL import Image

images = [Image.open(photos / key) for key in sets[0].keys]
sheet = Image.new("RGB", (sum(image.width for image in images), images[0].height))
for place, image in enumerate(images):
    sheet.paste(image, (place * image.width, 0))
sheet

# %% [markdown]
# The images of a set are similar to each other, and none is a duplicate. `triptych explain run 0_0.png` explains why an
# image is in its set or in none; [Sets](../sets.md) explains how thresholds are calibrated to the corpus. If you add
# images, run the same command again: only the new ones are embedded.

# %%
assert sets, "drawn scenes come in threes"
assert all(len({key.split("_")[0] for key in each.keys}) == 1 for each in sets), "a set is of one scene"
