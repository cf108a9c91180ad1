"""Asks the workers what they read and how much they can run, and turns their task events on."""

from functools import partial
from typing import Any

import msgspec
from celery import Celery

from exporters.broker import Broker

ENABLE_SECONDS = 0.5
ANSWER_SECONDS = 1.0  # every inspection waits that long: the number of workers is not known beforehand


class WorkerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker said of itself."""

    worker: str
    queues: tuple[str, ...]
    slots: int | None
    pool: str | None


class Inspector:
    """One Celery application without tasks, only to talk to workers."""

    def __init__(self, broker: Broker) -> None:
        self._app = Celery("celery-slo", broker=broker.url, set_as_current=False)
        self._app.conf.broker_transport_options = broker.transport_options
        self._app.conf.broker_connection_timeout = ANSWER_SECONDS * 5
        # Celery takes the variable CELERY_BROKER_URL for more than the URL that it is given here.
        self._app.connection_for_write = partial(self._app.connection_for_write, broker.url)

    def enable_events(self) -> dict[str, bool]:
        """Ask every worker to send events about its tasks; a worker started without -E does not by itself.

        Returns those that answered that they do now, and whether they did not until now.
        """
        replies = self._app.control.enable_events(reply=True, timeout=ENABLE_SECONDS) or []
        answers = {worker: answer for reply in replies for worker, answer in reply.items() if isinstance(answer, dict)}
        return {worker: "already" not in answer["ok"] for worker, answer in answers.items() if "ok" in answer}

    def ask(self) -> list[WorkerAnswer]:
        """Ask every worker. Takes two seconds; a worker that is busy or slow may be missing."""
        inspect = self._app.control.inspect(timeout=ANSWER_SECONDS)
        queues: dict[str, Any] = inspect.active_queues() or {}
        stats: dict[str, Any] = inspect.stats() or {}
        return [
            WorkerAnswer(
                worker=worker,
                queues=tuple(queue["name"] for queue in answer),
                slots=slots_of(stats.get(worker, {})),
                pool=pool_of(stats.get(worker, {})),
            )
            for worker, answer in queues.items()
            if isinstance(answer, list)
        ]

    def close(self) -> None:
        """Let go of all connections."""
        self._app.close()


def slots_of(stats: dict[str, Any]) -> int | None:
    """Tasks that a worker can run at once; None = it did not say.

    The autoscaler's maximum where there is one (the pool may be smaller just
    now), else the larger of the configured and the running processes.
    """
    autoscaler = stats.get("autoscaler") or {}
    if isinstance(autoscaler.get("max"), int):
        return int(autoscaler["max"])
    pool = stats.get("pool") or {}
    configured = pool.get("max-concurrency")
    if not isinstance(configured, int):
        return None
    processes = pool.get("processes")
    return max(configured, len(processes) if isinstance(processes, list) else 0)


def pool_of(stats: dict[str, Any]) -> str | None:
    """The pool's kind: prefork, solo, threads, gevent or eventlet; None = it did not say."""
    implementation = (stats.get("pool") or {}).get("implementation")
    if not isinstance(implementation, str):
        return None
    kind = implementation.partition(":")[0].rpartition(".")[2]
    return "threads" if kind == "thread" else kind
