"""The overview page: every queue against its target, refreshed by itself."""

import os
import time

import streamlit as st

from dashboard.headline import tab_title
from dashboard.launch import read_settings
from dashboard.overview_html import page
from dashboard.snapshot_source import Reading, SnapshotSource

_REFRESH_SECONDS = 2
# Below the refresh, so that each one finds the cache stale and has it renewed for the next.
_CACHE_SECONDS = 1.5


def show() -> None:
    """Draw the page. Only the fragment inside is drawn again."""
    _refreshing()


@st.fragment(run_every=_REFRESH_SECONDS)
def _refreshing() -> None:
    reading = _reading(read_settings(os.environ).exporter_url)
    now = time.time()
    st.set_page_config(page_title=tab_title(reading, now))
    st.html(page(reading, now, st.query_params.get("queue")))


@st.cache_resource(show_spinner=False)
def _source(exporter_url: str) -> SnapshotSource:
    return SnapshotSource(exporter_url)


@st.cache_resource(ttl=_CACHE_SECONDS, refresh_mode="background", show_spinner=False)
def _reading(exporter_url: str) -> Reading:
    """Fetch once for all viewers; only the first ever, or the first after a pause, waits for it."""
    return _source(exporter_url).read(time.time())
