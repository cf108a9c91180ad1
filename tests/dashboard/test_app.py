from pathlib import Path

import pytest
import streamlit
from streamlit.testing.v1 import AppTest

import dashboard
from tests.dashboard.fake_exporter import FakeExporter
from tests.dashboard.scenes import incident
from tests.dashboard.tables import body_rows, heading, text

APP = Path(dashboard.__file__).parent / "app.py"


@pytest.fixture
def exporter(monkeypatch):
    streamlit.cache_resource.clear()
    with FakeExporter(incident) as fake:
        monkeypatch.setenv("CELERY_SLO_EXPORTER_URL", fake.url)
        yield fake


def drawn(**query):
    app = AppTest.from_file(str(APP))
    app.query_params.update(query)
    app.run()
    assert list(app.exception) == []
    return app.get("html")[0].proto.body


def test_the_entry_script_draws_the_overview(exporter):
    html = drawn()

    assert heading(html) == "2 of 18 queues with a target are late, 1 has no consumers, 1 is blocked"
    assert [row[1] for row in body_rows(html, "Queues")[:3]] == [
        "email_queue",
        "export_download_queue",
        "case_import_queue",
    ]


def test_the_queue_of_a_link_stands_first(exporter):
    assert body_rows(drawn(queue="ucr_queue"), "Queues")[0][1] == "ucr_queue"


def test_all_viewers_share_one_fetch(exporter):
    first, second = drawn(), drawn()

    assert body_rows(first, "Queues") == body_rows(second, "Queues")
    assert exporter.requests == 1


def test_without_an_exporter_the_page_still_draws(exporter):
    exporter.stop()

    assert f"No numbers yet from the exporter at {exporter.url} Last try: connection refused." in text(drawn())
