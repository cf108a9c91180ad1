"""The supervisor with real processes: small programs that end, stay, or refuse to go."""

import logging
import os
import signal
import threading
from pathlib import Path

import pytest

from compose.child import next_delay_seconds
from compose.supervisor import Child, ChildError, ChildStatus, Phase, Supervisor
from tests.compose import small_programs as programs
from tests.compose.conftest import await_phase, ignored, phases, said, unread_bytes
from tests.compose.process_tree import GENEROUS, SOON, parent_of
from tests.compose.small_programs import STAY, python


def test_a_child_waits_until_what_it_comes_after_is_ready(supervise):
    gate = threading.Event()
    broker = Child(name="broker", argv=STAY, ready=gate.is_set)
    supervisor = supervise(broker, Child(name="other", argv=STAY), Child(name="worker", argv=STAY, after=("broker",)))

    with pytest.raises(TimeoutError, match=r"worker was not ready in 0\.3 s"):
        supervisor.wait_ready("worker", 0.3)
    before = phases(supervisor)
    gate.set()
    supervisor.start()
    supervisor.wait_ready("worker", SOON)

    assert before == {"broker": Phase.STARTED, "other": Phase.READY, "worker": Phase.WAITING}
    assert phases(supervisor) == dict.fromkeys(("broker", "other", "worker"), Phase.READY)


@pytest.mark.parametrize(
    ("ready", "phase"),
    [
        ("{}", Phase.READY),
        ("1", Phase.STARTED),
        ("http://127.0.0.1:{}/fine", Phase.READY),
        ("http://127.0.0.1:{}/busy", Phase.STARTED),
        ("http://127.0.0.1:{}/garbage", Phase.STARTED),
    ],
)
def test_an_open_port_or_a_page_is_ready_whatever_proxy_is_set(supervise, web_port, monkeypatch, ready, phase):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    address = ready.format(web_port)
    supervisor = supervise(Child(name="web", argv=STAY, ready=int(address) if address.isdecimal() else address))

    supervisor.wait_until(lambda: phases(supervisor) == {"web": Phase.READY}, SOON if phase is Phase.READY else 0.5)

    assert phases(supervisor) == {"web": phase}


def test_run_says_once_that_all_are_ready_and_stops_when_another_thread_asks(tree):
    supervisor = Supervisor([Child(name="one", argv=STAY), Child(name="two", argv=STAY)])
    heard = []

    def on_ready():
        heard.append(phases(supervisor))
        threading.Timer(0.2, supervisor.request_stop).start()  # when `run` waits

    runner = threading.Thread(target=lambda: heard.append(supervisor.run(on_ready)), daemon=True)
    runner.start()
    runner.join(SOON)

    assert heard == [{"one": Phase.READY, "two": Phase.READY}, 0]
    assert tree.living() == set()


