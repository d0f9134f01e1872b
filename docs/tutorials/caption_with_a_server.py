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
# Any OpenAI-compatible server captions: lmdeploy, vLLM, SGLang, a hosted model. Here `transformers serve` serves the
# 8 MB captioner of the demo, which knows nothing but drawn scenes, on this machine's CPU.
# It needs `uv pip install "transformers[serving]"`.

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
# Four drawn images:

# %%
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene

photos = Path(tempfile.mkdtemp())
paths = [photos / f"{number}.png" for number in range(4)]
for number, path in enumerate(paths):
    paint(imagine_scene("unseen", number), 336, 224).save(path)

# %% [markdown]
# `caption` asks the server for each image, many at a time, and asks again where an answer is of no use. For a server of
# a full-size model `ServerConfig(urls=(url,))` is enough; the demo's prompts and tiles are those that the nano captioner
# was trained with.

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
# A whole folder, with sets, resumed wherever it stopped:
#
# ```
# triptych run photos/ --out run --server http://gpu1:23333/v1
# ```
#
# [Endpoints](../endpoints.md) has keys, headers and what each server takes.

# %%
server.terminate()
server.wait()
assert all(caption.failure is None for caption in captions)
