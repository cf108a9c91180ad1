"""An application brings packages of our names, on PYTHONPATH and in the working directory: ours are used all the same."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.exporter_client import Exporter
from tests.integration.program import free_port

NAMES = ("core", "history", "exporters", "alerts", "dashboard", "compose")
FRONT_DOORS = {
    "console script": [Path(sys.executable).with_name("celery-slo")],
    "module": [sys.executable, "-m", "celery_slo"],
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder with an application's packages, which must never be imported."""
    folder = tmp_path_factory.mktemp("application")
    for name in NAMES:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"raise SystemExit('the {name} of the application')\n")
    return folder


@pytest.fixture(params=FRONT_DOORS)
def command(request):
    return FRONT_DOORS[request.param]


@pytest.fixture(params=["there", "elsewhere"])
def working_directory(request, hostile, tmp_path):
    return hostile if request.param == "there" else tmp_path


def test_help_and_targets_check_are_ours(command, hostile, working_directory):
    def said(*arguments):
        done = subprocess.run(
            [*command, *arguments],
            cwd=working_directory,
            env={"PYTHONPATH": str(hostile)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert said("--help").startswith("Usage: celery-slo ")
    assert "queue_targets.csv: 27 rows" in said("targets", "check")


def test_exporter_is_ours(command, hostile, tmp_path):
    broker_url = f"redis://127.0.0.1:{free_port()}/0"
    started = Exporter(
        "--broker-url", broker_url, folder=hostile, env={"PYTHONPATH": str(hostile)}, command=[*command, "exporter"]
    )

    with closing(started):
        assert started.value("celery_exporter_broker_up") == 0
        assert started.value("celery_queue_target_seconds", queue="sms_queue") == 300