def test_a_child_has_its_own_folder_our_variables_and_no_ignored_signals(supervise, tmp_path, monkeypatch):
    monkeypatch.setenv("OURS", "kept")
    monkeypatch.setenv("BOTH", "ours")
    child = Child(name="one", argv=programs.LOOK_AROUND, env={"BOTH": "its"}, cwd=tmp_path, restart=False)
    supervisor = supervise(child)

    with ignored(signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        await_phase(supervisor, "one", Phase.ENDED)
    masks = dict(line.split(":\t") for line in (tmp_path / "masks").read_text().splitlines())

    assert (tmp_path / "seen").read_text() == "kept its"
    standard_signals = int(masks["SigIgn"], 16) & 0x7FFF_FFFF  # who runs the tests may ignore one of the C library's
    assert standard_signals == (1 << signal.SIGPIPE - 1) | (1 << signal.SIGXFSZ - 1)  # Python's own doing


@pytest.mark.parametrize("fields", [{"name": "two"}, {"argv": ()}, {"after": ("three",)}])
def test_children_that_make_no_sense_are_refused(fields):
    wrong = Child(**{"name": "one", "argv": STAY, **fields})

    with pytest.raises(ValueError, match=f"child '{wrong.name}'"):
        Supervisor([Child(name="two", argv=STAY), wrong, Child(name="three", argv=STAY)])


def test_a_child_that_ends_is_started_again_later_each_time(supervise, caplog, monkeypatch):
    monkeypatch.setattr("compose.supervisor.FIRST_SECONDS", 0.0)  # with exit status 2 too, if not at the beginning
    supervisor = supervise(Child(name="one", argv=python("raise SystemExit(2)")))

    supervisor.wait_until(lambda: supervisor.status()[0].restarts == 1, SOON)
    await_phase(supervisor, "one", Phase.RESTARTING)
    supervisor.stop()

    assert supervisor.status() == (ChildStatus(name="one", phase=Phase.ENDED, pid=None, restarts=1),)
    assert said(caplog, logging.WARNING) == [
        "child ended, restarting name=one exit_status=2 in_seconds=1.0",
        "child ended, restarting name=one exit_status=2 in_seconds=2.0",
    ]


@pytest.mark.parametrize(
    ("previous", "up_seconds", "expected"),
    [(0.0, 0.1, 1.0), (1.0, 59.9, 2.0), (2.0, 0.1, 4.0), (16.0, 0.1, 30.0), (30.0, 0.1, 30.0), (30.0, 60.0, 1.0)],
)
def test_the_delay_doubles_up_to_a_bound_and_begins_anew_after_a_long_life(previous, up_seconds, expected):
    assert next_delay_seconds(previous, up_seconds) == expected


def test_the_end_of_a_child_that_was_never_ready_leaves_nothing_to_do(supervise):
    brief = Child(name="one", argv=python("import time; time.sleep(0.3)"), ready=lambda: False, restart=False)
    supervisor = supervise(brief)
    looks = []

    supervisor.wait_until(lambda: looks.append(phases(supervisor)["one"]) is not None, 1.0)

    assert looks[-1] is Phase.ENDED
    assert len(looks) < 50


def test_what_a_child_leaves_is_gone_before_it_is_started_again(supervise, tree):
    supervisor = supervise(Child(name="one", argv=programs.LEAVE))

    await_phase(supervisor, "one", Phase.RESTARTING)

    assert tree.living() == set()


def test_a_killed_guardian_takes_its_child_and_grandchildren_along(supervise, tree, caplog):
    supervisor = supervise(Child(name="one", argv=programs.RUN_ANOTHER, restart=False))
    supervisor.wait_ready("one", SOON)
    supervisor.wait_until(lambda: len(tree.living()) == 3, SOON)

    os.kill(parent_of(supervisor.status()[0].pid), signal.SIGKILL)
    await_phase(supervisor, "one", Phase.ENDED)

    assert tree.living() == set()
    assert said(caplog, logging.WARNING) == ["child ended, not restarted name=one signal=SIGKILL"]


@pytest.mark.parametrize("restart", [True, False])
def test_exit_status_2_at_the_start_stops_everything(supervise, tree, caplog, restart):
    exporter = Child(name="exporter", argv=python("raise SystemExit(2)"), restart=restart, after=("broker",))
    supervisor = supervise(Child(name="broker", argv=STAY), exporter)

    assert supervisor.run() == 2
    assert tree.living() == set()
    assert said(caplog, logging.ERROR) == [
        "child cannot work, stopping all name=exporter reason=says by its exit status 2 that its configuration is wrong"
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"argv": ("no-such-program", "x")}, "[Errno 2] No such file or directory: 'no-such-program'"),
        ({"argv": ("/etc",)}, "[Errno 13] Permission denied: '/etc'"),
        ({"cwd": Path("/no/such")}, "[Errno 2] No such file or directory: '/no/such'"),
    ],
)
def test_a_child_that_cannot_be_executed_stops_everything_with_one_line(supervise, tree, caplog, capfd, fields, reason):
    two = Child(**{"name": "two", "argv": STAY, **fields})

    assert supervise(Child(name="one", argv=STAY), two).run() == 2
    assert tree.living() == set()
    assert said(caplog, logging.ERROR) == [
        "child cannot work, stopping all name=two reason=cannot be executed: " + reason
    ]
    assert capfd.readouterr().err == ""
    with pytest.raises(ChildError, match="two cannot be executed"):
        supervise(two).start()


def test_each_line_of_output_bears_the_name_of_its_child(supervise, capfd):
    supervisor = supervise(Child(name="one", argv=programs.TALK, restart=False), Child(name="longer", argv=STAY))

    await_phase(supervisor, "one", Phase.ENDED)

    lines = ["out", "err", "", "x" * 65_536, "x" * (70_000 - 65_536), "no end"]
    assert capfd.readouterr().err.splitlines() == [f"one    | {line}" for line in lines]


def test_output_goes_to_a_file_per_child_when_a_folder_is_given(supervise, tmp_path, capfd):
    (tmp_path / "one.log").write_text("earlier\n")
    supervisor = supervise(Child(name="one", argv=python("print('out')"), restart=False), log_directory=tmp_path)

    await_phase(supervisor, "one", Phase.ENDED)

    assert ((tmp_path / "one.log").read_text(), capfd.readouterr().err) == ("earlier\nout\n", "")


