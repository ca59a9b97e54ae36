"""Lets the processes of an engine die with the process that started it, even when that one is killed with SIGKILL.

vLLM's engine core is a child process that waits on a socket; when its host is killed it would live on and hold the
GPU. vLLM mixes `DiesWithHost` into its workers (`worker_extension_cls`) and the host calls `die_with` once at the
start. Worker processes of a tensor-parallel engine watch the engine core by themselves.
"""

import os
import select
import signal
import threading


class DiesWithHost:
    def die_with(self, host_pid: int, core_pid: int) -> None:
        """Kills `core_pid` as soon as `host_pid` is gone; returns at once. Linux only, as vLLM itself."""
        host = os.pidfd_open(host_pid)
        threading.Thread(target=_kill_after, args=(host, core_pid), daemon=True, name="dies-with-host").start()


def _kill_after(host_fd: int, core_pid: int) -> None:
    select.select([host_fd], [], [])  # a pidfd becomes readable when its process ends
    os.kill(core_pid, signal.SIGKILL)
