"""docs/scale.md: what 1M to 1B images cost, from what the benchmarks recorded.

    python -m scripts.scale_model [--check]      # with --check: fails where the page says otherwise

Comes in: ``benchmarks/results/*.json``, and assumptions for what was not measured. Goes out:
docs/scale.md. Everything beyond a benchmark's size is extrapolated: linearly, except for the join, whose
exponent was measured. Not its job: benchmarks.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "scale.md"
TEMPLATE = Path(__file__).with_name("scale_template.md")
"""The words; what is in braces is filled in."""
COMMAND = "make figures"

SIZES = {"1M": 10**6, "11M": 11_186_000, "100M": 10**8, "1B": 10**9}
FLEETS = (8, 64, 512)
"""GPUs."""
CORES_A_GPU = 12

ZH_SHARE = 1_000_000 / 11_186_000
SET_SHARE = 77_000 / 11_186_000
"""Captions an image, of the sa1b preset; sets have both languages."""
SET_WEIGHT = 2
"""A set's caption costs as much as those of two single images: about twice the words, and twelve tiles in all
where an image of SA-1B's size has seven."""

IMAGE_MB = 1.0
"""A file of SA-1B, on average."""
DIMENSIONS = 512
"""Of ViT-B-32, in float16."""
EMBEDDED_PER_GPU_S = 1400
"""Images of 224 pixels through ViT-B-32 on one GPU."""
CAPTION_TOKENS = 150
"""Of a caption of one image."""
TOKENS_PER_GPU_S = {"8B": 1350, "76B": 135}
"""Completion tokens per second and GPU, with seven tiles (1,792 tokens) of image each."""
FITS_MEMORY_GB = 512
"""What a large machine has."""


class Part(NamedTuple):
    """A measured part."""

    what: str
    result: str
    keys: str
    unit: str


PARTS = {
    "decode": Part("decoding an image for the encoder, with hashes", "decode_speed",
                   "drawn/by_input_side_px/224/ours_with_hashes_ms", "ms of one core"),
    "join": Part("neighbours among 11 million images", "self_join", "at_11_million/join_hours",
                 "hours of two cores"),
    "join_power": Part("growth of the join's time with the number of images", "self_join",
                       "at_11_million/join_time_grows_with_images_to_the", "(exponent)"),
    "join_memory": Part("memory of the join at 11 million images", "self_join",
                        "at_11_million/peak_memory_gb", "GB"),
    "grouping": Part("grouping a million stored embeddings, in total", "grouping_quality",
                     "tables/1,000,000 images/triptych/time_s", "s of two cores"),
    "fit": Part("reading, decoding, fitting and encoding an image for a request", "full_slots",
                "fitting/cpu_ms_per_image", "ms of one core"),
    "request": Part("sending a request and reading its answer", "full_slots",
                    "clients/triptych/cpu_ms_per_request", "ms of one core"),
    "request_bytes": Part("a fitted image in a request, before base64", "full_slots",
                          "fitting/mean_fitted_bytes", "bytes"),
    "rules": Part("English captions through all rules, with sketches", "filter_speed",
                  "captions_per_s_and_core/with_sketches/single_en", "per second and core"),
    "filter_driver": Part("reading 200,000 captions and finding near-duplicates, on the driver", "refilter",
                          "two_workers/parent_processor_s", "s of one core"),
    "filter_captions": Part("captions in that measurement", "refilter", "captions", "captions"),
    "export": Part("exporting a row, with checksums and card", "export_speed", "cpu_us_a_row/export",
                   "µs of one core"),
    "row_bytes": Part("size of an exported row", "export_speed", "ours/bytes_a_row", "bytes"),
    "resume": Part("resuming a killed run of 11 million images", "huge_run", "slowest_start_s", "s"),
    "driver_memory": Part("memory of the driver meanwhile", "huge_run", "highest_mib", "MiB"),
}  # fmt: skip


@cache
def measured(name: str) -> float:
    """The figure of a part."""
    part = PARTS[name]
    node: Any = json.loads((RESULTS / f"{part.result}.json").read_text("utf-8"))["measured"]
    for key in part.keys.split("/"):
        node = node[key]
    return float(node)


class Cost(NamedTuple):
    """What one size takes."""

    images: int
    captions: float
    weighted: float
    """Captions, a set's counted SET_WEIGHT times."""
    decode_core_h: float
    embed_gpu_h: float
    join_core_h: float
    grouping_driver_h: float
    caption_gpu_h: dict[str, float]
    client_core_h: float
    rules_core_h: float
    filter_driver_h: float
    export_core_h: float
    memory_gb: float
    """Of grouping, on one machine."""

    def hours(self, gpus: int, model: str) -> dict[str, float]:
        """Of each part on so many GPUs with their cores, one after the other."""
        cores = gpus * CORES_A_GPU
        return {
            "embedding": max(self.embed_gpu_h / gpus, self.decode_core_h / cores),
            "the join": self.join_core_h / cores,
            "sets, on the driver": self.grouping_driver_h,
            "captions": max(self.caption_gpu_h[model] / gpus, self.client_core_h / cores),
            "rules": self.rules_core_h / cores,
            "near-duplicate captions, on the driver": self.filter_driver_h,
            "export": self.export_core_h / cores,
        }


