"""`celery-slo targets`: commands about the targets file."""

from pathlib import Path

import click

from compose.targets_file import TargetsFileError, default_path, read_targets
from core.targets import Kind, TargetTable


@click.group()
def targets() -> None:
    """What each queue promises: the targets file."""


@targets.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_context
def check(context: click.Context, file: Path | None) -> None:
    """Tell every problem of a targets file, by default the one that comes with celery-slo.

    Exits with 0 when the file can be used (warnings aside), else with 2.
    """
    path = file or default_path()
    try:
        table = read_targets(path)
    except TargetsFileError as error:
        click.echo(error, err=True)
        context.exit(2)
    for warning in table.warnings:
        click.echo(f"{path}: warning: {warning}", err=True)
    click.echo(f"{path}: {_summary(table)}")


def _summary(table: TargetTable) -> str:
    with_target = sum(row.target_seconds is not None for row in table.rows)
    processes = sum(row.kind is Kind.PROCESS for row in table.rows)
    rows = _counted(len(table.rows), "row", "rows")
    return f"{rows}, {with_target} with a target, {_counted(processes, 'process', 'processes')}"


def _counted(count: int, singular: str, plural: str) -> str:
    return f"{count} {singular if count == 1 else plural}"
