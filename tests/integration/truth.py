"""What really happened: the lines that truth_app.py wrote from Celery's signals."""

import json
from collections import Counter, defaultdict
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


class Truth:
    """Reads the file anew for every question."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def records(self, kind: str, **fields) -> list[dict]:
        """All of a kind whose fields have these values, in the order of their times."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().splitlines()
        found = [json.loads(line) for line in lines if line.endswith("}")]  # the last one may be half written
        wanted = {"kind": kind, **fields}
        return sorted(
            (record for record in found if wanted.items() <= record.items()), key=lambda record: record["at"]
        )

    def counts(self, kind: str, *fields: str) -> Counter:
        """How many, by these fields."""
        return Counter(tuple(record[field] for field in fields) for record in self.records(kind))

    def finished(self) -> Counter:
        """Ends by (name, queue, outcome), in the exporter's words."""
        return Counter(
            (record["name"], record["queue"], OUTCOMES[record["state"]]) for record in self.records("ended")
        )

    def failed(self) -> Counter:
        """Failures by (name, queue, exception class)."""
        return Counter(
            (record["name"], record["queue"], record["exception"])
            for record in self.records("ended")
            if record["state"] == "FAILURE"
        )

    def waits(self) -> dict[str, list[float]]:
        """Seconds from due to started of each attempt that started, by queue."""
        due_at = {}
        for record in self.records("sent"):
            eta = datetime.fromisoformat(record["eta"]).timestamp() if record["eta"] else 0.0
            due_at[record["id"], record["retries"]] = max(record["at"], eta)
        waits = defaultdict(list)
        for record in self.records("started"):
            seconds = record["at"] - due_at[record["id"], record["retries"]]
            waits[record["queue"]].append(max(0.0, seconds))
        return dict(waits)
