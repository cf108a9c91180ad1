"""The table of queues as HTML. Every text from outside is escaped here, at the place where it is put in."""

from collections.abc import Sequence
from html import escape

from core.snapshot import Snapshot
from core.verdict import Verdict
from core.words import duration
from dashboard.overview_table import Row
from dashboard.words import moment, times

VERDICT_WORDS = {verdict.value: verdict.value.replace("_", " ") for verdict in Verdict}
_CALM = {Verdict.QUIET, Verdict.OK}

NOTHING = '<span class="slo-faint">&ndash;</span>'
NOT_KNOWN = '<abbr class="slo-faint" title="not known yet">?</abbr>'

# Widths in em, so that columns stand still while numbers change; the reason takes what is left.
_WIDTHS_EM = (7.5, 13, 7.4, 12, 5.6, 5.6, 4.4, 4.6, 5.2, 6.4, 3.8)
_COLUMNS = "".join(f'<col style="width:{width}em">' for width in _WIDTHS_EM)
_COLUMNS += '<col class="slo-wide" style="width:5em"><col>'
_LABELS = (
    "target",
    "oldest",
    "p50",
    "p95",
    "waiting",
    "overdue",
    "scheduled",
    "running/slots",
    "failed",
    "ready messages",
)
_HEAD = f"""
<colgroup>{_COLUMNS}</colgroup>
<thead>
<tr>
<th scope="col" rowspan="2">Verdict</th><th scope="col" rowspan="2">Queue</th>
<th scope="col" rowspan="2" class="slo-n">Target</th>
<th scope="col" rowspan="2" class="slo-n">Oldest wait<br>against target</th>
<th scope="colgroup" colspan="2" class="slo-group">Time to start, last 15 min</th>
<th scope="colgroup" colspan="5" class="slo-group">Tasks</th>
<th scope="col" rowspan="2" class="slo-n slo-wide">Ready<br>messages</th>
<th scope="col" rowspan="2">Reason</th>
</tr>
<tr>
<th scope="col" class="slo-n">p50</th><th scope="col" class="slo-n">p95</th>
<th scope="col" class="slo-n">waiting</th><th scope="col" class="slo-n">overdue</th>
<th scope="col" class="slo-n">scheduled</th><th scope="col" class="slo-n">running/slots</th>
<th scope="col" class="slo-n"><abbr title="attempts that failed since the exporter's start, SINCE">failed</abbr></th>
</tr>
</thead>
"""


def queue_table(rows: Sequence[Row], snapshot: Snapshot, label: str, chosen: str | None = None) -> str:
    """Lay out the rows of a snapshot in the order given; the chosen queue is marked.

    On a narrow screen the style sheet turns a row into a card: hence the roles, which
    that would take away, and the labels in place of the head.
    """
    body = "".join(_line(row, snapshot.at, is_chosen=row.queue == chosen) for row in rows)
    head = _HEAD.replace("SINCE", moment(snapshot.exporter.started_at, snapshot.at))
    return f'<table role="table" class="slo-queues" aria-label="{escape(label)}">{head}<tbody>{body}</tbody></table>'


def verdict_chip(verdict: str, text: str) -> str:
    """Colour a text as the verdict is coloured."""
    known = verdict if verdict in VERDICT_WORDS else Verdict.BLIND.value
    return f'<span class="slo-chip slo-{known}">{escape(text)}</span>'


def _line(row: Row, at: float, *, is_chosen: bool) -> str:
    looks = (["slo-calm"] if row.verdict in _CALM else []) + (["slo-chosen"] if is_chosen else [])
    marks = f' class="{" ".join(looks)}"' + (' aria-current="true"' if is_chosen else "")
    overdue = NOTHING if row.overdue is None else _number(row.overdue, is_bad=True)
    cells = (
        verdict_chip(row.verdict, VERDICT_WORDS.get(row.verdict, row.verdict)),
        _target(row),
        _oldest(row, at),
        _seconds(row.p50_seconds, row.target_seconds),
        _seconds(row.p95_seconds, row.target_seconds),
        _number(row.waiting),
        overdue,
        _number(row.scheduled),
        f'{_number(row.running)}<span class="slo-faint">/</span>{_known(row.slots)}',
        _failed(row),
        _known(row.ready_messages),
    )
    numbers = "".join(
        f'<td role="cell" data-label="{label}" class="slo-n{" slo-wide" if label == _LABELS[-1] else ""}">{cell}</td>'
        for label, cell in zip(_LABELS, cells[1:], strict=True)
    )
    name = f'<th scope="row" role="rowheader">{escape(row.queue)}</th>'
    reason = f'<td role="cell" class="slo-reason">{escape(row.reason)}</td>'
    return f'<tr role="row"{marks}><td role="cell">{cells[0]}</td>{name}{numbers}{reason}</tr>'


def _target(row: Row) -> str:
    if row.target_seconds is None:
        return '<span class="slo-faint">no target</span>'
    by_class = "" if row.target_class is None else f"<small>{escape(row.target_class)}</small> "
    return f'<span class="slo-spread">{by_class}<span>{duration(row.target_seconds)}</span></span>'


def _oldest(row: Row, at: float) -> str:
    if row.oldest_wait_seconds is None:
        return NOTHING
    wait = duration(row.oldest_wait_seconds)
    if row.target_ratio is None:
        return wait
    # The bar is two targets long: its middle, marked, is the target.
    width_percent = min(100.0, 50.0 * row.target_ratio)
    bar = f'<span class="slo-bar" aria-hidden="true"><span style="width:{width_percent:.0f}%"></span></span>'
    if row.late_since_at is None:
        return f'<span class="slo-spread">{bar}<span>{wait}</span></span>'
    since = f"{times(row.target_ratio)}, late since {moment(row.late_since_at, at)}"
    return f'<span class="slo-over"><span class="slo-spread">{bar}<b>{wait}</b></span> <small>{since}</small></span>'


def _seconds(seconds: float | None, target_seconds: float | None) -> str:
    if seconds is None:
        return NOTHING
    is_over = target_seconds is not None and seconds > target_seconds
    words = duration(seconds)
    words = "&lt;0.1 s" if words == "0 s" else words
    return f'<span class="slo-over">{words}</span>' if is_over else words


def _failed(row: Row) -> str:
    if not row.finished:
        return NOTHING
    share = f"{row.failed / row.finished:.1%} of {row.finished:,} finished"
    return f'<span title="{share}">{_number(row.failed)}</span>'


def _known(number: int | None) -> str:
    return NOT_KNOWN if number is None else _number(number)


def _number(number: int, *, is_bad: bool = False) -> str:
    if not number:
        return '<span class="slo-faint">0</span>'
    return f'<b class="slo-over">{number:,}</b>' if is_bad else f"{number:,}"
