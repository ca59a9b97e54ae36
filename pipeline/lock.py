"""One writer per store: a lock that names its host and process and is taken over when that process is gone.

The lock is a file, looked at and written under `flock` (on object stores, which have no such call: written, read back).
A process is known by its id *and* its start time, since ids are used again. Workers need no lock: they write new files
only, and two writers of one key at worst write the same row twice, of which the older counts.
"""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.errors import StoreError
from pipeline.store import Store

NAME = "lock"
GUARD = ".tmp-lock-guard"
SETTLE_S = 0.2


class StoreLock:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.mine = {"host": socket.gethostname(), "pid": os.getpid(), "started": process_start(os.getpid())}

    def __enter__(self) -> "StoreLock":
        with self._alone():
            owner = self._owner()
            if owner is not None and not self._is_gone(owner):
                raise StoreError(
                    f"the store {self.store.url} is in use by process {owner['pid']} on {owner['host']}; wait for it, "
                    f"or, if that host is lost for good, remove {self.store.path(NAME)}"
                )
            self.store.write_json(NAME, self.mine)
        if not self.store.is_local:
            self._see_who_was_last()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._owner() == self.mine:
            self.store.remove(NAME)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time looks at the lock and takes it; for one that dies meanwhile the kernel lets go."""
        if not self.store.is_local:
            yield
            return
        try:
            guard = Path(self.store.path(GUARD)).open("ab")  # noqa: SIM115 - closed below
            fcntl.flock(guard, fcntl.LOCK_EX)
        except OSError as error:
            raise self.store.refusal(GUARD, error) from error
        with guard:
            yield

    def _see_who_was_last(self) -> None:
        """Of those that took a lock on an object store at the same moment, the last one has it."""
        time.sleep(SETTLE_S)
        if self._owner() != self.mine:
            raise StoreError(f"the store {self.store.url} was taken by another process at the same moment; run again")

    def _owner(self) -> dict[str, Any] | None:
        try:
            return self.store.read_json(NAME)
        except FileNotFoundError:
            return None

    def _is_gone(self, owner: dict[str, Any]) -> bool:
        return owner["host"] == self.mine["host"] and process_start(owner["pid"]) != owner["started"]


def process_start(pid: int) -> str:
    """What tells this process from a later one with the same id; empty if there is no such process.

    On Linux the boot's id and the start time in clock ticks since boot; elsewhere only whether the process answers.
    """
    if not Path("/proc/self/stat").exists():
        return "alive" if _answers(pid) else ""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    is_zombie = fields[0] == "Z"
    return "" if is_zombie else f"{boot_id}/{fields[19]}"


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
