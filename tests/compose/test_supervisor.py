"""The supervisor with real processes: small Python programs that end, stay, or refuse to go."""

import http.server
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from compose.child import next_delay_seconds
from compose.supervisor import Child, ChildError, ChildStatus, Phase, Supervisor
from tests.compose.process_tree import MARK_VARIABLE, ProcessTree

SUPERVISED = Path(__file__).with_name("supervised.py")
STUBBORN = Path(__file__).with_name("stubborn.py")
LOGGER = "compose.supervisor"
SOON = 10.0  # seconds within which things happen, on a busy machine too
GENEROUS = 600.0  # a grace that no test waits for


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", code)


STAY = python("import signal; signal.pause()")


@pytest.fixture
def tree(monkeypatch):
    """All processes that the test starts."""
    tree = ProcessTree()
    monkeypatch.setenv(MARK_VARIABLE, tree.mark)
    yield tree
    tree.kill()


@pytest.fixture
def supervise(tree, caplog):
    """Make a supervisor that is stopped at the end: supervise(child, ..., log_directory=None)."""
    caplog.set_level(logging.INFO, LOGGER)
    supervisors = []

    def supervise(*children, **options):
        supervisors.append(Supervisor(children, **options))
        return supervisors[-1]

    yield supervise
    for supervisor in supervisors:
        supervisor.stop()


@pytest.fixture
def start_program(tree, tmp_path):
    """Start a supervisor as a program: start_program({"name": ..., "argv": ...}, ...). Its stderr goes to a file."""

    def start_program(*children, **options):
        options = {"stderr": (tmp_path / "stderr").open("ab"), **options}
        with options["stderr"]:
            return tree.start(SUPERVISED, json.dumps(children), **options)

    return start_program


@pytest.fixture
def await_stderr(eventually, tmp_path):
    """Wait until the program has said these words."""

    def await_stderr(*words):
        said = tmp_path / "stderr"
        eventually(lambda: all(word in said.read_text() for word in words), SOON, f"{words} in {said}")

    return await_stderr


def phases(supervisor):
    return {status.name: status.phase for status in supervisor.status()}


