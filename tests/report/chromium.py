"""A page in headless Chromium, driven over its DevTools protocol as somebody with a mouse and a keyboard would."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "ArrowLeft": (37, ""), "ArrowUp": (38, ""),
        "ArrowRight": (39, ""), "ArrowDown": (40, ""), "Home": (36, ""), "End": (35, "")}  # fmt: skip


class Page:
    """One tab. `messages` are errors and warnings of its console, `requests` what it asked the network for."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._number = connection, 0
        self.messages: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._connection.recv(timeout=60))
            self._hear(told)
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told["result"]

    def _hear(self, told: dict[str, Any]) -> None:
        about = told.get("params", {})
        if told.get("method") == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif told.get("method") == "Log.entryAdded":
            self.messages.append(about["entry"]["text"])
        elif told.get("method") == "Runtime.exceptionThrown":
            self.messages.append(json.dumps(about["exceptionDetails"]))

    def open(self, path: Path, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < end, f"never so: {expression}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        code, text = KEYS[key]
        about = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, **about)

    def click(self, selector: str) -> None:
        found = json.dumps(selector)
        self.value(f"document.querySelector({found}).scrollIntoView({{block: 'center', behavior: 'instant'}})")
        x, y = self.value(
            f"(() => {{ const r = document.querySelector({found}).getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path, whole: bool = True) -> None:
        taken = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))


@contextmanager
def page(folder: Path) -> Iterator[Page]:
    """A tab of a browser that keeps its profile in `folder`, and is ended afterwards."""
    from websockets.sync.client import connect

    profile = folder / "profile"
    options = ["--headless=new", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0", "--mute-audio",
               f"--user-data-dir={profile}", "--disable-dev-shm-usage", "--hide-scrollbars"]  # fmt: skip
    options += ["--no-sandbox"] if os.geteuid() == 0 else []
    assert FOUND is not None
    process = subprocess.Popen([FOUND, *options, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        told, end = profile / "DevToolsActivePort", time.monotonic() + 60
        while not (told.is_file() and told.read_text().count("\n")):
            assert process.poll() is None and time.monotonic() < end, "Chromium does not start"
            time.sleep(0.1)
        port = int(told.read_text().split()[0])
        # Connected by hand, as whatever proxy the environment names is not meant.
        asking = HTTPConnection("127.0.0.1", port, timeout=30)
        asking.request("GET", "/json/list")
        [tab] = [one for one in json.load(asking.getresponse()) if one["type"] == "page"]
        asking.close()
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        with connect(tab["webSocketDebuggerUrl"], sock=plain, max_size=None) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
