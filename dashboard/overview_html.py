"""The overview page as one piece of HTML, made from what the exporter was last seen to say."""

from collections import Counter
from collections.abc import Sequence
from html import escape

from core.snapshot import Snapshot
from core.verdict import Verdict
from core.words import count
from dashboard.alerts_html import alert_panel, further_alerts
from dashboard.headline import Doubt, Headline, doubt, headline
from dashboard.overview_table import Row, rows
from dashboard.snapshot_source import Reading
from dashboard.table_html import VERDICT_WORDS, queue_table, verdict_chip
from dashboard.words import age

_LEGEND = (
    "Waits are as of the snapshot, moments in UTC. The bar is two targets long, its mark is the target. "
    "&ndash; nothing to measure, ? not known yet. Time to start counts from sent, or from the eta if that is later."
)
_HOW_TO_BEGIN = (
    "A queue appears here as soon as it has a row in queue_targets.csv, or within seconds of its first task."
)
# The style sheet shows it, and greys the page, when no new drawing has come for ten seconds.
_UNREFRESHED = (
    '<div class="slo-doubt slo-unrefreshed"><strong>This page is no longer refreshed</strong>'
    "<span>The dashboard does not answer; the numbers are more than 10 s old.</span></div>"
)


def page(reading: Reading, now: float, chosen: str | None = None) -> str:
    """Draw everything below the navigation; numbers that are not live are greyed and say their age.

    `chosen` is the queue that a link asked for. `now` stands in the page, so that no two drawings are alike: the browser takes
    each one in, and its clock for an unrefreshed page starts anew.
    """
    reason = doubt(reading, now)
    banner = "" if reason is None else _banner(reason)
    body = "" if reading.snapshot is None else _body(reading.snapshot, reason, now - (reading.seen_at or now), chosen)
    return f'<div class="slo-page" data-drawn-at="{now:.3f}">{_UNREFRESHED}{banner}{body}</div>'


def _banner(reason: Doubt) -> str:
    numbers = "" if reason.age_seconds is None else f"The numbers are {age(reason.age_seconds)} old."
    texts = "".join(f"<span>{escape(text)}</span>" for text in (numbers, reason.detail) if text)
    return f'<div class="slo-doubt"><strong>{escape(reason.text)}</strong>{texts}</div>'


def _body(snapshot: Snapshot, reason: Doubt | None, age_seconds: float, chosen: str | None) -> str:
    table = rows(snapshot)
    line = headline(snapshot, table)
    if reason is None:
        head = _head(snapshot, table, line, age_seconds)
        return f'<div class="slo-live">{head}{_numbers(snapshot, table, chosen)}</div>'
    # A headline that is itself the doubt holds; any other is what was true then.
    then = line if reason.is_headline else Headline(line.tone, f"{age(age_seconds)} ago: {line.text}")
    state = "live" if reason.is_headline else "stale"
    return (
        f'<div class="slo-{state}">{_head(snapshot, table, then, reason.age_seconds)}</div>'
        f'<div class="slo-stale">{_numbers(snapshot, table, chosen)}</div>'
    )


def _head(snapshot: Snapshot, table: Sequence[Row], line: Headline, age_seconds: float | None) -> str:
    tally = Counter(row.verdict for row in table)
    words = [(verdict.value, f"{tally[verdict]} {VERDICT_WORDS[verdict]}") for verdict in Verdict if tally[verdict]]
    chips = "".join(f"<li>{verdict_chip(verdict, text)}</li>" for verdict, text in words)
    caption = " · ".join(escape(part) for part in _caption(snapshot, table, age_seconds))
    return (
        f'<header class="slo-head slo-tone-{line.tone}"><h1>{escape(line.text)}</h1>'
        f'<ul class="slo-tally" aria-label="Queues by verdict">{chips}</ul><p class="slo-note">{caption}</p></header>'
    )


def _caption(snapshot: Snapshot, table: Sequence[Row], age_seconds: float | None) -> list[str]:
    scope = [f"{name}={value}" for name, value in sorted(snapshot.labels.items())]
    parts = [*scope, snapshot.exporter.broker]
    if age_seconds is not None:
        parts.insert(0, f"numbers {age(age_seconds)} old")
    if table:
        with_target = sum(row.target_seconds is not None for row in table)
        parts.append(f"{count(len(table), 'queue')}, {with_target} with a target")
    if snapshot.target_divisor != 1:
        parts.append(f"targets and alert delays divided by {snapshot.target_divisor:g} (demo)")
    return parts


def _numbers(snapshot: Snapshot, table: Sequence[Row], chosen: str | None) -> str:
    ordered = sorted(table, key=lambda row: row.queue != chosen)  # what a link asked for stands first
    documented = [row for row in ordered if row.is_documented]
    others = [row for row in ordered if not row.is_documented]
    parts = [_file_warning(snapshot), _unknown_queue(table, chosen), alert_panel(snapshot)]
    if documented:
        parts.append("<h2>Queues</h2>" + queue_table(documented, snapshot, "Queues", chosen))
    if others:
        title = "<h2>Not in queue_targets.csv <small>measured, but nothing is promised</small></h2>"
        parts.append(title + queue_table(others, snapshot, "Not in queue_targets.csv", chosen))
    parts.append(further_alerts(snapshot))
    closing = _LEGEND if table else _HOW_TO_BEGIN
    parts.append(f'<p class="slo-note">{closing} celery-slo {escape(snapshot.version)}.</p>')
    return "".join(parts)


def _unknown_queue(table: Sequence[Row], chosen: str | None) -> str:
    if not chosen or any(row.queue == chosen for row in table):
        return ""
    return f'<p class="slo-warning">The link asks for the queue {escape(chosen)}, which is not known here.</p>'


def _file_warning(snapshot: Snapshot) -> str:
    if snapshot.exporter.targets_valid:
        return ""
    return '<p class="slo-warning">queue_targets.csv is broken on disk; the targets read before stay in force.</p>'
