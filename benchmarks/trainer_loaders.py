"""Loads exports of a run with the code of ms-swift and LLaMA-Factory, each in its own environment.

    python -m benchmarks.trainer_loaders RUN --ms-swift PYTHON --llama-factory PYTHON

Both pin versions of libraries that conflict with Triptych's, so PYTHON is the interpreter of an environment
with ``pip install ms-swift`` or ``pip install llamafactory``. For each, a copy of the run is exported in the
trainer's format, its images are written to a root folder, and the trainer loads all files; every row must
have the texts and images that were exported. Tests check the same formats field by field without the trainers
(tests/export/formats/test_formats.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.record import record, refuse_dirty_tree
from triptych.api import Run
from triptych.opening import open_run

MS_SWIFT = """
import json, os, sys
from importlib import metadata
from pathlib import Path
folder, root = Path(sys.argv[1]), sys.argv[2]
os.environ["ROOT_IMAGE_DIR"] = root
from swift.dataset import load_dataset
rows = []
for path in sorted(folder.glob("*.jsonl")):
    train, _ = load_dataset(str(path), strict=True, load_from_cache_file=False)
    for row in train:
        paths = [image["path"] if isinstance(image, dict) else image for image in row["images"]]
        for path in paths:
            assert os.path.exists(os.path.join(root, path)), path
        rows.append([[turn["content"] for turn in row["messages"]], paths])
print(json.dumps({"version": metadata.version("ms-swift"), "rows": rows}))
"""

LLAMA_FACTORY = """
import json, os, sys
from importlib import metadata
from types import SimpleNamespace
folder, root = sys.argv[1], sys.argv[2]
from datasets import load_dataset
from llamafactory.data.converter import align_dataset
from llamafactory.data.parser import get_dataset_list
from llamafactory.hparams import DataArguments
arguments = DataArguments(dataset_dir=folder, media_dir=root, overwrite_cache=True)
names = list(json.load(open(os.path.join(folder, "dataset_info.json"))))
rows = []
for attributes in get_dataset_list(names, folder):
    assert attributes.load_from == "file"
    loaded = load_dataset("json", data_files=os.path.join(folder, attributes.dataset_name), split="train")
    for row in align_dataset(loaded, attributes, arguments, SimpleNamespace(local_process_index=0)):
        for path in row["_images"]:
            assert os.path.isfile(path), path
        turns = [turn["content"] for turn in (*row["_prompt"], *row["_response"])]
        rows.append([turns, [os.path.relpath(path, root) for path in row["_images"]]])
print(json.dumps({"version": metadata.version("llamafactory"), "rows": rows}))
"""


def export_as(run: Path, row_format: str) -> list[list[object]]:
    """Export ``run`` again. Returns ``[[question, answer], images]`` of every row, sorted."""
    command = [sys.executable, "-m", "triptych", "export", str(run), "--fresh", "export"]
    subprocess.run([*command, "--format", row_format], check=True, capture_output=True)
    rows: list[list[object]] = []
    for path in sorted((run / "export").glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            row = json.loads(line)
            rows.append([[turn["content"] for turn in row["messages"]], row["images"]])
    return sorted(rows, key=json.dumps)


def write_images(run: Run, root: Path) -> None:
    """Write every readable image to ``root``, with its key as the path."""
    by_name = {shard.name: shard for shard in run.shards}
    for shard in run.folder.shards():
        for image in run.folder.images(shard):
            if image.unreadable is None:
                content = by_name[shard].read(image.key, image.offset_bytes, image.size_bytes)
                (root / image.key).parent.mkdir(parents=True, exist_ok=True)
                (root / image.key).write_bytes(content)


def load_with(python: Path, code: str, folder: Path, root: Path) -> dict[str, object]:
    """The rows that the trainer's code loads from an export."""
    command = [str(python), "-c", code, str(folder), str(root)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    loaded: dict[str, object] = json.loads(answer.stdout.splitlines()[-1])
    return loaded


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path, exists=True))
@click.option("--ms-swift", "swift", type=click.Path(path_type=Path), required=True)
@click.option("--llama-factory", "factory", type=click.Path(path_type=Path), required=True)
def main(folder: Path, swift: Path, factory: Path) -> None:
    """Load a copy of RUN with both and record the result; exit 1 if a row differs."""
    refuse_dirty_tree()
    measured: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as scratch:
        copy, root = Path(scratch, "run"), Path(scratch, "images")
        subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
        write_images(open_run(copy, read_only=True), root)
        for name, python, code in (("ms-swift", swift, MS_SWIFT), ("llama-factory", factory, LLAMA_FACTORY)):
            expected = export_as(copy, name)
            loaded = load_with(python, code, copy / "export", root)
            rows = loaded["rows"]
            assert isinstance(rows, list)
            measured[name] = {
                "version": loaded["version"],
                "rows": len(rows),
                "as_exported": sorted(rows, key=json.dumps) == expected != [],
            }
    command = "python -m benchmarks.trainer_loaders RUN --ms-swift PYTHON --llama-factory PYTHON"
    record("trainer_loaders", command, measured)
    if not all(isinstance(found, dict) and found["as_exported"] for found in measured.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
