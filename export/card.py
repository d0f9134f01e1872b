"""The dataset card: README.md of the export folder, for the Hub.

Comes in: the manifest, the config, an example row of each job. Goes out: Markdown with a YAML header in which
each job is a config of the dataset. Not its job: counting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from triptych.export.config import ExportConfig
from triptych.export.containers import CONTAINERS
from triptych.export.extra_columns import has_kinds
from triptych.export.formats import FORMATS
from triptych.export.formats.row_format import FilledFile
from triptych.export.manifest import Funnel, Manifest
from triptych.languages import Language
from triptych.records import SetKind
from triptych.runs.checks import outcome_lines
from triptych.runs.ledger.captions import JobCounts
from triptych.runs.stage_record import JobChecks, Setting, captioners

_SIZE_CATEGORIES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)
"""The Hub's size categories, by their upper bounds."""

_SA1B_LICENCE = (
    "The images are those of SA-1B. They are not included: get them from Meta under the SA-1B Dataset"
    " Research License, which also binds what is done with them. `image` in a row is the path of the image"
    " below the folder that the archives were unpacked to, one folder an archive:"
    " `sa_000000/sa_1.jpg` is `sa_1.jpg` of `sa_000000.tar`."
)
_SA1B_LICENCE_INSIDE = (
    "The images are those of SA-1B, and are included as they were found. Meta's SA-1B Dataset Research"
    " License binds what is done with them, and does not let everybody pass them on."
)
_OWN_LICENCE_INSIDE = "The images are included as they were found, and their rights stay with their owners."
_OWN_LICENCE = (
    "The images are not included, and their rights stay with their owners. `image` in a row is the path of"
    " the image below the folder that was captioned; an archive stands for a folder of its name: `a/x.jpg`"
    " may be `x.jpg` of `a.tar`, `a/17` row 17 (from 0) of `a.parquet`. A trainer needs them as files there."
)