def pid_of(supervisor, name):
    return {status.name: status.pid for status in supervisor.status()}[name]


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def said(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


# Starting


def test_a_child_waits_until_what_it_comes_after_is_ready(supervise):
    gate = threading.Event()
    supervisor = supervise(
        Child(name="broker", argv=STAY, ready=gate.is_set),
        Child(name="worker", argv=STAY, after=("broker",)),
    )

    assert not supervisor.wait_until(lambda: phases(supervisor)["worker"] is not Phase.WAITING, 0.3)
    assert phases(supervisor) == {"broker": Phase.STARTED, "worker": Phase.WAITING}
    gate.set()
    supervisor.wait_ready("worker", SOON)

    assert phases(supervisor) == {"broker": Phase.READY, "worker": Phase.READY}


def test_children_that_come_after_nothing_do_not_wait(supervise):
    supervisor = supervise(Child(name="slow", argv=STAY, ready=lambda: False), Child(name="quick", argv=STAY))

    supervisor.start()
    supervisor.wait_ready("quick", SOON)

    assert phases(supervisor) == {"slow": Phase.STARTED, "quick": Phase.READY}


def test_status_names_the_process_of_the_child_itself(supervise):
    supervisor = supervise(Child(name="one", argv=STAY))

    supervisor.wait_ready("one", SOON)
    (status,) = supervisor.status()

    assert status == ChildStatus(name="one", phase=Phase.READY, pid=status.pid, restarts=0)
    assert Path(f"/proc/{status.pid}/cmdline").read_bytes().split(b"\0")[3] == STAY[3].encode()


@pytest.fixture
def web_server():
    """A server whose / is there and whose other pages are not."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/" else 503)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_open_port_is_ready(supervise, web_server):
    supervise(child := Child(name="web", argv=STAY, ready=web_server)).wait_ready(child.name, SOON)


def test_a_url_that_answers_is_ready_whatever_proxy_is_set(supervise, web_server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    supervise(child := Child(name="web", argv=STAY, ready=f"http://127.0.0.1:{web_server}/")).wait_ready(
        child.name, SOON
    )


@pytest.mark.parametrize("ready", ["http://127.0.0.1:{}/busy", "http://127.0.0.1:1/", 1])
def test_an_error_or_no_answer_is_not_ready(supervise, web_server, ready):
    ready = ready.format(web_server) if isinstance(ready, str) else ready
    supervisor = supervise(Child(name="web", argv=STAY, ready=ready))

    with pytest.raises(TimeoutError, match=r"web was not ready in 0\.3 s"):
        supervisor.wait_ready("web", 0.3)


def test_something_else_than_http_behind_a_url_is_not_ready(supervise):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"-ERR unknown command\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        supervisor = supervise(
            Child(name="web", argv=STAY, ready=f"http://127.0.0.1:{server.getsockname()[1]}/"),
        )
        supervisor.wait_until(lambda: not thread.is_alive(), SOON)
        thread.join()

    assert phases(supervisor) == {"web": Phase.STARTED}


def test_on_ready_is_called_once_when_all_are_ready(supervise):
    calls = []
    supervisor = supervise(Child(name="one", argv=STAY), Child(name="two", argv=STAY))

    def on_ready():
        calls.append(phases(supervisor))
        supervisor.request_stop()

    assert supervisor.run(on_ready) == 0
    assert calls == [{"one": Phase.READY, "two": Phase.READY}]


def test_a_child_has_our_environment_with_its_own_on_top_and_its_own_folder(supervise, tmp_path, monkeypatch):
    monkeypatch.setenv("OURS", "kept")
    monkeypatch.setenv("BOTH", "ours")
    code = "import os, pathlib; pathlib.Path('seen').write_text(f\"{os.environ['OURS']} {os.environ['BOTH']}\")"
    child = Child(name="one", argv=python(code), env={"BOTH": "its own"}, cwd=tmp_path, restart=False)
    supervisor = supervise(child)

    supervisor.wait_until(lambda: phases(supervisor) == {"one": Phase.ENDED}, SOON)

    assert (tmp_path / "seen").read_text() == "kept its own"


def test_a_child_gets_the_signals_of_a_fresh_shell(supervise, tmp_path):
    code = "import pathlib; pathlib.Path('seen').write_text(pathlib.Path('/proc/self/status').read_text())"
    supervisor = supervise(Child(name="one", argv=python(code), cwd=tmp_path, restart=False))

    supervisor.wait_until(lambda: phases(supervisor) == {"one": Phase.ENDED}, SOON)
    masks = dict(line.split(":\t") for line in (tmp_path / "seen").read_text().splitlines())
    ignored_by_python = (1 << signal.SIGPIPE - 1) | (1 << signal.SIGXFSZ - 1)

    assert int(masks["SigBlk"], 16) == 0
    assert int(masks["SigIgn"], 16) & ~ignored_by_python == 0


@pytest.mark.parametrize(
    "children",
    [
        [Child(name="one", argv=STAY), Child(name="one", argv=STAY)],
        [Child(name="one", argv=())],
        [Child(name="one", argv=STAY, after=("two",)), Child(name="two", argv=STAY)],
    ],
)
def test_children_that_make_no_sense_are_refused(children):
    with pytest.raises(ValueError, match="child 'one'"):
        Supervisor(children)


# Endings


def test_a_child_that_ends_is_started_again_later_each_time(supervise, caplog):
    supervisor = supervise(Child(name="one", argv=python("raise SystemExit(3)")))

    supervisor.wait_until(lambda: supervisor.status()[0].restarts == 1, SOON)
    supervisor.wait_until(lambda: phases(supervisor) == {"one": Phase.RESTARTING}, SOON)

    assert said(caplog, logging.WARNING) == [
        "child ended, restarting name=one exit_status=3 in_seconds=1.0",
        "child ended, restarting name=one exit_status=3 in_seconds=2.0",
    ]


@pytest.mark.parametrize(
    ("previous", "up_seconds", "expected"),
    [(0.0, 0.1, 1.0), (1.0, 59.9, 2.0), (2.0, 0.1, 4.0), (16.0, 0.1, 30.0), (30.0, 0.1, 30.0), (30.0, 60.0, 1.0)],
)
def test_the_delay_doubles_up_to_a_bound_and_begins_anew_after_a_long_life(previous, up_seconds, expected):
    assert next_delay_seconds(previous, up_seconds) == expected


def test_the_name_of_the_signal_that_killed_a_child_is_said(supervise, caplog):
    supervisor = supervise(Child(name="one", argv=python("import os; os.kill(os.getpid(), 9)"), restart=False))

    supervisor.wait_until(lambda: phases(supervisor) == {"one": Phase.ENDED}, SOON)

    assert said(caplog, logging.WARNING) == ["child ended, not restarted name=one signal=SIGKILL"]


def test_what_a_child_leaves_is_gone_before_it_is_started_again(supervise, tree):
    leave = f"import subprocess, sys; subprocess.Popen([sys.executable, '-S', {str(STUBBORN)!r}, '2'])"
    supervisor = supervise(Child(name="one", argv=python(f"{leave}; raise SystemExit(1)")))

    supervisor.wait_until(lambda: phases(supervisor) == {"one": Phase.RESTARTING}, SOON)

    assert tree.living() == set()


def test_a_killed_guardian_takes_its_child_and_grandchildren_along(supervise, tree, caplog):
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-S', {str(STUBBORN)!r}, '0'])"
    supervisor = supervise(Child(name="one", argv=python(code)))
    supervisor.wait_ready("one", SOON)
    supervisor.wait_until(lambda: len(tree.living()) == 3, SOON)

    os.kill(parent_of(pid_of(supervisor, "one")), signal.SIGKILL)
    supervisor.wait_until(lambda: phases(supervisor) == {"one": Phase.RESTARTING}, SOON)

    assert tree.living() == set()
    assert said(caplog, logging.WARNING) == ["child ended, restarting name=one signal=SIGKILL in_seconds=1.0"]


@pytest.mark.parametrize("restart", [True, False])
def test_exit_status_2_at_the_start_stops_everything(supervise, tree, caplog, restart):
    supervisor = supervise(
        Child(name="broker", argv=STAY),
        Child(name="exporter", argv=python("raise SystemExit(2)"), restart=restart, after=("broker",)),
    )

    assert supervisor.run() == 2
    assert said(caplog, logging.ERROR) == [
        "stopping all reason=exporter says that its configuration is wrong: exit_status=2"
    ]
    assert tree.living() == set()


def test_exit_status_2_later_is_an_ending_like_any_other(supervise, caplog, monkeypatch):
    monkeypatch.setattr("compose.supervisor.FIRST_SECONDS", 0.0)
    supervisor = supervise(Child(name="one", argv=python("raise SystemExit(2)")))

    supervisor.wait_until(lambda: phases(supervisor) == {"one": Phase.RESTARTING}, SOON)

    assert said(caplog, logging.WARNING) == ["child ended, restarting name=one exit_status=2 in_seconds=1.0"]


@pytest.mark.parametrize(
    ("child", "reason"),
    [
        (Child(name="two", argv=("no-such-program", "x")), "No such file or directory: 'no-such-program'"),
        (Child(name="two", argv=("/etc/hostname",)), "Permission denied: '/etc/hostname'"),
        (Child(name="two", argv=STAY, cwd=Path("/no/such")), "No such file or directory: PosixPath('/no/such')"),
    ],
)
def test_a_child_that_cannot_be_executed_stops_everything_with_one_line(supervise, tree, caplog, capfd, child, reason):
    supervisor = supervise(Child(name="one", argv=STAY), child)

    assert supervisor.run() == 2
    (message,) = said(caplog, logging.ERROR)
    assert message.startswith("stopping all reason=two cannot be executed: [Errno ")
    assert message.endswith(reason)
    assert tree.living() == set()
    assert capfd.readouterr().err == ""


def test_start_and_wait_ready_raise_for_a_child_that_cannot_be_executed(supervise):
    supervisor = supervise(Child(name="one", argv=("no-such-program",)))

    with pytest.raises(ChildError, match="one cannot be executed: .*'no-such-program'"):
        supervisor.wait_ready("one", SOON)


# Output


def test_each_line_of_output_bears_the_name_of_its_child(supervise, capfd):
    code = "import os; os.write(1, b'out\\n'); os.write(2, b'err\\n\\n' + b'x' * 70000 + b'\\nno end'); "
    supervisor = supervise(
        Child(name="one", argv=python(code), restart=False), Child(name="longer", argv=STAY, restart=False)
    )

    supervisor.wait_until(lambda: phases(supervisor)["one"] is Phase.ENDED, SOON)

    rest = "x" * (70000 - 65536)
    assert capfd.readouterr().err.splitlines() == [
        *("one    | out", "one    | err", "one    | ", "one    | " + "x" * 65536, f"one    | {rest}"),
        "one    | no end",
    ]


def test_output_goes_to_a_file_per_child_when_a_folder_is_given(supervise, tmp_path, capfd):
    (tmp_path / "one.log").write_text("earlier\n")
    supervisor = supervise(Child(name="one", argv=python("print('out')"), restart=False), log_directory=tmp_path)

    supervisor.wait_until(lambda: phases(supervisor)["one"] is Phase.ENDED, SOON)

    assert (tmp_path / "one.log").read_text() == "earlier\nout\n"
    assert capfd.readouterr().err == ""


def test_names_are_coloured_on_a_terminal_only(start_program):
    ours, theirs = os.openpty()
    code = "import signal; print('out', flush=True); signal.pause()"

    start_program({"name": "one", "argv": python(code)}, stderr=os.fdopen(theirs, "wb"))
    with os.fdopen(ours, "rb") as terminal:
        lines = [terminal.readline() for _ in range(3)]

    assert b"\x1b[36mone | \x1b[0mout\r\n" in lines


def test_children_live_on_when_nobody_reads_their_output_any_more(start_program, tree, eventually, tmp_path):
    code = "import itertools, pathlib\nfor n in itertools.count(): print(n, flush=True); pathlib.Path('n').write_text(str(n))"
    readable, writable = os.pipe()
    program = start_program({"name": "one", "argv": python(code), "cwd": str(tmp_path)}, stderr=os.fdopen(writable, "wb"))
    with os.fdopen(readable, "rb") as lines:
        lines.readline()
    count_at_end = int(eventually((tmp_path / "n").read_text, SOON, "a count"))
    eventually(lambda: int((tmp_path / "n").read_text()) > count_at_end + 100, SOON, "the child to go on")

    program.send_signal(signal.SIGTERM)

    assert program.wait(SOON) == 0
    tree.await_end(SOON)


# Stopping


def test_what_others_need_is_stopped_after_them(supervise, tmp_path):
    code = (
        "import signal, sys, pathlib\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(pathlib.Path('ends').open('a').write(sys.argv[1]) * 0))\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "signal.pause()"
    )
    make = partial(Child, cwd=tmp_path, stop_grace_seconds=GENEROUS)
    supervisor = supervise(
        make(name="broker", argv=(*python(code), "1"), ready=(tmp_path / "1").exists),
        make(name="exporter", argv=(*python(code), "2"), ready=(tmp_path / "2").exists, after=("broker",)),
        make(name="alerts", argv=(*python(code), "3"), ready=(tmp_path / "3").exists, after=("exporter",)),
    )
    supervisor.wait_ready("alerts", SOON)

    supervisor.stop()

    assert (tmp_path / "ends").read_text() == "321"


def test_children_that_nothing_needs_are_stopped_together(supervise, tmp_path):
    # Each leaves only when all have been told.
    code = (
        "import signal, sys, pathlib, time\n"
        "def leave(*_):\n"
        "    pathlib.Path(sys.argv[1] + '-told').touch()\n"
        "    while len(list(pathlib.Path().glob('*-told'))) < 3: time.sleep(0.01)\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "signal.pause()"
    )
    supervisor = supervise(
        *(
            Child(
                name=name,
                argv=(*python(code), name),
                cwd=tmp_path,
                ready=(tmp_path / name).exists,
                stop_grace_seconds=GENEROUS,
            )
            for name in "abc"
        )
    )
    for name in "abc":
        supervisor.wait_ready(name, SOON)

    supervisor.stop()

    assert phases(supervisor) == dict.fromkeys("abc", Phase.ENDED)


def test_a_child_is_stopped_with_its_own_signal(supervise, caplog):
    supervisor = supervise(Child(name="one", argv=STAY, stop_signal=signal.SIGUSR1))
    supervisor.wait_ready("one", SOON)

    supervisor.stop()

    assert "child stopped name=one signal=SIGUSR1" in said(caplog, logging.INFO)


def test_a_child_that_waits_for_its_restart_is_not_started_any_more(supervise):
    supervisor = supervise(Child(name="one", argv=python("raise SystemExit(1)")))
    supervisor.wait_until(lambda: phases(supervisor) == {"one": Phase.RESTARTING}, SOON)

    supervisor.stop()

    assert supervisor.status() == (ChildStatus(name="one", phase=Phase.ENDED, pid=None, restarts=0),)


def test_run_can_be_stopped_from_another_thread(supervise, tree):
    supervisor = supervise(Child(name="one", argv=STAY))
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(supervisor.run(began.set)))
    began = threading.Event()
    thread.start()
    began.wait(SOON)

    supervisor.request_stop()
    thread.join(SOON)

    assert statuses == [0]
    assert tree.living() == set()


# Nothing is left


def stubborn(grace_seconds):
    return {
        "name": "stubborn",
        "argv": [sys.executable, "-S", str(STUBBORN), "2"],
        "stop_grace_seconds": grace_seconds,
        "parent_death_signal": signal.SIGKILL,
    }


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGQUIT, signal.SIGSEGV]
)
def test_no_process_outlives_the_supervisor_however_it_ends(start_program, await_stderr, tree, number):
    program = start_program({"name": "polite", "argv": STAY}, stubborn(0.2))
    await_stderr("all ready", "stubborn 2", "stubborn 1", "stubborn 0")
    assert len(tree.living()) == 7  # the supervisor, two guardians, one polite and three stubborn processes

    os.killpg(program.pid, number)  # as a terminal does it: children are not in this group
    exit_status = program.wait(SOON)

    assert exit_status == (0 if number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) else -number)
    tree.await_end(SOON)


def test_a_second_signal_kills_at_once(start_program, await_stderr, tree):
    program = start_program(stubborn(GENEROUS), {"name": "second", "argv": STAY, "after": ["stubborn"]})
    await_stderr("all ready", "stubborn 0")

    program.send_signal(signal.SIGINT)
    await_stderr("stopping all asked_by=SIGINT")
    assert program.poll() is None
    program.send_signal(signal.SIGINT)

    assert program.wait(SOON) == 0
    assert tree.living() == set()


def test_a_signal_while_children_are_starting_ends_those_that_run(start_program, await_stderr, tree):
    program = start_program(
        {"name": "broker", "argv": STAY, "ready": 1}, {"name": "worker", "argv": STAY, "after": ["broker"]}, stubborn(0.2)
    )
    tree_of_broker = 3  # with its guardian and the supervisor
    wait = lambda: len(tree.living()) == tree_of_broker
    assert wait
    program.send_signal(signal.SIGTERM)

    assert program.wait(SOON) == 0
    tree.await_end(SOON)
