"""What really happened: the lines that truth_app.py wrote from Celery's signals."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

OUTCOMES = {
    "SUCCESS": "succeeded",
    "FAILURE": "failed",
    "RETRY": "retried",
    "REVOKED": "revoked",
    "REJECTED": "rejected",
    "IGNORED": "ignored",
}


def tolerance(seconds: Collection[float]) -> float:
    """How far the exporter's sum of these may be off: 3 %, or 20 ms each where that is more."""
    return max(0.03 * sum(seconds), 0.02 * len(seconds))


class Truth:
    """Reads the file anew for every question."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def records(self, *kinds: str, **fields) -> list[dict]:
        """All of these kinds whose fields have these values, in the order of their times."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().splitlines()
        found = [json.loads(line) for line in lines if line.endswith("}")]  # the last one may be half written
        chosen = [record for record in found if record["kind"] in kinds and fields.items() <= record.items()]
        return sorted(chosen, key=lambda record: record["at"])

    def counts(self, kind: str, *fields: str) -> Counter:
        """How many, by these fields."""
        return Counter(tuple(record[field] for field in fields) for record in self.records(kind))

    def finished(self) -> Counter:
        """Ends by (name, queue, outcome), in the exporter's words."""
        return Counter((record["name"], record["queue"], OUTCOMES[record["state"]]) for record in self.records("ended"))

    def failed(self) -> Counter:
        """Failures by (name, queue, exception class)."""
        return Counter(
            (record["name"], record["queue"], record["exception"])
            for record in self.records("ended")
            if record["state"] == "FAILURE"
        )

    def waits(self) -> dict[str, list[float]]:
        """Seconds from due to started of each attempt that started, by queue. What is put back is due again."""
        due_at = {}
        for sent in self.records("sent"):
            eta = datetime.fromisoformat(sent["eta"]).timestamp() if sent["eta"] else 0.0
            due_at[sent["id"], sent["retries"]] = max(sent["at"], eta)
        waits = defaultdict(list)
        for record in self.records("started", "ended"):
            attempt = record["id"], record.get("retries")
            if record["kind"] == "started":  # it may be noted before its sending is
                waits[record["queue"]].append(max(0.0, record["at"] - due_at[attempt]))
            elif record["state"] == "REJECTED":
                due_at[attempt] = record["at"]
        return dict(waits)

    def runtimes(self, state: str) -> dict[tuple[str, str], list[float]]:
        """Seconds from started to ended of each attempt that ended so, by (name, queue)."""
        started_at = {(record["id"], record["pid"]): record["at"] for record in self.records("started")}
        runtimes = defaultdict(list)
        for record in self.records("ended", state=state):
            seconds = record["at"] - started_at[record["id"], record["pid"]]
            runtimes[record["name"], record["queue"]].append(seconds)
        return dict(runtimes)
