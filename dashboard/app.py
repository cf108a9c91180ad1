"""The entry script that Streamlit runs for every viewer: page set-up and navigation."""

from pathlib import Path

import streamlit as st

from dashboard import overview
from dashboard.headline import PRODUCT

_FOLDER = Path(__file__).resolve().parent

# Before st.navigation: later, Streamlit asks fonts.gstatic.com for an icon of its own.
st.set_page_config(
    page_title=PRODUCT,
    page_icon=str(_FOLDER / "assets" / "icon.png"),
    layout="wide",
    menu_items={"About": "**celery-slo**: which Celery queues break their promise right now, since when, and why."},
)
st.logo(str(_FOLDER / "assets" / "logo.png"), size="small")
st.html(_FOLDER / "overview.css")
st.navigation([st.Page(overview.show, title="Overview", url_path="overview", default=True)], position="top").run()
