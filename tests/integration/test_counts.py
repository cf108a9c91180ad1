"""Counts and waits of a busy site, task by task: what the exporter shows is what happened."""

from collections import Counter
from contextlib import closing

import pytest

from tests.conftest import eventually
from tests.integration.conftest import EVERY_BROKER
from tests.integration.site import Site

pytestmark = [pytest.mark.live, EVERY_BROKER]

QUEUES = ("orders", "mail", "reports", "imports")


@pytest.fixture(scope="module")
def site(broker, tmp_path_factory):
    """A site on which 350 tasks of every fate have been sent, run and counted."""
    with closing(Site(broker, tmp_path_factory.mktemp("site"))) as busy:
        busy.start_worker("prefork", ["orders", "mail"], pool="prefork", concurrency=2)
        busy.start_worker("threads", ["reports", "imports"], pool="threads", concurrency=4)
        busy.start_exporter("--static-label", "env=prod")
        busy.await_workers("prefork", "threads")
        for queue in QUEUES:
            busy.send("ok", queue, 60)
            busy.send("ok", queue, 4, countdown=2)
            busy.send("boom", queue, 8)
            busy.send("boom_own", queue, 4)
            busy.send("retry_once", queue, 5)
            busy.send("ignore", queue, 2)
            busy.send("reject", queue, 2)
            busy.send("unregistered", queue, 1)
            busy.send("ok", queue, 2, expires=-1)
            busy.send("ok", queue, 2, args=[0.2])
        eventually(lambda: busy.truth.finished().total() >= 4 * 95, 60, "all tasks to end")
        yield busy
