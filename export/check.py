"""Reloads an export and checks it against its manifest and against the run it was made from.

Comes in: a run folder with an export. Goes out: what was checked, with counts, and what is wrong, in
words. Nothing is believed that can be recounted. Not its job: the ledger (see corpus.ledger).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from corpus.files import sha256_of
from corpus.records import JobName, is_multi
from corpus.runfolder import RunFolder
from export.manifest import FileEntry, Manifest
from export.names import CARD_NAME, MANIFEST_NAME, rows_file_name
from export.rows import IMAGE_TAG, MultiRow, SingleRow, without_tags

MOST_OFFENCES_A_FILE = 20
"""More are counted, not listed."""

Size = tuple[int, int]


class Check(msgspec.Struct, frozen=True):
    """Something that was looked at, and how many of it."""

    what: str
    count: int

    def __str__(self) -> str:
        return f"{self.what}: {self.count:,}"


def check_export(run: RunFolder) -> tuple[list[Check], list[str]]:
    """What was checked, and every offence (up to MOST_OFFENCES_A_FILE a file). Changes nothing."""
    path = run.export_folder / MANIFEST_NAME
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return [], [f"{path} is not there: nothing was exported, or it was removed"]
    except msgspec.MsgspecError as error:
        return [], [f"{path} is not a manifest: {error}"]
    intact, offences = _check_files(run, manifest)
    checks = [Check("export: files with the manifest's checksum", len(intact))]
    sizes = {
        image.key: (image.width_px, image.height_px) for image in run.all_images() if not image.unreadable
    }
    for name, entry in manifest.files.items():
        if entry.job is None or name not in intact:
            continue
        found = list(_file_offences(run, name, entry, entry.job, sizes))
        offences += found[:MOST_OFFENCES_A_FILE]
        if len(found) > MOST_OFFENCES_A_FILE:
            offences.append(f"{name}: {len(found) - MOST_OFFENCES_A_FILE:,} more offences")
        checks.append(Check(f"export: rows of {name}", entry.rows or 0))
    return checks, offences


def _check_files(run: RunFolder, manifest: Manifest) -> tuple[set[str], list[str]]:
    """The names of the files that are as the manifest says, and offences."""
    intact, offences = set(), []
    for name, entry in manifest.files.items():
        path = run.export_folder / name
        if not path.is_file():
            offences.append(f"{path} is in the manifest, but not there")
        elif path.stat().st_size != entry.size_bytes:
            offences.append(
                f"{path} has {path.stat().st_size:,} bytes, the manifest says {entry.size_bytes:,}"
            )
        elif sha256_of(path) != entry.sha256:
            offences.append(f"{path} has another checksum than in the manifest: it was changed")
        else:
            intact.add(name)
    known = {MANIFEST_NAME, *manifest.files}
    there = sorted(path for path in run.export_folder.rglob("*") if path.is_file())
    offences += [f"{path} is not in the manifest" for path in there if path.name not in known]
    if CARD_NAME not in manifest.files:
        offences.append(f"{run.export_folder / MANIFEST_NAME} names no {CARD_NAME}")
    return intact, offences


def _file_offences(
    run: RunFolder, name: str, entry: FileEntry, job: JobName, sizes: dict[str, Size]
) -> Iterator[str]:
    """One line for each thing wrong with a file or with one of its rows."""
    decoder = msgspec.json.Decoder[SingleRow | MultiRow](MultiRow if is_multi(job) else SingleRow)
    kept = _kept_captions(run, job)
    ids: set[str] = set()
    rows = 0
    with (run.export_folder / name).open("rb") as file:
        for line in file:
            rows += 1
            try:
                row = decoder.decode(line)
            except msgspec.MsgspecError as error:
                yield f"{name}, row {rows}: {error}"
                continue
            for offence in _row_offences(row, sizes):
                yield f"{name}, row {rows} ({row.id}): {offence}"
            if row.id in ids:
                yield f"{name}, row {rows}: id {row.id} came before"
            ids.add(row.id)
            if next(kept, None) != (row.id, row.conversations[1].value):
                yield f"{name}, row {rows} ({row.id}): not the caption that was kept in this place"
    missing = sum(1 for _ in kept)
    if missing:
        yield f"{name}: {missing:,} kept captions are not in it"
    if rows != entry.rows:
        yield f"{name} has {rows:,} rows, the manifest says {entry.rows}"
    if not name.endswith(rows_file_name("", job, rows)):
        yield f"{name} has {rows:,} rows, so its name should end in {rows_file_name('', job, rows)}"


def _kept_captions(run: RunFolder, job: JobName) -> Iterator[tuple[str, str]]:
    """``(id, text as exported)`` of every kept caption, in the order of the verdicts."""
    for shard in run.shards():
        texts = {caption.id: caption.text for caption in run.captions(job, shard)}
        for verdict in run.verdicts(job, shard):
            if verdict.keep:
                yield verdict.id, without_tags(texts.get(verdict.id, ""))


def _row_offences(row: SingleRow | MultiRow, sizes: dict[str, Size]) -> Iterator[str]:
    """What is wrong with a row by itself: speakers, tags, image keys, sizes."""
    human, gpt = row.conversations
    if (human.speaker, gpt.speaker) != ("human", "gpt"):
        yield f"speakers are {human.speaker} and {gpt.speaker}, expected human and gpt"
    if isinstance(row, SingleRow):
        images, stated = [row.image], [(row.width, row.height)]
    else:
        images = row.image
        if not len(images) == len(row.width_list) == len(row.height_list):
            yield f"{len(images)} images, {len(row.width_list)} widths, {len(row.height_list)} heights"
            return
        stated = list(zip(row.width_list, row.height_list, strict=True))
    tags = human.value.count(IMAGE_TAG)
    if tags != len(images) or IMAGE_TAG in gpt.value:
        yield (
            f"{tags} {IMAGE_TAG} tags in the question and {gpt.value.count(IMAGE_TAG)} in the answer,"
            f" expected {len(images)} and 0"
        )
    for key, size in zip(images, stated, strict=True):
        if key not in sizes:
            yield f"{key} is no readable image of the run"
        elif sizes[key] != size:
            yield f"{key} is {size[0]} x {size[1]} here, but {sizes[key][0]} x {sizes[key][1]} in the run"
