"""The reward of a group: the sum of terms, each with its weight, gate and schedule, judged by one budget rule.

    PromptBatch ──budgets──> [P, G] into prompts
    GroupView ──targets of the budget rule──> terms ──> sum over k of weight_k * factor_k(step) * gate_k * value_k
    GroupView ──observe──> state of the budget rule, saved as JSON with every checkpoint

Term 0 is normally the outcome. A term that holds correctness itself (`hbpo`, `cosine`, `mode_reward`, `arora`, `tldr`)
stands in its place.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from trainer.budgets.adaptive_bucket import AdaptiveBucket
from trainer.budgets.budget import Budget, State
from trainer.budgets.budget_set import BudgetSet
from trainer.budgets.constant import Constant
from trainer.budgets.exp_steps import ExpSteps
from trainer.budgets.per_row import PerRow
from trainer.budgets.rolling_median import RollingMedian as RollingMedianBudget
from trainer.group_view import Floats, GroupView, PromptBatch
from trainer.terms.adactrl_length import AdactrlLength
from trainer.terms.adactrl_tag import AdactrlTag
from trainer.terms.adaptive_mode import AdaptiveMode
from trainer.terms.arora import Arora
from trainer.terms.budget_triangle import BudgetTriangle
from trainer.terms.concise_r import ConciseR
from trainer.terms.cosine import Cosine
from trainer.terms.format import Format
from trainer.terms.hbpo import Hbpo
from trainer.terms.kimi_length import KimiLength
from trainer.terms.l1 import L1
from trainer.terms.laser import Laser
from trainer.terms.mode_reward import ModeReward
from trainer.terms.outcome import Outcome
from trainer.terms.overlong import Overlong
from trainer.terms.repetition import Repetition
from trainer.terms.rolling_median import RollingMedian
from trainer.terms.term import RewardTerm
from trainer.terms.tldr import Tldr

AnyTerm = Annotated[
    Outcome | Format | KimiLength | Cosine | Repetition | Laser | BudgetTriangle | Hbpo | RollingMedian | AdactrlTag
    | AdactrlLength | ConciseR | Tldr | ModeReward | AdaptiveMode | Arora | L1 | Overlong,
    Field(discriminator="term"),
]  # fmt: skip
AnyBudget = Annotated[
    Constant | ExpSteps | PerRow | AdaptiveBucket | RollingMedianBudget | BudgetSet, Field(discriminator="budget")
]


class GroupReward:
    """The reward of one run; the budget rule's state is all that changes."""

    def __init__(self, terms: Sequence[RewardTerm], budget: Budget | None, max_tokens: int) -> None:
        self.terms = dict(zip(term_names(terms), terms, strict=True))
        self.budget = budget
        self.max_tokens = max_tokens
        self._state: State = {}

    def budgets(
        self,
        row_ids: Sequence[str],
        pass_rates: Floats,
        n_rollouts: int,
        step: int,
        reference_n_tokens: Floats | None = None,
    ) -> Floats:
        """[P, G] tokens before generation; nan where a rollout has no budget."""
        unknown = np.full(len(row_ids), np.nan)
        reference = unknown if reference_n_tokens is None else reference_n_tokens
        prompts = PromptBatch(tuple(row_ids), pass_rates, reference, n_rollouts, step, self.max_tokens)
        return np.full(prompts.shape, np.nan) if self.budget is None else self.budget.stated(prompts, self._state)

    def rewards(self, view: GroupView) -> tuple[Floats, dict[str, Floats]]:
        """[P, G] the reward, and each term's share in it by name."""
        judged = view if self.budget is None else replace(view, budgets=self.budget.targets(view, self._state))
        shares = {name: _share(term, judged) for name, term in self.terms.items()}
        return np.sum(list(shares.values()), axis=0), shares

    def observe(self, view: GroupView) -> None:
        """Takes a finished step into the budget rule's memory; called once per view."""
        if self.budget is not None:
            self._state = self.budget.observed(view, self._state)

    def state_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"budget": self._state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._state = state["budget"]


def _share(term: RewardTerm, view: GroupView) -> Floats:
    weight = term.weight * term.schedule.factor(view.step)
    return np.where(term.gate.mask(view), weight * term.value(view), 0.0) if weight else np.zeros(view.correct.shape)


def term_names(terms: Sequence[RewardTerm]) -> list[str]:
    """Names for logs: the term's own, with its place where a term stands twice (`laser`, `laser_2`)."""
    seen: Counter[str] = Counter()
    names = []
    for term in terms:
        name = term.name
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names
