"""The alerts of a snapshot as HTML, and whether anybody receives them."""

import re
from collections.abc import Sequence
from html import escape

from core.alert import AlertBoard, AlertState, AlertView
from core.snapshot import Snapshot
from dashboard.words import age, moment

_OLD_AFTER_SECONDS = 60.0  # an evaluator writes at least twice a minute
_ORDER = (AlertState.FIRING, AlertState.PENDING)
_SHOWN_FIRST = 6  # so that a storm of alerts does not push the queues off the screen
_NO_EVALUATOR = '<p class="slo-note">No alerts are shown: no alert evaluator reports to this exporter.</p>'


def alert_panel(snapshot: Snapshot) -> str:
    """Show what matters above the table: the first alerts, and receivers that take none."""
    board = snapshot.alerts
    if board is None:
        return _NO_EVALUATOR
    current = _current(board)
    board_age_seconds = max(0.0, snapshot.at - board.at)
    evaluated = f"evaluated {age(board_age_seconds)} ago" if snapshot.exporter.blind_reason is None else _kept(snapshot)
    troubles = [f"Alerts do not reach {receiver}: {why}" for receiver, why in sorted(board.undelivered.items())]
    if board_age_seconds > _OLD_AFTER_SECONDS:
        troubles.insert(0, f"The alert evaluator has been silent for {age(board_age_seconds)}: alerts may be missing")
    warnings = "".join(f'<p class="slo-warning">{escape(trouble)}</p>' for trouble in troubles)
    if not current:
        return f'{warnings}<p class="slo-note">No alert is firing or pending, {evaluated}.</p>'
    title = f"<h2>Alerts <small>{_tally(current)}, {evaluated}</small></h2>"
    return warnings + title + _alert_table(current[:_SHOWN_FIRST], snapshot, "Alerts")


def further_alerts(snapshot: Snapshot) -> str:
    """Show, below the queues, the alerts that the panel left out."""
    rest = () if snapshot.alerts is None else _current(snapshot.alerts)[_SHOWN_FIRST:]
    if not rest:
        return ""
    return f"<h2>{len(rest)} more alerts</h2>" + _alert_table(rest, snapshot, "More alerts")


def _kept(snapshot: Snapshot) -> str:
    """Say that alerts stay as they were: while nothing can be judged, none of them is."""
    marker_at = snapshot.exporter.marker_at
    since = "as they were" if marker_at is None else f"since {moment(marker_at, snapshot.at)}"
    return f"kept {since}, not evaluated while blind"


def _current(board: AlertBoard) -> tuple[AlertView, ...]:
    """Firing before pending, the longest first; resolved ones are history."""
    current = [alert for alert in board.alerts if alert.state in _ORDER]
    return tuple(sorted(current, key=lambda alert: (_ORDER.index(alert.state), alert.active_at)))


def _tally(alerts: Sequence[AlertView]) -> str:
    numbers = {state: sum(alert.state is state for alert in alerts) for state in _ORDER}
    return ", ".join(f"{number} {state}" for state, number in numbers.items() if number)


def _alert_table(alerts: Sequence[AlertView], snapshot: Snapshot, label: str) -> str:
    runbooks = {view.queue: view.target.runbook_url for view in snapshot.queues if view.target is not None}
    lines = "".join(_alert_line(alert, snapshot, runbooks) for alert in alerts)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("State", "Queue", "Alert", "For", "Since", "Cause"))
    return f'<table role="table" class="slo-alerts" aria-label="{label}"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'


def _alert_line(alert: AlertView, snapshot: Snapshot, runbooks: dict[str, str]) -> str:
    is_blind = snapshot.exporter.blind_reason is not None
    judged_at = (snapshot.exporter.marker_at or snapshot.at) if is_blind else snapshot.at
    queue = alert.labels.get("queue", "")
    name = alert.labels.get("alertname", "alert without a name")
    subject = escape(queue) if queue else '<span class="slo-faint">no queue</span>'
    return (
        f'<tr role="row"><td role="cell"><span class="slo-chip slo-{alert.state}">{alert.state}</span></td>'
        f'<th scope="row" role="rowheader">{subject}</th><td role="cell">{escape(name)}</td>'
        f'<td role="cell" class="slo-n" data-label="for">{age(judged_at - alert.active_at)}</td>'
        f'<td role="cell" class="slo-since">{moment(alert.active_at, snapshot.at)}</td>'
        f'<td role="cell" class="slo-reason">{_cause(alert, judged_at, runbooks.get(queue, ""), is_blind=is_blind)}</td></tr>'
    )


def _cause(alert: AlertView, now: float, runbook_url: str, *, is_blind: bool) -> str:
    summary = alert.annotations.get("summary", "")
    description = alert.annotations.get("description", "")
    text = escape(summary or description)
    runbook_url = alert.annotations.get("runbook_url", "") or runbook_url
    if runbook_url.startswith(("https://", "http://")):
        text += f' <a href="{escape(runbook_url)}" target="_blank" rel="noopener noreferrer">runbook</a>'
    if alert.state is AlertState.PENDING and not is_blind:
        text += f" <small>fires in {age(alert.fires_at - now)} unless it ends</small>"
    news = _news(description, summary) if summary else ""
    return f"{text} <small>{escape(news)}</small>" if news else text


def _news(description: str, summary: str) -> str:
    """Keep the sentences that the summary has not said already: with another number, or with mostly other words."""
    known = set(_words(summary))
    return " ".join(sentence for sentence in re.split(r"(?<=\.)\s+", description) if _adds(_words(sentence), known))


def _adds(words: Sequence[str], known: set[str]) -> bool:
    new = [word for word in words if word not in known]
    return 2 * len(new) > len(words) or any(word[0].isdigit() for word in new)


def _words(text: str) -> list[str]:
    return [word.rstrip(".,") for word in re.findall(r"\w[\w.,-]*", text.lower())]
