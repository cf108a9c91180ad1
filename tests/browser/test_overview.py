"""The overview as a person meets it: the real Streamlit process, a real Chromium, a made-up exporter."""

import os
import re
import socket
import subprocess
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import expect, sync_playwright
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from dashboard.launch import check_port, command
from tests.dashboard.fake_exporter import FakeExporter
from tests.dashboard.scenes import SCENES, calm, incident

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ARTIFACTS = Path(__file__).parent.parent / "artifacts"
BAD_NIGHT = "2 of 18 queues with a target are late, 1 has no consumers, 1 is blocked"
CALM_EVENING = "All 5 queues with a target and traffic are in time, 2 are quiet"
HEADLINES = {
    "calm": CALM_EVENING,
    "incident": BAD_NIGHT,
    "blind": "Blind: broker lost 42 s ago",
    "empty": "No queues yet: none is documented and none was seen",
}
LOOKS = list(product(["light", "dark"], [(1280, 800), (1920, 1080)]))
PATIENCE_MILLISECONDS = 20_000
# A call to this lets ten seconds pass for the style sheet at once, and says how the page looks then.
LET_TEN_SECONDS_PASS = """() => {
    document.getAnimations().forEach(animation => { animation.currentTime = 10001; });
    const look = name => getComputedStyle(document.querySelector(name));
    return [look('.slo-live').opacity, look('.slo-unrefreshed').visibility];
}"""


@pytest.fixture(scope="module")
def exporter():
    with FakeExporter() as fake:
        yield fake


@pytest.fixture(scope="module")
def address(exporter, tmp_path_factory):
    """The dashboard, started from a folder and with a path that hold another `core`."""
    hostile = tmp_path_factory.mktemp("application")
    (hostile / "core.py").write_text("raise SystemExit('the core of another application')")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    check_port("127.0.0.1", port)
    argv, environ = command("127.0.0.1", port, exporter.url)
    log = hostile / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            cwd=hostile,
            env=os.environ | {"PYTHONPATH": str(hostile)} | environ,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            with requests.Session() as session:
                session.mount(
                    "http://", HTTPAdapter(max_retries=Retry(connect=60, backoff_factor=0.1, backoff_max=0.5))
                )
                assert session.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=10).text == "ok", log.read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not CHROMIUM.exists():
        pytest.fail("Chromium is missing: apt-get install --no-install-recommends chromium")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("profile")), executable_path=str(CHROMIUM), args=FLAGS
        )
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        yield context
        context.close()


@pytest.fixture
def tab(browser):
    """A new tab with nothing in it."""
    tab = browser.new_page()
    tab.set_viewport_size({"width": 1280, "height": 800})
    yield tab
    tab.close()


@pytest.fixture
def page(tab, exporter, address):
    """The overview of a bad night, drawn."""
    exporter.scene = incident
    tab.goto(address)
    expect_headline(tab, BAD_NIGHT)
    return tab


def expect_headline(tab, words):
    expect(tab.get_by_role("heading", level=1)).to_have_text(words, timeout=PATIENCE_MILLISECONDS)


def photograph(tab, name):
    """Keep a picture for people to look at."""
    ARTIFACTS.mkdir(exist_ok=True)
    tab.screenshot(path=ARTIFACTS / f"overview-{name}.png")


def next_drawing(tab):
    drawn_at = tab.locator(".slo-page").get_attribute("data-drawn-at")
    tab.wait_for_function("before => document.querySelector('.slo-page').dataset.drawnAt !== before", arg=drawn_at)


def test_a_queue_reads_as_one_row(page):
    row = (
        page.get_by_role("table", name="Queues", exact=True)
        .get_by_role("row")
        .filter(has=page.get_by_role("rowheader", name="case_import_queue", exact=True))
    )

    cells = [
        re.sub(r"\d\d:\d\d:\d\d", "TIME", " ".join(cell.split())) for cell in row.locator("td, th").all_inner_texts()
    ]

    assert cells == [
        "late",
        "case_import_queue",
        "seconds 30 s",
        "12 min 4 s 24x, late since TIME UTC",
        "5 min 11 s",
        "11 min 42 s",
        "1,204",
        "1,160",
        "0",
        "4/4",
        "50",
        "1,196",  # not shown below 1400 px
        "oldest task waits 12 min 4 s, 11 min 34 s beyond its target of 30 s; all 4 slots are busy",
    ]


