"""From rewards to what TRL's loss takes: a chain of shapers, and the check that all parts go together.

rewards [P, G] ──shaper──> ... ──shaper──> [P*G] or [P*G, T]

The trap that `composition_problems` guards: in a group where every rollout is correct, dividing by the group's own
spread cancels the weight of a length term. Spreads of lengths weighted 1, 0.1 and 0.001 all give advantages of about
+-1, so that a small length weight is not small.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from trainer.budgets.budget import Budget
from trainer.group_view import Floats, GroupView
from trainer.shapers.clip_delta import ClipDelta
from trainer.shapers.control_token import ControlToken
from trainer.shapers.drpo import Drpo
from trainer.shapers.hbpo_subgroup import HbpoSubgroup
from trainer.shapers.normalise import Normalise
from trainer.shapers.oreal import Oreal
from trainer.shapers.positive_only import PositiveOnly
from trainer.shapers.prefix_tree import PrefixTree
from trainer.shapers.process_penalty import ProcessPenalty
from trainer.shapers.repetition import Repetition
from trainer.shapers.shaper import Shaper
from trainer.shapers.step_softmin import StepSoftmin
from trainer.terms.term import RewardTerm

AnyShaper = Annotated[
    Normalise | HbpoSubgroup | Drpo | ControlToken | Oreal | StepSoftmin | ClipDelta | PrefixTree | ProcessPenalty
    | PositiveOnly | Repetition,
    Field(discriminator="shaper"),
]  # fmt: skip


class AdvantageChain:
    """Shapers in order, the first one applied to the rewards."""

    def __init__(self, shapers: Sequence[Shaper]) -> None:
        self.shapers = tuple(shapers)

    @property
    def needs_logps(self) -> bool:
        """Whether `advantages` must be given `mean_logps`."""
        return any(shaper.needs_logps for shaper in self.shapers)

    @property
    def needs_steps(self) -> bool:
        """Whether the view must have `step_ends` and `step_scores`."""
        return any(shaper.needs_steps for shaper in self.shapers)

    def advantages(self, rewards: Floats, view: GroupView, mean_logps: Floats | None = None) -> Floats:
        """[P*G], or [P*G, T] with T = `view.n_positions`; rows in group order. `mean_logps` [P, G]: nats per token."""
        shaped = rewards
        for shaper in self.shapers:
            shaped = shaper.shape(shaped, rewards, view, mean_logps)
        return shaped.reshape(view.correct.size, *shaped.shape[2:])


def composition_problems(
    terms: Sequence[RewardTerm],
    budget: Budget | None,
    shapers: Sequence[Shaper],
    loss_type: str = "",
    n_rollouts: int = 0,
) -> list[str]:
    """What does not go together, a sentence each; asked before any work starts.

    `loss_type` is TRL's and `n_rollouts` the size of a group; empty and 0 leave out what depends on them.
    """
    active = [term for term in terms if term.weight]
    found = [] if active else ["rewards: no term has a weight; add {term: outcome}"]
    found += [] if shapers else ["shapers: none, so rewards would have no baseline; add {shaper: normalise}"]
    found += _budget_problems([*active, *shapers], budget)
    found += _scaling_problems(active, shapers) + _order_problems(active, shapers)
    found += [
        f"shapers.{shaper.name}: its formula holds under the loss {shaper.loss_type}, not {loss_type}; change one of "
        "the two"
        for shaper in shapers
        if loss_type and shaper.loss_type and shaper.loss_type != loss_type
    ]
    return found + (budget.problems(n_rollouts) if budget and n_rollouts else [])


def _budget_problems(parts: Sequence[RewardTerm | Shaper], budget: Budget | None) -> list[str]:
    return [
        f"{part.name}: judges by a budget and {f'{budget.name} is not one for it' if budget else 'none is set'}; "
        f"set budget: {{budget: {' or '.join(part.needs_budget).replace('any', 'constant')}, ...}}"
        for part in parts
        if part.needs_budget and (budget is None or not {"any", budget.name} & {*part.needs_budget})
    ]


def _scaling_problems(terms: Sequence[RewardTerm], shapers: Sequence[Shaper]) -> list[str]:
    by_length = [term.name for term in terms if term.by_length]
    return [
        f"shapers.{shaper.name}: dividing by a group's own spread cancels the weight of {', '.join(by_length)} where "
        "all rollouts are correct; set scale to batch or none, or allow_group_scaling: true"
        for shaper in shapers
        if by_length and shaper.cancels_weights
    ]


def _order_problems(terms: Sequence[RewardTerm], shapers: Sequence[Shaper]) -> list[str]:
    own = [shaper.name for shaper in shapers if not shaper.reads_rewards]
    by_length = ", ".join(term.name for term in terms if term.by_length)
    found = [
        f"shapers.{shaper.name}: makes its own advantages and would drop what stands before it; put it first"
        for shaper in shapers[1:]
        if not shaper.reads_rewards
    ]
    if own and by_length:
        found.append(f"shapers.{own[0]}: reads no rewards, so {by_length} would do nothing; remove one of the two")
    return found
