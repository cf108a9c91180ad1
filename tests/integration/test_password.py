"""The broker's password is used, and shown nowhere."""

from urllib.parse import quote

import pytest

from tests.conftest import eventually

pytestmark = pytest.mark.live

PASSWORD = "s3cr3t p@ss/word:#%"
PAGES = ("/", "/metrics", "/api/v1/snapshot", "/api/v1/targets", "/healthz", "/readyz", "/nowhere")


def everything_shown(exporter):
    """All pages and the whole log."""
    return "".join(exporter.get(page).text for page in PAGES) + exporter.program.log


def spellings(password):
    return (password, quote(password), quote(password, safe=""), password[:6])


@pytest.fixture
def locked_site(mortal_broker, mortal_site):
    """A site whose broker asks for a password, which is not in the URL yet."""
    mortal_broker.start()
    mortal_broker.run("CONFIG", "SET", "requirepass", PASSWORD)
    return mortal_site


@pytest.mark.parametrize("user", ["", "default"])
def test_password_opens_the_broker_and_is_shown_nowhere(locked_site, mortal_broker, user):
    locked_site.url = mortal_broker.url(0, f"{user}:{quote(PASSWORD, safe='')}@")
    locked_site.start_worker("insider", ["orders"])
    exporter = locked_site.start_exporter("--log-level", "DEBUG")
    locked_site.await_workers("insider")

    locked_site.send("ok", "orders", 3)
    eventually(lambda: exporter.queue("orders").slo.met_first == 3, 10, "its tasks to be seen")
    eventually(lambda: exporter.value("celery_queue_consumers", queue="orders") == 1, 10, "its worker to be asked")
    mortal_broker.stop()
    eventually(lambda: not exporter.is_ready(), 10, "the loss to be seen")
    shown = everything_shown(exporter)

    assert f"redis://{user}:**@127.0.0.1:{mortal_broker.port}/0" in shown
    assert [spelling for spelling in spellings(PASSWORD) if spelling in shown] == []


def test_wrong_password_is_told_and_not_shown(locked_site, mortal_broker):
    wrong = "wr0ng one"
    locked_site.url = mortal_broker.url(0, f":{quote(wrong)}@")

    exporter = locked_site.start_blind_exporter("--log-level", "DEBUG")
    eventually(lambda: exporter.lines("WARNING"), 10, "the refusal to be told")
    shown = everything_shown(exporter)

    assert "invalid username-password pair" in exporter.lines("WARNING")[0]
    assert not exporter.is_ready()
    assert [spelling for spelling in spellings(wrong) if spelling in shown] == []


def test_password_may_come_from_a_file(locked_site, mortal_broker, tmp_path):
    secret = tmp_path / "broker_url"
    secret.write_text(mortal_broker.url(0, f":{quote(PASSWORD, safe='')}@") + "\n")
    locked_site.url = ""  # an empty option is none

    exporter = locked_site.start_exporter(env={"CELERY_SLO_BROKER_URL_FILE": str(secret)})

    assert exporter.value("celery_exporter_broker_up") == 1
