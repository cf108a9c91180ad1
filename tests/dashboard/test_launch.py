import re
import socket
import sys
from pathlib import Path

import pytest

import dashboard
from dashboard.launch import PortError, Settings, check_port, command, read_settings

FOLDER = Path(dashboard.__file__).parent


def test_the_command_starts_streamlit_with_every_option_that_matters():
    argv, environ = command("127.0.0.1", 8501, "http://127.0.0.1:9818")

    assert argv == [
        sys.executable,
        "-P",
        "-m",
        "streamlit",
        "run",
        str(FOLDER / "app.py"),
        "--server.address=127.0.0.1",
        "--server.port=8501",
        "--server.headless=true",
        "--server.fileWatcherType=none",
        "--browser.gatherUsageStats=false",
        "--client.toolbarMode=minimal",
        "--client.showErrorDetails=none",
        "--logger.hideWelcomeMessage=true",
        "--runner.postScriptGC=false",
        "--runner.cacheBackgroundRefreshTTLMultiplier=4",
        "--theme.light.primaryColor=#0f766e",
        "--theme.light.backgroundColor=#ffffff",
        "--theme.dark.primaryColor=#2dd4bf",
        "--theme.dark.backgroundColor=#151719",
    ]
    assert environ == {"CELERY_SLO_EXPORTER_URL": "http://127.0.0.1:9818", "PYTHONPATH": str(FOLDER.parent)}


def test_the_child_reads_back_what_the_command_says():
    _, environ = command("127.0.0.1", 8501, "http://exporter.example:9999")

    assert read_settings(environ) == Settings(exporter_url="http://exporter.example:9999")


def test_without_a_word_the_exporter_is_on_this_machine():
    assert read_settings({}) == Settings(exporter_url="http://127.0.0.1:9818")


def test_a_free_port_is_left_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)


def test_a_taken_port_is_said_before_streamlit_starts():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(
            PortError, match=rf"^the dashboard cannot listen on 127.0.0.1:{port}: Address already in use$"
        ):
            check_port("127.0.0.1", port)


def test_a_foreign_address_is_said_before_streamlit_starts():
    with pytest.raises(
        PortError, match=r"^the dashboard cannot listen on 192.0.2.1:8501: Cannot assign requested address$"
    ):
        check_port("192.0.2.1", 8501)


def test_the_sticky_table_head_has_the_background_of_the_theme():
    argv, _ = command("127.0.0.1", 8501, "")
    theme = dict(flag.removeprefix("--theme.").split("=") for flag in argv if flag.startswith("--theme."))
    style = (FOLDER / "overview.css").read_text()

    ground = re.search(r"--slo-ground: light-dark\((.*), (.*)\)", style)

    assert ground is not None
    assert ground.groups() == (theme["light.backgroundColor"], theme["dark.backgroundColor"])


def test_the_style_sheet_fetches_nothing():
    assert re.findall(r"url\(|@import", (FOLDER / "overview.css").read_text()) == []


def test_no_module_of_the_dashboard_hides_another_one():
    # Streamlit puts this folder first on the import path.
    ours = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in FOLDER.parent.glob("*/__init__.py")}

    assert ours & (packages | set(sys.stdlib_module_names)) == set()
