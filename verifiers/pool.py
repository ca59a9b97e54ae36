"""Runs checks in processes that can be killed, from any thread, task or actor; no signals and no forks in this process.

    caller -> a free checker (at most `n_checkers`, others wait) -> request -> reply, or kill at the deadline -> verdict

The deadline is counted in CPU seconds of the checker from the start of its work, so that a busy machine does not turn
right answers into time-outs; wall time is capped at `WALL_PER_CPU` times that. The other side is `verifiers.worker`.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

WALL_PER_CPU = 30.0
"""A check may take this many times its CPU limit in wall seconds before it is killed all the same. At 4, on a machine
with eight busy processes per core, one of 8,021 real verdicts became a time-out that is none on a quiet one."""
START_TIMEOUT_S = 120.0
"""Importing sympy and warming up takes about 1 s on a free core, 10 s on a crowded one."""
_ROOT = Path(__file__).resolve().parents[1]


class CheckTimeout(Exception):
    """The check used up its time and was killed."""


class CheckCrashed(Exception):
    """The process that ran the check died under it."""


class Checker:
    """One checker process, seen from outside. Used by one thread at a time."""

    def __init__(self, connection: Connection, pid: int, pidfd: int) -> None:
        self._connection, self.pid, self._pidfd = connection, pid, pidfd

    def ask(self, request: dict[str, str], timeout_s: float) -> dict[str, str]:
        """Sends one request and returns its reply. After CheckTimeout or CheckCrashed the checker is unusable."""
        try:
            self._connection.send_bytes(json.dumps(request).encode())
            self._wait(timeout_s)
            reply: dict[str, str] = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as broken:
            raise CheckCrashed("the process that ran the check died") from broken
        return reply

    def kill(self) -> None:
        """Ends the process, whatever it is doing, and frees what this side holds of it."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        os.close(self._pidfd)
        self._connection.close()

    def _wait(self, timeout_s: float) -> None:
        cpu_start_s, start_s = self._cpu_s(), time.monotonic()
        while not self._connection.poll(self._left_s(timeout_s, cpu_start_s, start_s)):
            if self._left_s(timeout_s, cpu_start_s, start_s) <= 0:
                raise CheckTimeout(f"not decided within {timeout_s:g} s")

    def _left_s(self, timeout_s: float, cpu_start_s: float, start_s: float) -> float:
        cpu_left_s = timeout_s - (self._cpu_s() - cpu_start_s)
        wall_left_s = timeout_s * WALL_PER_CPU - (time.monotonic() - start_s)
        return 0.0 if cpu_left_s <= 0.001 else max(0.0, min(cpu_left_s, wall_left_s))

    def _cpu_s(self) -> float:
        """CPU time of the process so far; clock ids of other processes are made as in the kernel's posix-timers."""
        try:
            return time.clock_gettime((~self.pid << 3) | 2)
        except OSError as gone:
            raise CheckCrashed("the process that ran the check died") from gone


class CheckerPool:
    """At most `n_checkers` checkers forked from one warm fork server, which starts with the first check."""

    def __init__(self, n_checkers: int) -> None:
        self._slots = threading.BoundedSemaphore(n_checkers)
        self._lock = threading.Lock()
        self._idle: list[Checker] = []
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def check(self, gold: str, answer: str, form: str, timeout_s: float) -> dict[str, str]:
        """One check within `timeout_s` CPU seconds. Raises CheckTimeout or CheckCrashed."""
        with self._slots:
            checker = self._take()
            try:
                reply = checker.ask({"gold": gold, "answer": answer, "form": form}, timeout_s)
            except BaseException:
                checker.kill()
                raise
            if reply["is_last"] == "True":
                checker.kill()
            else:
                self._idle.append(checker)
            return reply

    def close(self) -> None:
        """Ends all processes; a later check starts new ones."""
        with self._lock:
            while self._idle:
                self._idle.pop().kill()
            if self._server and self._control:
                self._control.close()
                self._server.wait()
                self._server = self._control = None

    def _take(self) -> Checker:
        with self._lock:
            return self._idle.pop() if self._idle else self._fork()

    def _fork(self) -> Checker:
        """A fresh checker. A fork server that died is replaced once."""
        for _ in range(2):
            control = self._control or self._start_server()
            mine, theirs = socket.socketpair()
            with theirs, suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(control, [b"fork"], [theirs.fileno()])
                pid, descriptors, _, _ = socket.recv_fds(control, 16, 1)
                if pid:
                    return Checker(Connection(mine.detach()), int(pid), descriptors[0])
            mine.close()
            self._forget_server()
        raise CheckCrashed("the fork server of the math checkers does not start; its message stands on stderr")

    def _start_server(self) -> socket.socket:
        mine, theirs = socket.socketpair()
        mine.settimeout(START_TIMEOUT_S)
        environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(_ROOT), "PYTHONHASHSEED": "0"}
        environment |= {"SYMPY_GROUND_TYPES": "python", "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "verifiers.worker"],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=environment, start_new_session=True,
            )  # fmt: skip
        self._control = mine
        return mine

    def _forget_server(self) -> None:
        if self._control:
            self._control.close()
        if self._server:
            self._server.kill()
            self._server.wait()
        self._server = self._control = None


def pool() -> CheckerPool:
    """The pool of this process; a forked child gets its own."""
    return _pool_of(os.getpid())


@cache
def _pool_of(pid: int) -> CheckerPool:
    mine = CheckerPool(n_checkers=max(1, min(4, os.cpu_count() or 1)))
    atexit.register(mine.close)
    return mine
