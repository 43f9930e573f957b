"""What the programs of others that serve on loopback have in common: they are configured, started, and stopped."""

import os
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, Optional, TypeVar

from . import kdc, software

Line = TypeVar("Line")

HERE = Path(__file__).resolve().parent
DEADLINE = 30.0
"""Seconds within which a program starts, and does what it is to do at once."""


def end_by_signals() -> None:
    """Have SIGTERM, and SIGHUP where the terminal goes, end this process as Ctrl-C does: with what it has started.

    SIGINT is not ignored either, as shells have it for what they run in the background: programs would inherit that.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # by nohup
            signal.signal(number, signal.default_int_handler)


class Daemon:
    """A program, from the call of `start` to that of `stop`.

    Attributes:
        ports: where it listens on `host`, by `listeners`.
    """

    host = "127.0.0.1"

    configuration: str
    """The name of its configuration, a template beside this module."""
    listeners: list[str]
    """The words that stand for its ports in the configuration."""
    needs: Sequence[str]
    """The files without which it cannot run."""

    def __init__(self, environment: dict[str, str]) -> None:
        software.require(self.needs)
        self.ports: dict[str, int] = {}
        self._environment = {**os.environ, **environment}
        self._root = Path(tempfile.mkdtemp(prefix=f"krbxmlrpc-{type(self).__name__.lower()}-"))
        self._process: Optional[subprocess.Popen[bytes]] = None

    def command(self, configuration: str) -> list[str]:
        """Return what starts it in the foreground."""
        raise NotImplementedError

    def words(self) -> dict[str, object]:
        """Return what stands for the words in its configuration, apart from ``root``, its folder, and the ports."""
        raise NotImplementedError

    def template(self) -> str:
        """Return its configuration, with words in braces."""
        return (HERE / self.configuration).read_text()

    def prepare(self) -> None:
        """Write what files there are to be beside the configuration."""
        raise NotImplementedError

    def start(self) -> Any:
        """Start it; return it when it takes connections."""
        try:
            self.prepare()
            for _ in range(10):
                first = kdc.free_ports(len(self.listeners), self.host)
                self.ports = {name: first + number for number, name in enumerate(self.listeners)}
                if self._launch():
                    return self
                self.halt()
            raise RuntimeError(f"{type(self).__name__} does not start:\n{self.error_log()}")
        except BaseException:
            self.stop()
            raise

    def halt(self) -> None:
        """End the program, if it runs; its files and ports stay for `resume`."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(DEADLINE / 3)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def resume(self) -> None:
        """Start the program again, with what its words stand for now."""
        if not self._launch():
            raise RuntimeError(f"{type(self).__name__} does not start again:\n{self.error_log()}")

    def stop(self) -> None:
        """Stop it, if it runs, and remove all its files."""
        self.halt()
        shutil.rmtree(self._root, ignore_errors=True)

    def awaited(self, find: Callable[[], list[Line]], count: int) -> list[Line]:
        """Return the lines of a log that are found, once there are `count`."""
        deadline = time.monotonic() + DEADLINE
        while True:
            found = find()
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.01)

    def error_log(self) -> str:
        """Return what it had to say."""
        logs = [self._root / name for name in ("start.log", "error.log")]
        return "".join(log.read_text() for log in logs if log.exists())

    def _launch(self) -> bool:
        """Configure and start the program; return whether it came up, False where one of its ports was taken."""
        template = string.Template(self.template())
        configuration = self._root / self.configuration
        configuration.write_text(template.substitute(self.words(), root=self._root, **self.ports))
        with open(self._root / "start.log", "wb") as log:
            self._process = subprocess.Popen(
                self.command(str(configuration)),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + DEADLINE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                for port in self.ports.values():
                    socket.create_connection((self.host, port), 1).close()
                return True
            except OSError:
                time.sleep(0.01)
        return False
