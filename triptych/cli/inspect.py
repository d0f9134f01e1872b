"""The commands that only look: status, verify, doctor."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from triptych.cli import options

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")


@click.command(epilog=options.example("triptych status run --json"))
@click.argument("folder", metavar="RUN", type=options.FOLDER)
@_JSON
def status(folder: Path, as_json: bool) -> None:
    """Show where a run is: its funnel, its stages, and failures by class. Works while it runs."""
    from triptych.funnel import funnel_lines, stage_lines
    from triptych.pipeline import look_into

    pipeline = look_into(folder)
    ledger = pipeline.take_stock()
    if as_json:
        _print_json({"stages": pipeline.folder.run_file.stages, "ledger": ledger})
        return
    for line in (*funnel_lines(ledger), "", *stage_lines(pipeline)):
        click.echo(line)


@click.command(epilog=options.example("triptych verify run && echo all there"))
@click.argument("folder", metavar="RUN", type=options.FOLDER)
@_JSON
def verify(folder: Path, as_json: bool) -> None:
    """Reload all that a run wrote and recount it; exit 1 where anything doesn't add up."""
    from triptych.pipeline import look_into
    from triptych.verification import verify_run

    result = verify_run(look_into(folder))
    if as_json:
        _print_json(result)
    else:
        for check in result.checks:
            click.echo(f"ok   {check}")
        for offence in result.offences:
            click.echo(f"BAD  {offence}")
        click.echo(f"{len(result.checks)} checks passed, {len(result.offences)} offences")
    if result.offences:
        sys.exit(1)


@click.command(epilog=options.example("triptych doctor"))
@_JSON
def doctor(as_json: bool) -> None:
    """Say what this machine can run, what is missing, and what to install."""
    from triptych.checkup import examine

    findings = examine(Path())
    if as_json:
        _print_json(findings)
    else:
        for finding in findings:
            advice = f"  -> {finding.advice}" if finding.advice else ""
            click.echo(f"{finding.level:<8} {finding.name:<22} {finding.found}{advice}")
    if any(finding.level == "failed" for finding in findings):
        sys.exit(1)


def _print_json(value: object) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
