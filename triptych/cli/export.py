"""The commands export and push: write the dataset files, upload them to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from triptych.cli import options
from triptych.cli.flags import flags_of
from triptych.cli.stages import print_result
from triptych.progress import for_stderr
from triptych.terminal import echo

if TYPE_CHECKING:
    from triptych.export.stage import DryRun
    from triptych.runs.folder import StageName


@click.command(
    epilog=options.example("triptych export run --to lf --format llama-factory --image-root /sa1b")
)
@click.argument("folder", metavar="RUN", type=options.RUN)
@options.exporting
@click.option(
    "--to",
    default="",
    metavar="NAME",
    help="Write to RUN/exports/NAME, in addition to other exports; its options are remembered. A URL such as"
    " s3://bucket/NAME: upload it there, too.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be written, with exact sizes; write nothing.")
@options.settings("export")
def export(
    folder: Path, to: str, dry_run: bool, config_file: Path | None, fresh: tuple[StageName, ...], **given: Any
) -> None:
    """Write the dataset files, with card, checksums and metadata.

    Captions that the filter kept are written to RUN/export, as rows that trainers load: InternVL's, LLaVA's
    and others. --to writes another export beside it.
    """
    from triptych.opening import open_run

    flags = flags_of(**given)
    own_keys = [key for key in flags if to and key.startswith("export.")]
    own = {key.removeprefix("export."): flags.pop(key) for key in own_keys}
    with open_run(
        folder, config_file=config_file, settings=flags, progress=for_stderr(), read_only=dry_run
    ) as opened:
        if dry_run:
            opened.folder.fresh_stages |= set(fresh)
            _show_plan(opened.try_export(to, **own))
        else:
            opened.make_again(fresh)
            print_result(opened, opened.export(to, **own), "report")


def _show_plan(found: DryRun) -> None:
    echo(f"Would write to {found.folder}:")
    for name, file in found.files.items():
        echo(f"  {name:<56} {file.rows:>12,} rows {file.size_bytes:>16,} bytes")
    total = sum(file.size_bytes for file in found.files.values())
    echo(f"{total:,} bytes in total, plus a few kilobytes; {found.free_bytes:,} are free there.")


@click.command(epilog=options.example("triptych push run hf://datasets/me/photo-captions --private"))
@click.argument("folder", metavar="RUN", type=options.RUN)
@click.argument("url", metavar="hf://datasets/NAME")
@click.option("--export", "name", default="", metavar="NAME", help="RUN/exports/NAME. [default: RUN/export]")
@click.option("--private", is_flag=True, help="Make the dataset private, if it is created.")
def push(folder: Path, url: str, name: str, private: bool) -> None:
    """Upload an export to the Hugging Face Hub.

    The dataset is created if it doesn't exist. NAME is OWNER/DATASET, or DATASET alone for the account of
    HF_TOKEN or `hf auth login`. After an interruption, run the same command again: files that were uploaded
    are skipped.
    """
    from triptych.opening import open_run

    with open_run(folder, progress=for_stderr(), read_only=True) as opened:
        echo(opened.push(url, export=name, private=private))
