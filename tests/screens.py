"""Take screenshots of the built documents, and check that no page scrolls sideways. The tests do not run this.

usage: screens.py HTML PNG

HTML is a folder that docs/build.sh has made. PNG is the folder for the pictures: each page at two widths, in the light
and in the dark theme. Code blocks and tables may scroll inside themselves. The exit status is 1 if a page is wider than
the window. This needs chromium (apt-get install chromium).
"""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WIDTHS = (1280, 420)
THEMES = ("light", "dark")
WINDOW_HEIGHT = 900
TALLEST_PICTURE = 8000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

MEASURE = """
(() => {
    const root = document.documentElement;
    const scrolls = element => element !== root && getComputedStyle(element).overflowX !== "visible";
    const clipped = element => {
        for (let at = element.parentElement; at && at !== document.body; at = at.parentElement)
            if (scrolls(at)) return true;
        return false;
    };
    const wide = [...document.body.querySelectorAll("*")].filter(element => {
        const box = element.getBoundingClientRect();
        return box.width && box.right > root.clientWidth + 1 && getComputedStyle(element).position !== "fixed"
            && !clipped(element);
    });
    return {
        width: root.scrollWidth, window: root.clientWidth, height: root.scrollHeight,
        wide: wide.slice(-3).map(element => element.outerHTML.slice(0, 100)),
    };
})()
"""
"""How wide and tall a page is, and the innermost elements that stick out of the window."""


class Browser:
    """A headless Chromium that takes commands of its DevTools protocol over two pipes.

    Args:
        folder: for its profile.
    """

    def __init__(self, folder):
        program = next(filter(None, map(shutil.which, BROWSERS)), None)
        if program is None:
            sys.exit("There is no chromium here. Install it as root: apt-get install chromium")
        commands, self._writing = os.pipe()
        reading, answers = os.pipe()
        self._answers = open(reading, "rb")
        # Chromium reads commands from descriptor 3, and writes answers to descriptor 4.
        options = "--headless --remote-debugging-pipe --no-sandbox --disable-gpu --hide-scrollbars --no-first-run"
        script = f'exec "$0" "$@" 3<&{commands} 4>&{answers}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, program, *options.split(), f"--user-data-dir={folder}"],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._numbers = itertools.count(1)
        self._session = None
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.command("Page.enable")

    def command(self, method, **parameters):
        """Send a command, and return its result."""
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        request = {"id": number, "method": method, "params": parameters, **session}
        os.write(self._writing, json.dumps(request).encode() + b"\0")
        answer = self._wait(lambda message: message.get("id") == number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def load(self, path, width, theme):
        """Load a page in a window of this width, in this theme."""
        height = WINDOW_HEIGHT
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": theme}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
        self.command("Page.navigate", url=path.resolve().as_uri())
        self._wait(lambda message: message.get("method") == "Page.loadEventFired")

    def evaluate(self, script):
        """Return the value of an expression in the page."""
        return self.command("Runtime.evaluate", expression=script, returnByValue=True)["result"]["value"]

    def picture(self, width, height):
        """Return a picture of the page from its top, as PNG."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        taken = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(taken["data"])

    def close(self):
        """End the browser."""
        os.close(self._writing)
        self._answers.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self, is_wanted):
        """Return the next message of the browser that is wanted."""
        while True:
            message = json.loads(self._read_message())
            if is_wanted(message):
                return message

    def _read_message(self):
        message = bytearray()
        while not message.endswith(b"\0"):
            piece = self._answers.read(1)
            if not piece:
                raise RuntimeError("the browser has ended")
            message += piece
        return message[:-1]


def main(html, pictures):
    """Look at each page; return 1 if a page scrolls sideways."""
    html, pictures = Path(html), Path(pictures)
    pictures.mkdir(parents=True, exist_ok=True)
    pages = [page for page in sorted(html.rglob("*.html")) if "_static" not in page.parts]
    wrong = 0
    with contextlib.ExitStack() as stack:
        profile = tempfile.mkdtemp()
        stack.callback(shutil.rmtree, profile, ignore_errors=True)  # the browser may still write to it
        browser = stack.enter_context(contextlib.closing(Browser(profile)))
        for page, width, theme in itertools.product(pages, WIDTHS, THEMES):
            name = "-".join(page.relative_to(html).with_suffix("").parts)
            browser.load(page, width, theme)
            found = browser.evaluate(MEASURE)
            height = min(found["height"], TALLEST_PICTURE)
            (pictures / f"{name}-{width}-{theme}.png").write_bytes(browser.picture(width, height))
            if found["width"] > found["window"]:
                wrong += 1
                print(f"{name} is {found['width']} pixels wide at {width}, {theme}:", *found["wide"], sep="\n    ")
    print(f"{len(pages)} pages, {len(pages) * len(WIDTHS) * len(THEMES)} pictures, {wrong} scroll sideways")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