def card(
    config: ExportConfig,
    manifest: Manifest,
    languages: Mapping[str, Language],
    examples: Mapping[str, bytes],
    kinds: Mapping[SetKind, int],
) -> str:
    """The text of the card.

    ``manifest`` may lack the card's own entry; ``languages`` are by code; ``examples`` has a row, as JSON, of
    each job with rows; ``kinds`` counts sets by kind.
    """
    files = [(name, entry, entry.job) for name, entry in manifest.files.items() if entry.job is not None]
    jobs, stages, funnel = manifest.jobs, manifest.stages, manifest.funnel
    captions = stages["captions"].settings if "captions" in stages else {}
    filters = stages["verdicts"].settings if "verdicts" in stages else {}
    models = " and ".join(map(_code, captioners(captions))) or "a model that the run doesn't name"
    total = sum(entry.rows or 0 for _, entry, _ in files)
    parts = [
        _header(config, manifest, total),
        f"# {config.prefix}",
        config.card_note,
        f"{total:,} captions of images and of small sets of related images, written by {models} and"
        " filtered by Triptych.",
        "## Files",
        _table(
            ("config", "file", "language", "rows", "bytes"),
            [
                (job, _code(name), _named(languages, jobs[job].language), f"{e.rows:,}", f"{e.size_bytes:,}")
                for name, e, job in files
            ],
        ),
        f"{_format_hint(config)} A file without rows has no config. `manifest.json` has every checksum.",
        CONTAINERS[config.file_type].hint,
        "## Licence",
        _image_licence(config),
        _captions_licence(config),
        "## How it was made",
        "Each file's captions answer this prompt:",
        *(f"**{job}**\n\n{_fenced(jobs[job].prompt)}" for job in jobs),
        f"Settings of captioning:\n\n{_settings(captions)}",
        _sets(stages["sets"].settings if "sets" in stages else {}, kinds),
        "## Filters",
        f"Thresholds and settings:\n\n{_settings(filters)}",
        f"Captions by the first rule that rejected them:\n\n{_rejections(funnel.jobs)}",
        "## From images to rows",
        _table(("images", "count"), list(_image_lines(funnel))),
        _jobs_table(manifest),
        _repairs(funnel.jobs),
        _checks(manifest.checks),
        "## Example rows",
        *(f"**{job}**\n\n{_fenced(row.decode().rstrip(), 'json')}" for job, row in examples.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _format_hint(config: ExportConfig) -> str:
    """How to use the rows, and that other file types come without the trainer's configuration files."""
    row_format = FORMATS[config.format]
    hint = row_format.hint(config.prefix, config.image_root)
    example = FilledFile(name="rows.jsonl", entry="rows", rows=1)
    names = row_format.companions(config.prefix, config.image_root, [example])
    if config.file_type == "jsonl" or not names:
        return hint
    return f"{hint} {' and '.join(map(_code, names))} is written beside JSON Lines alone, so it isn't here."


def _sets(settings: Mapping[str, Setting], kinds: Mapping[SetKind, int]) -> str:
    """The kinds of sets, if there are several, and which images may share a set."""
    lines = []
    if has_kinds(settings):
        counts = ", ".join(f"{kinds.get(kind, 0):,} {kind}" for kind in get_args(SetKind))
        lines.append(
            f"Sets: {counts}. Asked for were shares of {settings['varied_share']} varied and"
            f" {settings['contrast_share']} contrast, drawn with seed {settings['seed']}. Each row of a set"
            " says its `kind`. Images of a varied set are all unlike each other. A contrast set has one image"
            " that is unlike the others, which are related: `odd_image` is its number, from 1; elsewhere 0."
        )
    if settings.get("together"):
        lines.append(f"Only images of one {_code(str(settings['together']))} share a set.")
    if settings.get("apart"):
        lines.append(f"No two images of one {_code(str(settings['apart']))} share a set.")
    return "\n\n".join(lines)


def _header(config: ExportConfig, manifest: Manifest, total: int) -> str:
    """The YAML header, between lines of dashes."""
    from huggingface_hub import DatasetCardData

    filled: dict[str, list[str]] = {}
    for name, entry in manifest.files.items():
        if entry.rows and entry.job is not None:
            filled.setdefault(entry.job, []).append(name)
    data = DatasetCardData(
        pretty_name=config.prefix,
        license=config.captions_licence,
        language=sorted({job.language for job in manifest.jobs.values()}),
        task_categories=["image-to-text"],
        size_categories=[_size_category(total)],
        configs=[
            {
                "config_name": job,
                "data_files": [{"split": "train", "path": names[0] if len(names) == 1 else names}],
            }
            for job, names in filled.items()
        ],
        dataset_info=_features(filled, manifest) or None,
    )
    return f"---\n{data.to_yaml().strip()}\n---"


def _features(filled: Mapping[str, Sequence[str]], manifest: Manifest) -> list[dict[str, object]]:
    """The features of tars: `datasets` infers them from the first five samples, and drops further fields."""
    found: list[dict[str, object]] = []
    for job, names in filled.items():
        fields = sorted({field for name in names for field in manifest.files[name].image_fields})
        if fields:
            images = [{"name": field, "dtype": "image"} for field in fields]
            found.append({"config_name": job, "features": [*images, {"name": "txt", "dtype": "string"}]})
    return found


def _size_category(rows: int) -> str:
    return next((name for below, name in _SIZE_CATEGORIES if rows < below), "100M<n<1B")


def _named(languages: Mapping[str, Language], code: str) -> str:
    """The name of the language, or its code."""
    return languages[code].name or code


def _image_licence(config: ExportConfig) -> str:
    is_sa1b = config.image_source == "sa-1b"
    if CONTAINERS[config.file_type].holds_images:
        return _SA1B_LICENCE_INSIDE if is_sa1b else _OWN_LICENCE_INSIDE
    return _SA1B_LICENCE if is_sa1b else _OWN_LICENCE


def _captions_licence(config: ExportConfig) -> str:
    if config.captions_licence is None:
        return (
            "The licence of the captions has not been chosen yet. Whoever publishes them decides, with the"
            " licences of the images and of the model in view."
        )
    return f"The captions are published under {_code(config.captions_licence)}."


def _image_lines(funnel: Funnel) -> Iterator[tuple[str, str]]:
    images = funnel.images
    yield "found", _count(images.found)
    for reason, count in (images.unreadable or {}).items():
        yield f"unreadable: {reason}", _count(count)
    for reason, count in (images.screened or {}).items():
        yield f"screened out: {reason}", _count(count)
    for reason, count in (images.duplicates or {}).items():
        yield f"duplicate: {reason}", _count(count)
    yield f"in {_count(images.sets)} sets", _count(images.in_sets)
    yield "single", _count(images.single)


def _jobs_table(manifest: Manifest) -> str:
    lines = []
    for job, counts in manifest.funnel.jobs.items():
        failed = sum((counts.failed or {}).values())
        rejected = sum((counts.rejected or {}).values())
        figures = (counts.planned, failed, counts.captioned, rejected, counts.kept)
        lines.append((job, f"{manifest.jobs[job].subject}s", *map(_count, figures)))
    return _table(("job", "of", "planned", "failed", "captioned", "rejected", "kept"), lines)


def _checks(checks: Mapping[str, JobChecks]) -> str:
    """The verdicts of a second model, if one was asked."""
    lines = [f"- {_code(job)}: {line}" for job, each in checks.items() for line in outcome_lines(each)]
    said = "Statements of captions were put to a second model, each alone with its image, before the filter:"
    return "\n".join(["## Checks\n", f"{said}\n", *lines]) if lines else ""


def _repairs(jobs: Mapping[str, JobCounts]) -> str:
    """How many captions were repaired, if any."""
    counts = [
        f"{each.repaired:,} of {each.kept:,} in {_code(job)}" for job, each in jobs.items() if each.repaired
    ]
    if not counts:
        return ""
    return (
        f"Captions that were repaired: {', '.join(counts)}. A second model denied sentences of theirs, which"
        " were taken out; such a row has `repaired`."
    )


def _rejections(jobs: Mapping[str, JobCounts]) -> str:
    rules = sorted({rule for counts in jobs.values() for rule in counts.rejected or {}})
    if not rules:
        return "none was rejected."
    return _table(
        ("rule", *jobs),
        [
            (rule, *(_count((counts.rejected or {}).get(rule, 0)) for counts in jobs.values()))
            for rule in rules
        ],
    )


def _settings(settings: Mapping[str, object]) -> str:
    return _table(("setting", "value"), [(_code(key), _code(str(value))) for key, value in settings.items()])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _count(count: int | None) -> str:
    return "not known" if count is None else f"{count:,}"


def _code(text: str) -> str:
    """``text`` as inline code, on one line and without backquotes."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"


def _fenced(text: str, language: str = "text") -> str:
    """``text`` as a code block, with a fence that it doesn't contain."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
