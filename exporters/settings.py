"""What the exporter is told at its start."""

from pathlib import Path

import msgspec


class ExporterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One value for all flags; nothing else reads the environment."""

    broker_url: str
    host: str = "127.0.0.1"
    port: int = 9818
    targets_path: Path
    target_divisor: float = 1.0  # the demo's fast clock
    state_dir: Path | None = None  # where the evaluator leaves its alerts; None = show none
    static_labels: dict[str, str] = {}
    unjudged_names: tuple[str, ...] = ("celery.*",)  # counted, not held to the target
