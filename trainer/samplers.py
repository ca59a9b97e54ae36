"""Which problems a step trains on. One rule, one class; all of them are asked for one chunk of problems at a time.

    Situation (tracked success, stored difficulty, draws so far) ──rule.choose──> places of a chunk
    ChunkSampler ──> each place G times, the chunk `n_repeats` times ──> TRL, the same on every process

TRL's own sampler shuffles once and knows nothing of the run. This one keeps its form (whole groups side by side, chunks
repeated for every pass over a generation batch) but chooses a chunk when it is asked for, with what is known by then.
The loader asks one batch ahead: a chunk rests on the steps up to the last but one. Every drawn chunk is remembered, and
a resumed run replays them, so that it meets the problems that it would have met. Chance comes from a counter-based
generator under the run's seed and the chunk's number, never from global state.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch.utils.data import Sampler

from trainer.config import Part
from trainer.group_view import Floats
from trainer.pass_rates import PassRateStore

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Facts:
    """What the data says about its N problems; nan where it says nothing."""

    pass_rates: Floats
    """[N] stored share of right answers, of whatever model made the data."""
    levels: Floats
    """[N] stored level, a larger number being harder."""
    reference_n_tokens: Floats
    """[N] tokens of a reference trace."""


@dataclass(frozen=True)
class Situation:
    """What a rule may look at when it chooses chunk `chunk` of `n_chunks`."""

    chunk: int
    n_chunks: int
    n_prompts: int
    """Problems wanted."""
    n_rollouts: int
    success: Floats
    """[N] tracked success; nan where unknown."""
    facts: Facts
    n_drawn: Places
    """[N] how often each problem was drawn before."""
    luck: Floats
    """[N] uniform numbers between 0 and 1, new for every chunk."""


class Rule(Part):
    """Chooses the problems of a chunk."""

    def choose(self, now: Situation) -> Places:
        """`n_prompts` different places."""
        raise NotImplementedError

    def problems(self, facts: Facts) -> list[str]:
        """Why this rule cannot work on this data, a sentence each."""
        return []


class Random(Rule):
    """Every problem once before any comes again, in random order."""

    sampler: Literal["random"] = "random"

    def choose(self, now: Situation) -> Places:
        return _least_drawn(np.ones(len(now.luck)), now)


class EasyToHard(Rule):
    """A window that moves from the easiest to the hardest problems in a run (Kimi k1.5, arXiv 2501.12599, 2.3.4)."""

    sampler: Literal["easy_to_hard"] = "easy_to_hard"
    by: Literal["level", "pass_rate", "reference_n_tokens"] = "pass_rate"
    """Stored column that tells how hard a problem is."""

    def choose(self, now: Situation) -> Places:
        order = np.argsort(self._difficulty(now.facts), kind="stable")
        share = now.chunk / max(now.n_chunks - 1, 1)
        start = round(share * (len(order) - now.n_prompts))
        return order[start : start + now.n_prompts]

    def problems(self, facts: Facts) -> list[str]:
        n_unknown = int(np.isnan(self._difficulty(facts)).sum())
        told = f"sampler `easy_to_hard` orders by `{self.by}`, which {n_unknown} of {len(facts.levels)} rows lack"
        return [f"{told}; choose another `by`, or grade the data first"] if n_unknown else []

    def _difficulty(self, facts: Facts) -> Floats:
        by = {"level": facts.levels, "pass_rate": -facts.pass_rates, "reference_n_tokens": facts.reference_n_tokens}
        return by[self.by]


class Prioritised(Rule):
    """Draws a problem with weight 1 - its tracked success (Kimi k1.5, arXiv 2501.12599, 2.3.4)."""

    sampler: Literal["prioritised"] = "prioritised"
    floor: float = Field(default=0.05, gt=0, le=1)
    """Least weight, so that a solved problem is looked at again now and then."""

    def choose(self, now: Situation) -> Places:
        return _draw(np.maximum(np.where(np.isnan(now.success), 1.0, 1.0 - now.success), self.floor), now)


class Dynamic(Rule):
    """Draws by the chance of a mixed group: 1 - s^G - (1-s)^G, next to 0 for problems always or never solved.

    Groups of one kind have no outcome gradient; DAPO (arXiv 2503.14476) regenerates them, this avoids drawing them.
    """

    sampler: Literal["dynamic"] = "dynamic"
    floor: float = Field(default=0.02, gt=0, le=1)
    """Least weight: the policy changes, and so may a problem that was never solved."""

    def choose(self, now: Situation) -> Places:
        success = np.where(np.isnan(now.success), 0.5, now.success)
        mixed = 1.0 - success**now.n_rollouts - (1.0 - success) ** now.n_rollouts
        return _draw(np.maximum(mixed, self.floor), now)


class BalancedRepeats(Rule):
    """Draws hard problems more often, by fifths of the stored pass rate (OREAL, arXiv 2502.06781, released code)."""

    sampler: Literal["balanced_repeats"] = "balanced_repeats"
    repeats: tuple[int, int, int, int, int] = (6, 4, 4, 2, 0)
    """How often a problem comes in one pass, from the lowest fifth of pass rates to the highest; 0 never."""

    def choose(self, now: Situation) -> Places:
        return _least_drawn(self._repeats(now.facts), now)

    def problems(self, facts: Facts) -> list[str]:
        n_unknown = int(np.isnan(facts.pass_rates).sum())
        if n_unknown:
            return [f"sampler `balanced_repeats` needs `pass_rate`, which {n_unknown} rows lack; grade the data first"]
        if not self._repeats(facts).any():
            return ["sampler `balanced_repeats` leaves every row out: all pass rates lie in fifths of 0 repeats"]
        return []

    def _repeats(self, facts: Facts) -> Floats:
        fifths = np.minimum((facts.pass_rates * 5 + 1e-9).astype(np.int64), 4)
        return np.array(self.repeats, dtype=float)[fifths]


class DropSolved(Rule):
    """Random, without the problems that the policy has come to solve; those return when nothing else is left."""

    sampler: Literal["drop_solved"] = "drop_solved"
    solved_at: float = Field(default=1.0, gt=0, le=1)
    """Tracked success from which a problem counts as solved."""

    def choose(self, now: Situation) -> Places:
        solved = np.where(np.isnan(now.success), 0.0, now.success) >= self.solved_at - 1e-9
        return _least_drawn(np.where(solved, 0.0, 1.0), now)


AnyRule = Annotated[
    Random | EasyToHard | Prioritised | Dynamic | BalancedRepeats | DropSolved, Field(discriminator="sampler")
]


def _least_drawn(repeats: Floats, now: Situation) -> Places:
    """Those that are furthest behind their share, ties by luck; places with 0 repeats come last of all."""
    behind = np.where(repeats > 0, now.n_drawn / np.where(repeats > 0, repeats, 1.0), np.inf)
    return np.lexsort((now.luck, now.n_drawn, behind))[: now.n_prompts]


def _draw(weights: Floats, now: Situation) -> Places:
    """Without replacement, with chances by weight: the first arrivals of exponential clocks (Efraimidis, Spirakis)."""
    return np.argsort(-np.log(now.luck) / weights, kind="stable")[: now.n_prompts]


def luck(seed: int, chunk: int, n: int) -> Floats:
    """`n` numbers in (0, 1); the raw stream of Philox is the same on every machine and in every release of NumPy."""
    key = blake2b(f"{seed}\x1f{chunk}".encode(), digest_size=16).digest()
    raw = np.random.Philox(key=int.from_bytes(key, "big")).random_raw(n)
    return ((raw >> np.uint64(11)).astype(float) + 0.5) * 2.0**-53


class ChunkSampler(Sampler[int]):
    """TRL's train sampler: places of rows, drawn chunk by chunk while the run goes on."""

    def __init__(
        self,
        rule: Rule,
        facts: Facts,
        store: PassRateStore,
        *,
        n_prompts: int,
        n_rollouts: int,
        n_repeats: int,
        n_chunks: int,
        seed: int,
    ) -> None:
        n_rows = len(facts.pass_rates)
        if n_prompts > n_rows:
            raise ValueError(f"a batch needs {n_prompts} different problems and the data has {n_rows}")
        self.rule, self.facts, self.store, self.seed = rule, facts, store, seed
        self.n_prompts, self.n_rollouts, self.n_repeats, self.n_chunks = n_prompts, n_rollouts, n_repeats, n_chunks
        self.chunks: list[list[int]] = []
        """Places of every chunk drawn so far."""
        self._n_drawn = np.zeros(n_rows, dtype=np.int64)

    def __iter__(self) -> Iterator[int]:
        for number in range(self.n_chunks):
            if number == len(self.chunks):
                self._remember(self._drawn(number))
            chunk = self.chunks[number]
            yield from (place for _ in range(self.n_repeats) for place in chunk for _ in range(self.n_rollouts))

    def __len__(self) -> int:
        return self.n_chunks * self.n_prompts * self.n_rollouts * self.n_repeats

    def _drawn(self, number: int) -> list[int]:
        now = Situation(
            chunk=number,
            n_chunks=self.n_chunks,
            n_prompts=self.n_prompts,
            n_rollouts=self.n_rollouts,
            success=self.store.rates,
            facts=self.facts,
            n_drawn=self._n_drawn,
            luck=luck(self.seed, number, len(self._n_drawn)),
        )
        return self.rule.choose(now).tolist()

    def _remember(self, chunk: list[int]) -> None:
        self.chunks.append(chunk)
        np.add.at(self._n_drawn, chunk, 1)

    def state_dict(self) -> dict[str, Any]:
        return {"chunks": self.chunks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.chunks, self._n_drawn[:] = [], 0
        for chunk in state["chunks"]:
            self._remember(list(chunk))