def cost_of(images: int) -> Cost:
    """From the measured parts and the assumptions."""
    singles, sets = images * (1 + ZH_SHARE), images * 2 * SET_SHARE
    weighted = singles + SET_WEIGHT * sets
    captions = singles + sets
    rest_s = measured("grouping") - _join_h(10**6) * 3600
    return Cost(
        images=images,
        captions=captions,
        weighted=weighted,
        decode_core_h=images * measured("decode") / 3.6e6,
        embed_gpu_h=images / EMBEDDED_PER_GPU_S / 3600,
        join_core_h=2 * _join_h(images),
        grouping_driver_h=rest_s / 3600 * images / 10**6,
        caption_gpu_h={m: weighted * CAPTION_TOKENS / per_s / 3600 for m, per_s in TOKENS_PER_GPU_S.items()},
        client_core_h=(weighted * measured("fit") + captions * measured("request")) / 3.6e6,
        rules_core_h=captions / measured("rules") / 3600,
        filter_driver_h=captions * measured("filter_driver") / measured("filter_captions") / 3600,
        export_core_h=captions * measured("export") / 3.6e9,
        memory_gb=measured("join_memory") * images / SIZES["11M"],
    )


def _join_h(images: int) -> float:
    return measured("join") * (images / SIZES["11M"]) ** measured("join_power")


def bottleneck(cost: Cost, gpus: int, model: str) -> str:
    """The part that takes longest, with its share."""
    hours = cost.hours(gpus, model)
    longest = max(hours, key=lambda part: hours[part])
    return f"{longest} ({hours[longest] / sum(hours.values()):.0%})"


def page() -> str:
    """The text of docs/scale.md."""
    costs = {name: cost_of(images) for name, images in SIZES.items()}
    return TEMPLATE.read_text("utf-8").format(
        parts="\n".join(_part_row(part, name) for name, part in PARTS.items()),
        work=_table(costs, _WORK),
        storage=_table(costs, _STORAGE),
        network=_table(costs, _NETWORK),
        fleets="\n".join(_fleet_rows(costs)),
        sizes=" | ".join(costs),
        cores_a_gpu=CORES_A_GPU,
        embedded_per_s=EMBEDDED_PER_GPU_S,
        tokens_8b=f"{TOKENS_PER_GPU_S['8B']:,}",
        tokens_76b=TOKENS_PER_GPU_S["76B"],
        caption_tokens=CAPTION_TOKENS,
        set_weight=SET_WEIGHT,
        memory_limit=_round(FITS_MEMORY_GB / costs["11M"].memory_gb * SIZES["11M"] / 1e6),
        fits_memory_gb=FITS_MEMORY_GB,
        resume_1b=_round(measured("resume") * SIZES["1B"] / SIZES["11M"] / 60),
        driver_1b=_round(measured("driver_memory") / 1024 * SIZES["1B"] / SIZES["11M"]),
    )


def _part_row(part: Part, name: str) -> str:
    figure = _round(measured(name)) if measured(name) >= 100 else f"{measured(name):g}"
    return f"| {part.what} | {figure} {part.unit} | `{part.result}.json` |"


_WORK = {
    "captions, millions": lambda c: c.captions / 1e6,
    "embedding, GPU-hours": lambda c: c.embed_gpu_h,
    "decoding for embedding, core-hours": lambda c: c.decode_core_h,
    "the join, core-hours": lambda c: c.join_core_h,
    "sets, hours of the driver": lambda c: c.grouping_driver_h,
    "**captions by an 8B, GPU-hours**": lambda c: c.caption_gpu_h["8B"],
    "**captions by a 76B, GPU-hours**": lambda c: c.caption_gpu_h["76B"],
    "fitting and sending, core-hours": lambda c: c.client_core_h,
    "rules, core-hours": lambda c: c.rules_core_h,
    "near-duplicate captions, hours of the driver": lambda c: c.filter_driver_h,
    "export, core-hours": lambda c: c.export_core_h,
    "memory of grouping, GB on one machine": lambda c: c.memory_gb,
}

_STORAGE = {
    "images, TB": lambda c: c.images * IMAGE_MB / 1e6,
    "embeddings, GB": lambda c: c.images * DIMENSIONS * 2 / 1e9,
    "journals, GB": lambda c: c.captions * measured("row_bytes") / 1e9,
    "exported rows, GB": lambda c: c.captions * measured("row_bytes") / 1e9,
}

_NETWORK = {
    "images read for embedding, TB": lambda c: c.images * IMAGE_MB / 1e6,
    "images read for captions, TB": lambda c: c.weighted * IMAGE_MB / 1e6,
    "requests to endpoints on other nodes, TB": lambda c: c.weighted * measured("request_bytes") * 4 / 3e12,
    "MB/s read with 64 GPUs, 8B": lambda c: c.weighted * IMAGE_MB / (c.caption_gpu_h["8B"] / 64 * 3600),
    "MB/s read with 64 GPUs, 76B": lambda c: c.weighted * IMAGE_MB / (c.caption_gpu_h["76B"] / 64 * 3600),
}


def _table(costs: dict[str, Cost], rows: dict[str, Any]) -> str:
    return "\n".join(
        f"| {what} | {' | '.join(_round(figure(cost)) for cost in costs.values())} |"
        for what, figure in rows.items()
    )


def _fleet_rows(costs: dict[str, Cost]) -> list[str]:
    return [
        f"| {name} | {model} | {gpus} | {_time(sum(cost.hours(gpus, model).values()))}"
        f" | {bottleneck(cost, gpus, model)} |"
        for name, cost in costs.items()
        for model in TOKENS_PER_GPU_S
        for gpus in FLEETS
    ]


def _round(value: float) -> str:
    """Two digits: no model is better than that."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _time(hours: float) -> str:
    return f"{_round(hours / 24)} days" if hours >= 48 else f"{_round(hours)} h"


def main() -> int:
    """Write the page, or say that it is not current."""
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, "utf-8")
        return 0
    if not PAGE.exists() or PAGE.read_text("utf-8") != text:
        print(f"docs/scale.md doesn't say what benchmarks/results say; run `{COMMAND}`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
