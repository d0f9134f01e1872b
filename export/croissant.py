"""Croissant metadata: croissant.json of the export folder, with where the rows came from.

Comes in: the manifest's content and the config. Goes out: JSON-LD after Croissant 1.1, with its
responsible-AI fields and W3C PROV provenance. As in the manifest, there is no time in it: two runs of the
same images and settings have the same bytes. Not its job: prose for readers (see card).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from triptych.export.config import ExportConfig
from triptych.export.formats import FORMATS, layout_of
from triptych.export.manifest import FileEntry, Fingerprint, Funnel
from triptych.records import JobName, language_of
from triptych.runs.folder import Setting

_CONFORMS_TO = "http://mlcommons.org/croissant/1.1"

_ENCODINGS = {
    "jsonl": "application/jsonlines",
    "jsonl.zst": "application/zstd",
    "parquet": "application/x-parquet",
}
"""Croissant readers open the first and the last; compressed lines are listed, but get no record set."""

_TERMS = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject",
    "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
    "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
    "separator", "source", "subField", "transform",
)  # fmt: skip
"""Croissant's own words, as its standard context has them."""

_CONTEXT: Mapping[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS},
}

Json = dict[str, object]


def croissant(
    config: ExportConfig,
    files: Mapping[str, FileEntry],
    prompts: Mapping[JobName, str],
    funnel: Funnel,
    stages: Mapping[str, Fingerprint],
) -> Json:
    """The whole document. ``files`` are all that stand beside it, those with rows among them."""
    rows_files = {name: entry for name, entry in files.items() if entry.job is not None}
    filled = {name: entry for name, entry in rows_files.items() if entry.rows}
    rows = sum(entry.rows or 0 for entry in filled.values())
    model = _setting(stages, "captions", "model") or "a model that the run doesn't name"
    document: Json = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS_TO,
        "name": config.prefix,
        "description": (
            f"{rows} captions of images and of small sets of related images, written by {model} and filtered"
            " by Triptych. The images are not included."
        ),
        "inLanguage": sorted({language_of(entry.job) for entry in rows_files.values() if entry.job}),
        "isLiveDataset": False,
        **({} if config.captions_licence is None else {"license": config.captions_licence}),
        **_responsible_ai(config, prompts, funnel, stages, str(model)),
        **_provenance(config, stages),
        "distribution": [_file_object(config, name, entry) for name, entry in rows_files.items()],
    }
    if config.file_type != "jsonl.zst":
        document["recordSet"] = [_record_set(config, name, entry) for name, entry in filled.items()]
    return document


def _file_object(config: ExportConfig, name: str, entry: FileEntry) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{entry.size_bytes} B",
        "encodingFormat": _ENCODINGS[config.file_type],
        "sha256": entry.sha256,
    }


def _record_set(config: ExportConfig, name: str, entry: FileEntry) -> Json:
    assert entry.job is not None
    return {
        "@type": "cr:RecordSet",
        "@id": entry.job,
        "name": entry.job,
        "description": f"{entry.rows} captions, one a row.",
        "key": {"@id": f"{entry.job}/id"},
        "field": list(_fields(config, name, entry.job)),
    }


def _fields(config: ExportConfig, name: str, job: JobName) -> Iterator[Json]:
    """One field a column; of the conversation, the words of both sides."""
    row = msgspec.inspect.type_info(FORMATS[config.format].row_type(layout_of(job)))
    assert isinstance(row, msgspec.inspect.StructType)
    for column in row.fields:
        match column.type:
            case msgspec.inspect.TupleType(item_types=(msgspec.inspect.StructType(fields=turn), *_)):
                field = _field(job, column.encode_name, name, column.encode_name, "sc:Text")
                words = {"transform": {"jsonPath": turn[1].encode_name}}
                yield field | {
                    "description": "The question and the answer.",
                    "isArray": True,
                    "arrayShape": "2",
                    "source": _source(name, column.encode_name) | words,
                }
            case msgspec.inspect.ListType(item_type=item):
                listed = {"isArray": True, "arrayShape": "-1"}
                yield _field(job, column.encode_name, name, column.encode_name, _data_type(item)) | listed
            case kind:
                yield _field(job, column.encode_name, name, column.encode_name, _data_type(kind))


def _field(job: JobName, field: str, file: str, column: str, data_type: str) -> Json:
    return {
        "@type": "cr:Field",
        "@id": f"{job}/{field}",
        "name": field,
        "dataType": data_type,
        "source": _source(file, column),
    }


def _source(file: str, column: str) -> Json:
    return {"fileObject": {"@id": file}, "extract": {"column": column}}


def _data_type(kind: msgspec.inspect.Type) -> str:
    return "sc:Integer" if isinstance(kind, msgspec.inspect.IntType) else "sc:Text"


def _responsible_ai(
    config: ExportConfig,
    prompts: Mapping[JobName, str],
    funnel: Funnel,
    stages: Mapping[str, Fingerprint],
    model: str,
) -> Json:
    bounds = stages["verdicts"].settings if "verdicts" in stages else {}
    dropped = sum(sum((counts.rejected or {}).values()) for counts in funnel.jobs.values())
    images = "SA-1B's images" if config.image_source == "sa-1b" else "images that the user brought"
    return {
        "rai:dataCollection": f"{funnel.images.found or 0} files were found among {images}.",
        "rai:dataCollectionMissingData": (
            f"{sum((funnel.images.unreadable or {}).values())} files were unreadable and"
            f" {sum((funnel.images.duplicates or {}).values())} images duplicates; they have no rows."
        ),
        "rai:dataAnnotationProtocol": [f"{job}: {prompt}" for job, prompt in prompts.items()],
        "rai:machineAnnotationTools": [
            model,
            f"Triptych, {_setting(stages, 'captions', 'engine') or 'any engine'}",
        ],
        "rai:annotationsPerItem": "one caption an image or set in each language",
        "rai:dataPreprocessingProtocol": [
            f"{dropped} captions were dropped by the filter's rules.",
            *(f"{name} = {value}" for name, value in bounds.items()),
        ],
        "rai:dataLimitations": (
            "Captions are a model's words, not checked by a person; the filter finds captions that broke,"
            " not captions that are wrong."
        ),
    }


def _provenance(config: ExportConfig, stages: Mapping[str, Fingerprint]) -> Json:
    """What the rows were derived from, and each stage with its settings and the digests of its inputs."""
    source = "SA-1B" if config.image_source == "sa-1b" else "the user's own images"
    return {
        "prov:wasDerivedFrom": {"@type": "prov:Entity", "prov:label": source},
        "prov:wasGeneratedBy": [
            {
                "@type": "prov:Activity",
                "prov:label": f"Triptych: {stage}",
                "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": "Triptych"},
                "prov:used": [
                    {"@type": "prov:Entity", "prov:label": name, "prov:value": value}
                    for name, value in (*_shown(mark.settings), *mark.inputs.items())
                ],
            }
            for stage, mark in stages.items()
        ],
    }


def _shown(settings: Mapping[str, Setting]) -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        yield name, "none" if value is None else str(value)


def _setting(stages: Mapping[str, Fingerprint], stage: str, name: str) -> Setting:
    return stages[stage].settings.get(name) if stage in stages else None
