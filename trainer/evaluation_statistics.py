"""Estimates with 95 % intervals, in which the problem is the unit that is drawn, not the answer.

    sums per problem ── N_DRAWS bootstrap samples of the problems ──> Estimate: a value and its draws ──> low, high

Answers to one problem go together, so problems are drawn with replacement and taken with all their answers (percentile
bootstrap, Efron 1979; the clusters of Miller, "Adding Error Bars to Evals", arXiv 2411.00640). Where there are several
replicates, such as students of several seeds, those are drawn anew as well, independently of the problems. Draws depend
on the seed and the numbers of problems and replicates alone: two models on the same problems share them, and their
difference is paired.

With fewer than MIN_PROBLEMS problems, or where all have the same pass rate, the bootstrap is too narrow (all right: no
width at all). A share then gets the Wilson interval (1927) for as many trials as there are problems, which is too wide
rather than too narrow: a pass rate varies at most as much as a coin.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.seeds import derive_seed
from schemas.wilson import wilson_interval

N_DRAWS = 2000
"""The ends of a 95 % interval then vary by about 3 % of its width between seeds."""
MIN_PROBLEMS = 20
BOOTSTRAP, WILSON = "bootstrap over problems", "wilson"
_DRAWS_AT_ONCE = 256
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure of a sample of problems; `draws` has what it would have been on other samples, nan where undefined."""

    value: float
    draws: Array = field(repr=False)
    interval: tuple[float, float]
    method: str = BOOTSTRAP

    @property
    def defined(self) -> bool:
        return bool(np.isfinite(self.value))

    def minus(self, other: "Estimate") -> "Estimate":
        """The paired difference; both must come from the same problems and seed."""
        return _estimate(self.value - other.value, self.draws - other.draws)

    def over(self, other: "Estimate") -> "Estimate":
        """The paired ratio."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return _estimate(float(np.divide(self.value, other.value)), self.draws / other.draws)

    def as_dict(self, digits: int = 4) -> dict[str, Any] | None:
        """For JSON; None where the figure is not defined, e.g. the tokens of correct answers without any."""
        if not self.defined:
            return None
        low, high = (round(end, digits) for end in self.interval)
        return {"value": round(self.value, digits), "low": low, "high": high}


def ratio(numerators: Array, denominators: Array, seed: int) -> Estimate:
    """Sum over sum. Both are `[problems]` or `[replicates, problems]`."""
    tops, bottoms = np.atleast_2d(numerators), np.atleast_2d(denominators)
    n_replicates, n_problems = tops.shape
    of_problems = draws(n_problems, derive_seed(seed, "problems"))
    of_replicates = draws(n_replicates, derive_seed(seed, "replicates"))
    sums = np.empty((2, N_DRAWS))
    for start in range(0, N_DRAWS, _DRAWS_AT_ONCE):
        block = slice(start, start + _DRAWS_AT_ONCE)
        rows, columns = of_replicates[block].astype(np.float64), of_problems[block].astype(np.float64)
        for place, values in enumerate((tops, bottoms)):
            sums[place, block] = ((rows @ values) * columns).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _estimate(float(np.divide(tops.sum(), bottoms.sum())), sums[0] / sums[1])


def share(hits: Array, trials: Array, seed: int) -> Estimate:
    """Mean of `hits` over the problems whose `trials` is 1, each hit from 0 to 1."""
    found, n_problems = ratio(hits, trials, seed), int(np.atleast_2d(trials).max(axis=0, initial=0).sum())
    if not found.defined or (n_problems >= MIN_PROBLEMS and np.ptp(found.draws) > 0):
        return found
    return Estimate(found.value, found.draws, wilson_interval(found.value, n_problems), WILSON)


@lru_cache(maxsize=16)
def draws(n: int, seed: int) -> NDArray[np.int16]:
    """How often each of n units is in each bootstrap sample, `[N_DRAWS, n]`; one unit is always there once."""
    uniform = np.full(n, 1 / n)
    return np.random.default_rng(seed).multinomial(n, uniform, size=N_DRAWS).astype(np.int16)


def _estimate(value: float, found: Array) -> Estimate:
    finite = found[np.isfinite(found)]
    low, high = np.quantile(finite, (0.025, 0.975)) if finite.size else (np.nan, np.nan)
    return Estimate(value, found, (float(low), float(high)))
