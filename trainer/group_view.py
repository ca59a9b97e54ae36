"""What one generation batch looks like to rewards, budgets and shapers: plain arrays, P prompts by G rollouts.

    rollouts of all processes, in group order ──> GroupView ──> terms [P, G] ──> shapers [P, G] or [P, G, T]
    PromptBatch (before generation) ──> budgets [P, G]

Everything that TRL, verifiers and tokenizers know was turned into numbers before; whoever reads a view needs neither a
model nor a GPU. Lengths are trained completion tokens: injected tokens are not counted. A group is one row of an array.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trainer.n_grams import repeated_share

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Strings = NDArray[np.str_]

EASY_FROM, HARD_BELOW = 2 / 3, 1 / 3
BUCKETS = ("easy", "medium", "hard")
REPETITION_N_GRAM = 20
REPETITIVE_FROM = 0.2


@dataclass(frozen=True)
class PromptBatch:
    """What is known of P prompts before anything is generated."""

    row_ids: tuple[str, ...]
    pass_rates: Floats
    """[P] tracked success, 0 to 1; nan where unknown."""
    reference_n_tokens: Floats
    """[P] tokens of a reference trace; nan where unknown."""
    n_rollouts: int
    """G, rollouts per prompt."""
    step: int
    """Optimiser steps done."""
    max_tokens: int
    """Tokens after which a completion is cut."""

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.row_ids), self.n_rollouts


@dataclass(frozen=True)
class GroupView:
    """One generation batch after its rollouts were judged."""

    row_ids: tuple[str, ...]
    """P names of prompts, in group order."""
    correct: Bools
    """[P, G]; false also for what was cut at `max_tokens` without an answer."""
    n_tokens: Ints
    """[P, G] trained completion tokens; 0 for an empty completion."""
    truncated: Bools
    """[P, G] cut at `max_tokens`."""
    budgets: Floats
    """[P, G] tokens; nan where a rollout has none."""
    modes: Strings
    """[P, G] how a completion was told to be, or said that it is: long, short, easy, hard, ...; '' for none."""
    formatted: Floats
    """[P, G] share of the expected format marks that are there, 0 to 1."""
    pass_rates: Floats
    """[P] tracked success before this batch, 0 to 1; nan where unknown."""
    reference_n_tokens: Floats
    """[P] tokens of a reference trace; nan where unknown."""
    token_ids: Sequence[Sequence[int]]
    """P*G completions in group order, injected tokens included: positions here are positions in the loss."""
    step: int
    """Optimiser steps done."""
    max_tokens: int
    """Tokens after which a completion is cut."""
    step_ends: Sequence[Sequence[int]] | None = None
    """P*G lists: position after the last token of each reasoning step, ascending; None where nobody cut steps."""
    step_scores: Sequence[Sequence[float]] | None = None
    """P*G lists: probability that a step is sound, 0 to 1 (labels are 0 and 1), one for each entry of `step_ends`."""

    def __post_init__(self) -> None:
        shape = self.correct.shape
        by_rollout = ("n_tokens", "truncated", "budgets", "modes", "formatted")
        wrong = [name for name in by_rollout if getattr(self, name).shape != shape]
        wrong += [name for name in ("pass_rates", "reference_n_tokens") if getattr(self, name).shape != shape[:1]]
        wrong += ["row_ids"] if (len(self.row_ids),) != shape[:1] else []
        wrong += ["token_ids"] if len(self.token_ids) != self.correct.size else []
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: not the shape of `correct` {shape}")
        self._check_steps()

    def _check_steps(self) -> None:
        if self.step_ends is None and self.step_scores is None:
            return
        ends, scores = self.step_ends or (), self.step_scores or ()
        if [len(steps) for steps in ends] != [len(steps) for steps in scores] or len(ends) != self.correct.size:
            raise ValueError("step_ends and step_scores: one list per rollout with one entry per step in both")
        for steps, ids in zip(ends, self.token_ids, strict=True):
            if list(steps) != sorted({*steps, 0} - {0}) or (steps and steps[-1] > len(ids)):
                raise ValueError("step_ends: ascending positions from 1 to the end of the completion")

    @property
    def n_rollouts(self) -> int:
        """G, rollouts per prompt."""
        return self.correct.shape[1]

    @property
    def n_positions(self) -> int:
        """T: positions of the longest completion, injected tokens included; at least 1."""
        return max((len(ids) for ids in self.token_ids), default=0) or 1

    @cached_property
    def accuracy(self) -> Floats:
        """[P] share of a group's rollouts that are correct."""
        return self.correct.mean(axis=1)

    @cached_property
    def bucket(self) -> Strings:
        """[P] 'easy' from an accuracy of 2/3 on, 'hard' below 1/3, 'medium' between."""
        return buckets(self.accuracy)

    @cached_property
    def repetition(self) -> Floats:
        """[P, G] share of 20-grams of tokens that stood in the completion before, 0 to 1."""
        return self.repeated_share(REPETITION_N_GRAM)

    @cached_property
    def repetitive(self) -> Bools:
        """[P, G] where a fifth or more of the 20-grams are repetitions."""
        return self.repetition >= REPETITIVE_FROM

    def repeated_share(self, n: int) -> Floats:
        """[P, G] share of a completion's n-grams of tokens that stood in it before, 0 to 1."""
        return np.array([repeated_share(ids, n) for ids in self.token_ids]).reshape(self.correct.shape)

    @cached_property
    def length_z(self) -> Floats:
        """[P, G] length in standard deviations from the mean of the group's correct ones; 0 where none is correct."""
        n_correct = np.maximum(self.correct.sum(axis=1, keepdims=True), 1)
        mean = (self.n_tokens * self.correct).sum(axis=1, keepdims=True) / n_correct
        variance = ((self.n_tokens - mean) ** 2 * self.correct).sum(axis=1, keepdims=True) / n_correct
        return np.where(self.correct.any(axis=1, keepdims=True), (self.n_tokens - mean) / (variance**0.5 + 1e-7), 0.0)


def buckets(pass_rates: Floats) -> Strings:
    """Difficulty by pass rate: easy from 2/3 on, hard below 1/3 (LASER-D, TRAAC); '' where unknown."""
    names = np.select([pass_rates >= EASY_FROM - 1e-9, pass_rates < HARD_BELOW - 1e-9], ["easy", "hard"], "medium")
    return np.where(np.isnan(pass_rates), "", names)
