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
# # Caption with a server
#
# Triptych works with any OpenAI-compatible server: lmdeploy, vLLM, SGLang, or a hosted model. In this tutorial,
# `transformers serve` runs the demo's 8 MB captioner, which knows nothing but drawn scenes, on this machine's CPU.
# First run `uv pip install "transformers[serving]"`.

# %%
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from triptych.models import resolve_model

model = resolve_model("builtin:nano-internvl")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
command = [
    Path(sys.executable).with_name("transformers"),
    "serve",
    model,
    "--port",
    str(port),
    "--device",
    "cpu",
]
no_hub = {**os.environ, "HF_HUB_CACHE": tempfile.mkdtemp(), "HF_HUB_OFFLINE": "1"}
server = subprocess.Popen(command, env=no_hub, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
url = f"http://127.0.0.1:{port}/v1"

for _ in range(1200):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            break
    time.sleep(0.5)

# %% [markdown]
# Draw four images:

# %%
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene

photos = Path(tempfile.mkdtemp())
paths = [photos / f"{number}.png" for number in range(4)]
for number, path in enumerate(paths):
    paint(imagine_scene("unseen", number), 336, 224).save(path)

# %% [markdown]
# `caption` sends one request per image, many at a time, and retries unusable answers. For a full-size model,
# `ServerConfig(urls=(url,))` is enough. The nano captioner also needs the prompts and the number of tiles that it was
# trained with, which are in the demo's settings.

# %%
import triptych

demo = triptych.load_config("demo")
single = next(job for job in demo.all_jobs() if job.name == "single_en")
captions = triptych.caption(
    paths, engine=triptych.ServerConfig(urls=(url,)), model=model, job=single, config=demo.captioning
)
for caption in captions:
    print("-", caption.text or caption.failure)

# %% [markdown]
# To caption a whole folder, including sets, use the command line. The same command resumes an interrupted run:
#
# ```
# triptych run photos/ --out run --server http://gpu1:23333/v1
# ```
#
# [Endpoints](../endpoints.md) describes API keys, headers, and what each server accepts.

# %%
server.terminate()
server.wait()
assert all(caption.failure is None for caption in captions)
