"""How often each problem is solved by the policy as it is now: the memory behind samplers and budgets.

    stored pass_rate, pass_n ──> first guess ─┐
    gathered rollouts of a step ──update──────┴─> rates [N], nan for a problem that nobody has tried

Only gathered rollouts may go in: every process then holds the same rates and draws the same problems. Older evidence
counts less with every visit (`memory`), since the policy that gave it is gone.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.group_view import Bools, Floats

DEFAULT_PASS_N = 4
"""Trials behind a stored pass rate whose number is not stored."""


class PassRateStore:
    """Tracked success of N problems, as weighted counts of right rollouts and of trials."""

    def __init__(self, row_ids: Sequence[str], memory: float = 0.5) -> None:
        self._places = {row_id: place for place, row_id in enumerate(row_ids)}
        if len(self._places) != len(row_ids):
            raise ValueError("two rows have the same id; deduplicate the data before training")
        self.memory = memory
        self._n_correct = np.zeros(len(row_ids))
        self._n_trials = np.zeros(len(row_ids))

    def start_from(self, pass_rates: Floats, pass_ns: Floats, max_trials: int) -> None:
        """Stored pass rates [N] as a first guess, worth `max_trials` rollouts at most: another model may have run."""
        known = ~np.isnan(pass_rates)
        n_trials = np.minimum(np.where(np.isnan(pass_ns), DEFAULT_PASS_N, pass_ns), max_trials)
        self._n_trials = np.where(known, np.maximum(n_trials, 1), 0.0)
        self._n_correct = np.where(known, pass_rates, 0.0) * self._n_trials

    @property
    def rates(self) -> Floats:
        """[N] share of right rollouts; nan where there is no evidence."""
        tried = self._n_trials > 0
        return np.where(tried, self._n_correct / np.where(tried, self._n_trials, 1.0), np.nan)

    def rates_of(self, row_ids: Iterable[str]) -> Floats:
        return self.rates[self.places(row_ids)]

    def places(self, row_ids: Iterable[str]) -> NDArray[np.int64]:
        return np.array([self._places[row_id] for row_id in row_ids], dtype=np.int64)

    def update(self, row_ids: Sequence[str], correct: Bools) -> None:
        """Takes in one step: `correct` [P, G], in the order of `row_ids`. A problem may stand there twice."""
        for place, group in zip(self.places(row_ids), correct, strict=True):
            self._n_correct[place] = self.memory * self._n_correct[place] + group.sum()
            self._n_trials[place] = self.memory * self._n_trials[place] + group.size

    def state_dict(self) -> dict[str, Any]:
        """JSON values, rows by their ids."""
        counts = zip(self._places, self._n_correct.tolist(), self._n_trials.tolist(), strict=True)
        return {row_id: [n_correct, n_trials] for row_id, n_correct, n_trials in counts if n_trials}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._n_correct[:], self._n_trials[:] = 0.0, 0.0
        for row_id, (n_correct, n_trials) in state.items():
            self._n_correct[self._places[row_id]], self._n_trials[self._places[row_id]] = n_correct, n_trials
