"""The pages of `sweep/view.py`, served and looked at in a browser that reaches nothing else."""

import socket
import subprocess
import sys

import pytest

pytest.importorskip("streamlit", reason="requirements-view.txt is not installed")

from sweep.view import ROOT
from tests.sweep.viewer.browser import CHROMIUM, open_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
CHART = "[data-testid=stVegaLiteChart] svg"
REQUESTED = "performance.getEntriesByType('resource').map(entry => entry.name)"
LOADED = "[...document.querySelectorAll('img')].filter(i => i.complete && i.naturalWidth > 0)"


@pytest.fixture(scope="module")
def server(viewed_runs):
    """Serve the pages; yield where."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "sweep" / "view.py"), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--runs-dir", str(viewed_runs.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "URL:" in line:
            break
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.communicate(timeout=30)


def test_both_pages_show_what_was_asked_for(server, tmp_path):
    with open_page(server, tmp_path) as page:
        page.wait_for(f"{LOADED}.length >= 4 && document.body.innerText.includes('shift_x')")
        assert "view 2 brought back over view 1" in page.text()
        page.photograph(tmp_path / "augmentations.png")
        page.send("Page.navigate", url=f"{server}/networks")
        page.wait_for(f"document.body.innerText.includes('beats the first') && {LOADED}.length > 1")
        assert "trial 1 of mine" in page.text()
        page.wait_for(f"document.querySelector('{CHART}') !== null")
        assert page.value(f"{REQUESTED}.every(name => name.startsWith('{server}'))")
        page.photograph(tmp_path / "networks.png")
    for name in ("augmentations", "networks"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
