"""One writer per store: a lock that names its host and process and is taken over when that process is gone.

The lock is a file made with O_EXCL (on object stores, which have no such call through fsspec, written and read back).
A process is known by its id *and* its start time, since ids are used again. Workers need no lock: they write new files
only, and two writers of one key at worst write the same row twice, of which the older counts.
"""

import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.errors import StoreError
from pipeline.store import Store

NAME = "lock"


class StoreLock:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.mine = {"host": socket.gethostname(), "pid": os.getpid(), "started": process_start(os.getpid())}

    def __enter__(self) -> "StoreLock":
        for _ in range(3):  # a stale lock is removed once; a third party may come in between
            if self._acquire():
                return self
            owner = self._owner()
            if owner is not None and not self._is_gone(owner):
                raise StoreError(
                    f"the store {self.store.url} is in use by process {owner['pid']} on {owner['host']}; wait for it, "
                    f"or, if that host is lost for good, remove {self.store.path(NAME)}"
                )
            if owner is not None:
                self._remove_stale(owner)
        raise StoreError(
            f"the store {self.store.url} could not be locked: others take it at the same moment; run again"
        )

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._owner() == self.mine:
            self.store.remove(NAME)

    def _acquire(self) -> bool:
        data = json.dumps(self.mine).encode()
        if not self.store.is_local:
            if self.store.exists(NAME):
                return False
            self.store.write_bytes(NAME, data)
            time.sleep(0.2)
            return self._owner() == self.mine
        # Written aside and linked into place: the lock is never seen half-written, and link() fails if it exists.
        path = Path(self.store.path(NAME))
        aside = path.with_name(f".tmp-lock-{os.getpid()}")
        aside.write_bytes(data)
        try:
            os.link(aside, path)
        except FileExistsError:
            return False
        finally:
            aside.unlink()
        return True

    def _remove_stale(self, owner: dict[str, Any]) -> None:
        if not self.store.is_local:
            self.store.remove(NAME)
            return
        path = Path(self.store.path(NAME))
        aside = path.with_name(f".tmp-stale-{os.getpid()}")
        try:
            path.rename(aside)
        except FileNotFoundError:
            return  # another process was faster
        if json.loads(aside.read_text()) != owner:
            aside.replace(path)  # the lock that another process has just taken, not the stale one
        aside.unlink(missing_ok=True)

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
