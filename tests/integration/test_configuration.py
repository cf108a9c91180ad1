"""Wrong configuration stops the start: the reason on standard error, exit status 2."""

import socket

import pytest

from tests.integration.exporter_client import refused
from tests.integration.program import free_port

pytestmark = pytest.mark.live

PASSWORD = "hunter2"
BROKEN_CSV = """\
queue,target_seconds,objective,page
orders,soon,0.99,page
mail,30,2,page
orders,30,,nobody
"reports,1
"""


def broker_url():
    return f"redis://127.0.0.1:{free_port()}/0"


def test_broken_targets_file_is_told_problem_by_problem(tmp_path):
    path = tmp_path / "targets.csv"
    path.write_text(BROKEN_CSV)

    said = refused("--broker-url", broker_url(), "--targets", path, folder=tmp_path)

    told = [line.removeprefix(f"{path}: ").split(":")[0] for line in said.splitlines()]
    assert told == [
        "line 2, column target_seconds",
        "line 3, column objective",
        "line 4, column page",
        "line 4, column queue",
        "line 5",
    ]


def test_missing_targets_file_is_told(tmp_path):
    path = tmp_path / "nowhere.csv"

    said = refused("--broker-url", broker_url(), "--targets", path, folder=tmp_path)

    assert said == f"{path}: cannot be read: No such file or directory\n"


def test_taken_port_is_told_in_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        said = refused("--broker-url", broker_url(), "--port", str(port), folder=tmp_path)

    assert said == (
        f"127.0.0.1:{port} is taken: choose a free port with --port, or stop the program that listens there "
        f"(ss -ltnp 'sport = :{port}' names it)\n"
    )


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{PASSWORD}@localhost:port/0",
        f"redis://:{PASSWORD}@localhost:99999/0",
        f"redis://:{PASSWORD}@localhost:6379/first",
        f"redis://:{PASSWORD}@localhost:6379/-1",
        f"redis://:{PASSWORD}@[::1/0",
        f"redis://:{PASSWORD}@a..b/0",
        f"redis:/:{PASSWORD}@localhost/0",
        f"redis:{PASSWORD}@localhost",
        f":{PASSWORD}@localhost:6379/0",
        f"user:{PASSWORD}@localhost",
        f"http://:{PASSWORD}@localhost/",
        f"ftp://localhost/?password={PASSWORD}",
        f"\nredis://:{PASSWORD}@localhost/0",
    ],
)
def test_broker_url_without_sense_is_told_in_one_line_without_its_password(tmp_path, url):
    said = refused("--broker-url", url, folder=tmp_path)

    assert len(said.splitlines()) == 1
    assert said.startswith("broker URL ")
    assert PASSWORD not in said


def test_missing_broker_is_told_in_one_line(tmp_path):
    said = refused(folder=tmp_path)

    assert said == "no broker: give --broker-url, CELERY_SLO_BROKER_URL or CELERY_SLO_BROKER_URL_FILE\n"


def test_static_label_that_is_none_is_told_in_one_line(tmp_path):
    said = refused("--broker-url", broker_url(), "--static-label", "env", folder=tmp_path)

    assert said == "--static-label 'env': expected NAME=VALUE with a Prometheus label name\n"
