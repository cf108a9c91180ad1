"""Draws the snapshot from the ledger's parts."""

from typing import TYPE_CHECKING

from core.histogram import RUNTIME_BOUNDS
from core.queue_book import QueueBook, histogram_view
from core.snapshot import ExporterView, QueueView, Snapshot
from core.verdict import Situation, judge
from core.workers import Worker

if TYPE_CHECKING:
    from core.ledger import Ledger

EVENTS_ON_SECONDS = 10.0  # a worker that did not turn its events on by then will not


def draw(ledger: "Ledger", now: float) -> Snapshot:
    """Everything at this moment."""
    consumers = ledger.workers.consumers()
    undecided = any(worker.online and worker.queues is None for worker in ledger.workers)
    stalled = {
        attempt.series.queue.label for worker in ledger.workers for attempt in worker.held_beside_idle_slots(now)
    }
    blind_reason = ledger.stream.blind_reason(now)

    def view(book: QueueBook) -> QueueView:
        readers = _readers(book, consumers)
        known = bool(readers) or (not undecided and not ledger.consumed.isdisjoint(book.members | {book.label}))
        asked_at = None if known or undecided else ledger.inspected_at
        reason = blind_reason or _silent_reader(readers, now)
        return _queue_view(
            book, readers if known else None, now, reason, stalled=book.label in stalled, asked_at=asked_at
        )

    return Snapshot(
        at=now,
        version=ledger.identity.version,
        labels=ledger.identity.labels,
        target_divisor=ledger.identity.target_divisor,
        wait_bounds=ledger.wait_bounds,
        runtime_bounds=RUNTIME_BOUNDS,
        exporter=_exporter_view(ledger, now, blind_reason),
        queues=tuple(view(book) for book in ledger.series.queues.values()),
        tasks=ledger.series.views(),
        workers=tuple(worker.view() for worker in ledger.workers),
    )


def _readers(book: QueueBook, consumers: dict[str, list[Worker]]) -> list[Worker]:
    """Live workers that read a queue behind this label, each once."""
    names = book.members | {book.label}
    return list({worker.name: worker for name in names for worker in consumers.get(name, ())}.values())


def _silent_reader(readers: list[Worker], now: float) -> str | None:
    """Which worker of the queue does not tell us about its tasks; None = all do, or are about to."""
    silent = [one.name for one in readers if not one.sends_task_events and now - one.heard_at > EVENTS_ON_SECONDS]
    return f"worker {silent[0]} sends no task events, so its starts are not seen" if silent else None


def _queue_view(
    book: QueueBook,
    readers: list[Worker] | None,
    now: float,
    blind_reason: str | None,
    *,
    stalled: bool,
    asked_at: float | None,
) -> QueueView:
    oldest, newest = book.oldest_waiting(), book.newest_waiting()
    recent = book.recent_view(now)
    rate = book.starts_per_second(now)
    slots = _sum(None if readers is None else [worker.slots for worker in readers])
    idle_slots = _sum(None if readers is None else [worker.idle_slots(now) for worker in readers])
    situation = Situation(
        at=now,
        blind_reason=blind_reason,
        target_seconds=book.target_seconds,
        waiting=book.waiting,
        reserved=book.reserved,
        running=book.running,
        oldest_waiting_at=oldest.eligible_at if oldest else None,
        last_start_at=book.last_start_at or None,
        seen=bool(book.last_sent_at or book.last_start_at),
        consumers=None if readers is None else len(readers),
        unread=asked_at is not None and (oldest is None or oldest.eligible_at < asked_at),
        unseen_messages=book.unseen_messages,
        measured=book.time_to_start.count > 0 or not book.last_start_at,
        slots=slots,
        idle_slots=idle_slots,
        held_beside_idle_slots=stalled,
        starts_per_second=rate,
        expected_wait_seconds=None if rate is None else book.expected_wait_seconds(now, rate),
    )
    verdict, reason = judge(situation)
    return QueueView(
        queue=book.label,
        target=book.row,
        verdict=verdict,
        reason=reason,
        waiting=book.waiting,
        overdue=book.overdue,
        scheduled=book.scheduled,
        reserved=book.reserved,
        running=book.running,
        oldest_waiting_at=situation.oldest_waiting_at,
        newest_waiting_at=newest.eligible_at if newest else None,
        last_sent_at=book.last_sent_at or None,
        last_start_at=situation.last_start_at,
        ready_messages=sum(book.ready_messages.values()) if book.ready_messages else None,
        consumers=situation.consumers,
        slots=slots,
        idle_slots=idle_slots,
        slo=book.slo_view(),
        time_to_start=histogram_view(book.time_to_start),
        runtime=histogram_view(book.runtime),
        recent=recent,
        ghosts=dict(book.ghosts),
        waits_by_source=dict(book.waits_by_source),
    )


def _sum(numbers: list[int | None] | None) -> int | None:
    """Their sum; None when there is none or one of them is not known."""
    if numbers is None or any(number is None for number in numbers):
        return None
    return sum(number for number in numbers if number is not None)


def _exporter_view(ledger: "Ledger", now: float, blind_reason: str | None) -> ExporterView:
    stream = ledger.stream
    return ExporterView(
        broker=ledger.identity.broker,
        broker_up=stream.up,
        started_at=stream.started_at,
        blind_reason=blind_reason,
        marker_at=stream.marker_at,
        event_lag_seconds=stream.lag_seconds,
        unobserved_seconds=stream.unobserved_seconds(now),
        events=dict(ledger.events),
        events_undecodable=ledger.undecodable,
        reconnects=max(0, stream.connects - 1),
        attribution=dict(ledger.attribution.sources),
        tracked_attempts=len(ledger.lives),
        folded=ledger.series.folded + ledger.workers.folded + ledger.lives.refused,
        negative_waits=ledger.lives.negative_waits,
        workers_lost={"silent": 0, **ledger.workers.lost},
        targets_valid=ledger.targets_valid,
    )
