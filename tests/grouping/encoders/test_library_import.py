"""Model libraries are imported without torch's compiler, which can still be used afterwards."""

import os
import subprocess
import sys
from pathlib import Path

LOADS_AN_ENCODER = """
import sys
from triptych.grouping.encoders.choice import load_encoder, resolve_encoder

encoder = load_encoder(resolve_encoder(sys.argv[1]), "cpu")
encoder.encode(encoder.shape.grey())
print({name: name in sys.modules for name in ("open_clip", "timm", "torchvision", "torch._dynamo")})

import timm, torch, torchvision

compiled = torch.compile(lambda values: values + 1, backend="eager")(torch.ones(2))
print(compiled.tolist(), torch._dynamo.__file__ is not None, torch.compiler.disable(len)([1, 2]))
"""


def test_an_encoder_is_loaded_without_the_compiler(tiny_clip: Path) -> None:
    """Code that compiles later in the same process gets the real compiler."""
    answer = subprocess.run(
        [sys.executable, "-c", LOADS_AN_ENCODER, str(tiny_clip)], capture_output=True, text=True, check=True
    )

    loaded, compiled = answer.stdout.splitlines()
    assert "{'open_clip': True, 'timm': True, 'torchvision': True, 'torch._dynamo': False}" == loaded
    assert "[2.0, 2.0] True 2" == compiled


NEEDS_THE_COMPILER = """
import sys
from triptych.grouping.encoders.choice import import_library

import_library("asks_for_more")
print("asks_for_more" in sys.modules)

import asks_for_more

print(asks_for_more.OptimizedModule.__module__)
"""


def test_a_library_that_needs_the_compiler_gets_it(tmp_path: Path) -> None:
    """It isn't imported by Triptych; the next import of it uses the real compiler."""
    (tmp_path / "asks_for_more.py").write_text("from torch._dynamo import OptimizedModule\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])

    answer = subprocess.run(
        [sys.executable, "-c", NEEDS_THE_COMPILER],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ["False", "torch._dynamo.eval_frame"] == answer.stdout.splitlines()
