"""What Streamlit runs for every look at the pages: it chooses one and draws it."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# The project is importable; this folder, which Streamlit put there, is not.
sys.path[:] = [str(ROOT), *(p for p in sys.path if Path(p).resolve() not in (ROOT, HERE))]

import streamlit as st  # noqa: E402 - after the path is right

from sweep.viewer.augmentation_page import augmentation_page  # noqa: E402 - the same
from sweep.viewer.evaluation_page import evaluation_page  # noqa: E402 - the same
from sweep.viewer.options import viewer_options  # noqa: E402 - the same


def draw() -> None:
    """Draw the page that was chosen."""
    st.set_page_config(page_title="Hands", layout="wide")
    options = viewer_options(sys.argv[1:])
    pages = [
        st.Page(
            lambda: augmentation_page(options),
            title="Augmentations",
            default=True,
        ),
        st.Page(lambda: evaluation_page(options), title="Two networks", url_path="networks"),
    ]
    st.navigation(pages).run()


draw()
