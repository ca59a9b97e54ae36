"""A run that is killed at random moments, whatever process it hits, ends with what an undisturbed run gives.

    python -m tests.kill_victim in a process of its own -> SIGKILL to a victim, several times -> run again to the end

Victims are the driver (the whole program), a Ray worker that runs a cell, the actor that holds the engine, and the one
that counts progress. Every call of the script leaves a line in a file, so that what a kill has cost can be counted.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from pipeline.execution import ExecutionConfig
from pipeline.lookup import ROOT
from pipeline.run import Run, run
from pipeline.store import Store
from tests.counted_scripts import LOG
from tests.kill_victim import N_PARTITIONS, N_SAMPLES, recipe
from tests.pipeline_stages import files_of

pytestmark = pytest.mark.slow
N_PROBLEMS, N_KILLS = 40, 15
PLANS = (
    ("worker", "engine", "worker", "counter", "driver"),
    ("driver",),
    ("engine", "worker", "engine", "worker", "driver"),
    ("worker", "driver"),
    ("driver",),
    ("engine", "worker", "counter", "driver"),
    ("worker", "engine", "worker"),
)
"""Victims of each attempt in turn, 21 in all; some come too late. An attempt whose driver lives goes on to the end."""
TITLES = {"worker": "ray::_run_on_worker", "engine": "ray::Replica", "counter": "ray::_Counter"}
START_S, END_S, ORPHAN_S = 240, 600, 180


class Attempt:
    """One process with a run in it."""

    def __init__(self, problems: str, store: Path, log: Path) -> None:
        environment = os.environ | {LOG: str(log)}
        command = [sys.executable, "-m", "tests.kill_victim", problems, str(store)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def pids(self, kind: str) -> list[int]:
        return [pid for pid in descendants(self.process.pid) if title(pid).startswith(TITLES[kind])]

    def kill(self, kind: str, dice: random.Random) -> bool:
        """Whether a victim was there."""
        victims = [self.process.pid] if kind == "driver" else self.pids(kind)
        if self.is_over or not victims:
            return False
        os.kill(dice.choice(victims), signal.SIGKILL)
        return True

    def wait(self) -> str:
        """What it said before it ended: nothing if it was killed, or came to its end."""
        _, errors = self.process.communicate(timeout=END_S)
        return errors


def descendants(pid: int) -> Iterator[int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    below = {pid}
    while new := {child for child, parent in parents.items() if parent in below} - below:
        below |= new
    yield from below - {pid}


def title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def seeds_called(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def n_recorded(store: Path) -> int:
    """Answers in the call ledger, each counted once."""
    parts = [part for part in store.glob("calls/*/*/*.parquet") if not part.name.startswith(".tmp-")]
    return pl.concat(pl.read_parquet(part, columns=["key"]) for part in parts)["key"].n_unique() if parts else 0


def wait_until(is_true, timeout_s: float) -> float:
    started = time.monotonic()
    while not is_true():
        assert time.monotonic() - started < timeout_s
        time.sleep(0.05)
    return time.monotonic() - started


def run_to_the_end(*places) -> None:
    """On a machine that is too busy for Ray's 30 s to start, tries again."""
    for _ in range(5):
        attempt = Attempt(*places)
        errors = attempt.wait()
        if attempt.process.returncode == 0:
            return
        assert "timed out during startup" in errors, errors
    raise AssertionError("Ray does not start on this machine")


class Disturber:
    """Kills as planned and keeps account: what each kill may at most cost, and that no orphan lives on."""

    def __init__(self, problems: str, store: Path, log: Path) -> None:
        self.places = problems, store, log
        self.dice = random.Random(20)
        self.kills: list[str] = []
        self.n_may_be_lost = 0
        self.orphans: set[int] = set()

    def run(self) -> None:
        for plan in PLANS:
            attempt = Attempt(*self.places)
            for kind in plan:
                self._wait_for_work(attempt, kind)
                self._kill(attempt, kind)
            attempt.wait()
        run_to_the_end(*self.places)
        self.orphan_s = wait_until(lambda: not any(map(is_alive, self.orphans)), ORPHAN_S)

    def _wait_for_work(self, attempt: Attempt, kind: str) -> None:
        """Until the victim is there, then a random moment; the driver may also be killed while it starts."""
        if kind != "driver":
            wait_until(lambda: attempt.is_over or attempt.pids(kind), START_S)
        elif self.dice.random() < 0.7:
            n_before = len(seeds_called(self.places[2]))
            wait_until(lambda: attempt.is_over or len(seeds_called(self.places[2])) > n_before, START_S)
        time.sleep(self.dice.uniform(0, 2.5))

    def _kill(self, attempt: Attempt, kind: str) -> None:
        _, store, log = self.places
        recorded, family = n_recorded(store), list(descendants(attempt.process.pid))
        workers = [pid for pid in family if "default_worker" in title(pid) or title(pid).startswith("ray::")]
        workers = [pid for pid in workers if "Agent" not in title(pid)]
        if not attempt.kill(kind, self.dice):
            return
        self.kills.append(kind)
        print(f"{time.strftime('%X')} killed {kind}, on record: {recorded}", flush=True)
        self.n_may_be_lost += len(set(seeds_called(log))) - recorded
        if kind == "driver":
            attempt.process.wait()
            # Workers must be gone before the next attempt, or the calls they still make could not be told from
            # repeated ones. Ray's agents, which make none, notice their parent's death within a minute or two.
            wait_until(lambda: not any(map(is_alive, workers)), ORPHAN_S)
            self.orphans |= set(family)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_kills_at_random_moments_lose_nothing_and_pay_only_for_what_was_not_yet_written(
    write_problems, tmp_path, monkeypatch
):
    problems = write_problems(N_PROBLEMS)
    monkeypatch.setenv(LOG, str(tmp_path / "calm.log"))
    calm = run(recipe(problems), str(tmp_path / "calm"), ExecutionConfig(executor="inline", partitions=N_PARTITIONS))
    disturber = Disturber(problems, tmp_path / "killed", tmp_path / "killed.log")
    disturber.run()
    killed = Run.open(Store.open(str(tmp_path / "killed")))
    assert files_of(killed, "lines") == files_of(calm, "lines")
    for node in ("problems", "traces", "verified", "graded"):
        assert killed.frame(node).equals(calm.frame(node))
    assert killed.frame("traces")["trace_id"].n_unique() == killed.frame("traces").height == N_PROBLEMS * N_SAMPLES
    calls = seeds_called(tmp_path / "killed.log")
    n_repeated = len(calls) - len(set(calls))
    print(f"{disturber.kills=} {n_repeated=} {disturber.n_may_be_lost=} {disturber.orphan_s=}")
    assert len(disturber.kills) >= N_KILLS
    assert set(calls) == set(seeds_called(tmp_path / "calm.log"))
    assert n_repeated <= disturber.n_may_be_lost
