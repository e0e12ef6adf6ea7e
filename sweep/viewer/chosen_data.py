"""The controls that choose a data set and one of its splits, and the data opened."""

from typing import Any

import streamlit as st

from hpe.data.opened import OpenedData
from sweep.evaluation_data import EvaluationData, ready_data
from sweep.viewer.choices import data_choices, needs_rendering, parse_settings
from sweep.viewer.options import ViewerOptions


def choose_data(options: ViewerOptions) -> EvaluationData | None:
    """Show the controls; return the data set that was chosen, or None until there is one.

    Raises:
        ValueError: If the settings or files of the data set are not what they must be.
    """
    choices = data_choices(options.runs)
    chosen = st.selectbox("Data set", choices, format_func=lambda choice: choice.told)
    text = st.text_area(
        "Its settings", chosen.settings, key=f"settings of {chosen.told}", height=90
    )
    settings = parse_settings(text)
    made_dir = options.runs.data
    awaits = needs_rendering(settings, data_dir=options.data_dir, made_dir=made_dir)
    if awaits:
        st.info("This data set is rendered here, and has not been yet.")
        if not st.button("Render it now"):
            return None
    bar = st.empty()
    data = ready_data(
        settings,
        data_dir=options.data_dir,
        made_dir=made_dir,
        processes=1,
        progress=lambda done, total: _show_progress(bar, done, total),
    )
    bar.empty()
    if awaits:
        st.rerun()
    return data


def opened(data: EvaluationData) -> OpenedData[Any]:
    """Return the data set, opened once for all looks at the pages."""
    found: OpenedData[Any] = _opened(data.config.model_dump_json(), data)
    return found


@st.cache_resource(max_entries=4, show_spinner="Opening the data set")
def _opened(
    identity: str,  # noqa: ARG001 - what Streamlit caches by; it skips names that begin with _
    _data: EvaluationData,
) -> OpenedData[Any]:
    return _data.open()


def _show_progress(bar: Any, done: int, total: int) -> None:
    bar.progress(done / max(total, 1), text=f"Rendering: {done} of {total}")
