"""`celery-slo status`: the exporter's snapshot as a table in the terminal."""

import click
import msgspec
import requests

from compose.options import env_option
from core.snapshot import QueueView, Snapshot
from core.verdict import Verdict
from core.words import duration

_COLUMNS = ("queue", "verdict", "target", "oldest", "p50", "p95", "waiting", "running", "reason")
_BAD = (Verdict.BLIND, Verdict.NO_CONSUMERS, Verdict.BLOCKED, Verdict.LATE)
_SEVERITY = {verdict: index for index, verdict in enumerate(Verdict)}


@click.command()
@env_option("--exporter-url", default="http://127.0.0.1:9818", help="Where the exporter listens.")
@click.option("--json", "as_json", is_flag=True, help="Print the snapshot as JSON.")
def status(exporter_url: str, *, as_json: bool) -> None:
    """Print every queue with its verdict, worst first. Exit status 1 when one is late or worse."""
    url = f"{exporter_url.rstrip('/')}/api/v1/snapshot"
    try:
        answer = requests.get(url, timeout=5)
        answer.raise_for_status()
        snapshot = msgspec.json.decode(answer.content, type=Snapshot)
    except (requests.RequestException, msgspec.DecodeError) as error:
        click.echo(f"{url}: {error}; is the exporter running there?", err=True)
        raise SystemExit(2) from error
    click.echo(answer.text if as_json else table(snapshot))
    raise SystemExit(1 if any(view.verdict in _BAD for view in snapshot.queues) else 0)


def table(snapshot: Snapshot) -> str:
    """The snapshot as lines of text, worst queue first."""
    ordered = sorted(snapshot.queues, key=lambda view: _SEVERITY[Verdict(view.verdict)])
    rows = [_COLUMNS, *(_row(view, snapshot.at) for view in ordered)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(view: QueueView, at: float) -> tuple[str, ...]:
    target = view.target.target_seconds if view.target else None
    return (
        view.queue,
        view.verdict,
        _seconds(target),
        _seconds(None if view.oldest_waiting_at is None else at - view.oldest_waiting_at),
        _seconds(view.recent.p50_seconds),
        _seconds(view.recent.p95_seconds),
        f"{view.waiting:,}",
        f"{view.running:,}" if view.slots is None else f"{view.running:,}/{view.slots:,}",
        view.reason,
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else duration(value)
