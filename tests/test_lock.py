"""One writer per store: a second one is told who the first is, and the lock of a dead one is taken over."""

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
import uuid

import pytest

from pipeline.errors import StoreError
from pipeline.lock import StoreLock, process_start
from pipeline.store import Store
from tests.pipeline_stages import Deal, recipe, run_inline

FORK = multiprocessing.get_context("fork")


@pytest.fixture(params=["path", "memory"])
def store(request, tmp_path) -> Store:
    return Store.open(str(tmp_path) if request.param == "path" else f"memory://{uuid.uuid4().hex}", 1)


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_second_writer_is_refused_with_the_first_ones_process_and_host(store):
    with StoreLock(store):
        with pytest.raises(StoreError, match=f"in use by process {os.getpid()} on {socket.gethostname()}; wait"):
            StoreLock(store).__enter__()
        assert store.exists("lock")
    assert not store.exists("lock")


def test_a_run_on_a_store_in_use_is_refused_before_it_writes_anything(tmp_path):
    a_recipe = recipe(deal=Deal(pairs=((0, 1),)))
    store = Store.open(str(tmp_path), 2)
    with StoreLock(store), pytest.raises(StoreError, match="in use by process"):
        run_inline(a_recipe, tmp_path)
    assert store.names("runs") == []
    assert run_inline(a_recipe, tmp_path).frame("deal").height == 1


def test_the_lock_is_free_again_after_a_run_that_failed(store):
    with pytest.raises(ZeroDivisionError), StoreLock(store):
        raise ZeroDivisionError
    StoreLock(store).__enter__()


@pytest.mark.parametrize(
    ("pid", "started"),
    [(dead_process, "boot/1"), (os.getpid, "boot/1"), (os.getppid, "")],
    ids=["the process is gone", "its id is used again by us", "its id is used again by another"],
)
def test_the_lock_of_a_process_that_is_gone_is_taken_over(store, pid, started):
    stale = {"host": socket.gethostname(), "pid": pid(), "started": started}
    store.write_json("lock", stale)
    with StoreLock(store) as lock:
        assert store.read_json("lock") == lock.mine != stale


def test_the_lock_of_another_host_is_never_taken_over_by_itself(store):
    store.write_json("lock", {"host": "elsewhere", "pid": dead_process(), "started": "boot/1"})
    with pytest.raises(
        StoreError, match=r"on elsewhere; wait for it, or, if that host is lost for good, remove .*lock"
    ):
        StoreLock(store).__enter__()


def test_a_process_that_has_ended_and_was_not_yet_waited_for_counts_as_gone():
    process = subprocess.Popen([sys.executable, "-c", ""])
    started = process_start(process.pid)
    assert started
    deadline = time.monotonic() + 30
    while process_start(process.pid) == started and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process_start(process.pid) == ""
    process.wait()


def test_a_lock_that_somebody_else_has_taken_since_is_left_alone(store):
    with StoreLock(store):
        others = {"host": "elsewhere", "pid": 1, "started": "boot/1"}
        store.write_json("lock", others)
    assert store.read_json("lock") == others


def race(folder, start, won, all_tried):
    start.wait()
    try:
        with StoreLock(Store.open(folder, 1)):
            won.put(os.getpid())
            all_tried.wait()
    except StoreError:
        won.put(None)


@pytest.mark.slow
@pytest.mark.parametrize("is_stale", [False, True], ids=["free", "stale"])
def test_of_many_processes_that_want_the_lock_at_once_exactly_one_has_it(tmp_path, is_stale):
    for trial in range(10):
        store = Store.open(str(tmp_path / str(trial)), 1)
        if is_stale:
            store.write_json("lock", {"host": socket.gethostname(), "pid": dead_process(), "started": "boot/1"})
        start, won, all_tried = FORK.Event(), FORK.Queue(), FORK.Event()
        processes = [FORK.Process(target=race, args=(store.url, start, won, all_tried)) for _ in range(8)]
        for process in processes:
            process.start()
        start.set()
        winners = [pid for pid in (won.get(timeout=60) for _ in processes) if pid]
        assert len(winners) == 1
        assert json.loads((tmp_path / str(trial) / "lock").read_text())["pid"] == winners[0]
        all_tried.set()
        for process in processes:
            process.join()