def test_names_are_coloured_on_a_terminal(tree):
    ours, theirs = os.openpty()

    tree.supervise({"name": "one", "argv": programs.TALK, "restart": False}, stderr=theirs)
    with os.fdopen(ours, "rb") as terminal:
        assert b"\x1b[36mone | \x1b[0mout\r\n" in {terminal.readline() for _ in range(3)}


def test_children_live_on_when_nobody_reads_their_output_any_more(tree, eventually, tmp_path, counting_program):
    program, output = counting_program
    assert b"all ready\n" in iter(output.readline, b"")

    output.close()
    eventually((tmp_path / "many").exists, SOON, "the child to go on")
    program.send_signal(signal.SIGTERM)

    assert program.wait(SOON) == 0
    assert tree.living() == set()


def test_a_full_pipe_of_output_keeps_no_process_alive(tree, eventually, counting_program):
    program, output = counting_program
    eventually(lambda: unread_bytes(output) > 60_000, SOON, "a full pipe")

    program.kill()

    tree.await_end(SOON)


@pytest.mark.parametrize(
    ("program", "after", "expected"), [(programs.SIGN_OFF, "123", "321"), (programs.LEAVE_TOGETHER, "", "xxx")]
)
def test_what_others_need_is_stopped_after_them_and_the_rest_together(supervise, tmp_path, program, after, expected):
    def make(name):
        fields = {"ready": (tmp_path / name).exists, "after": tuple(after[: int(name) - 1]), "cwd": tmp_path}
        return Child(name=name, argv=(*program, name, f"0.{name}"), stop_grace_seconds=GENEROUS, **fields)

    supervisor = supervise(*map(make, "123"))
    supervisor.wait_until(lambda: set(phases(supervisor).values()) == {Phase.READY}, SOON)

    supervisor.stop()

    assert (tmp_path / "ends").read_text() == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGQUIT])
def test_no_process_outlives_the_supervisor_however_it_ends(tree, number):
    program = tree.supervise({"name": "polite", "argv": STAY}, programs.STUBBORN_CHILD)
    tree.await_words("all ready", "stubborn 2", "stubborn 1", "stubborn 0")
    assert len(tree.living()) == 7  # the supervisor, two guardians, one polite and three stubborn processes

    os.killpg(program.pid, number)  # as a terminal does: the children are not in this group

    assert program.wait(SOON) == (-number if number in (signal.SIGKILL, signal.SIGQUIT) else 0)
    tree.await_end(SOON)


def test_a_signal_while_children_are_starting_ends_those_that_run_and_an_ignored_one_does_nothing(tree):
    broker = {"name": "broker", "argv": STAY, "ready": 1}
    with ignored(signal.SIGHUP):
        program = tree.supervise(programs.STUBBORN_CHILD, broker, {"name": "last", "argv": STAY, "after": ["broker"]})
    tree.await_words("child ready name=stubborn", "stubborn 0")

    program.send_signal(signal.SIGHUP)
    program.send_signal(signal.SIGTERM)

    assert program.wait(SOON) == 0
    assert tree.living() == set()
    assert "stopping all asked_by=SIGTERM" in tree.said


def test_a_second_signal_kills_at_once(tree):
    stubborn = {**programs.STUBBORN_CHILD, "stop_grace_seconds": GENEROUS}
    program = tree.supervise(stubborn, {"name": "second", "argv": programs.STUBBORN, "after": ["stubborn"]})
    tree.await_words("all ready", "stubborn | stubborn 0", "second   | stubborn 0")

    program.send_signal(signal.SIGINT)
    tree.await_words("stopping all asked_by=SIGINT")
    assert program.poll() is None
    program.send_signal(signal.SIGINT)

    assert program.wait(SOON) == 0
    assert tree.living() == set()


def test_a_child_may_have_a_gentler_signal_for_the_death_of_the_supervisor(tree, tmp_path, signing_program):
    signing_program.kill()

    tree.await_end(SOON)
    assert (tmp_path / "ends").read_text() == "begun"


def test_a_child_ends_also_when_supervisor_and_guardian_are_killed(tree, tmp_path, signing_program):
    tree.await_words("child ready")
    guardian = parent_of(int(tree.said.partition("pid=")[2].split()[0]))
    os.kill(guardian, signal.SIGSTOP)  # so that it cannot act on the death of the supervisor

    signing_program.kill()
    os.kill(guardian, signal.SIGKILL)

    tree.await_end(SOON)
    assert (tmp_path / "ends").read_text() == "begun"
