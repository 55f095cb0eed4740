"""A headless Chromium, driven over its debugging pipe: no package is needed.

https://chromedevtools.github.io/devtools-protocol/. Messages are JSON that ends with a
NUL byte, on the file descriptors 3 (to the browser) and 4 (from it).
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find():
    """The path of the browser; skips the test where there is none."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    return path


class Browser:
    """One page in a browser; `events` are all messages about it so far."""

    def __init__(self, process, to_browser, from_browser):
        self._process, self._to, self._from = process, to_browser, from_browser
        self._count, self._session = 0, None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def call(self, method, **params):
        """Sends a command and returns its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]

    def _receive(self):
        content = bytearray()
        while not content.endswith(b"\0"):
            byte = self._from.read(1)
            assert byte, "the browser has ended"
            content += byte
        message = json.loads(bytes(content[:-1]).decode())
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, path, width=1280, scheme="light"):
        """Shows a file, and waits until it is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        before = len(self.events)
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        while "Page.loadEventFired" not in [e["method"] for e in self.events[before:]]:
            self._receive()

    def evaluate(self, expression):
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_until(self, condition):
        """Waits up to ten seconds until a JavaScript expression is true."""
        deadline = time.monotonic() + 10
        while not self.evaluate(condition):
            assert time.monotonic() < deadline, condition
            time.sleep(0.05)

    def press(self, key):
        """Presses and releases a key, by its name in JavaScript."""
        codes = {"ArrowDown": 40, "ArrowUp": 38}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                windowsVirtualKeyCode=codes[key],
            )

    def problems(self, start=0):
        """All that was logged, thrown or refused, from this event on."""
        names = (
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Log.entryAdded",
        )
        return [event for event in self.events[start:] if event["method"] in names]

    def requests(self, start=0):
        """The URLs that were asked for, from this event on."""
        return [
            event["params"]["request"]["url"]
            for event in self.events[start:]
            if event["method"] == "Network.requestWillBeSent"
        ]

    def screenshot(self, path):
        """Writes a PNG of the whole page."""
        content = self.call(
            "Page.captureScreenshot", captureBeyondViewport=True, format="png"
        )
        with open(path, "wb") as file:
            file.write(base64.b64decode(content["data"]))


@contextlib.contextmanager
def started(profile):
    """Yields a `Browser`; `profile` is a directory for its files."""
    read_by_browser, to_browser = os.pipe()
    from_browser, written_by_browser = os.pipe()

    def as_3_and_4():
        # Copies at numbers out of the way first: one of the four may be 3 or 4.
        source, target = os.dup(read_by_browser), os.dup(written_by_browser)
        high_source, high_target = os.dup2(source, 103), os.dup2(target, 104)
        os.dup2(high_source, 3)
        os.dup2(high_target, 4)

    process = subprocess.Popen(
        [
            *(find(), "--headless", "--no-sandbox", "--disable-gpu"),
            *("--remote-debugging-pipe", "--user-data-dir=" + str(profile)),
            *("--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"),
        ],
        preexec_fn=as_3_and_4,
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_by_browser)
    os.close(written_by_browser)
    try:
        with os.fdopen(to_browser, "wb") as to, os.fdopen(from_browser, "rb") as source:
            yield Browser(process, to, source)
    finally:
        process.kill()
        process.wait()