@pytest.mark.parametrize("size", [(390, 844), (768, 1024)])
def test_a_narrow_screen_shows_the_cause_and_the_worst_queue_first_without_scrolling(page, size):
    page.set_viewport_size({"width": size[0], "height": size[1]})

    expect(page.locator(".slo-alerts .slo-reason").first).to_be_in_viewport(ratio=1)
    worst = page.get_by_role("table", name="Queues", exact=True).get_by_role("rowheader").first
    expect(worst).to_have_text("email_queue")
    expect(worst).to_be_in_viewport(ratio=1)
    assert page.locator(".stMain").evaluate("main => main.scrollWidth - main.clientWidth") == 0
    photograph(page, f"incident-light-{size[0]}x{size[1]}")


def test_the_queue_of_a_link_is_marked_and_stays_so(page, address):
    page.goto(f"{address}/?queue=ucr_queue")
    expect_headline(page, BAD_NIGHT)
    next_drawing(page)

    expect(page.locator("[aria-current] th")).to_have_text("ucr_queue")
    expect(page.locator("[aria-current] th")).to_be_in_viewport()


def test_nothing_is_asked_of_the_outside_world_and_no_name_becomes_a_script(browser, page, address):
    asked = []
    browser.on("request", lambda request: asked.append(request.url))

    page.goto(address)
    expect_headline(page, BAD_NIGHT)
    next_drawing(page)

    hosts = {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}
    expect(page).to_have_title("4 in trouble · celery-slo")


def test_the_page_follows_the_exporter_by_itself_and_stays_where_it_was_scrolled(page, exporter):
    page.locator(".stMain").evaluate("main => { main.scrollTop = 300; }")
    next_drawing(page)
    assert page.locator(".stMain").evaluate("main => main.scrollTop") == 300

    exporter.scene = calm

    expect_headline(page, CALM_EVENING)
    expect(page).to_have_title("celery-slo")


def test_numbers_of_a_lost_exporter_turn_grey_with_their_age_and_come_back_by_themselves(page, exporter):
    exporter.stop()
    try:
        banner = page.get_by_text(re.compile(r"^Exporter unreachable for \d+ s$"))
        expect(banner).to_be_visible(timeout=PATIENCE_MILLISECONDS)
        expect(page.get_by_text(re.compile(r"^The numbers are \d+ s old\.$"))).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_have_text(
            re.compile(r"^\d+ s ago: 2 of 18 queues with a target are late")
        )
        numbers = page.locator(".slo-stale").filter(has=page.get_by_role("table", name="Queues", exact=True))
        expect(numbers).to_have_css("filter", "grayscale(1)")
        photograph(page, "lost-light-1280x800")
    finally:
        exporter.start()

    expect_headline(page, BAD_NIGHT)
    expect(page.locator(".slo-stale")).to_have_count(0)
    expect(banner).to_have_count(0)


def test_a_page_that_nobody_refreshes_turns_grey_and_says_so(page):
    notice = page.get_by_text("This page is no longer refreshed")
    expect(notice).to_be_hidden()

    assert page.evaluate(LET_TEN_SECONDS_PASS) == ["0.7", "visible"]

    expect(notice).to_be_hidden()  # the next refresh takes it back


@pytest.mark.parametrize("scene", SCENES)
def test_the_page_fits_small_and_large_screens_in_both_themes(tab, exporter, address, scene):
    exporter.scene = SCENES[scene]
    tab.goto(address)
    expect_headline(tab, HEADLINES[scene])

    for theme, (width, height) in LOOKS:
        tab.set_viewport_size({"width": width, "height": height})
        tab.emulate_media(color_scheme=theme)
        expect(tab.locator(".stApp")).to_have_css("color-scheme", theme)
        assert tab.locator(".stMain").evaluate("main => main.scrollWidth - main.clientWidth") == 0
        photograph(tab, f"{scene}-{theme}-{width}x{height}")
