"""lmdeploy's own pipeline on a folder of images, without Triptych, as a baseline.

    python -m benchmarks.bare_lmdeploy MODEL IMAGES BACKEND MAX_TOKENS

Prints one JSON line: captions, seconds, tokens. Loading the model and a first batch of four are not timed;
reading and decoding images is, since a user of the pipeline has to do that too. It runs in its own process
because importing lmdeploy makes Pillow accept damaged images.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from lmdeploy import GenerationConfig, PytorchEngineConfig, TurbomindEngineConfig, pipeline
from lmdeploy.vl import load_image

from triptych.jobs import SEED_JOBS
from triptych.prompts import load_prompt

WARM_UP = 4


def main(model: str, images: Path, backend: str, max_tokens: int) -> None:
    """Caption every image of the folder."""
    engine = PytorchEngineConfig() if backend == "pytorch" else TurbomindEngineConfig()
    generation = GenerationConfig(do_sample=False, max_new_tokens=max_tokens)
    prompt = load_prompt(SEED_JOBS[0]).text
    paths = sorted(images.iterdir())
    with pipeline(model, backend_config=engine) as pipe:
        _caption(pipe, paths[:WARM_UP], prompt, generation)
        began = time.monotonic()
        answers = _caption(pipe, paths, prompt, generation)
        seconds = time.monotonic() - began
    tokens = sum(answer.generate_token_len for answer in answers)
    print(json.dumps({"captions": len(answers), "seconds": round(seconds, 2), "tokens": tokens}))


def _caption(pipe: Any, paths: list[Path], prompt: str, generation: GenerationConfig) -> list[Any]:
    answers: list[Any] = pipe([(prompt, load_image(str(path))) for path in paths], gen_config=generation)
    return answers


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
