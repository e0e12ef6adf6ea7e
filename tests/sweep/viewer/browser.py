"""A headless Chromium that looks at one page, driven over its DevTools protocol."""

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--window-size=1500,1200",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # no way out of this machine
)
POLL_S = 0.2
TALL_PX = 2600


class Page:
    """A page that can be asked and photographed."""

    def __init__(self, socket: ClientConnection) -> None:
        """Talk to the page at the other end of a socket."""
        self._socket = socket
        self._numbers = itertools.count(1)

    def send(self, method: str, **params: Any) -> Any:
        """Return what the page answers."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    def wait_for(self, expression: str, *, within_s: float = 60) -> Any:
        """Return the value of an expression once it is true."""
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            if value := self.value(expression):
                return value
            time.sleep(POLL_S)
        raise AssertionError(f"never true: {expression}; page: {self.text()[:2000]}")

    def text(self) -> str:
        """Return what is to be read on the page."""
        return str(self.value("document.body.innerText"))

    def photograph(self, path: Path) -> None:
        """Write the page as a PNG, tall enough for all of it."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=1500,
            height=TALL_PX,
            deviceScaleFactor=1,
            mobile=False,
        )
        data = self.send("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))


@contextmanager
def open_page(url: str, scratch: Path) -> Iterator[Page]:
    """Show a page in a browser of its own, which ends with the block."""
    assert CHROMIUM is not None
    profile = scratch / "profile"
    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = _port(profile / "DevToolsActivePort")
        with connect(f"ws://127.0.0.1:{port[0]}{port[1]}", max_size=None) as browser:
            target = Page(browser).send("Target.createTarget", url=url)["targetId"]
        address = f"ws://127.0.0.1:{port[0]}/devtools/page/{target}"
        with connect(address, max_size=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _port(file: Path) -> tuple[str, str]:
    """Return the port and the path at which the browser listens."""
    end_s = time.monotonic() + 30
    while time.monotonic() < end_s:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) == 2:
            return lines[0], lines[1]
        time.sleep(POLL_S)
    raise AssertionError("the browser never said where it listens")
